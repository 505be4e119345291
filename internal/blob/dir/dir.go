// Package dir stores objects as files in a folder.
//
// A key is the file's path below the folder. No key, symbolic link or race leads out of the folder, because [os.Root] is used.
// A file gets its key as its name when it is complete and on the disk. User metadata and content types are not kept: the
// service serves a folder's objects itself and has them in its database. Start with [Store.Put].
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"roomreel/internal/blob"
)

// Store is a folder of objects. It is a blob.Store and a blob.Opener.
type Store struct {
	root     *os.Root
	incoming *incoming
}

var _ blob.Opener = (*Store)(nil)

// Open returns the store in folder, and creates the folder (mode 0700) if it is missing. Unfinished files of processes that
// died are removed. Those of living processes, which may share the folder, are kept.
func Open(folder string) (*Store, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("open the folder %s: %w", folder, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for media: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("open the folder for media: %w", err)
	}
	in, err := openIncoming(root)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("prepare the folder for media %s: %w", abs, err)
	}
	return &Store{root: root, incoming: in}, nil
}

// Close closes the folder. Running Puts fail. It may be called twice.
func (s *Store) Close() error {
	return errors.Join(s.incoming.close(), s.root.Close())
}

// Put writes r to an unfinished file, syncs it, and renames it to key. When Put fails, also because the disk is full, nothing is
// left.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64, _ blob.PutOptions) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	f, name, err := s.incoming.create()
	if err != nil {
		return blob.Info{}, fmt.Errorf("store %s: %w", key, err)
	}
	n, err := fill(ctx, f, r, size)
	if err == nil {
		err = s.publish(name, key)
	}
	if err != nil {
		s.root.Remove(name)
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return blob.Info{}, fmt.Errorf("store %s: the disk of the media folder is full: free space or enlarge it: %w", key, err)
		}
		return blob.Info{}, fmt.Errorf("store %s: %w", key, err)
	}
	return blob.Info{Size: n}, nil
}

// fill copies r into f, syncs f, and closes it in any case.
func fill(ctx context.Context, f *os.File, r io.Reader, size int64) (int64, error) {
	limited := r
	if size >= 0 {
		limited = io.LimitReader(r, size+1) // one more, to notice a reader that does not end
	}
	// The struct hides f's ReadFrom, with which the kernel would copy everything without a look at ctx.
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, blob.WithContext(ctx, limited), make([]byte, 256<<10))
	switch {
	case err != nil:
	case size >= 0 && n < size:
		err = fmt.Errorf("%d bytes were promised and %d came: %w", size, n, io.ErrUnexpectedEOF)
	case size >= 0 && n > size:
		err = fmt.Errorf("more than the %d bytes that were promised came", size)
	default:
		err = f.Sync()
	}
	return n, errors.Join(err, f.Close())
}

// publish renames name to key. A concurrent Delete may remove the empty folder before the rename, so the folder is created
// again, ten times at most.
func (s *Store) publish(name, key string) error {
	folder := path.Dir(key)
	var err error
	for range 10 {
		if err = s.makeFolder(folder); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		err = s.root.Rename(name, key)
		if err == nil {
			return s.sync(folder)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// makeFolder creates folder and its parents, and syncs each before the next.
func (s *Store) makeFolder(folder string) error {
	if folder == "." {
		return nil
	}
	err := s.root.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeFolder(path.Dir(folder)); err != nil {
			return err
		}
		err = s.root.Mkdir(folder, 0o700)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return s.sync(path.Dir(folder))
}

// sync writes the names in folder to the disk.
func (s *Store) sync(folder string) error {
	d, err := s.root.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a later Delete removed it, and the names in it
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get returns a range of the file under key. The reader is also an io.Seeker and io.ReaderAt.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := blob.CheckRange(offset, length); err != nil {
		return nil, err
	}
	f, err := s.file(ctx, key)
	if err != nil {
		return nil, err
	}
	if length < 0 {
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		length = max(0, info.Size()-offset)
	}
	return section{io.NewSectionReader(f, offset, length), f}, nil
}

type section struct {
	*io.SectionReader
	io.Closer
}

// Open opens the file under key for random access.
func (s *Store) Open(ctx context.Context, key string) (blob.OpenObject, error) {
	return s.file(ctx, key)
}

func (s *Store) file(ctx context.Context, key string) (*os.File, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	f, err := s.root.Open(key)
	if err != nil {
		return nil, missing("read", key, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = blob.ErrNotExist // a folder on the way to longer keys
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return f, nil
}

// Stat returns the size of the file under key.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	f, err := s.file(ctx, key)
	if err != nil {
		return blob.Info{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return blob.Info{}, fmt.Errorf("read %s: %w", key, err)
	}
	return blob.Info{Size: info.Size()}, nil
}

// Delete removes the file under key, and then the folders that are empty without it.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	info, err := s.root.Lstat(key)
	if err == nil && info.IsDir() {
		return nil // a folder is not an object
	}
	if err == nil {
		err = s.root.Remove(key)
	}
	if err != nil {
		if err = missing("delete", key, err); errors.Is(err, blob.ErrNotExist) {
			return nil
		}
		return err
	}
	folder := path.Dir(key)
	for ; folder != "."; folder = path.Dir(folder) {
		if s.root.Remove(folder) != nil {
			break // not empty, or gone already
		}
	}
	if err := s.sync(folder); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// Presign returns "": a folder has no server.
func (s *Store) Presign(context.Context, string, time.Duration, blob.PresignOptions) (string, error) {
	return "", nil
}

// missing turns the errors of an absent path into blob.ErrNotExist.
func missing(verb, key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s %s: %w", verb, key, blob.ErrNotExist)
	}
	return fmt.Errorf("%s %s: %w", verb, key, err)
}
