package main

import (
	"os"
	"path/filepath"
)

// privateNames are what the service keeps in its data folder, with SQLite's own files. Other users must not read it: it holds tokens,
// keys and media. A folder keeps others from all that is in it.
var privateNames = []string{
	databaseFile, databaseFile + "-wal", databaseFile + "-shm", databaseFile + "-journal", databaseFile + ".lock",
	lockFile, keyFile, mediaFolder, workingFolder, "scratch",
}

// closeToOthers closes what an earlier version or a copy left open to others in a data folder. The folder itself is the operator's:
// doctor says when it is open.
func closeToOthers(data string) {
	for _, name := range openToOthers(data) {
		// A file of another user, such as a mounted secret, stays as it is. doctor names it.
		_ = os.Chmod(name, 0o700&modeOf(name))
	}
}

// openToOthers returns what others may read or write of the service's own files in a data folder.
func openToOthers(data string) (open []string) {
	for _, name := range privateNames {
		if path := filepath.Join(data, name); modeOf(path)&0o077 != 0 {
			open = append(open, path)
		}
	}
	return open
}

// modeOf returns the permissions of what is at path, 0 if nothing is.
func modeOf(path string) os.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Mode().Perm()
}
