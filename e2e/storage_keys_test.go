package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"roomreel/internal/blob/s3/s3test"
)

// run runs a command on the data folder of the service and returns the line of JSON that it prints.
func (s *s3Service) run(t *testing.T, arguments ...string) map[string]any {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), append(arguments, "--data", s.data)...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("roomreel %v: %v\n%s", arguments, err, stderr.String())
	}
	var line map[string]any
	if err := json.Unmarshal(out, &line); err != nil {
		t.Fatalf("roomreel %v printed %q", arguments, out)
	}
	return line
}

// TestKeys_CanBeRotated follows docs/operating/keys.md. One delivery is in progress during all steps, and an encrypted
// recording is composed after each step.
func TestKeys_CanBeRotated(t *testing.T) {
	s := startWithS3(t)
	_, key := s.keys(t)
	both := external(s.credential(t, false), s.folder("recordings"))
	both.EncryptionKeySid, both.EncryptionEnabled = key, new(true)
	configureWithGo(t, s, "recording", sealing(key))
	room, _ := s.room(t) // its working copies are encrypted with the first key
	configureWithGo(t, s, "recording", both)
	s.faults.set(func(s3test.Request) s3test.Fault { return s3test.Fault{Status: 500} })
	undelivered := s.upload(t, s.openRoom(t), files(t)[1])
	checkCompose := func() {
		t.Helper()
		s.wait(t, s.compose(t, room, false), "composition-available")
	}
	checkCompose()

	if added := s.run(t, "keyring", "add"); added["keys"] != 2.0 {
		t.Errorf("added: %v", added)
	}
	s.stop(t)
	s.start(t) // the account's token can be decrypted, else the start fails
	checkCompose()

	if resealed := s.run(t, "keyring", "reseal"); resealed["resealed"] != 3.0 { // the account's token, a credential, a public key
		t.Errorf("resealed: %v", resealed)
	}
	if again := s.run(t, "keyring", "reseal"); again["resealed"] != 0.0 {
		t.Errorf("resealed again: %v", again)
	}
	checkCompose()
	s.faults.set(nil)
	if s.wait(t, undelivered, "recording-completed").Get("MediaExternalLocation") == "" {
		t.Error("the recording that was encrypted with the old key was not delivered")
	}

	// Without the old key, all secrets can be decrypted. Only working copies that are encrypted with it are lost.
	s.stop(t)
	path := filepath.Join(s.data, "keys")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := os.WriteFile(path, []byte(lines[len(lines)-1]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	sid := s.upload(t, s.openRoom(t), files(t)[0])
	if s.wait(t, sid, "recording-completed").Get("MediaExternalLocation") == "" {
		t.Error("with the new key alone, the recording was not delivered")
	}
}
