// Package blob keeps immutable byte objects under keys: the vault and customers' buckets.
//
// [Store] is the law; dir keeps a folder, s3 a bucket, and blobtest holds both to the same tests. Keys are slash-separated
// and come from us, never from a caller.
package blob

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNotExist is returned, wrapped, by Get and Stat for a key that holds nothing.
var ErrNotExist = errors.New("blob: no such object")

// Store keeps objects. All methods may be called concurrently.
//
// Put is atomic: readers see the whole new object or the old one, whatever dies in between. An error for which
// errors.As finds a *PermanentError will not go away by repeating the call; all others may.
type Store interface {
	// Put reads r to its end and stores it under key, replacing what was there. size is the number of bytes that r will
	// give, or -1. A reader that ends early or late is an error and nothing is stored. The Info is what the store
	// confirmed to hold.
	Put(ctx context.Context, key string, r io.Reader, size int64, opts PutOptions) (Info, error)

	// Get returns length bytes from offset; length -1 means to the end. What lies beyond the object's end is not there:
	// the reader ends early, or at once. The caller closes it.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat says what is stored under key.
	Stat(ctx context.Context, key string) (Info, error)

	// Delete removes key. Removing what is not there is not an error.
	Delete(ctx context.Context, key string) error

	// Presign returns a URL that serves the object to anyone until it expires, or "" when this store cannot and the
	// service has to serve the bytes itself.
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

// PutOptions describe an object to those who download it straight from the store.
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

// PermanentError marks a failure of the destination that repeating cannot mend: wrong credentials, no such bucket,
// no permission.
type PermanentError struct {
	Kind PermanentKind
	Err  error
}

// PermanentKind says whose mistake a permanent failure is.
type PermanentKind string

const (
	BadURL        PermanentKind = "url"           // the bucket or its address is wrong
	BadCredential PermanentKind = "credential"    // unknown key or wrong secret
	AccessDenied  PermanentKind = "access_denied" // known, and may not write here
)

func (e *PermanentError) Error() string { return "blob: " + string(e.Kind) + ": " + e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }
