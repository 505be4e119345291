package compose

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestScratch_RemovesWhatKilledRunsLeftAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	note := func(path string, err error) { t.Errorf("%s: %v", path, err) }
	running, err := makeScratch(folder, note)
	if err != nil {
		t.Fatal(err)
	}
	// A process that is killed lets go of its lock and leaves the rest.
	killed, err := makeScratch(folder, note)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed.path, "chunk-00000"), []byte("packets"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed.lock.Close()
	// One that is killed at once has no lock file yet.
	early := filepath.Join(folder, scratchPrefix+"1")
	theirs := filepath.Join(folder, ".roomreel-notes")
	for _, path := range []string{early, theirs} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(folder, scratchPrefix+"notes")
	if err := os.WriteFile(file, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}

	next, err := makeScratch(folder, note)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{running.path: true, killed.path: false, early: false, theirs: true, file: true, next.path: true} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) == want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(path), !want, want)
		}
	}
	running.remove()
	next.remove()
	if left, _ := filepath.Glob(filepath.Join(folder, scratchPrefix+"*")); len(left) != 1 {
		t.Errorf("%v are left", left)
	}
}

func TestScratch_MakesAnotherWhenItsFolderIsTaken(t *testing.T) {
	path := t.TempDir()
	lock, err := lockScratch(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := removeLeftover(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the folder of a running process was removed: %v", err)
	}
	lock.Close()
	if err := removeLeftover(path); err != nil {
		t.Error(err)
	}
	if _, err := lockScratch(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a folder that is gone", err)
	}
}
