package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockFile = "serve.lock"

// lockData makes this the only service on a data folder with an embedded database, until release or the end of the
// process: a second one would take the first one's jobs for leftovers. Other commands may work beside it.
func lockData(data string) (release func() error, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, usageError{fmt.Errorf("server.data: %w", err)}
	}
	file, err := os.OpenFile(filepath.Join(data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if err == unix.EWOULDBLOCK {
			return nil, usageError{fmt.Errorf("server.data: another roomreel serve works on %s; with PostgreSQL several can share the work", data)}
		}
		return nil, fmt.Errorf("lock %s: %w", data, err)
	}
	return file.Close, nil
}
