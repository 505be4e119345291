package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
)

// TestMain makes this test binary its own child: it is one when it inherits a page.
func TestMain(m *testing.M) {
	if page, err := protocol.InheritPage(); err == nil {
		exit(childMain(page, behave, func(*protocol.Device) ([]string, error) { return nil, nil }))
	}
	if len(os.Args) > 1 && os.Args[1] == "parent" {
		runParent()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if plainDir != "" {
			os.RemoveAll(plainDir)
		}
		os.Exit(code)
	}))
}

// behave is what the test child does. The codec of the plan's encoder names it.
func behave(plan protocol.Plan, c *protocol.Conn) (protocol.Stats, error) {
	if plan.Audio != nil {
		return protocol.Stats{}, errors.New("this child does video only")
	}
	p := plan.Video
	stats := protocol.Stats{Tracks: make([]protocol.TrackStats, len(p.Tracks))}
	if err := c.Header(protocol.Header{Private: []byte("header")}); err != nil {
		return stats, err
	}
	switch p.Encoder.Codec {
	case "exit":
		syscall.Exit(0)
	case "garbage":
		os.Stdout.WriteString("\x00\x01garbage, as a library's printf makes it")
		select {}
	case "oversized":
		os.Stdout.Write([]byte{'D', 0xff, 0xff, 0xff, 0xff})
		select {}
	case "fail":
		fmt.Fprintln(os.Stderr, "first line")
		return stats, errors.New("libx264: no such preset")
	case "panic":
		c.WorkingOn(1)
		panic("decoder failed")
	case "allocate":
		var kept [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
			c.WorkingOn(len(kept) % 2)
		}
	case "wrong stats":
		stats.Frames = 1 << 20
		return stats, nil
	case "read nothing":
		c.Progress(int64(os.Getpid()))
		c.Flush()
		select {}
	}
	for _, chunk := range p.Chunks {
		for n := chunk.From; n < chunk.To; n++ {
			in, err := c.Next()
			if err != nil {
				return stats, err
			}
			c.WorkingOn(in.Track)
			if string(in.Data) == "crash" {
				return stats, crash()
			}
			if string(in.Data) == "hang" {
				c.Progress(-1)
				c.Flush()
				select {}
			}
			stats.Tracks[in.Track].Packets++
			c.WorkingOn(-1)
			out := protocol.Packet{PTS: int64(n), Len: 1, Key: n == chunk.From, Data: in.Data}
			if err := c.Packet(out); err != nil {
				return stats, err
			}
			stats.Frames++
		}
		if err := c.ChunkDone(protocol.ChunkDone{Chunk: int(chunk.From-p.Chunks[0].From) / (chunk.To - chunk.From), Tracks: make([]protocol.TrackStats, len(p.Tracks))}); err != nil {
			return stats, err
		}
		if err := c.Progress(int64(stats.Frames)); err != nil {
			return stats, err
		}
	}
	if _, err := c.Next(); !errors.Is(err, io.EOF) {
		return stats, fmt.Errorf("more than was planned: %v", err)
	}
	return stats, nil
}

func crash() error {
	var nowhere *int
	return fmt.Errorf("%d", *nowhere)
}

// runParent is the main function of a parent that a test kills. It runs a child that never ends.
func runParent() {
	Run(context.Background(), Command{Path: os.Args[2]}, videoPlan("read nothing", 1), endless(nil), &recorder{
		progress: func(int64) error {
			fmt.Println("ready")
			return nil
		},
	})
	os.Exit(1)
}

type recorder struct {
	header   protocol.Header
	packets  []protocol.Packet
	chunks   []int
	progress func(int64) error
	packet   func(protocol.Packet) error
}

func (r *recorder) Header(h protocol.Header) error { r.header = h; return nil }
func (r *recorder) Packet(p protocol.Packet) error {
	r.packets = append(r.packets, p)
	if r.packet != nil {
		return r.packet(p)
	}
	return nil
}

