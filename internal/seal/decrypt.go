package seal

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"roomreel"
)

// Decrypt opens the sealed bytes in r into the file out, and returns the number of bytes of the plaintext. The file appears
// under its name only when all of it has been decrypted and, with the seal cms-gcm, authenticated. When anything fails,
// there is no file.
func Decrypt(ctx context.Context, r io.Reader, e roomreel.Envelope, key *rsa.PrivateKey, out string) (n int64, err error) {
	plain, err := Open(&contextReader{ctx, r}, e, key)
	if err != nil {
		return 0, err
	}
	folder := filepath.Dir(out)
	f, err := os.CreateTemp(folder, ".roomreel-decrypt-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if n, err = io.CopyBuffer(struct{ io.Writer }{f}, plain, make([]byte, 256<<10)); err != nil {
		return 0, err
	}
	if err = f.Sync(); err != nil {
		return 0, err
	}
	if err = f.Close(); err != nil {
		return 0, err
	}
	if err = os.Rename(f.Name(), out); err != nil {
		return 0, err
	}
	return n, nil
}

// contextReader stops reading when ctx ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (s *contextReader) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}

// maxMetadata limits the size of ParseMetadata's input.
const maxMetadata = 1 << 20

// ParseMetadata reads how an object is sealed from its metadata, in any of the forms that tools write:
//
//   - a JSON object of names and values, with or without the x-amz-meta- prefix;
//   - the JSON of aws s3api head-object, where the values are in "Metadata";
//   - the headers of a download, one per line, as curl -D writes them. After redirects, those of the last answer hold.
func ParseMetadata(text []byte) (roomreel.Envelope, error) {
	if len(text) > maxMetadata {
		return roomreel.Envelope{}, fmt.Errorf("the metadata is larger than %d bytes", maxMetadata)
	}
	values := make(map[string]string)
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			return roomreel.Envelope{}, fmt.Errorf("the metadata is not a JSON object: %w", err)
		}
		if inner, ok := object["Metadata"].(map[string]any); ok {
			object = inner
		}
		for name, value := range object {
			if s, ok := value.(string); ok {
				values[metaName(name)] = s
			} else if f, ok := value.(float64); ok {
				values[metaName(name)] = strconv.FormatFloat(f, 'f', -1, 64)
			}
		}
	} else {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok {
				values[metaName(strings.TrimSpace(name))] = strings.TrimSpace(value)
			}
		}
	}
	return envelopeOf(values)
}

func metaName(name string) string {
	return strings.TrimPrefix(strings.ToLower(name), "x-amz-meta-")
}

// FromHeaders reads how an object is sealed from the headers of its download.
func FromHeaders(h http.Header) (roomreel.Envelope, error) {
	values := make(map[string]string)
	for name := range h {
		values[metaName(name)] = h.Get(name)
	}
	return envelopeOf(values)
}

// ErrNotSealed is returned, wrapped, for metadata without a seal.
var ErrNotSealed = errors.New("the metadata does not say how the media is sealed: it has neither x-amz-key nor x-roomreel-seal")

func envelopeOf(values map[string]string) (roomreel.Envelope, error) {
	e := roomreel.Envelope{Seal: values[metaSeal]}
	if e.Seal == "" {
		if values[metaKey] == "" {
			return e, ErrNotSealed
		}
		e.Seal = Twilio
	}
	var err error
	if text := values[metaLength]; text != "" {
		if e.ContentLength, err = strconv.ParseInt(text, 10, 64); err != nil || e.ContentLength < 0 {
			return e, fmt.Errorf("%s is %q, which is not a number of bytes", metaLength, text)
		}
	} else if e.Seal == Twilio {
		return e, fmt.Errorf("%s is missing in the metadata", metaLength)
	}
	if e.Seal == CMS {
		return e, nil
	}
	if e.WrappedKey, err = base64.StdEncoding.DecodeString(values[metaKey]); err != nil {
		return e, fmt.Errorf("%s is not base64: %w", metaKey, err)
	}
	if e.IV, err = base64.StdEncoding.DecodeString(values[metaIV]); err != nil {
		return e, fmt.Errorf("%s is not base64: %w", metaIV, err)
	}
	return e, nil
}
