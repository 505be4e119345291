package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is the folder with the two binaries, built from this source.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "roomreel-e2e-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		for name, cgo := range map[string]string{"roomreel": "0", "roomreel-render": "1"} {
			build := exec.Command("go", "build", "-o", filepath.Join(dir, name), "roomreel/cmd/"+name)
			build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				return 1
			}
		}
		return m.Run()
	}())
}

// roomreel runs the program, fails the test when it fails, and returns its facts: the one line of JSON on stdout.
func roomreel(t *testing.T, arguments ...string) facts {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), arguments...)
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	if err := command.Run(); err != nil {
		t.Fatalf("roomreel %v: %v\n%s", arguments, err, &words)
	}
	var f facts
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		t.Fatalf("roomreel %v printed %q: %v", arguments, &out, err)
	}
	return f
}

type facts struct {
	Streams  []string
	Seconds  float64
	Pictures int
	Samples  int64
	Size     int64
	Warnings []string
}
