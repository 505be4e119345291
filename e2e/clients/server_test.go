package clients

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

// bin is the folder with the two binaries and those of the Go client.
var bin string

// insideVariable is the environment variable with bin, for a test that runs again in namespaces.
const insideVariable = "ROOMREEL_TEST_INSIDE"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if bin = os.Getenv(insideVariable); bin != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "roomreel-clients-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		if err := fixture.Build(dir, "cmd/roomreel", "cmd/roomreel-render", "e2e/clients/go", "e2e/clients/go/unchanged"); err != nil {
			return 1
		}
		return m.Run()
	}())
}

// server is a running `roomreel serve`.
type server struct {
	url, data string
}

// serve starts the service on a new data folder, and stops it at the end of the test.
func serve(t *testing.T, arguments ...string) server {
	t.Helper()
	s := server{data: t.TempDir()}
	command := exec.Command(filepath.Join(bin, "roomreel"), append([]string{"serve", "--data", s.data}, arguments...)...)
	command.Dir = s.data
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(s.data, "log"))
	if err != nil {
		t.Fatal(err)
	}
	url, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(io.TeeReader(stderr, log))
		for lines.Scan() {
			var line struct{ Msg, URL string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				url <- line.URL
			}
		}
	}()
	warnings := func() (lines string) {
		text, _ := os.ReadFile(log.Name())
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, `"level":"INFO"`) {
				lines += line
			}
		}
		return lines
	}
	t.Cleanup(func() {
		command.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(time.Minute, func() { command.Process.Kill() })
		defer kill.Stop()
		<-ended
		if err := command.Wait(); err != nil && !t.Failed() {
			t.Errorf("roomreel serve ended: %v\n%s", err, warnings())
		}
		if t.Failed() {
			t.Logf("warnings and errors of the server:\n%s", warnings())
		}
		log.Close()
	})
	select {
	case s.url = <-url:
	case <-ended:
		t.Fatalf("roomreel serve did not start:\n%s", warnings())
	}
	return s
}

// account holds the credentials of an application.
type account struct {
	SID    string `json:"account_sid"`
	Token  string `json:"auth_token"`
	Key    string `json:"api_key_sid"`
	Secret string `json:"api_key_secret"`
}

// account creates an account with an API key while the server runs.
func (s server) account(t *testing.T, name string) account {
	t.Helper()
	var a account
	for _, arguments := range [][]string{{"account", "create"}, {"key", "create", "--account"}} {
		if arguments[0] == "key" {
			arguments = append(arguments, a.SID)
		}
		out, err := exec.Command(filepath.Join(bin, "roomreel"), append(arguments, "--data", s.data, "--name", name)...).Output()
		if err != nil {
			t.Fatalf("roomreel %v: %v", arguments, err)
		}
		if err := json.Unmarshal(out, &a); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// environment returns the environment that the connect files read. People write the server's address with a slash at the end, too.
func (s server) environment(a account) []string {
	return append(os.Environ(), "ROOMREEL_URL="+s.url+"/",
		"TWILIO_ACCOUNT_SID="+a.SID, "TWILIO_API_KEY="+a.Key, "TWILIO_API_SECRET="+a.Secret)
}

// publicKey writes an RSA public key in the form that customers upload, and returns its path.
func publicKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "public.pem")
	writePEM(t, path, "PUBLIC KEY", der)
	return path
}
