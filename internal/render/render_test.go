package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain makes this test binary its own child: a process that was handed a page is one.
func TestMain(m *testing.M) {
	if page, err := inherit(); err == nil {
		exit(childWith(page, behave))
	}
	if len(os.Args) > 1 && os.Args[1] == "parent" {
		middleman()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if plainDir != "" {
			os.RemoveAll(plainDir)
		}
		os.Exit(code)
	}))
}

// behave is the test child's work. The plan's codec names it.
func behave(plan Plan, c *Conn) (Stats, error) {
	if plan.Sound != nil {
		return Stats{}, errors.New("no ear")
	}
	p := plan.Picture
	facts := Stats{Tracks: make([]TrackStats, len(p.Tracks))}
	if err := c.Header(Header{Private: []byte("header")}); err != nil {
		return facts, err
	}
	switch p.Encoder.Codec {
	case "silent":
		syscall.Exit(0)
	case "garbage":
		os.Stdout.WriteString("\x00\x01garbage, as a library's printf makes it")
		select {}
	case "huge":
		os.Stdout.Write([]byte{framePacket, 0xff, 0xff, 0xff, 0xff})
		select {}
	case "fail":
		fmt.Fprintln(os.Stderr, "first line")
		return facts, errors.New("libx264: no such preset")
	case "panic":
		c.Serving(1)
		panic("decoder lost its way")
	case "hungry":
		var kept [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
			c.Serving(len(kept) % 2)
		}
	case "lie":
		facts.Pictures = 1 << 20
		return facts, nil
	case "deaf":
		c.Progress(int64(os.Getpid()))
		c.flush()
		select {}
	}
	for _, chunk := range p.Chunks {
		for n := chunk.From; n < chunk.To; n++ {
			in, err := c.Next()
			if err != nil {
				return facts, err
			}
			c.Serving(in.Track)
			if string(in.Data) == "poison" {
				return facts, poison()
			}
			if string(in.Data) == "report" {
				c.Progress(-1)
				c.flush()
				select {}
			}
			facts.Tracks[in.Track].Packets++
			c.Serving(-1)
			out := Packet{PTS: int64(n), DTS: int64(n), Len: 1, Key: n == chunk.From, Data: in.Data}
			if err := c.Packet(out); err != nil {
				return facts, err
			}
			facts.Pictures++
		}
		if err := c.ChunkDone(int(chunk.From-p.Chunks[0].From) / (chunk.To - chunk.From)); err != nil {
			return facts, err
		}
		if err := c.Progress(int64(facts.Pictures)); err != nil {
			return facts, err
		}
	}
	if _, err := c.Next(); !errors.Is(err, io.EOF) {
		return facts, fmt.Errorf("more than was planned: %v", err)
	}
	return facts, nil
}

func poison() error {
	var nowhere *int
	return fmt.Errorf("%d", *nowhere)
}

// middleman is a parent that a test kills. It runs a child that never ends and says its process ID.
func middleman() {
	Do(context.Background(), Command{Path: os.Args[2]}, picturePlan("deaf", 1), endless(nil), &recorder{
		progress: func(int64) error {
			fmt.Println("ready")
			return nil
		},
	})
	os.Exit(1)
}

type recorder struct {
	header   Header
	packets  []Packet
	chunks   []int
	progress func(int64) error
	packet   func(Packet) error
}

func (r *recorder) Header(h Header) error { r.header = h; return nil }
func (r *recorder) Packet(p Packet) error {
	r.packets = append(r.packets, p)
	if r.packet != nil {
		return r.packet(p)
	}
	return nil
}
func (r *recorder) ChunkDone(i int) error { r.chunks = append(r.chunks, i); return nil }
func (r *recorder) Progress(n int64) error {
	if r.progress != nil {
		return r.progress(n)
	}
	return nil
}

func picturePlan(codec string, chunks int) Plan {
	p := &VideoPlan{Encoder: Encoder{Codec: codec}, Tracks: make([]Track, 2)}
	for i := range chunks {
		p.Chunks = append(p.Chunks, Chunk{i * 10, i*10 + 10})
	}
	return Plan{Picture: p}
}

// packets returns a feed of n packets on alternating tracks.
func packets(n int, data string) func() (Packet, error) {
	i := 0
	return func() (Packet, error) {
		if i == n {
			return Packet{}, io.EOF
		}
		i++
		return Packet{Track: i % 2, Time: time.Duration(i) * time.Millisecond, Data: []byte(data)}, nil
	}
}

