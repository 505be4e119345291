// Package atrest is a blob.Store that encrypts what it keeps in another one, under a key of the service.
//
// Working copies of media that is sealed or external in the end lie in it, and what compositions leave on their way: a
// disk or a bucket that is read by somebody else gives nothing away, and what was altered or swapped is an error. The
// bytes are package seal's AtRest; the name that each is bound to is its key.
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

// Store encrypts under seal's AtRest what it puts into the store below. Sizes are those of the plaintext.
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

// New returns a Store over below. The first key encrypts and each of them opens, so that keys can be changed while copies
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

// Put encrypts r on its way.
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

// Get decrypts the asked-for range.
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

// Open returns the object for reading at any place.
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

// sized opens the encrypted object and says how large it is: of an open file that is asked of the file itself, since
// the object may be replaced between two look-ups. In a bucket it may too, and reading it then fails.
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
	return &onward{ctx: ctx, store: s.below, key: key, here: blob.NewReaderAt(ctx, s.below, key, info.Size)}, info.Size, nil
}

// object reads one encrypted object and closes what is below it.
type object struct {
	*seal.RestReader
	io.Closer
}

// Stat says what is stored, which it reads the object's end for.
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

// Presign returns "": nobody else can read what is here.
func (s *Store) Presign(context.Context, string, time.Duration, blob.PresignOptions) (string, error) {
	return "", nil
}