func (r *recorder) ChunkDone(done protocol.ChunkDone) error {
	r.chunks = append(r.chunks, done.Chunk)
	return nil
}

func (r *recorder) Progress(n int64) error {
	if r.progress != nil {
		return r.progress(n)
	}
	return nil
}

func videoPlan(codec string, chunks int) protocol.Plan {
	p := &protocol.VideoPlan{Encoder: protocol.Encoder{Codec: codec}, Tracks: make([]protocol.Track, 2)}
	for i := range chunks {
		p.Chunks = append(p.Chunks, protocol.Chunk{From: i * 10, To: i*10 + 10})
	}
	return protocol.Plan{Video: p}
}

// packets returns a feed of n packets on alternating tracks.
func packets(n int, data string) func() (protocol.Packet, error) {
	i := 0
	return func() (protocol.Packet, error) {
		if i == n {
			return protocol.Packet{}, io.EOF
		}
		i++
		return protocol.Packet{Track: i % 2, Time: time.Duration(i) * time.Millisecond, Data: []byte(data)}, nil
	}
}

func endless(data []byte) func() (protocol.Packet, error) {
	return func() (protocol.Packet, error) { return protocol.Packet{Data: data}, nil }
}

var plainDir string // of the child's program, to be removed at the end

// built reports whether this test binary was built with a flag.
func built(flag string) bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == flag && s.Value == "true" })
}

// buildPlain makes a test binary without the race detector, whose shadow memory exceeds every limit.
var buildPlain = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "render-child")
	if err != nil {
		return "", err
	}
	plainDir = dir
	path := filepath.Join(dir, "child")
	out, err := exec.Command("go", "test", "-c", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

func testCommand(t testing.TB) Command {
	t.Helper()
	path, err := ownCopy()
	if built("-race") {
		path, err = buildPlain()
	}
	if err != nil {
		t.Fatal(err)
	}
	return Command{Path: path}
}

// ownCopy is this program in a folder that every user can read. go test keeps it in a private folder, where a child that
// runs as another user could not start.
var ownCopy = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	if plainDir, err = os.MkdirTemp("", "roomreel-render-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(plainDir, "child")
	return path, errors.Join(os.WriteFile(path, program, 0o755), os.Chmod(path, 0o755), os.Chmod(plainDir, 0o755))
})

func exitError(t *testing.T, err error) *ExitError {
	t.Helper()
	var exit *ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("got error %v, want an ExitError", err)
	}
	return exit
}

func TestRun_CarriesPacketsBothWays(t *testing.T) {
	for _, mode := range []sandbox.Mode{sandbox.Auto, sandbox.Require, sandbox.Off} {
		t.Run(string(mode), func(t *testing.T) {
			c := testCommand(t)
			c.Mode = mode
			var r recorder
			stats, err := Run(t.Context(), c, videoPlan("", 3), packets(30, "data"), &r)
			if err != nil {
				t.Fatal(err)
			}
			if stats.CPU <= 0 {
				t.Error("the child used no processor time")
			}
			want := protocol.Stats{Frames: 30, Tracks: []protocol.TrackStats{{Packets: 15}, {Packets: 15}}, CPU: stats.CPU}
			if diff := cmp.Diff(want, stats); diff != "" {
				t.Error(diff)
			}
			if len(r.packets) != 30 || string(r.packets[29].Data) != "data" || r.packets[29].PTS != 29 || !r.packets[20].Key {
				t.Errorf("got %d packets, last %+v", len(r.packets), r.packets[len(r.packets)-1])
			}
			if diff := cmp.Diff([]int{0, 1, 2}, r.chunks); diff != "" {
				t.Error(diff)
			}
			if string(r.header.Private) != "header" {
				t.Errorf("header %q", r.header.Private)
			}
		})
	}
}