func endless(data []byte) func() (Packet, error) {
	return func() (Packet, error) { return Packet{Data: data}, nil }
}

var plainDir string // of the child's program, to be removed at the end

// buildPlain makes a test binary without the race detector, whose shadow memory no limit could hold.
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
	if raceEnabled {
		path, err = buildPlain()
	}
	if err != nil {
		t.Fatal(err)
	}
	return Command{Path: path}
}

// ownCopy is this program where everybody may execute it: go test keeps it in a folder of its user's own, and a child that
// becomes nobody could not start there.
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

func TestDo_CarriesPacketsBothWays(t *testing.T) {
	for _, mode := range []Mode{Auto, Require, Off} {
		t.Run(string(mode), func(t *testing.T) {
			c := testCommand(t)
			c.Mode = mode
			var r recorder
			facts, err := Do(t.Context(), c, picturePlan("", 3), packets(30, "data"), &r)
			if err != nil {
				t.Fatal(err)
			}
			want := Stats{Pictures: 30, Tracks: []TrackStats{{Packets: 15}, {Packets: 15}}}
			if diff := cmp.Diff(want, facts); diff != "" {
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

func TestDo_NamesTheTrackThatKilled(t *testing.T) {
	n := 0
	next := func() (Packet, error) {
		if n++; n == 6 {
			return Packet{Track: 1, Data: []byte("poison")}, nil
		}
		return Packet{Track: 0}, nil
	}
	_, err := Do(t.Context(), testCommand(t), picturePlan("", 3), next, &recorder{})
	exit := exitError(t, err)
	if exit.Track != 1 || exit.Code != 2 || !strings.Contains(exit.Stderr, "nil pointer") {
		t.Errorf("got %+v", exit)
	}
}

func TestDo_KillInTheMiddleNamesTrackAndSignal(t *testing.T) {
	r := &recorder{}
	r.progress = func(int64) error { return syscall.Kill(onlyChild(t), syscall.SIGKILL) }
	n := 0
	next := func() (Packet, error) {
		if n++; n == 5 {
			return Packet{Track: 1, Data: []byte("report")}, nil
		}
		return Packet{Track: 0, Data: make([]byte, 4096)}, nil
	}
	_, err := Do(t.Context(), testCommand(t), picturePlan("", 3), next, r)
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

func TestDo_FindsStoppedChildren(t *testing.T) {
	c := testCommand(t)
	c.StallTimeout = 300 * time.Millisecond
	r := &recorder{}
	r.progress = func(int64) error { return syscall.Kill(onlyChild(t), syscall.SIGSTOP) }
	begin := time.Now()
	_, err := Do(t.Context(), c, picturePlan("deaf", 1), endless(make([]byte, 1000)), r)
	if exit := exitError(t, err); !exit.Stalled || exit.OutOfMemory {
		t.Errorf("got %+v", exit)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDo_WaitsForSlowParents(t *testing.T) {
	c := testCommand(t)
	c.StallTimeout = 100 * time.Millisecond
	slow := func(yes bool) {
		if yes {
			<-time.After(4 * c.StallTimeout)
		}
	}
	n := 0
	feed := packets(10, "x")
	next := func() (Packet, error) { n++; slow(n == 5); return feed() }
	r := &recorder{packet: func(p Packet) error { slow(p.PTS == 3); return nil }}
	if _, err := Do(t.Context(), c, picturePlan("", 1), next, r); err != nil {
		t.Fatal(err)
	}
}

func TestDo_BackPressureBoundsWhatIsSent(t *testing.T) {
	c := testCommand(t)
	c.StallTimeout = 200 * time.Millisecond
	sent := 0
	next := func() (Packet, error) { sent++; return Packet{Data: make([]byte, 64<<10)}, nil }
	_, err := Do(t.Context(), c, picturePlan("deaf", 1), next, &recorder{})
	if exit := exitError(t, err); !exit.Stalled {
		t.Errorf("got %+v", exit)
	}
	if bytes := sent * 64 << 10; bytes > pipeSize+4*bufferSize {
		t.Errorf("%d bytes were taken for a child that reads nothing", bytes)
	}
}

func TestDo_RefusesAnswersThatCannotBe(t *testing.T) {
	for codec, want := range map[string]string{
		"garbage": "unknown frame kind",
		"huge":    "at most",
		"silent":  "before it sent its facts",
		"lie":     "facts: 1048576 pictures",
	} {
		t.Run(codec, func(t *testing.T) {
			_, err := Do(t.Context(), testCommand(t), picturePlan(codec, 1), packets(0, ""), &recorder{})
			exit := exitError(t, err)
			if !strings.Contains(exit.Error(), want) || exit.OutOfMemory {
				t.Errorf("got %q, %+v", exit, exit)
			}
		})
	}
}

func TestDo_KeepsWhatTheChildSaid(t *testing.T) {
	_, err := Do(t.Context(), testCommand(t), picturePlan("fail", 1), packets(0, ""), &recorder{})
	exit := exitError(t, err)
	if exit.Code != exitFailed || exit.Track != -1 || exit.Stderr != "first line\nlibx264: no such preset" {
		t.Errorf("got %+v", exit)
	}
	if want := "render child exited with code 1: libx264: no such preset"; exit.Error() != want {
		t.Errorf("got %q, want %q", exit.Error(), want)
	}
	_, err = Do(t.Context(), testCommand(t), picturePlan("panic", 1), packets(0, ""), &recorder{})
	if exit := exitError(t, err); exit.Code != 2 || exit.Track != 1 || !strings.Contains(exit.Stderr, "lost its way") {
		t.Errorf("got %+v", exit)
	}
}

func TestDo_LimitsMemory(t *testing.T) {
	c := testCommand(t)
	c.MemoryLimit = 256 << 20
	_, err := Do(t.Context(), c, picturePlan("hungry", 1), packets(0, ""), &recorder{})
	if exit := exitError(t, err); !exit.OutOfMemory || exit.Track < 0 {
		t.Errorf("got %+v", exit)
	}
}

func TestDo_EndsWithItsContext(t *testing.T) {
	reason := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	var cancelled time.Time
	r := &recorder{progress: func(int64) error { cancelled = time.Now(); cancel(reason); return nil }}
	_, err := Do(ctx, testCommand(t), picturePlan("deaf", 1), endless(nil), r)
	if !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(cancelled); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDo_EndsAtItsTimeout(t *testing.T) {
	c := testCommand(t)
	c.Timeout = 300 * time.Millisecond
	_, err := Do(t.Context(), c, picturePlan("deaf", 1), endless(nil), &recorder{})
	if exit := exitError(t, err); !exit.TimedOut {
		t.Errorf("got %+v", exit)
	}
}

func TestDo_ReturnsTheCallersOwnErrors(t *testing.T) {
	mine := errors.New("bucket is gone")
	fails := func() (Packet, error) { return Packet{}, mine }
	if _, err := Do(t.Context(), testCommand(t), picturePlan("", 1), fails, &recorder{}); err != mine {
		t.Errorf("next: got %v", err)
	}
	r := &recorder{packet: func(Packet) error { return mine }}
	if _, err := Do(t.Context(), testCommand(t), picturePlan("", 1), packets(10, ""), r); err != mine {
		t.Errorf("handler: got %v", err)
	}
	if _, err := Do(t.Context(), Command{Path: "/no/such/roomreel-render"}, picturePlan("", 1), packets(0, ""), r); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("path: got %v", err)
	}
}

func TestDo_ChildDiesWithItsParent(t *testing.T) {
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

func TestServe_RefusesPlansThatAreNone(t *testing.T) {
	for name, in := range map[string]string{
		"empty":  "",
		"packet": "D\x00\x00\x00\x00",
		"both":   "P\x1b\x00\x00\x00" + `{"picture":{},"sound":{}}  `,
		"json":   "P\x01\x00\x00\x00{",
		"cut":    "P\xff\x00\x00\x00{",
	} {
		t.Run(name, func(t *testing.T) {
			err := Serve(strings.NewReader(in), io.Discard, func(Plan, *Conn) (Stats, error) {
				t.Error("was called")
				return Stats{}, nil
			})
			if err == nil || !strings.Contains(err.Error(), "read plan") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMain_IsNotForUseByHand(t *testing.T) {
	if _, err := inherit(); err == nil || err.Error() != errNotByHand {
		t.Errorf("got %v", err)
	}
}
