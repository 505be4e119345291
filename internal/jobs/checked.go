package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// errFilmChanged means that a film is no longer what was checked: its disk or its memory has damaged it.
var errFilmChanged = errors.New("the film was changed after it was checked")

// checked returns a reader of the size bytes of r whose error wraps errFilmChanged when they do not have the SHA-256 that was
// found when they were checked. It returns that error in place of the last bytes, so that no store takes them for whole. Without a
// SHA-256 it returns r.
func checked(r io.Reader, size int64, sha string) io.Reader {
	if sha == "" {
		return r
	}
	return &checkedReader{r: r, left: size, want: sha, sum: sha256.New()}
}

type checkedReader struct {
	r    io.Reader
	left int64
	want string
	sum  hash.Hash
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	if c.left -= int64(n); n > 0 && c.left == 0 && hex.EncodeToString(c.sum.Sum(nil)) != c.want {
		return 0, errFilmChanged
	}
	return n, err
}
