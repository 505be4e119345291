package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Page is a page of memory that parent and child share. The parent writes Orders before the child starts. The child
// writes the rest without system calls, and the page is still there after the worst crash. The parent checks what it
// reads from it.
type Page struct {
	magic  uint64
	Orders Orders

	track       atomic.Int64  // track + 1 that the child works on; 0 for none
	steps       atomic.Int64  // grows with everything that the child gets done
	protections atomic.Uint64 // in force, one bit each; package sandbox knows which
}

// Orders are what a child must know before it reads its first message.
type Orders struct {
	Confine    bool   // put on the sandbox
	Require    bool   // and exit when a protection is missing
	Probe      bool   // try to break out instead of serving
	Memory     int64  // bytes the child may allocate
	CPUSeconds uint64 // of processor time, all threads together; 0 means no limit
	Device     Device // that the child may use; the zero value is none
}

// Device is hardware that encodes, in a form that fits into the page.
type Device struct {
	kind  [16]byte
	files [maxDeviceFiles][96]byte
}

const maxDeviceFiles = 8

// NewDevice describes a device by its kind (vaapi, nvenc) and its files. The first is the one that libavcodec opens.
func NewDevice(kind string, files ...string) (d Device, err error) {
	if kind == "" || len(kind) > len(d.kind) || len(files) == 0 || len(files) > len(d.files) {
		return d, fmt.Errorf("a device has a kind of up to %d bytes and 1 to %d files", len(d.kind), len(d.files))
	}
	copy(d.kind[:], kind)
	for i, path := range files {
		if path == "" || path[0] != '/' || len(path) > len(d.files[i]) {
			return d, fmt.Errorf("the device file %q is not an absolute path of up to %d bytes", path, len(d.files[i]))
		}
		copy(d.files[i][:], path)
	}
	return d, nil
}

// Kind returns the kind of the device; "" when there is none.
func (d *Device) Kind() string { return text(d.kind[:]) }

// Files returns the device's files.
func (d *Device) Files() []string {
	var files []string
	for i := range d.files {
		if path := text(d.files[i][:]); path != "" {
			files = append(files, path)
		}
	}
	return files
}

func text(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }

const (
	pageMagic = 0x726f6f6d7265656c // "roomreel"
	pageSize  = 4096

	// PageFD is the descriptor under which a child inherits its page.
	PageFD = 3
)

// Step notes that the child got something done.
func (p *Page) Step() { p.steps.Add(1) }

func (p *Page) workingOn(track int) {
	p.track.Store(int64(track) + 1)
	p.steps.Add(1)
}

// Track returns the track that the child worked on last, -1 for none.
func (p *Page) Track() int {
	track := p.track.Load() - 1
	if track < 0 || track > maxTracks {
		return -1
	}
	return int(track)
}

// Steps returns a number that grows with everything that the child gets done.
func (p *Page) Steps() int64 { return p.steps.Load() }

// Protect notes protections that are in force.
func (p *Page) Protect(bits uint64) { p.protections.Or(bits) }

// Protections returns those that are in force.
func (p *Page) Protections() uint64 { return p.protections.Load() }

// PageFile is the parent's handle on a page.
type PageFile struct {
	File *os.File // for the child to inherit as PageFD
	Page *Page
	data []byte
}

// NewPageFile makes a page that a child can inherit. It is sealed, because a child that could shrink it would make its
// parent die of SIGBUS.
func NewPageFile(orders Orders) (*PageFile, error) {
	fd, err := unix.MemfdCreate("roomreel", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make shared page: %w", err)
	}
	f := &PageFile{File: os.NewFile(uintptr(fd), "shared page")}
	if err := unix.Ftruncate(fd, pageSize); err != nil {
		f.Close()
		return nil, fmt.Errorf("make shared page: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal shared page: %w", err)
	}
	f.data, f.Page, err = mapPage(fd)
	if err != nil {
		f.Close()
		return nil, err
	}
	f.Page.magic, f.Page.Orders = pageMagic, orders
	return f, nil
}

// Close unmaps the page. Neither it nor Page may be used afterwards.
func (f *PageFile) Close() error {
	if f.data != nil {
		syscall.Munmap(f.data)
		f.data, f.Page = nil, nil
	}
	return f.File.Close()
}

// ErrNoPage reports a process that no parent gave a page to.
var ErrNoPage = errors.New("roomreel-render is started by roomreel and not for use by hand")

// InheritPage maps the page that the parent handed down, and closes its descriptor.
func InheritPage() (*Page, error) {
	var info unix.Stat_t
	if err := unix.Fstat(PageFD, &info); err != nil || info.Size != pageSize {
		return nil, ErrNoPage
	}
	_, page, err := mapPage(PageFD)
	if err != nil {
		return nil, err
	}
	if page.magic != pageMagic {
		return nil, ErrNoPage
	}
	return page, unix.Close(PageFD)
}

func mapPage(fd int) ([]byte, *Page, error) {
	data, err := syscall.Mmap(fd, 0, pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map shared page: %w", err)
	}
	return data, (*Page)(unsafe.Pointer(&data[0])), nil
}
