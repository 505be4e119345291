package clients

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"roomreel/e2e/fixture"
)

// TestUnchangedClients_FindTheServerByName runs programs with Twilio's own host names, in namespaces in which these names resolve
// to the server. It shows that DNS and a private certificate authority are enough.
func TestUnchangedClients_FindTheServerByName(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		fixture.RunInNamespaces(t, insideVariable+"="+bin)
		return
	}
	fixture.LoopbackUp(t)
	ca := newAuthority(t)
	fixture.PrivateMounts(t)
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
