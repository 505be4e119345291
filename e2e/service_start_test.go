package e2e

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestService_SaysHowToMakeAnotherAccount checks the hint at a later start, which is there until a client has signed in.
func TestService_SaysHowToMakeAnotherAccount(t *testing.T) {
	const hint = "roomreel account create"
	data := t.TempDir()
	first := serve(t, data)
	first.stop(t)
	if first.token == "" || strings.Contains(first.stderr.String(), hint) {
		t.Errorf("first start: token %q\n%s", first.token, first.stderr)
	}
	second := serve(t, data)
	second.eventually(t, "the hint, because no client has signed in", func() bool { return strings.Contains(second.stderr.String(), hint) })
	if second.token != "" {
		t.Error("another account was made")
	}
	second.account, second.token = first.account, first.token
	if status := second.get(t, "/v1/Rooms"); status != http.StatusOK {
		t.Errorf("sign-in: %d", status)
	}
	second.stop(t)
	third := serve(t, data)
	third.stop(t) // all of the log is there
	if strings.Contains(third.stderr.String(), hint) {
		t.Errorf("a hint although a client has signed in\n%s", third.stderr)
	}
}

// get requests a path and returns the status.
func (s *service) get(t *testing.T, path string) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(s.account, s.token)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// TestService_NeedsAPrivilegeForALowPort runs the service as a user without privileges, in a network of its own where ports
// below 1024 need one.
func TestService_NeedsAPrivilegeForALowPort(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	command := exec.Command(filepath.Join(bin, "roomreel"), "serve", "--data", data, "--listen", ":80")
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		t.Skipf("optional: this machine does not allow user namespaces: %v", err)
	}
	command.Wait()
	if code := command.ProcessState.ExitCode(); code != 2 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "CAP_NET_BIND_SERVICE") {
		t.Errorf("code %d: %s", code, &stderr)
	}
	if stdout.Len() > 0 {
		t.Errorf("an account was made: %s", &stdout)
	}
	if _, err := os.Stat(filepath.Join(data, "roomreel.db")); err == nil {
		t.Error("a database was made")
	}
}

// TestService_KeepsItsFilesToItself starts the service on a folder that is open to others, with a database that is too.
func TestService_KeepsItsFilesToItself(t *testing.T) {
	old := syscall.Umask(0o022)
	t.Cleanup(func() { syscall.Umask(old) })
	data := t.TempDir()
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	s := serve(t, data)
	s.stop(t)
	for _, name := range []string{"roomreel.db", "keys", "serve.lock"} {
		if err := os.Chmod(filepath.Join(data, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"vault", "work", "scratch"} {
		if err := os.Chmod(filepath.Join(data, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	again := serve(t, data)
	again.account, again.token = s.account, s.token
	again.importRoom(t, makeMeeting(t))
	if err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && path != data && info.Mode()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"roomreel.db-wal", "roomreel.db-shm"} {
		if _, err := os.Stat(filepath.Join(data, name)); err != nil {
			t.Error(err)
		}
	}
	out, _ := exec.Command(filepath.Join(bin, "roomreel"), "doctor", "--data", data).Output()
	if want := "the folder " + data + " is open to other users (mode 0755): chmod 700 " + data; !strings.Contains(string(out), want) {
		t.Errorf("doctor does not say %q:\n%s", want, out)
	}
}
