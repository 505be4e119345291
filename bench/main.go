// Command bench composes the reference room alternately with one ffmpeg command, written by hand, and with roomreel, and prints
// what each of them used. `make bench` runs it, and docs/performance.md quotes it.
//
// The two run alternately, so that a change of the machine's speed affects both. Each number is the median of several runs.
// The quality of a film is its SSIM, compared with the same frames composed without loss. ffmpeg and roomreel choose and scale
// frames by different rules, so each film has a reference of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	length  = flag.Int("seconds", 60, "length of the room")
	turns   = flag.Int("turns", 3, "how often each of the two is measured")
	program = flag.String("roomreel", "bin/roomreel", "the program")
	preset  = flag.String("preset", "veryfast", "x264 preset of the command by hand")
	keep    = flag.String("room", "", "folder of an existing room; if it does not exist, the room is made there and kept")
)

// run holds the measurements of one composition.
type run struct {
	cpu, wall time.Duration // CPU time of the process and all its children; elapsed time
	memory    int64         // bytes; of the largest of these processes
	size      int64         // bytes of the film
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context) error {
	folder := *keep
	if folder == "" {
		var err error
		if folder, err = os.MkdirTemp("", "roomreel-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(folder)
	}
	room, err := openRoom(ctx, folder)
	if err != nil {
		return err
	}
	layout := filepath.Join(folder, "layout.json")
	if err := os.WriteFile(layout, room.layout(), 0o644); err != nil {
		return err
	}
	references := map[string]string{}
	for name, by := range map[string]rule{"by hand": ffmpegRule, "roomreel": roomreelRule} {
		references[name] = filepath.Join(folder, "lossless "+name+".mkv")
		lossless := room.ffmpeg(by, references[name], "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-an")
		if err := ffmpeg(ctx, lossless...); err != nil {
			return err
		}
	}
	films := map[string]string{"by hand": filepath.Join(folder, "hand.mp4"), "roomreel": filepath.Join(folder, "roomreel.mp4")}
	commands := map[string][]string{
		"by hand": append([]string{"ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"},
			room.byHand(films["by hand"], "-c:v", "libx264", "-preset", *preset, "-crf", "23", "-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart")...),
		"roomreel": {
			*program, "compose", "--room", room.manifest, "--layout", layout,
			"--resolution", fmt.Sprintf("%dx%d", width, height), "-o", films["roomreel"],
		},
	}
	names := []string{"by hand", "roomreel"}
	runs := map[string][]run{}
	for range *turns {
		for _, name := range names {
			r, err := measure(ctx, commands[name], films[name])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			runs[name] = append(runs[name], r)
		}
	}
	fmt.Printf("%d people, %d s, %dx%d, by hand with x264 %s, medians of %d turns\n\n", len(room.people), *length, width, height, *preset, *turns)
	fmt.Printf("%-10s %10s %10s %10s %12s %8s\n", "", "cpu s", "wall s", "MB", "memory MB", "SSIM")
	for _, name := range names {
		quality, err := ssim(ctx, films[name], references[name])
		if err != nil {
			return err
		}
		m := median(runs[name])
		fmt.Printf("%-10s %10.2f %10.2f %10.2f %12.0f %8.4f\n", name, m.cpu.Seconds(), m.wall.Seconds(), float64(m.size)/1e6, float64(m.memory)/1e6, quality)
	}
	hand, ours := median(runs["by hand"]), median(runs["roomreel"])
	fmt.Printf("%-10s %9.2fx %9.2fx %9.2fx %11.2fx\n", "ratio", ratio(ours.cpu, hand.cpu), ratio(ours.wall, hand.wall), ratio(ours.size, hand.size), ratio(ours.memory, hand.memory))
	fmt.Println("\nmemory is that of the largest process; roomreel runs one child process per core")
	return nil
}

func measure(ctx context.Context, command []string, film string) (run, error) {
	began := time.Now()
	process := exec.CommandContext(ctx, command[0], command[1:]...)
	if output, err := process.CombinedOutput(); err != nil {
		return run{}, fmt.Errorf("%w\n%s", err, output)
	}
	r := run{wall: time.Since(began), cpu: process.ProcessState.UserTime() + process.ProcessState.SystemTime()}
	if usage, ok := process.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = usage.Maxrss << 10 // Linux counts in KiB
	}
	info, err := os.Stat(film)
	if err != nil {
		return run{}, err
	}
	r.size = info.Size()
	return r, nil
}

// median returns the median of each measurement.
func median(runs []run) run {
	return run{
		cpu:    middle(runs, func(r run) time.Duration { return r.cpu }),
		wall:   middle(runs, func(r run) time.Duration { return r.wall }),
		memory: middle(runs, func(r run) int64 { return r.memory }),
		size:   middle(runs, func(r run) int64 { return r.size }),
	}
}

func middle[T time.Duration | int64](runs []run, of func(run) T) T {
	var values []T
	for _, r := range runs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func ratio[T time.Duration | int64](a, b T) float64 { return float64(a) / float64(b) }

var ssimAll = regexp.MustCompile(`All:([0-9.]+)`)

// ssim compares two films frame by frame.
func ssim(ctx context.Context, film, reference string) (float64, error) {
	out, err := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-nostdin", "-i", film, "-i", reference,
		"-lavfi", "[0:v]setpts=N/25/TB[a];[1:v]setpts=N/25/TB[b];[a][b]ssim=shortest=1", "-f", "null", "-").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("ssim of %s: %w\n%s", film, err, out)
	}
	found := ssimAll.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("ssim of %s: ffmpeg printed none", film)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

func ffmpeg(ctx context.Context, arguments ...string) error {
	arguments = append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, arguments...)
	if output, err := exec.CommandContext(ctx, "ffmpeg", arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg %s: %w\n%s", strings.Join(arguments, " "), err, output)
	}
	return nil
}
