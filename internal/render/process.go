package render

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
)

const (
	// pipeSize is the largest pipe that an unprivileged process may have by default (fs.pipe-max-size).
	pipeSize = 1 << 20

	// waitDelay is how long a dead child's stderr may stay open before the parent closes it.
	waitDelay = 5 * time.Second
)

// process is a running child and the parent's ends of what they share.
type process struct {
	in        *os.File // the child's stdin
	out       *os.File // the child's stdout
	stderr    *tail
	page      *protocol.PageFile
	isolation sandbox.Isolation
	exited    chan *os.ProcessState
}

// start runs the child until ctx ends, in the strictest isolation that the kernel grants.
func start(ctx context.Context, c Command) (*process, error) {
	var problems []error
	for _, isolation := range sandbox.Isolations(c.Mode) {
		p, err := startIn(ctx, c, isolation)
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

func startIn(ctx context.Context, c Command, isolation sandbox.Isolation) (_ *process, err error) {
	var open []io.Closer // to be closed when the child does not start
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
	page, err := protocol.NewPageFile(c.orders())
	if err != nil {
		return nil, err
	}
	open = append(open, page)

	p := &process{in: in, out: out, stderr: new(tail), page: page, isolation: isolation, exited: make(chan *os.ProcessState, 1)}
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Env = []string{} // nil would pass on the service's
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, p.stderr
	cmd.ExtraFiles = []*os.File{page.File} // becomes protocol.PageFD
	cmd.SysProcAttr = isolation.Attributes()
	cmd.WaitDelay = waitDelay
	cmd.Cancel = func() error {
		// A child has nothing to save, so it is not asked to end. The process group is its own.
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}

	started := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread that started the child ends, not the process. So this
		// goroutine keeps its thread until the child is gone.
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

func (p *process) release() { p.page.Close() }

// orders are what a child must know before anything else.
func (c Command) orders() protocol.Orders {
	o := protocol.Orders{
		Confine: c.Mode != sandbox.Off, Require: c.Mode == sandbox.Require, Probe: c.probe, Memory: c.MemoryLimit, Device: c.Device,
	}
	if c.Timeout > 0 {
		// A second bound behind the parent's own clock. Several threads use processor time at once.
		o.CPUSeconds = uint64(c.Timeout.Seconds()+1) * 64
	}
	return o
}

// pipe makes a pipe of pipeSize, where the kernel allows it, instead of 64 KiB: it holds a second of film.
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

// A child's last lines say why it died. After a crash of the Go runtime the first lines do, before the stacks of all
// goroutines.
const (
	headSize = 2 << 10
	tailSize = 6 << 10
)

// tail keeps the first headSize and the last tailSize bytes of what is written to it.
type tail struct {
	mu   sync.Mutex
	head []byte
	data []byte
	lost bool // there was more between the two
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := len(p)
	n := min(len(p), headSize-len(t.head))
	t.head = append(t.head, p[:n]...)
	p = p[n:]
	if cut := len(t.data) + len(p) - tailSize; cut > 0 {
		t.lost = true
		t.data = append(t.data[:0], t.data[min(cut, len(t.data)):]...)
		p = p[max(0, len(p)-tailSize):]
	}
	t.data = append(t.data, p...)
	return size, nil
}

// String returns what was kept, with a line of three dots for the rest. Invalid UTF-8 and NUL are replaced, because the
// text may be stored in a database.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	head, data := t.head, t.data
	if t.lost {
		if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
			head = head[:i]
		}
		data = data[bytes.IndexByte(data, '\n')+1:]
		head = append(bytes.Clone(head), "\n...\n"...)
	}
	data = append(bytes.Clone(head), data...)
	data = bytes.ReplaceAll(bytes.ToValidUTF8(data, []byte("\uFFFD")), []byte{0}, []byte("\uFFFD"))
	return string(bytes.TrimSpace(data))
}
