package s3_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/minio/minio-go/v7"

	"roomreel/internal/blob"
	"roomreel/internal/blob/blobtest"
	"roomreel/internal/blob/s3/s3test"
)

func BenchmarkStore(b *testing.B) {
	server := s3test.Start(b)
	blobtest.Bench(b, s3test.Open(b, server.Config(b, server.Host, "bench")))
}

// BenchmarkUpload compares a delivery with what minio-go alone reaches on the same server.
func BenchmarkUpload(b *testing.B) {
	server := s3test.Start(b)
	content := blobtest.Bytes(1, 256<<20)
	b.Run("roomreel", func(b *testing.B) {
		store := s3test.Open(b, server.Config(b, server.Host, "bench"))
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			if _, err := store.Put(b.Context(), "film", bytes.NewReader(content), int64(len(content)), blob.PutOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("minio-go", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			// The stream hides that it is in memory, as a file that is being sealed does.
			r := struct{ io.Reader }{bytes.NewReader(content)}
			if _, err := server.Admin.PutObject(b.Context(), server.Bucket, "plain", r, int64(len(content)), minio.PutObjectOptions{PartSize: 8 << 20}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestPut_MemoryStaysBounded sends 256 MiB and looks at the heap on the way: the buffers do not grow with the object.
func TestPut_MemoryStaysBounded(t *testing.T) {
	server := s3test.Start(t)
	store := s3test.Open(t, server.Config(t, server.Host, ""))
	const size = 256 << 20
	path := filepath.Join(t.TempDir(), "film")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil { // a hole: it takes no room
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // so that the heap is what is held, and not what is no longer
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most uint64
	reads := 0
	r := readerFunc(func(p []byte) (int, error) {
		if reads++; reads%64 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return f.Read(p[:min(len(p), 64<<10)])
	})
	if _, err := store.Put(t.Context(), "film", r, size, blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 40<<20 {
		t.Errorf("the heap grew by %d MiB; want at most 40", grown>>20)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
