// Package blobtest tests the contract of blob.Store. Start with [Run].
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"roomreel/internal/blob"
)

// Run tests the store that open returns. open is called for each test and may return the same store: the tests use different
// keys.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	tests := []struct {
		name  string
		check func(t *testing.T, s blob.Store, at string)
	}{
		{"what_is_put_is_read", whatIsPutIsRead},
		{"put_replaces", putReplaces},
		{"size_may_be_unknown", sizeMayBeUnknown},
		{"ranges_are_cut_at_the_end", rangesAreCutAtTheEnd},
		{"reader_that_ends_early_stores_nothing", readerThatEndsEarly},
		{"reader_that_ends_late_stores_nothing", readerThatEndsLate},
		{"reader_that_fails_keeps_what_was_there", readerThatFails},
		{"cancelled_put_stores_nothing", cancelledPut},
		{"absent_keys_are_reported", absentKeys},
		{"delete_is_idempotent", deleteIsIdempotent},
		{"keys_with_anything_but_traversal", oddKeys},
		{"bad_keys_are_refused", badKeys},
		{"reader_at_reads_everywhere", readerAt},
		{"readers_see_the_whole_new_object_or_the_old_one", putIsAtomic},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.check(t, open(t), fmt.Sprintf("test%d-%d", i, rand.Uint32()))
		})
	}
}

// Bytes returns n bytes that do not repeat and are the same each time for one seed.
func Bytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	io.ReadFull(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}), b)
	return b
}

// Get reads a part of the object under key.
func Get(t testing.TB, s blob.Store, key string, offset, length int64) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), key, offset, length)
	if err != nil {
		t.Fatalf("Get(%q, %d, %d): %v", key, offset, length, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %q, %d, %d: %v", key, offset, length, err)
	}
	return b
}

// Put stores content under key.
func Put(t testing.TB, s blob.Store, key string, content []byte) blob.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, bytes.NewReader(content), int64(len(content)), blob.PutOptions{ContentType: "video/mp4"})
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	return info
}

// Absent fails the test when key holds something.
func Absent(t testing.TB, s blob.Store, key string) {
	t.Helper()
	if info, err := s.Stat(t.Context(), key); !errors.Is(err, blob.ErrNotExist) {
		t.Errorf("Stat(%q) = %+v, %v; want blob.ErrNotExist", key, info, err)
	}
}

func whatIsPutIsRead(t *testing.T, s blob.Store, at string) {
	for _, size := range []int{0, 1, 4096, 1<<20 + 1, 12 << 20} {
		key := fmt.Sprintf("%s/%d.mkv", at, size)
		content := Bytes(1, size)
		info, err := s.Put(t.Context(), key, bytes.NewReader(content), int64(size), blob.PutOptions{
			ContentType: "video/x-matroska", Metadata: map[string]string{"x-amz-iv": "AAEC"},
		})
		if err != nil {
			t.Fatalf("Put of %d bytes: %v", size, err)
		}
		if info.Size != int64(size) {
			t.Errorf("Put confirmed %d bytes; want %d", info.Size, size)
		}
		stat, err := s.Stat(t.Context(), key)
		if err != nil || stat.Size != int64(size) {
			t.Errorf("Stat = %+v, %v; want %d bytes", stat, err, size)
		}
		if stat.Metadata != nil && stat.Metadata["x-amz-iv"] != "AAEC" { // a folder keeps none
			t.Errorf("metadata is %v; want x-amz-iv AAEC", stat.Metadata)
		}
		if got := Get(t, s, key, 0, -1); !bytes.Equal(got, content) {
			t.Errorf("read %d bytes that differ from the %d put", len(got), size)
		}
	}
}

func putReplaces(t *testing.T, s blob.Store, at string) {
	Put(t, s, at, Bytes(1, 1000))
	Put(t, s, at, Bytes(2, 10))
	if got := Get(t, s, at, 0, -1); !bytes.Equal(got, Bytes(2, 10)) {
		t.Errorf("read %d bytes; want the 10 of the second Put", len(got))
	}
}

func sizeMayBeUnknown(t *testing.T, s blob.Store, at string) {
	for _, size := range []int{0, 100, 1 << 20, 11 << 20} {
		key, content := fmt.Sprint(at, "-", size), Bytes(3, size)
		info, err := s.Put(t.Context(), key, iotest.HalfReader(bytes.NewReader(content)), -1, blob.PutOptions{})
		if err != nil || info.Size != int64(size) {
			t.Fatalf("Put = %+v, %v; want %d bytes", info, err, size)
		}
		if !bytes.Equal(Get(t, s, key, 0, -1), content) {
			t.Errorf("the %d bytes read differ from those put", size)
		}
	}
}

