package app

import (
	"bytes"
	"io"
	"testing"

	"roomreel"
)

// TestScratch_ReservesWhatUploadsWillWrite lets other programs take the space of a file system of 100 MiB.
func TestScratch_ReservesWhatUploadsWillWrite(t *testing.T) {
	const mib = 1 << 20
	free := int64(100 * mib)
	s := &scratch{folder: t.TempDir(), maxUpload: 80 * mib, floor: 20 * mib, free: func() (int64, error) { return free, nil }}
	refused := func(what string, err error) {
		t.Helper()
		if roomreel.CodeOf(err) != roomreel.Unavailable {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
	first, err := s.begin(50 * mib)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.begin(40 * mib)
	refused("40 MiB beside 50 MiB that will come", err)
	_, err = s.begin(0)
	if err != nil {
		t.Errorf("an upload of unknown size, with 30 MiB above the floor: %v", err)
	}
	first.written(50 * mib)
	free -= 50 * mib
	_, err = s.begin(40 * mib)
	refused("40 MiB beside 50 MiB that have come", err)
	first.Close()
	if s.reserved != 0 || s.uploads != 1 {
		t.Errorf("%d bytes of %d uploads are reserved, want none of 1", s.reserved, s.uploads)
	}

	body := &filling{r: bytes.NewReader(make([]byte, 64*mib)), free: &free}
	free = 60 * mib
	_, err = s.receive(t.Context(), body, 0)
	refused("64 MiB of unknown size into 40", err)
	if body.n > 41*mib || body.n < 24*mib {
		t.Errorf("%d MiB were read before the upload was refused, want some 32", body.n/mib)
	}
	free = 30 * mib // of which others take 20 while a smaller upload arrives
	_, err = s.receive(t.Context(), io.MultiReader(&filling{r: bytes.NewReader(make([]byte, 1*mib)), free: &free}, &filling{r: bytes.NewReader(make([]byte, 8*mib)), free: &free, others: 20 * mib}), 9*mib)
	refused("9 MiB when others took the space", err)
	if s.reserved != 0 || s.uploads != 1 {
		t.Errorf("%d bytes of %d uploads are reserved, want none of 1", s.reserved, s.uploads)
	}
}

// filling takes from the free space what is read from it, and once what others write.
type filling struct {
	r      io.Reader
	free   *int64
	others int64
	n      int64
}

func (f *filling) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.n += int64(n)
	*f.free -= int64(n) + f.others
	f.others = 0
	return n, err
}
