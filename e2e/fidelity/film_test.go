package fidelity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

// A run is one call of `roomreel compose`.
type run struct {
	code   int
	stderr string
	took   time.Duration
	cpu    time.Duration // of the program and its children
	memory int64         // bytes, of the largest process
	line   struct {
		Frames   int
		Samples  int64
		Seconds  float64
		Peak     float64
		Warnings []string
		Tracks   []struct {
			Name    string `json:"track_name"`
			Lost    bool
			Missing bool
		}
	}
}

// tryCompose composes a room. The exit code may be any. watch is called with the running process.
func tryCompose(tb testing.TB, manifest, out string, limit time.Duration, watch func(pid int), arguments ...string) run {
	tb.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), append([]string{"compose", "--room", manifest, "-o", out}, arguments...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	began := time.Now()
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	timer := time.AfterFunc(limit, func() { syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
	if watch != nil {
		go watch(command.Process.Pid)
	}
	err := command.Wait()
	r := run{code: command.ProcessState.ExitCode(), stderr: stderr.String(), took: time.Since(began), cpu: command.ProcessState.UserTime() + command.ProcessState.SystemTime()}
	timer.Stop()
	if exit := (&exec.ExitError{}); err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = usage.Maxrss << 10 // Linux counts in KiB
	}
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &r.line); err != nil {
			tb.Fatalf("compose printed %q: %v", &stdout, err)
		}
	}
	return r
}

// compose composes a room, opens the film, and checks that ffmpeg has nothing to say about it.
func compose(tb testing.TB, manifest, out string, arguments ...string) (*fixture.Film, run) {
	tb.Helper()
	r := tryCompose(tb, manifest, out, time.Hour, nil, arguments...)
	if r.code != 0 {
		tb.Fatalf("roomreel compose %v ended with %d: %s", arguments, r.code, r.stderr)
	}
	checkClean(tb, out)
	return fixture.Open(tb, out), r
}

// How many films ffmpeg decoded, and how many of them with a message.
var readFilms, dirtyFilms atomic.Int64

// checkClean decodes a film with all warnings.
func checkClean(tb testing.TB, path string) {
	tb.Helper()
	said, err := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-xerror", "-err_detect", "explode", "-i", path, "-f", "null", "-").CombinedOutput()
	readFilms.Add(1)
	if err == nil && len(said) == 0 {
		return
	}
	dirtyFilms.Add(1)
	tb.Errorf("ffmpeg on %s: %v\n%.2000s", filepath.Base(path), err, said)
}

// makeRoom writes tracks and their manifest, and returns its path.
func makeRoom(tb testing.TB, dir string, tracks ...*track) string {
	tb.Helper()
	var room fixture.Room
	for _, k := range tracks {
		room.Recordings = append(room.Recordings, k.make(tb, dir))
	}
	return room.WriteManifest(tb, dir)
}

// grid writes a layout that gives each camera a cell of its own, in rows of five, and returns the arguments for it with the
// cells in the order of the cameras.
func grid(tb testing.TB, dir string, cameras ...string) (arguments []string, cells []image.Rectangle) {
	tb.Helper()
	const columns = 5
	regions := map[string]any{}
	for i, name := range cameras {
		at := image.Pt(i%columns*cellSize.X, i/columns*cellSize.Y)
		cells = append(cells, image.Rectangle{at, at.Add(cellSize)})
		regions[name] = map[string]any{
			"video_sources": []string{name}, "x_pos": at.X, "y_pos": at.Y, "width": cellSize.X, "height": cellSize.Y, "max_columns": 1, "max_rows": 1,
		}
	}
	text, err := json.Marshal(regions)
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "layout.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		tb.Fatal(err)
	}
	rows := (len(cameras) + columns - 1) / columns
	return []string{"--layout", path, "--resolution", fmt.Sprintf("%dx%d", columns*cellSize.X, rows*cellSize.Y)}, cells
}

// noVideo writes the layout of a film without video, and returns the arguments for it.
func noVideo(tb testing.TB, dir string) []string {
	tb.Helper()
	path := filepath.Join(dir, "no-video.json")
	if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
		tb.Fatal(err)
	}
	return []string{"--layout", path}
}

// saysPanic reports whether a program of ours died in a way that it did not intend.
func saysPanic(stderr string) bool {
	return strings.Contains(stderr, "panic:") || strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "fatal error:")
}
