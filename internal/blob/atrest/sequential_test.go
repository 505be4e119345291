package atrest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"roomreel/internal/blob"
	"roomreel/internal/blob/dir"
)

// asBucket hides that a folder keeps objects open, as a bucket does not, and counts requests.
type asBucket struct {
	blob.Store
	gets atomic.Int64
}

func (b *asBucket) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	b.gets.Add(1)
	return b.Store.Get(ctx, key, offset, length)
}

func openBucket(t *testing.T) (*Store, *asBucket) {
	t.Helper()
	folder, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	bucket := &asBucket{Store: folder}
	s, err := New(bucket, bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s, bucket
}

func TestStore_ReadsABucketSequentiallyWithOneRequest(t *testing.T) {
	s, bucket := openBucket(t)
	data := make([]byte, 20<<20)
	rand.Read(data)
	if _, err := s.Put(t.Context(), "film", bytes.NewReader(data), int64(len(data)), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{0, 12_345_678} {
		bucket.gets.Store(0)
		body, err := s.Get(t.Context(), "film", offset, -1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, data[offset:]) {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		// The header, the last chunk, the first piece, and then one stream; the last piece ends with the object.
		if n := bucket.gets.Load(); n > 5 {
			t.Errorf("%d requests read 20 MiB from %d", n, offset)
		}
	}
}

func TestStore_TakesConcurrentRandomReads(t *testing.T) {
	s, _ := openBucket(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	if _, err := s.Put(t.Context(), "film", bytes.NewReader(data), int64(len(data)), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	object, err := s.Open(t.Context(), "film")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	var readers sync.WaitGroup
	for reader := range 4 {
		readers.Go(func() {
			part := make([]byte, 70_001)
			for at := int64(reader) * 1001; at < int64(len(data)-len(part)); at += int64(len(part)) {
				if n, err := object.ReadAt(part, at); err != nil || !bytes.Equal(part[:n], data[at:at+int64(n)]) {
					t.Errorf("at %d: %d bytes, %v", at, n, err)
				}
			}
		})
	}
	readers.Wait()
}