func rangesAreCutAtTheEnd(t *testing.T, s blob.Store, at string) {
	content := Bytes(4, 1000)
	Put(t, s, at, content)
	Put(t, s, at+".empty", nil)
	for _, r := range []struct {
		offset, length int64
		want           []byte
	}{
		{0, 1000, content},
		{0, 1, content[:1]},
		{999, 1, content[999:]},
		{10, 20, content[10:30]},
		{990, 20, content[990:]},
		{500, -1, content[500:]},
		{0, 5000, content},
		{0, 0, nil},
		{1000, -1, nil},
		{1000, 5, nil},
		{5000, -1, nil},
	} {
		if got := Get(t, s, at, r.offset, r.length); !bytes.Equal(got, r.want) {
			t.Errorf("Get(%d, %d) gave %d bytes; want %d", r.offset, r.length, len(got), len(r.want))
		}
	}
	for _, length := range []int64{-1, 0, 10} {
		if got := Get(t, s, at+".empty", 0, length); len(got) != 0 {
			t.Errorf("Get(0, %d) of an empty object gave %d bytes", length, len(got))
		}
	}
	for _, r := range [][2]int64{{-1, 1}, {0, -2}} {
		if body, err := s.Get(t.Context(), at, r[0], r[1]); err == nil {
			body.Close()
			t.Errorf("Get(%d, %d) was not refused", r[0], r[1])
		}
	}
}

func readerThatEndsEarly(t *testing.T, s blob.Store, at string) {
	for i, sizes := range [][2]int{{10, 9}, {10, 0}, {12 << 20, 11 << 20}} {
		key := fmt.Sprint(at, i)
		if _, err := s.Put(t.Context(), key, bytes.NewReader(Bytes(5, sizes[1])), int64(sizes[0]), blob.PutOptions{}); err == nil {
			t.Errorf("%d bytes promised, %d given: no error", sizes[0], sizes[1])
		}
		Absent(t, s, key)
	}
}

func readerThatEndsLate(t *testing.T, s blob.Store, at string) {
	for i, sizes := range [][2]int{{10, 11}, {0, 1}, {6 << 20, 12 << 20}} {
		key := fmt.Sprint(at, i)
		if _, err := s.Put(t.Context(), key, bytes.NewReader(Bytes(5, sizes[1])), int64(sizes[0]), blob.PutOptions{}); err == nil {
			t.Errorf("%d bytes promised, %d given: no error", sizes[0], sizes[1])
		}
		Absent(t, s, key)
	}
}

func readerThatFails(t *testing.T, s blob.Store, at string) {
	Put(t, s, at, Bytes(1, 100))
	broken := errors.New("the source broke")
	for _, given := range []int{0, 50, 7 << 20} {
		r := io.MultiReader(bytes.NewReader(Bytes(2, given)), iotest.ErrReader(broken))
		if _, err := s.Put(t.Context(), at, r, -1, blob.PutOptions{}); !errors.Is(err, broken) {
			t.Errorf("Put of a reader that fails after %d bytes: %v; want its own error", given, err)
		}
	}
	if !bytes.Equal(Get(t, s, at, 0, -1), Bytes(1, 100)) {
		t.Error("a failed Put changed what was there")
	}
}

