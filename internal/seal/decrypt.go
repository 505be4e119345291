package seal

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"roomreel"
)

// Decrypt opens the sealed bytes in r into the file out, and returns the number of bytes of the plaintext. The file appears
// under its name only when all of it has been decrypted and, with the seal cms-gcm, authenticated. When anything fails,
// there is no file. A process that is killed leaves a hidden file beside out; the next call removes it.
func Decrypt(ctx context.Context, r io.Reader, e roomreel.Envelope, key *rsa.PrivateKey, out string) (n int64, err error) {
	plain, err := Open(&contextReader{ctx, r}, e, key)
	if err != nil {
		return 0, err
	}
	folder := filepath.Dir(out)
	removeUnfinished(folder)
	f, err := createUnfinished(folder)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
		f.Close() // after the rename: until then the lock keeps the file
	}()
	if n, err = io.CopyBuffer(struct{ io.Writer }{f}, plain, make([]byte, 256<<10)); err != nil {
		return 0, err
	}
	if err = f.Sync(); err != nil {
		return 0, err
	}
	if err = os.Rename(f.Name(), out); err != nil {
		return 0, err
	}
	return n, nil
}

// unfinished is how the names of files begin that are not whole yet. Each is locked by the process that writes it.
const unfinished = ".roomreel-decrypt-"

func createUnfinished(folder string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(folder, unfinished+"*")
		if err != nil {
			return nil, err
		}
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			if _, err = os.Lstat(f.Name()); err == nil {
				return f, nil
			}
		}
		f.Close()
		os.Remove(f.Name())
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		// Another process saw the file before it was locked, and removes it.
	}
}

// removeUnfinished removes the files of processes that were killed: they hold plaintext. A file that cannot be removed stays.
func removeUnfinished(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !strings.HasPrefix(entry.Name(), unfinished) {
			continue
		}
		name := filepath.Join(folder, entry.Name())
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.Remove(name)
		}
		f.Close()
	}
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
