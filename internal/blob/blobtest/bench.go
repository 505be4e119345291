package blobtest

import (
	"io"
	"testing"

	"roomreel/internal/blob"
)

// Bench times putting and reading whole objects, and reading here and there as the composer does.
func Bench(b *testing.B, s blob.Store) {
	const size = 64 << 20
	content := Bytes(1, 1<<20)
	b.Run("Put", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Put(b.Context(), "bench", &repeat{content, size, 0}, size, blob.PutOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			r, err := s.Get(b.Context(), "bench", 0, -1)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, r)
			r.Close()
			if n != size || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("ReadAt256KiB", func(b *testing.B) {
		r := blob.NewReaderAt(b.Context(), s, "bench", size)
		defer r.Close()
		p := make([]byte, 256<<10)
		b.SetBytes(int64(len(p)))
		b.ReportAllocs()
		off := int64(0)
		for b.Loop() {
			if _, err := r.ReadAt(p, off); err != nil {
				b.Fatal(err)
			}
			off = (off + 7*int64(len(p)) + 1) % (size - int64(len(p)))
		}
	})
	if err := s.Delete(b.Context(), "bench"); err != nil {
		b.Fatal(err)
	}
}

// repeat gives content over and over until left bytes have been read.
type repeat struct {
	content []byte
	left    int64
	at      int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.content[r.at:])
	r.at = (r.at + n) % len(r.content)
	r.left -= int64(n)
	return n, nil
}
