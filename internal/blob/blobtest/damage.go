package blobtest

import (
	"bytes"
	"io"
)

// Damage returns an object with one bit changed, and closes body, which is the whole object.
func Damage(body io.ReadCloser) (io.ReadCloser, error) {
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	data[len(data)/2] ^= 1
	return io.NopCloser(bytes.NewReader(data)), nil
}