func TestRun_NamesTheTrackThatKilled(t *testing.T) {
	n := 0
	next := func() (protocol.Packet, error) {
		if n++; n == 6 {
			return protocol.Packet{Track: 1, Data: []byte("crash")}, nil
		}
		return protocol.Packet{Track: 0}, nil
	}
	_, err := Run(t.Context(), testCommand(t), videoPlan("", 3), next, &recorder{})
	exit := exitError(t, err)
	if exit.Track != 1 || exit.Code != 2 || !strings.Contains(exit.Stderr, "nil pointer") {
		t.Errorf("got %+v", exit)
	}
}

func TestRun_KillInTheMiddleNamesTrackAndSignal(t *testing.T) {
	r := &recorder{}
	r.progress = func(int64) error { return syscall.Kill(onlyChild(t), syscall.SIGKILL) }
	n := 0
	next := func() (protocol.Packet, error) {
		if n++; n == 5 {
			return protocol.Packet{Track: 1, Data: []byte("hang")}, nil
		}
		return protocol.Packet{Track: 0, Data: make([]byte, 4096)}, nil
	}
	_, err := Run(t.Context(), testCommand(t), videoPlan("", 3), next, r)
	exit := exitError(t, err)
	if exit.Track != 1 || exit.Signal != syscall.SIGKILL || exit.Code != -1 || exit.Stalled || !exit.OutOfMemory {
		t.Errorf("got %+v", exit)
	}
}

// onlyChild returns the process ID of this process's only child, as this process sees it.
func onlyChild(t testing.TB) int {
	t.Helper()
	for _, pid := range childrenOf(os.Getpid()) {
		return pid
	}
	t.Error("no child")
	return 0
}

func childrenOf(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var list []int
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				list = append(list, n)
			}
		}
	}
	return list
}

