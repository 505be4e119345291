package compose

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	scratchPrefix = ".roomreel-compose-"
	scratchLock   = "lock"
)

// scratch is a folder beside a film, for what Local makes before the film is whole. It holds a lock file that this process
// keeps locked. A process that is killed leaves its folder, and its lock is free: the next run beside it removes the folder.
type scratch struct {
	path string
	lock *os.File
}

// makeScratch makes a scratch folder in folder, after it has removed those of processes that are gone. What cannot be removed
// is passed to note and stays.
func makeScratch(folder string, note func(path string, err error)) (scratch, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return scratch{}, fmt.Errorf("look for leftovers beside the film: %w", err)
	}
	for _, entry := range entries {
		if path := filepath.Join(folder, entry.Name()); entry.IsDir() && strings.HasPrefix(entry.Name(), scratchPrefix) {
			if err := removeLeftover(path); err != nil {
				note(path, err)
			}
		}
	}
	for {
		path, err := os.MkdirTemp(folder, scratchPrefix)
		if err != nil {
			return scratch{}, fmt.Errorf("make a scratch folder beside the film: %w", err)
		}
		lock, err := lockScratch(path)
		switch {
		case err == nil:
			return scratch{path, lock}, nil
		case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.EWOULDBLOCK):
			// Another run saw the folder before it was locked, and removes it.
		default:
			os.RemoveAll(path)
			return scratch{}, fmt.Errorf("lock the scratch folder beside the film: %w", err)
		}
	}
}

func (s scratch) remove() {
	os.RemoveAll(s.path)
	s.lock.Close()
}

// removeLeftover removes a scratch folder unless its process lives.
func removeLeftover(path string) error {
	lock, err := lockScratch(path)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	return os.RemoveAll(path)
}

// lockScratch locks a scratch folder until the file is closed. The error is EWOULDBLOCK when another process has locked it,
// and ErrNotExist when another has removed it meanwhile.
func lockScratch(path string) (*os.File, error) {
	name := filepath.Join(path, scratchLock)
	lock, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		// The file that was opened may have been removed before it was locked.
		var opened, there os.FileInfo
		if opened, err = lock.Stat(); err == nil {
			if there, err = os.Stat(name); err == nil && !os.SameFile(opened, there) {
				err = os.ErrNotExist
			}
		}
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}
