package render

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shared is a page of memory that parent and child both see. The parent's orders lie in it before the child starts;
// then the child writes it without system calls, and it outlives even the worst death. What the child may have
// written, the parent reads as numbers to be judged.
type shared struct {
	magic   uint64
	mode    uint64 // 0 auto, 1 require, 2 off
	probe   uint64 // 1: try to break out instead of serving
	memory  int64  // bytes
	seconds uint64 // of processor time; 0 means no limit

	serving atomic.Int64  // track + 1 for which the child works; 0 for none
	steps   atomic.Int64  // grows with whatever the child gets done
	guards  atomic.Uint64 // that the child has put on, one bit each
}

const (
	pageMagic = 0x726f6f6d7265656c // "roomreel", and so that a child started by hand notices
	pageSize  = 4096
	pageFD    = 3
)

func (s *shared) step() { s.steps.Add(1) }

func (s *shared) serve(track int) {
	s.serving.Store(int64(track) + 1)
	s.steps.Add(1)
}

// suspect returns the track served last, -1 when there is none.
func (s *shared) suspect() int {
	track := s.serving.Load() - 1
	if track < 0 || track > maxTracks {
		return -1
	}
	return int(track)
}

// memory is the parent's handle on the page.
type memory struct {
	file *os.File
	data []byte
	page *shared
}

// newMemory makes a page that a child can inherit. It is sealed: a child that could shrink it would make its parent
// die of SIGBUS.
func newMemory() (*memory, error) {
	fd, err := unix.MemfdCreate("roomreel", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make shared page: %w", err)
	}
	m := &memory{file: os.NewFile(uintptr(fd), "shared page")}
	if err := unix.Ftruncate(fd, pageSize); err != nil {
		m.Close()
		return nil, fmt.Errorf("make shared page: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		m.Close()
		return nil, fmt.Errorf("seal shared page: %w", err)
	}
	m.data, m.page, err = mapPage(fd)
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func mapPage(fd int) ([]byte, *shared, error) {
	data, err := syscall.Mmap(fd, 0, pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map shared page: %w", err)
	}
	return data, (*shared)(unsafe.Pointer(&data[0])), nil
}

func (m *memory) Close() error {
	if m.data != nil {
		syscall.Munmap(m.data)
		m.data, m.page = nil, nil
	}
	return m.file.Close()
}

// order writes what the child must know before anything else.
func (s *shared) order(c Command) {
	s.magic = pageMagic
	s.memory = c.MemoryLimit
	if c.probe {
		s.probe = 1
	}
	switch c.Mode {
	case Require:
		s.mode = 1
	case Off:
		s.mode = 2
	}
	if c.Timeout > 0 {
		// Several threads use processor time at once; this is the floor under a parent that does not keep its clock.
		s.seconds = uint64(c.Timeout.Seconds()+1) * 64
	}
}

func (s *shared) modeOrdered() Mode {
	switch s.mode {
	case 1:
		return Require
	case 2:
		return Off
	}
	return Auto
}