func cancelledPut(t *testing.T, s blob.Store, at string) {
	for _, given := range []int{1, 7 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		r := io.MultiReader(bytes.NewReader(Bytes(1, given)), readerFunc(func(p []byte) (int, error) {
			cancel()
			return copy(p, "more"), nil // goes on forever: only the context ends this Put
		}))
		if _, err := s.Put(ctx, at, r, -1, blob.PutOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Put cancelled after %d bytes: %v; want context.Canceled", given, err)
		}
		Absent(t, s, at)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func absentKeys(t *testing.T, s blob.Store, at string) {
	Put(t, s, at+"/folder/object", []byte("x"))
	for _, key := range []string{at + "/nothing", at + "/folder", at + "/folder/object/below"} {
		Absent(t, s, key)
		if r, err := s.Get(t.Context(), key, 0, -1); !errors.Is(err, blob.ErrNotExist) {
			if err == nil {
				r.Close()
			}
			t.Errorf("Get(%q): %v; want blob.ErrNotExist", key, err)
		}
		if _, err := blob.NewReaderAt(t.Context(), s, key, 5).ReadAt(make([]byte, 5), 0); !errors.Is(err, blob.ErrNotExist) {
			t.Errorf("ReadAt(%q): %v; want blob.ErrNotExist", key, err)
		}
	}
}

func deleteIsIdempotent(t *testing.T, s blob.Store, at string) {
	Put(t, s, at+"/a", []byte("a"))
	Put(t, s, at+"/b", []byte("b"))
	for range 2 {
		if err := s.Delete(t.Context(), at+"/a"); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		Absent(t, s, at+"/a")
	}
	if err := s.Delete(t.Context(), at); err != nil { // not an object, though b lies below it
		t.Errorf("Delete of a folder's name: %v", err)
	}
	if got := Get(t, s, at+"/b", 0, -1); string(got) != "b" {
		t.Errorf("deleting a changed b to %q", got)
	}
	Put(t, s, at+"/a", []byte("again"))
	if got := Get(t, s, at+"/a", 0, -1); string(got) != "again" {
		t.Errorf("read %q after delete and put", got)
	}
}

func oddKeys(t *testing.T, s blob.Store, at string) {
	for _, name := range []string{"a b", "a+b&c=d?e#f%20", "ünïcode-日本", "a'\"<>", "a.b.c", "...x", strings.Repeat("l", 200)} {
		key := at + "/" + name
		Put(t, s, key, []byte(name))
		if got := Get(t, s, key, 0, -1); string(got) != name {
			t.Errorf("%q holds %q", key, got)
		}
	}
}

func badKeys(t *testing.T, s blob.Store, _ string) {
	for _, key := range []string{"", ".", "..", "/", "/a", "a/", "a//b", "a/./b", "../a", "a/../../b", ".incoming/x", "a\x00b", "a\nb", strings.Repeat("l", blob.MaxKey+1)} {
		if _, err := s.Put(t.Context(), key, strings.NewReader("x"), 1, blob.PutOptions{}); err == nil {
			t.Errorf("Put(%q) was not refused", key)
		}
		if r, err := s.Get(t.Context(), key, 0, -1); err == nil {
			r.Close()
			t.Errorf("Get(%q) was not refused", key)
		}
		if _, err := s.Stat(t.Context(), key); err == nil {
			t.Errorf("Stat(%q) was not refused", key)
		}
		if err := s.Delete(t.Context(), key); err == nil {
			t.Errorf("Delete(%q) was not refused", key)
		}
	}
}

func readerAt(t *testing.T, s blob.Store, at string) {
	content := Bytes(6, 300_000)
	Put(t, s, at, content)
	r := blob.NewReaderAt(t.Context(), s, at, int64(len(content)))
	defer r.Close()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := make([]byte, 1000)
			for off := int64(i); off < 290_000; off += 49_999 {
				if n, err := r.ReadAt(p, off); n != len(p) || err != nil || !bytes.Equal(p, content[off:off+1000]) {
					t.Errorf("ReadAt(%d) = %d, %v", off, n, err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := r.ReadAt(make([]byte, 10), r.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("ReadAt across the end = %d, %v; want 4, io.EOF", n, err)
	}
	if n, err := r.ReadAt(make([]byte, 10), r.Size()); n != 0 || err != io.EOF {
		t.Errorf("ReadAt at the end = %d, %v; want 0, io.EOF", n, err)
	}
	Put(t, s, at+".small", content[:50])
	small := blob.NewReaderAt(t.Context(), s, at+".small", 50)
	defer small.Close()
	if err := iotest.TestReader(io.NewSectionReader(small, 0, 50), content[:50]); err != nil {
		t.Error(err)
	}
	long := blob.NewReaderAt(t.Context(), s, at, int64(len(content))+10)
	defer long.Close()
	if _, err := long.ReadAt(make([]byte, 100), int64(len(content))-50); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("object shorter than its size: %v; want io.ErrUnexpectedEOF", err)
	}
}

func putIsAtomic(t *testing.T, s blob.Store, at string) {
	versions := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 200_000)}
	Put(t, s, at, versions[0])
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20 {
			v := versions[(i+1)%2]
			if _, err := s.Put(t.Context(), at, bytes.NewReader(v), int64(len(v)), blob.PutOptions{}); err != nil {
				t.Errorf("Put: %v", err)
			}
		}
	}()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		if got := Get(t, s, at, 0, -1); !bytes.Equal(got, versions[0]) && !bytes.Equal(got, versions[1]) {
			t.Fatalf("read %d bytes of no version that was put", len(got))
		}
	}
}
