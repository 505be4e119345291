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

// run runs a command on the data of the depot and returns the line of JSON that it prints.
func (d *depot) run(t *testing.T, arguments ...string) map[string]any {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), append(arguments, "--data", d.data)...)
	var words strings.Builder
	command.Stderr = &words
	out, err := command.Output()
	if err != nil {
		t.Fatalf("roomreel %v: %v\n%s", arguments, err, words.String())
	}
	var line map[string]any
	if err := json.Unmarshal(out, &line); err != nil {
		t.Fatalf("roomreel %v printed %q", arguments, out)
	}
	return line
}

// TestKeys_AreReplacedWithoutLosingAnything goes the way of docs/operating/keys.md, with a delivery that is under way
// from the first step to the last, and a sealed recording that is composed after each.
func TestKeys_AreReplacedWithoutLosingAnything(t *testing.T) {
	d := openDepot(t)
	_, key := d.keys(t)
	both := external(d.credential(t, false), d.folder("recordings"))
	both.EncryptionKeySid, both.EncryptionEnabled = key, yes(true)
	withGo(t, d, "recording", sealing(key))
	room, _ := d.room(t) // its working copies are under the first key
	withGo(t, d, "recording", both)
	d.faults.set(func(s3test.Request) s3test.Fault { return s3test.Fault{Status: 500} })
	waits := d.upload(t, d.openRoom(t), files(t)[1])
	composed := func() {
		t.Helper()
		d.wait(t, d.compose(t, room, false), "composition-available")
	}
	composed()

	if added := d.run(t, "keyring", "add"); added["keys"] != 2.0 {
		t.Errorf("added: %v", added)
	}
	d.stop(t)
	d.start(t) // also proves that the account's token opens
	composed()

	if resealed := d.run(t, "keyring", "reseal"); resealed["resealed"] != 3.0 { // the account's token, a credential, a public key
		t.Errorf("resealed: %v", resealed)
	}
	if again := d.run(t, "keyring", "reseal"); again["resealed"] != 0.0 {
		t.Errorf("resealed again: %v", again)
	}
	composed()
	d.faults.set(nil)
	if d.wait(t, waits, "recording-completed").Get("MediaExternalLocation") == "" {
		t.Error("a recording under the old key was delivered to nowhere")
	}

	// Without the old key, secrets open; only the working copies that it holds do not.
	d.stop(t)
	path := filepath.Join(d.data, "keys")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := os.WriteFile(path, []byte(lines[len(lines)-1]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t)
	sid := d.upload(t, d.openRoom(t), files(t)[0])
	if d.wait(t, sid, "recording-completed").Get("MediaExternalLocation") == "" {
		t.Error("with the new key alone, a recording was delivered to nowhere")
	}
}
