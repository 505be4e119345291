package clients

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// captured are the libraries that no registry of the build has. Their requests are in testdata.
var captured = []string{"php", "ruby", "java", "csharp"}

var capturing = flag.Bool("capture", false, "write the files of testdata from the libraries that ROOMREEL_TEST_PHP and so on name")

// TestCaptures_AreServed sends what the libraries sent, byte for byte, and expects the answers with which the libraries' scenario passed.
func TestCaptures_AreServed(t *testing.T) {
	s := serve(t, "--listen", "127.0.0.1:0", "--set", "webhook.allow=127.0.0.0/8")
	files := makeRoom(t)
	for _, name := range captured {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := strings.TrimPrefix(s.url, "http://")
			known := newNames(t, s.account(t, name), host, receive(t).host, files)
			for _, step := range readCapture(t, name).Steps {
				step.replay(t, host, known)
			}
		})
	}
}

func readCapture(t *testing.T, name string) (c capture) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// replay sends a request and compares the answer.
func (s step) replay(t *testing.T, host string, known *names) {
	t.Helper()
	raw := known.fill(t, strings.Join(s.Request, "\r\n"))
	method, _, _ := strings.Cut(raw, " ")
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		response, body, err := send(host, method, []byte(raw))
		if err != nil {
			t.Fatalf("%s: %v", s.Request[0], err)
		}
		known.learn(body)
		got := step{Status: response.StatusCode, Answer: known.summary(body)}
		diff := cmp.Diff(s.show(t), got.show(t))
		if diff == "" {
			checkShape(t, s.Request[0], host, body)
			return
		}
		if method != http.MethodGet || got.Status != s.Status || time.Now().After(until) {
			t.Fatalf("%s (-want +got):\n%s\n%s", strings.Join(s.Request, "\n"), diff, body)
		}
	}
}

// show returns what is compared of an answer.
func (s step) show(t *testing.T) map[string]any {
	t.Helper()
	fields := map[string]any{}
	if len(s.Answer) > 0 {
		if err := json.Unmarshal(s.Answer, &fields); err != nil {
			t.Fatal(err)
		}
	}
	fields["(status)"] = s.Status
	return fields
}

// checkShape checks what the libraries read of each answer: times in the only spelling that all of them parse, and addresses of pages.
func checkShape(t *testing.T, request, host string, body []byte) {
	t.Helper()
	var answer any
	if json.Unmarshal(body, &answer) != nil {
		return
	}
	var walk func(name string, value any)
	walk = func(name string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, value := range value {
				walk(name, value)
			}
		case []any:
			for _, item := range value {
				walk(name, item)
			}
		case string:
			if strings.HasPrefix(name, "date_") || strings.HasSuffix(name, "_time") {
				if _, err := time.Parse("2006-01-02T15:04:05Z", value); err != nil {
					t.Errorf("%s: %s: %v", request, name, err)
				}
			}
			if strings.HasSuffix(name, "_page_url") && !strings.Contains(value, "://"+host+"/") && !strings.Contains(value, ".twilio.com/") {
				t.Errorf("%s: %s is %s", request, name, value)
			}
		}
	}
	walk("", answer)
}

// TestCaptures_FromLibraries runs the scenario with the libraries themselves, where they are installed, and with -capture writes what
// they send to testdata.
func TestCaptures_FromLibraries(t *testing.T) {
	s := serve(t, "--listen", "127.0.0.1:0", "--set", "webhook.allow=127.0.0.0/8")
	files, key := makeRoom(t), publicKey(t)
	for _, name := range captured {
		t.Run(name, func(t *testing.T) {
			l := findLibrary(t, name)
			account, calls, p := s.account(t, name), receive(t), newProxy(t, s)
			p.names = newNames(t, account, p.host, calls.host, files)
			film := filepath.Join(t.TempDir(), "film.mp4")
			environment := append(server{url: "http://" + p.host}.environment(account), l.environment...)
			if *capturing {
				environment = append(environment, "ROOMREEL_URL=http://"+p.host)
			}
			environment = append(environment, "ROOM_FILES="+files, "FILM="+film, "PUBLIC_KEY="+key, "CALLBACK="+calls.url)
			client{name, nil, parts[:len(parts)-1]}.runScenario(t, l.command(t, "scenario"), environment)
			checkFilm(t, film)
			checked, want := forge(t, calls.wait(t))
			environment = append(environment, "TWILIO_AUTH_TOKEN="+account.Token)
			got := parseBools(run(t, environment, append(l.command(t, "signature"), write(t, checked))...))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the validator on callbacks and their forgeries (-want +got):\n%s", diff)
			}
			if *capturing && !t.Failed() {
				p.write(t, name)
			}
		})
	}
}

var agent = regexp.MustCompile("(?im)^user-agent: (.*)$")

func (p *proxy) write(t *testing.T, name string) {
	t.Helper()
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	c := capture{
		Library: agent.FindStringSubmatch(strings.Join(p.steps[0].Request, "\n"))[1],
		Origin:  "captured between the library and a server by go test ./e2e/clients -run FromLibraries -capture", Steps: p.steps,
	}
	if err := out.Encode(c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", name+".json"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// library is an installed library.
type library struct {
	environment []string
	command     func(t *testing.T, program string) []string // compiles a program of the folder of the same name, and returns how to start it
}

// findLibrary finds a library through its variable: ROOMREEL_TEST_PHP is the file that loads it, ROOMREEL_TEST_RUBY its folder lib,
// ROOMREEL_TEST_JAVA a class path, ROOMREEL_TEST_CSHARP the folder of Twilio.dll and Newtonsoft.Json.dll.
func findLibrary(t *testing.T, name string) library {
	t.Helper()
	variable := "ROOMREEL_TEST_" + strings.ToUpper(name)
	where := os.Getenv(variable)
	if where == "" {
		t.Skipf("optional: %s does not say where the library is", variable)
	}
	switch name {
	case "php":
		return library{[]string{"TWILIO_LIBRARY=" + where}, func(_ *testing.T, program string) []string {
			return []string{"php", "php/" + program + ".php"}
		}}
	case "ruby":
		return library{[]string{"RUBYLIB=" + where}, func(_ *testing.T, program string) []string {
			return []string{"ruby", "ruby/" + program + ".rb"}
		}}
	case "java":
		return library{nil, func(t *testing.T, program string) []string {
			classes, class := t.TempDir(), strings.ToUpper(program[:1])+program[1:]
			run(t, os.Environ(), "javac", "-proc:none", "-cp", where, "-sourcepath", "java", "-d", classes, "java/"+class+".java")
			return []string{"java", "-cp", classes + ":" + where, class}
		}}
	default:
		return library{[]string{"MONO_PATH=" + where}, func(t *testing.T, program string) []string {
			out, class := filepath.Join(t.TempDir(), program+".exe"), strings.ToUpper(program[:1])+program[1:]
			run(t, os.Environ(), "mcs", "-langversion:latest", "-out:"+out, "-lib:"+where, "-r:Twilio.dll", "-r:Newtonsoft.Json.dll",
				"-r:System.Net.Http.dll", "csharp/Connect.cs", "csharp/"+class+".cs")
			return []string{"mono", out}
		}}
	}
}
