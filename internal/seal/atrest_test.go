package seal

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func atRest(t testing.TB) *AtRest {
	t.Helper()
	a, err := NewAtRest(media(32))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func resting(t testing.TB, a *AtRest, plain []byte, name string) []byte {
	t.Helper()
	r, err := a.NewReader(iotest.HalfReader(bytes.NewReader(plain)), name)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(all)) != a.Size(int64(len(plain))) {
		t.Errorf("a copy of %d bytes has %d; Size said %d", len(plain), len(all), a.Size(int64(len(plain))))
	}
	return all
}

func readRest(a *AtRest, all []byte, name string) ([]byte, error) {
	r, err := a.Open(bytes.NewReader(all), int64(len(all)), name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
}

func TestAtRest_ReadsEverywhere(t *testing.T) {
	a := atRest(t)
	for _, length := range lengths {
		plain := media(length)
		all := resting(t, a, plain, "AC1/RT1.mkv")
		if got, err := readRest(a, all, "AC1/RT1.mkv"); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %d came back, %v", length, len(got), err)
		}
		r, err := a.Open(bytes.NewReader(all), int64(len(all)), "AC1/RT1.mkv")
		if err != nil {
			t.Fatal(err)
		}
		for _, off := range []int64{0, 1, 65_535, 65_536, 65_537, 131_071, int64(length) - 1, int64(length)} {
			for _, n := range []int{0, 1, 100, 65_536, 65_537, 262_144} {
				if off < 0 || off > int64(length) {
					continue
				}
				p := make([]byte, n)
				got, err := r.ReadAt(p, off)
				want := plain[off:min(int64(length), off+int64(n))]
				if !bytes.Equal(p[:got], want) || (err == nil) != (got == n && off < int64(length)) || err != nil && err != io.EOF {
					t.Fatalf("of %d bytes, ReadAt(%d bytes, %d) = %d, %v", length, n, off, got, err)
				}
			}
		}
	}
}

func TestAtRest_AnyChangeIsDamage(t *testing.T) {
	a := atRest(t)
	plain := media(200_000)
	all := resting(t, a, plain, "name")
	for _, at := range []int{0, 7, 8, 39, 40, 65_591, 65_592, 131_200, len(all) - 17, len(all) - 1} {
		bad := bytes.Clone(all)
		bad[at] ^= 1
		if _, err := readRest(a, bad, "name"); !errors.Is(err, ErrDamaged) {
			t.Errorf("bit flipped in byte %d: %v; want ErrDamaged", at, err)
		}
	}
	first, second := all[40:40+restSealed], all[40+restSealed:40+2*restSealed]
	swapped := bytes.Join([][]byte{all[:40], second, first, all[40+2*restSealed:]}, nil)
	for name, bad := range map[string][]byte{
		"nothing": nil, "the header alone": all[:40], "cut at a chunk": all[:40+2*restSealed], "cut in a chunk": all[:100_000],
		"cut to a bare tag": all[:40+2*restSealed+16], "chunks swapped": swapped, "one byte more": append(bytes.Clone(all), 0),
	} {
		if _, err := readRest(a, bad, "name"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v; want ErrDamaged", name, err)
		}
	}
	if _, err := readRest(a, all, "another name"); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another name: %v; want ErrDamaged", err)
	}
	other, err := NewAtRest(media(64)[32:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readRest(other, all, "name"); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another key: %v; want ErrDamaged", err)
	}
}

func TestAtRest_ShortKeysAreRefused(t *testing.T) {
	if _, err := NewAtRest(media(31)); err == nil {
		t.Error("a key of 31 bytes was taken")
	}
}

func BenchmarkAtRest(b *testing.B) {
	a, plain := atRest(b), media(4<<20)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(64 << 20)
		b.ReportAllocs()
		defer perCPUSecond(b, 64<<20)()
		for b.Loop() {
			w, err := a.NewWriter(io.Discard, "name")
			if err != nil {
				b.Fatal(err)
			}
			for range 16 {
				w.Write(plain)
			}
			w.Close()
		}
	})
	all := resting(b, a, plain, "name")
	r, err := a.Open(bytes.NewReader(all), int64(len(all)), "name")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read_256KiB", func(b *testing.B) {
		p, off := make([]byte, 256<<10), int64(0)
		b.SetBytes(int64(len(p)))
		b.ReportAllocs()
		defer perCPUSecond(b, int64(len(p)))()
		for b.Loop() {
			if _, err := r.ReadAt(p, off); err != nil {
				b.Fatal(err)
			}
			off = (off + 300_001) % (3 << 20)
		}
	})
}
