package app

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"roomreel/internal/store"
)

// FreeSpace returns the bytes that a user may still write to the file system of folder.
func FreeSpace(folder string) (int64, error) {
	var stat unix.Statfs_t
	for {
		err := unix.Statfs(folder, &stat)
		if err == nil {
			return int64(stat.Bavail) * int64(stat.Bsize), nil
		}
		if err != unix.EINTR {
			return 0, &os.PathError{Op: "statfs", Path: folder, Err: err}
		}
	}
}

// CheckSpace returns an Unavailable error while need more bytes would leave less free space than the configured floor, on the file
// system of scratch or on that of the media store's folder. IsFull is true of it.
func (a *App) CheckSpace(need int64) error {
	for _, folder := range []string{a.scratch.folder, a.mediaFolder} {
		if folder == "" {
			continue
		}
		free, err := FreeSpace(folder)
		if err != nil {
			return unavailable("the free space of this server's disk is not known", err)
		}
		if free-need < a.scratch.floor {
			return unavailable("this server's disk is almost full",
				fmt.Errorf("%s has %d bytes free, %d more are needed, and %d must stay free: %w", folder, free, need, a.scratch.floor, syscall.ENOSPC))
		}
	}
	return nil
}

// IsFull reports whether an error says that a disk is full, that of a folder or that of the database.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, store.ErrFull)
}

// notStored is the answer when an upload could not be written.
func notStored(err error) error {
	if IsFull(err) {
		return unavailable("the recording cannot be stored: this server's disk is full", err)
	}
	return unavailable("the recording cannot be stored now", err)
}

// sameFileSystem reports whether two folders share their free space.
func sameFileSystem(a, b string) bool {
	var one, other unix.Stat_t
	return a != "" && b != "" && unix.Stat(a, &one) == nil && unix.Stat(b, &other) == nil && one.Dev == other.Dev
}
