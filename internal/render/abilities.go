package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Report says what holds a child here, on this kernel and for this user.
type Report struct {
	Guards  []Guard
	Escapes []string // what a child tried and was able to do all the same, in words
}

// Guard is one part of the sandbox.
type Guard struct {
	Name  string
	Holds bool
	Hint  string // what would make it hold; "" when it does
}

// Missing names the guards that do not hold.
func (r Report) Missing() []string {
	var names []string
	for _, g := range r.Guards {
		if !g.Holds {
			names = append(names, g.Name)
		}
	}
	return names
}

// probeTimeout bounds a probe: starting a process and a few system calls.
const probeTimeout = 20 * time.Second

// Abilities starts a child that tries to break out, and reports which guards hold. It is for the start of the service
// and for its doctor. The error is not nil when no child could be started at all, or, in mode Require, when a guard is
// missing.
func Abilities(ctx context.Context, c Command) (Report, error) {
	c = c.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c.probe = true
	p, err := start(ctx, c)
	if err != nil {
		return Report{}, fmt.Errorf("start render child: %w", err)
	}
	defer p.release()
	defer p.in.Close()
	defer p.out.Close()
	said, err := io.ReadAll(io.LimitReader(p.out, 64<<10))
	if err != nil {
		cancel()
	}
	state := p.wait()
	var r Report
	for line := range strings.Lines(string(said)) {
		r.Escapes = append(r.Escapes, strings.TrimSpace(line))
	}
	holds := p.guards
	holds |= guard(p.page.guards.Load()) & selfGuards
	for _, g := range guardTexts {
		entry := Guard{Name: g.name, Holds: holds&g.guard != 0}
		if !entry.Holds {
			entry.Hint = g.hint
		}
		r.Guards = append(r.Guards, entry)
	}
	if state == nil || state.ExitCode() != exitOK {
		return r, fmt.Errorf("probe of the sandbox: render child ended with %v: %s", state, p.stderr.String())
	}
	if c.Mode == Require && (len(r.Missing()) > 0 || len(r.Escapes) > 0) {
		return r, fmt.Errorf("the sandbox is required and incomplete: missing %v, possible %v", r.Missing(), r.Escapes)
	}
	return r, nil
}

// escapes tries what a codec taken over by an attacker would, and names what works. Nothing does, inside the sandbox.
func escapes() []string {
	var done []string
	try := func(name string, works bool) {
		if works {
			done = append(done, name)
		}
	}
	_, err := os.ReadFile("/etc/passwd")
	try("read a file", err == nil)
	f, err := os.OpenFile("/tmp/roomreel-escape", os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		f.Close()
		os.Remove(f.Name())
	}
	try("write a file", err == nil)
	_, err = os.ReadDir("/")
	try("list a folder", err == nil)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6, unix.AF_UNIX, unix.AF_NETLINK} {
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		try(fmt.Sprintf("make a socket of family %d", family), err == nil)
	}
	if c, err := net.DialTimeout("tcp", "127.0.0.1:9", time.Second); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		try("connect", true)
	}
	try("make a process", canFork())
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err == nil {
		p.Wait()
	}
	try("run a program", err == nil)
	try("signal its parent", syscall.Kill(os.Getppid(), 0) == nil)
	try("trace", unix.PtraceAttach(1) == nil)
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil {
		unix.Munmap(code)
	}
	try("make memory executable", err == nil)
	memory, err := unix.Mmap(-1, 0, 1<<40, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err == nil {
		unix.Munmap(memory)
	}
	try("take a terabyte of memory", err == nil)
	try("raise its limits", unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 32, Max: 32}) == nil)
	try("make a namespace", unix.Unshare(unix.CLONE_NEWUSER) == nil)
	return done
}

// canFork makes a bare process, without the Go runtime's preparations, that ends at once.
func canFork() bool {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return false
	}
	if pid == 0 {
		for {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	syscall.Wait4(int(pid), nil, 0, nil)
	return true
}
