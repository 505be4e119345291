package clients

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnchangedClients_FindTheServerByName runs programs with Twilio's own host names, in namespaces in which these names resolve
// to the server. It shows that DNS and a private certificate authority are enough.
func TestUnchangedClients_FindTheServerByName(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		rerunInNamespaces(t)
		return
	}
	loopbackUp(t)
	ca := newAuthority(t)
	privateMounts(t)
	overlayFile(t, "/etc/hosts", []byte("127.0.0.1 localhost video.twilio.com accounts.twilio.com\n"))
	overlayFile(t, "/etc/ssl/certs/ca-certificates.crt", ca.pem)
	cert, key := ca.certificate(t, "video.twilio.com", "accounts.twilio.com")
	s := serve(t, "--listen", "127.0.0.1:443", "--tls-cert", cert, "--tls-key", key)
	for name, command := range map[string][]string{
		"go":     {filepath.Join(bin, "unchanged")},
		"node":   {node(t), "node/unchanged.js"},
		"python": {python(t), "python/unchanged.py"},
		"cli":    append(plainCLI(t), "cli/unchanged.sh"),
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, append(s.environment(s.account(t, name)), ca.trust(t)...), command...)
			if want := "three two one 0\n"; got != want {
				t.Errorf("printed %q, want %q", got, want)
			}
		})
	}
}

// rerunInNamespaces runs the test again in a process with its own user, network and mount namespaces.
func rerunInNamespaces(t *testing.T) {
	t.Helper()
	one := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	command.Env = append(os.Environ(), insideVariable+"="+bin)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: one(os.Getuid()), GidMappings: one(os.Getgid()),
		Pdeathsig: syscall.SIGKILL,
	}
	output, err := command.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		t.Fatalf("in the namespaces:\n%s", output)
	case err != nil:
		t.Skipf("optional: this machine does not allow user namespaces: %v", err)
	case strings.Contains(string(output), "no tests to run"):
		t.Fatal("no test ran in the namespaces")
	}
}

// privateMounts makes later mounts visible to this process and its children only.
func privateMounts(t *testing.T) {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

// overlayFile mounts a file with another content over a file of the system.
func overlayFile(t *testing.T, file string, text []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(path, file, "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount over %s: %v", file, err)
	}
	t.Cleanup(func() { unix.Unmount(file, unix.MNT_DETACH) })
}

// loopbackUp enables the loopback interface of a new network namespace.
func loopbackUp(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}