func TestRun_FindsStoppedChildren(t *testing.T) {
	c := testCommand(t)
	c.StallTimeout = 300 * time.Millisecond
	r := &recorder{}
	r.progress = func(int64) error { return syscall.Kill(onlyChild(t), syscall.SIGSTOP) }
	begin := time.Now()
	_, err := Run(t.Context(), c, videoPlan("read nothing", 1), endless(make([]byte, 1000)), r)
	if exit := exitError(t, err); !exit.Stalled || exit.OutOfMemory {
		t.Errorf("got %+v", exit)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestRun_WaitsForSlowParents(t *testing.T) {
	c := testCommand(t)
	c.StallTimeout = 100 * time.Millisecond
	slow := func(yes bool) {
		if yes {
			<-time.After(4 * c.StallTimeout)
		}
	}
	n := 0
	feed := packets(10, "x")
	next := func() (protocol.Packet, error) { n++; slow(n == 5); return feed() }
	r := &recorder{packet: func(p protocol.Packet) error { slow(p.PTS == 3); return nil }}
	if _, err := Run(t.Context(), c, videoPlan("", 1), next, r); err != nil {
		t.Fatal(err)
	}
}

func TestRun_BackPressureBoundsWhatIsSent(t *testing.T) {
	c := testCommand(t)
	c.StallTimeout = 200 * time.Millisecond
	sent := 0
	next := func() (protocol.Packet, error) { sent++; return protocol.Packet{Data: make([]byte, 64<<10)}, nil }
	_, err := Run(t.Context(), c, videoPlan("read nothing", 1), next, &recorder{})
	if exit := exitError(t, err); !exit.Stalled {
		t.Errorf("got %+v", exit)
	}
	if bytes := sent * 64 << 10; bytes > pipeSize+4*protocol.BufferSize {
		t.Errorf("%d bytes were taken for a child that reads nothing", bytes)
	}
}

func TestRun_RefusesAnswersThatCannotBe(t *testing.T) {
	for codec, want := range map[string]string{
		"garbage":     "unknown message kind",
		"oversized":   "at most",
		"exit":        "before it sent its stats",
		"wrong stats": "stats: 1048576 frames",
	} {
		t.Run(codec, func(t *testing.T) {
			_, err := Run(t.Context(), testCommand(t), videoPlan(codec, 1), packets(0, ""), &recorder{})
			exit := exitError(t, err)
			if !strings.Contains(exit.Error(), want) || exit.OutOfMemory {
				t.Errorf("got %q, %+v", exit, exit)
			}
		})
	}
}

func TestRun_KeepsWhatTheChildSaid(t *testing.T) {
	_, err := Run(t.Context(), testCommand(t), videoPlan("fail", 1), packets(0, ""), &recorder{})
	exit := exitError(t, err)
	if exit.Code != exitFailed || exit.Track != -1 || exit.Stderr != "first line\nlibx264: no such preset" {
		t.Errorf("got %+v", exit)
	}
	if want := "render child exited with code 1: libx264: no such preset"; exit.Error() != want {
		t.Errorf("got %q, want %q", exit.Error(), want)
	}
	_, err = Run(t.Context(), testCommand(t), videoPlan("panic", 1), packets(0, ""), &recorder{})
	if exit := exitError(t, err); exit.Code != 2 || exit.Track != 1 || !strings.Contains(exit.Stderr, "decoder failed") {
		t.Errorf("got %+v", exit)
	}
}

func TestRun_LimitsMemory(t *testing.T) {
	c := testCommand(t)
	c.MemoryLimit = 256 << 20
	_, err := Run(t.Context(), c, videoPlan("allocate", 1), packets(0, ""), &recorder{})
	if exit := exitError(t, err); !exit.OutOfMemory || exit.Track < 0 {
		t.Errorf("got %+v", exit)
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	reason := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	var cancelled time.Time
	r := &recorder{progress: func(int64) error { cancelled = time.Now(); cancel(reason); return nil }}
	_, err := Run(ctx, testCommand(t), videoPlan("read nothing", 1), endless(nil), r)
	if !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(cancelled); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestRun_EndsAtItsTimeout(t *testing.T) {
	c := testCommand(t)
	c.Timeout = 300 * time.Millisecond
	_, err := Run(t.Context(), c, videoPlan("read nothing", 1), endless(nil), &recorder{})
	if exit := exitError(t, err); !exit.TimedOut {
		t.Errorf("got %+v", exit)
	}
}

func TestRun_ReturnsTheCallersOwnErrors(t *testing.T) {
	mine := errors.New("bucket is gone")
	fails := func() (protocol.Packet, error) { return protocol.Packet{}, mine }
	if _, err := Run(t.Context(), testCommand(t), videoPlan("", 1), fails, &recorder{}); err != mine {
		t.Errorf("next: got %v", err)
	}
	r := &recorder{packet: func(protocol.Packet) error { return mine }}
	if _, err := Run(t.Context(), testCommand(t), videoPlan("", 1), packets(10, ""), r); err != mine {
		t.Errorf("handler: got %v", err)
	}
	if _, err := Run(t.Context(), Command{Path: "/no/such/roomreel-render"}, videoPlan("", 1), packets(0, ""), r); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("path: got %v", err)
	}
}

func TestRun_ChildDiesWithItsParent(t *testing.T) {
	c := testCommand(t)
	parent := exec.Command(c.Path, "parent", c.Path)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		t.Fatal(err)
	}
	children := childrenOf(parent.Process.Pid)
	if len(children) != 1 {
		t.Fatalf("children %v", children)
	}
	child, err := unix.PidfdOpen(children[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	parent.Process.Kill()
	parent.Wait()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(child), Events: unix.POLLIN}}, 10_000)
	if n != 1 || err != nil {
		t.Errorf("the child lives on: %d, %v", n, err)
		syscall.Kill(children[0], syscall.SIGKILL)
	}
}

func TestTail_KeepsTheBeginningAndTheEnd(t *testing.T) {
	var s tail
	fmt.Fprintln(&s, "panic: why")
	for i := range 10_000 {
		fmt.Fprintln(&s, "goroutine", i)
	}
	fmt.Fprint(&s, "the end\xff\x00")
	got := s.String()
	if !strings.HasPrefix(got, "panic: why\n") || !strings.HasSuffix(got, "goroutine 9999\nthe end\uFFFD\uFFFD") || len(got) > tailSize+headSize+64 {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}
