package main

import (
	"os"
	"sync"

	"roomreel/internal/manifest"
)

// files keeps the recordings of a room open while they are composed. Several children may read one file.
type files struct {
	room   *manifest.Room
	mu     sync.Mutex
	opened map[int]*os.File
}

func newFiles(room *manifest.Room) *files {
	return &files{room: room, opened: map[int]*os.File{}}
}

func (f *files) open(t int) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file, ok := f.opened[t]; ok {
		return file, nil
	}
	file, err := f.room.Open(f.room.Recordings[t])
	if err != nil {
		return nil, err
	}
	f.opened[t] = file
	return file, nil
}

func (f *files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.opened {
		file.Close()
	}
	clear(f.opened)
}
