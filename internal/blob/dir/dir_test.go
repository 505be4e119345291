package dir

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"roomreel/internal/blob"
	"roomreel/internal/blob/blobtest"
)

func open(t testing.TB, folder string) *Store {
	t.Helper()
	s, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore_KeepsTheLaw(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func BenchmarkStore(b *testing.B) { blobtest.Bench(b, open(b, b.TempDir())) }

// files lists what is in folder, unfinished files included, locks and empty folders of the living left out.
func files(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" {
			names = append(names, strings.TrimPrefix(path, folder+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestPut_LeavesNothingWhenItFails(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	if _, err := s.Put(t.Context(), "a/b", strings.NewReader("short"), 10, blob.PutOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Put: %v; want io.ErrUnexpectedEOF", err)
	}
	if got := files(t, folder); got != nil {
		t.Errorf("left %v", got)
	}
}

func TestPut_AFullDiskIsNamedAndLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		// Mounting needs a privilege that not every machine gives; a limit on file sizes is no substitute, for it
		// fails with another error.
		t.Logf("no small file system to fill here: %v", err)
		return
	}
	t.Cleanup(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
	s := open(t, folder)
	blobtest.Put(t, s, "small", blobtest.Bytes(1, 1000))
	_, err := s.Put(t.Context(), "big", bytes.NewReader(blobtest.Bytes(1, 2<<20)), 2<<20, blob.PutOptions{})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "full") {
		t.Errorf("Put on a full disk: %v; want ENOSPC, in words", err)
	}
	if permanent := new(blob.PermanentError); errors.As(err, &permanent) {
		t.Error("a full disk is said to be permanent")
	}
	if got := files(t, folder); len(got) != 1 {
		t.Errorf("left %v", got)
	}
	blobtest.Put(t, s, "another", blobtest.Bytes(1, 100_000))
}

func TestDelete_PrunesEmptyFolders(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	blobtest.Put(t, s, "AC1/x/y/one", []byte("1"))
	blobtest.Put(t, s, "AC1/two", []byte("2"))
	for _, step := range []struct{ key, gone string }{{"AC1/x/y/one", "AC1/x"}, {"AC1/two", "AC1"}} {
		if err := s.Delete(t.Context(), step.key); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(folder, step.gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after deleting %s, %s is still there (%v)", step.key, step.gone, err)
		}
	}
}

func TestStore_SymbolicLinksLeadNowhere(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	s := open(t, folder)
	if r, err := s.Get(t.Context(), "link/secret", 0, -1); err == nil {
		r.Close()
		t.Error("read a file outside the folder")
	}
	if _, err := s.Put(t.Context(), "link/new", strings.NewReader("x"), 1, blob.PutOptions{}); err == nil {
		t.Error("wrote a file outside the folder")
	}
	if err := s.Delete(t.Context(), "link/secret"); err == nil {
		t.Error("deleting a file outside the folder was not refused")
	}
	if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
		t.Error("deleted a file outside the folder")
	}
}

func TestGet_GoesOnAfterDelete(t *testing.T) {
	s := open(t, t.TempDir())
	blobtest.Put(t, s, "a", []byte("still here"))
	r, err := s.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); string(b) != "still here" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

// TestOpen_SweepsWhatTheDeadLeft kills a process in the middle of a Put.
func TestOpen_SweepsWhatTheDeadLeft(t *testing.T) {
	if folder := os.Getenv("DIR_TEST_DIES_IN"); folder != "" {
		die(folder)
	}
	folder := t.TempDir()
	living := open(t, folder)
	f, name, err := living.incoming.create()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()

	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "DIR_TEST_DIES_IN="+folder)
	if out, err := child.CombinedOutput(); err == nil {
		t.Fatalf("the child lived: %s", out)
	}
	if got := files(t, folder); len(got) != 2 {
		t.Fatalf("before the sweep there are %v; want the living's file and the dead's", got)
	}
	open(t, folder)
	if got := files(t, folder); len(got) != 1 || got[0] != name {
		t.Errorf("after the sweep there are %v; want %s alone", got, name)
	}
}

func die(folder string) {
	s, err := Open(folder)
	if err != nil {
		panic(err)
	}
	s.Put(context.Background(), "key", &killer{}, -1, blob.PutOptions{})
}

// killer gives a few bytes, and then kills its own process as the kernel would.
type killer struct{ reads int }

func (k *killer) Read(p []byte) (int, error) {
	if k.reads++; k.reads > 3 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return copy(p, "a few bytes"), nil
}
