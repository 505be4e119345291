package dir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Each open store has a folder for its unfinished files: .incoming/<random>/. The store holds a lock on the file
// .incoming/<random>/lock until it is closed. The kernel releases the lock when the process dies, so a folder whose lock is
// free belongs to a dead process. Neither process numbers nor clocks are compared.
const incomingFolder = ".incoming"

type incoming struct {
	root   *os.Root
	folder string
	lock   *os.File
}

// openIncoming removes the folders of dead processes and creates one for this process. Both happen under the lock of
// .incoming/lock, so that no process removes a folder that was created and is not locked yet.
func openIncoming(root *os.Root) (*incoming, error) {
	if err := root.Mkdir(incomingFolder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	gate, err := takeLock(root, path.Join(incomingFolder, "lock"), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	if err := sweep(root); err != nil {
		return nil, fmt.Errorf("remove unfinished files: %w", err)
	}
	in := &incoming{root: root, folder: path.Join(incomingFolder, rand.Text())}
	if err := root.Mkdir(in.folder, 0o700); err != nil {
		return nil, err
	}
	if in.lock, err = takeLock(root, path.Join(in.folder, "lock"), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, err
	}
	return in, nil
}

func sweep(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), incomingFolder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		folder := path.Join(incomingFolder, entry.Name())
		lock, err := takeLock(root, path.Join(folder, "lock"), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue // its process lives
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // its process has just removed it
		}
		if err != nil {
			return err
		}
		err = root.RemoveAll(folder)
		lock.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// takeLock opens or creates name, and locks it until the file is closed.
func takeLock(root *os.Root, name string, how int) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// create returns a new empty file and its name below the root.
func (in *incoming) create() (*os.File, string, error) {
	name := path.Join(in.folder, rand.Text())
	f, err := in.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return f, name, err
}

func (in *incoming) close() error {
	err := in.root.RemoveAll(in.folder)
	if errors.Is(err, fs.ErrClosed) || errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if e := in.lock.Close(); e != nil && !errors.Is(e, fs.ErrClosed) {
		err = errors.Join(err, e)
	}
	return err
}
