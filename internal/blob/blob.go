// Package blob stores immutable objects under keys: in our media store and working store, and in customers' buckets.
//
// [Store] is the contract, which blobtest tests. Package dir implements it with a folder, s3 with a bucket; atrest encrypts
// what it puts into another one. Keys are slash-separated paths that the service makes, never a caller.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// ErrNotExist is returned, wrapped, by Get and Stat for a key that holds nothing.
var ErrNotExist = errors.New("blob: no such object")

// Store keeps objects. All methods may be called concurrently.
//
// Put is atomic: readers see the whole new object or the old one, also when the process dies in between. Repeating a call
// does not help when errors.As finds a *PermanentError in its error; after any other error it may.
type Store interface {
	// Put reads r to its end and stores it under key, in place of an older object. size is the number of bytes that r will
	// give, or -1. If r gives fewer or more, Put fails and nothing is stored. The Info, whose Size is always known, is what
	// the store confirmed to hold.
	Put(ctx context.Context, key string, r io.Reader, size int64, opts PutOptions) (Info, error)

	// Get returns length bytes from offset; length -1 means to the end. A range that reaches beyond the object's end is cut
	// there. The caller closes the reader.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat says what is stored under key.
	Stat(ctx context.Context, key string) (Info, error)

	// Delete removes key. Removing what is not there is not an error.
	Delete(ctx context.Context, key string) error

	// Presign returns a URL that serves the object to anyone until it expires. It returns "" when the store has no such
	// URLs: then the service serves the bytes itself.
	Presign(ctx context.Context, key string, ttl time.Duration, opts PresignOptions) (string, error)
}

// Wrapper is a Store that stands in front of another one and has the same keys. It implements itself the abilities of the
// other one that it has to change, such as reading encrypted objects.
type Wrapper interface {
	Store
	Unwrap() Store
}

// As returns the first store that has the ability T: the given one, or the nearest that it wraps.
func As[T any](store Store) (T, bool) {
	for {
		if able, ok := store.(T); ok {
			return able, true
		}
		wrapper, ok := store.(Wrapper)
		if !ok {
			var none T
			return none, false
		}
		store = wrapper.Unwrap()
	}
}

// Aborter is a Store that may hold parts of objects that were never finished.
type Aborter interface {
	// AbortUnfinished removes the parts of uploads of key that were begun and not finished. The caller knows that no
	// upload of key is running.
	AbortUnfinished(ctx context.Context, key string) error
}

// Sweeper is a Store that may hold parts of objects that were never finished, of any key.
type Sweeper interface {
	// SweepMultipart removes the parts of uploads that began longer than age ago, and returns the number of uploads.
	SweepMultipart(ctx context.Context, age time.Duration) (int, error)
}

// PutOptions describe an object to clients that download it from the store itself.
type PutOptions struct {
	ContentType string
	Metadata    map[string]string // user metadata, without the x-amz-meta- prefix
}

// PresignOptions override what a download says of itself.
type PresignOptions struct {
	ContentType        string
	ContentDisposition string
}

// Info is what a store knows of an object.
type Info struct {
	Size     int64
	Location string // URL of the object for its owner; "" for a folder
	Metadata map[string]string
}

// PermanentError marks a failure that the bucket's owner has to correct: wrong credentials, no such bucket, no permission.
type PermanentError struct {
	Kind PermanentKind
	Err  error
}

// PermanentKind says what the bucket's owner has to correct.
type PermanentKind string

const (
	BadURL        PermanentKind = "url"           // the bucket or its address is wrong
	BadCredential PermanentKind = "credential"    // unknown key or wrong secret
	AccessDenied  PermanentKind = "access_denied" // known, and may not write here
)

func (e *PermanentError) Error() string { return "blob: " + string(e.Kind) + ": " + e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// MaxKey is the longest key in bytes. S3 allows 1024, of which a bucket's prefix takes a part.
const MaxKey = 800

// CheckKey refuses a key that cannot name an object in every store. A key is slash-separated and relative, without empty, "."
// or ".." elements and without control characters, and does not start with a dot (a folder keeps unfinished files there).
func CheckKey(key string) error {
	switch {
	case !fs.ValidPath(key) || key == ".":
		return fmt.Errorf("blob: %q is not a key: it must be a relative path without empty, . or .. elements", key)
	case len(key) > MaxKey:
		return fmt.Errorf("blob: a key of %d bytes is longer than the %d that every store takes", len(key), MaxKey)
	case key[0] == '.':
		return fmt.Errorf("blob: %q is not a key: it starts with a dot", key)
	case strings.IndexFunc(key, func(r rune) bool { return r < 0x20 || r == 0x7f }) >= 0:
		return fmt.Errorf("blob: %q is not a key: it holds a control character", key)
	}
	return nil
}

// CheckRange refuses an offset and length that Get does not take.
func CheckRange(offset, length int64) error {
	if offset < 0 || length < -1 {
		return fmt.Errorf("blob: no such range: %d bytes from %d", length, offset)
	}
	return nil
}

// WithContext returns a reader that reads from r until ctx is done, and then fails with the cause of ctx.
func WithContext(ctx context.Context, r io.Reader) io.Reader {
	return contextReader{ctx, r}
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
