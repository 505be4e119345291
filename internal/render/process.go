package render

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pipeSize is the most that an unprivileged process may ask for by default (fs.pipe-max-size).
	pipeSize = 1 << 20

	// waitDelay is how long a dead child's stderr may stay open before it is closed on whoever holds it.
	waitDelay = 5 * time.Second
)

// process is a running child and its parent's ends of what they share.
type process struct {
	in     *os.File // the child's stdin
	out    *os.File // the child's stdout
	stderr *tail
	page   *shared
	exited chan *os.ProcessState
	guards guard // that its surrounding gives

	memory *memory
}

// start runs the child, in the strictest surroundings that the kernel grants (see surroundings), until ctx ends.
func start(ctx context.Context, c Command) (*process, error) {
	var problems []error
	for _, s := range surroundings(c.Mode) {
		p, err := startIn(ctx, c, s)
		if err == nil {
			return p, nil
		}
		problems = append(problems, err)
		if ctx.Err() != nil || errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return nil, errors.Join(problems...)
}

func startIn(ctx context.Context, c Command, s surrounding) (_ *process, err error) {
	var open []io.Closer // what is to be closed when it does not start
	defer func() {
		if err != nil {
			for _, f := range open {
				f.Close()
			}
		}
	}()
	stdin, in, err := pipe()
	if err != nil {
		return nil, err
	}
	open = append(open, in)
	defer stdin.Close()
	out, stdout, err := pipe()
	if err != nil {
		return nil, err
	}
	open = append(open, out)
	defer stdout.Close()
	m, err := newMemory()
	if err != nil {
		return nil, err
	}
	open = append(open, m)
	m.page.order(c)

	p := &process{in: in, out: out, stderr: new(tail), page: m.page, memory: m, guards: s.guards(), exited: make(chan *os.ProcessState, 1)}
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Env = []string{} // nil would hand down ours
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, p.stderr
	cmd.ExtraFiles = []*os.File{m.file}
	cmd.SysProcAttr = s.attributes()
	cmd.WaitDelay = waitDelay
	cmd.Cancel = func() error {
		// There is nothing that a child could save, so it is not asked. The group is its own.
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}

	started := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread that made the child ends, not the process. The
		// thread is therefore kept until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // its error repeats what the state says
			p.exited <- cmd.ProcessState
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// wait returns how the child ended, once it did and everything it wrote to stderr is known.
func (p *process) wait() *os.ProcessState { return <-p.exited }

// starving reports whether the child has read all that was written to it.
func (p *process) starving() bool {
	conn, err := p.in.SyscallConn()
	if err != nil {
		return false
	}
	unread := 1
	if conn.Control(func(fd uintptr) { unread, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) != nil || err != nil {
		return false
	}
	return unread == 0
}

func (p *process) release() { p.memory.Close() }

// pipe makes a pipe that holds a second of film rather than 64 KiB of it, where the kernel allows.
func pipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	if conn, err := w.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
	return r, w, nil
}
