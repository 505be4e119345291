// Package atrest is a blob.Store that encrypts objects under a key of the service, and puts them into another store.
//
// It holds the working store: copies of media that is encrypted for its owner or delivered to a bucket, and the segments of
// compositions. A reader of the disk or bucket below learns nothing from it, and an object that was altered, or moved to
// another key, is an error. The format is package seal's AtRest, bound to the object's key.
package atrest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"roomreel/internal/blob"
	"roomreel/internal/seal"
)

// Store encrypts what it puts into the store below. Sizes are those of the plaintext.
type Store struct {
	below blob.Store
	rests []*seal.AtRest // the newest key's first
}

var (
	_ blob.Opener  = (*Store)(nil)
	_ blob.Wrapper = (*Store)(nil)
)

// Unwrap returns the store below.
func (s *Store) Unwrap() blob.Store { return s.below }

// New returns a Store over below. The first key encrypts, and all keys decrypt, so that a key can be replaced while objects
// are in use.
func New(below blob.Store, keys ...[]byte) (*Store, error) {
	s := &Store{below: below}
	for _, key := range keys {
		rest, err := seal.NewAtRest(key)
		if err != nil {
			return nil, err
		}
		s.rests = append(s.rests, rest)
	}
	if len(s.rests) == 0 {
		return nil, errors.New("blob: no key to encrypt with")
	}
	return s, nil
}

// Put encrypts r and stores it below.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error) {
	counted := &counter{r: r}
	sealed, err := s.rests[0].NewReader(counted, key)
	if err != nil {
		return blob.Info{}, err
	}
	sealedSize := int64(-1)
	if size >= 0 {
		sealedSize = s.rests[0].Size(size)
	}
	opts.ContentType = "application/octet-stream"
	info, err := s.below.Put(ctx, key, sealed, sealedSize, opts)
	info.Size = counted.n
	return info, err
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Get decrypts a range.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := blob.CheckRange(offset, length); err != nil {
		return nil, err
	}
	object, err := s.open(ctx, key)
	if err != nil {
		return nil, err
	}
	if length < 0 || length > object.Size()-offset {
		length = max(0, object.Size()-offset)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(object, offset, length), object}, nil
}

// Open returns the decrypted object for random access.
func (s *Store) Open(ctx context.Context, key string) (blob.OpenObject, error) {
	return s.open(ctx, key)
}

func (s *Store) open(ctx context.Context, key string) (*object, error) {
	from, size, err := s.sized(ctx, key)
	if err != nil {
		return nil, err
	}
	var damaged error
	for _, rest := range s.rests {
		plain, err := rest.Open(from, size, key)
		if err == nil {
			return &object{plain, from}, nil
		}
		damaged = errors.Join(damaged, err)
		if !errors.Is(err, seal.ErrDamaged) {
			break
		}
	}
	from.Close()
	return nil, damaged
}

// sized opens the encrypted object and returns its size. The size of a file is taken from the open file, since the object may be
// replaced between two look-ups. An object of a bucket may be replaced too, and reading it fails then.
func (s *Store) sized(ctx context.Context, key string) (blob.OpenObject, int64, error) {
	if opener, ok := blob.As[blob.Opener](s.below); ok {
		open, err := opener.Open(ctx, key)
		if err != nil {
			return nil, 0, err
		}
		if file, ok := open.(interface{ Stat() (fs.FileInfo, error) }); ok {
			info, err := file.Stat()
			if err != nil {
				open.Close()
				return nil, 0, err
			}
			return open, info.Size(), nil
		}
		open.Close()
	}
	info, err := s.below.Stat(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	return &sequentialReader{ctx: ctx, store: s.below, key: key, random: blob.NewReaderAt(ctx, s.below, key, info.Size)}, info.Size, nil
}

// object decrypts an object, and closes the encrypted one below.
type object struct {
	*seal.RestReader
	io.Closer
}

// Stat reads the end of the object, from which the size of the plaintext is known.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	info, err := s.below.Stat(ctx, key)
	if err != nil {
		return info, err
	}
	object, err := s.open(ctx, key)
	if err != nil {
		return blob.Info{}, err
	}
	defer object.Close()
	return blob.Info{Size: object.Size(), Metadata: info.Metadata}, nil
}

// Delete removes the object.
func (s *Store) Delete(ctx context.Context, key string) error { return s.below.Delete(ctx, key) }

// Presign returns "": a client could not decrypt the object.
func (s *Store) Presign(context.Context, string, time.Duration, blob.PresignOptions) (string, error) {
	return "", nil
}
