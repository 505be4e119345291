package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"roomreel/e2e/fixture"
)

// bin is the folder with the two binaries, which TestMain builds from this source.
var bin string

// insideVariable is the environment variable with bin, for a test that runs again in namespaces.
const insideVariable = "ROOMREEL_TEST_INSIDE"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if bin = os.Getenv(insideVariable); bin != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "roomreel-e2e-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		if err := fixture.Build(dir, "cmd/roomreel", "cmd/roomreel-render"); err != nil {
			return 1
		}
		return m.Run()
	}())
}

// roomreel runs the program and returns the line of JSON that it prints. It fails the test if the program fails.
func roomreel(t *testing.T, arguments ...string) result {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), arguments...)
	var out, stderr bytes.Buffer
	command.Stdout, command.Stderr = &out, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("roomreel %v: %v\n%s", arguments, err, &stderr)
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("roomreel %v printed %q: %v", arguments, &out, err)
	}
	return r
}

// result holds the fields of the printed line that tests read.
type result struct {
	Warnings []string
}
