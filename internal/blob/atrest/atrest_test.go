package atrest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roomreel/internal/blob"
	"roomreel/internal/blob/blobtest"
	"roomreel/internal/blob/dir"
)

func open(t testing.TB) (blob.Store, string) {
	t.Helper()
	folder := t.TempDir()
	below, err := dir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { below.Close() })
	key := make([]byte, 32)
	rand.Read(key)
	s, err := New(below, key)
	if err != nil {
		t.Fatal(err)
	}
	return s, folder
}

func TestStore_KeepsTheLaw(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		s, _ := open(t)
		return s
	})
}

func TestStore_LeavesNothingReadableBelow(t *testing.T) {
	s, folder := open(t)
	secret := strings.Repeat("what was said in the room ", 10_000)
	if _, err := s.Put(context.Background(), "a/b", strings.NewReader(secret), -1, blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("in the room")) {
			t.Errorf("%s holds plaintext", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := s.Get(context.Background(), "a/b", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || string(got) != secret {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
}

func TestStore_OpensWhatAnOlderKeyEncrypted(t *testing.T) {
	below, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer below.Close()
	keys := [][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)}
	for i, use := range [][][]byte{keys[:1], {keys[1], keys[0]}, {keys[2]}} {
		s, err := New(below, use...)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := s.Put(context.Background(), "copy", strings.NewReader("words"), 5, blob.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		info, err := s.Stat(context.Background(), "copy")
		if known := i < 2; known != (err == nil) || known && info.Size != 5 {
			t.Errorf("with key set %d: %+v, %v", i, info, err)
		}
	}
}
