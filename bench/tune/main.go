// Command tune searches for encoder settings. It encodes frames of two films with each candidate, by one thread of ffmpeg, and prints
// CPU time, bytes and SSIM of each as ratios to what users set by hand. `make tune` runs it, and docs/performance.md keeps its tables.
// The settings in internal/plan/encoder.go are chosen from them.
//
// A candidate is marked when no other one is at least as good in all three: it is on the Pareto front. SSIM is compared with
// the frames that were encoded; the second SSIM is that of the worst twentieth of the frames, so that an encoder cannot pay for cheap
// frames with good ones. Start reading with candidates.go.
package main

import (
	"bytes"
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
	"time"
)

var (
	seconds = flag.Int("seconds", 10, "length of each film")
	turns   = flag.Int("turns", 2, "how often each candidate is measured; the CPU time is that of its quickest run")
	codecs  = flag.String("codecs", "h264,vp8", "codecs to search for, with commas")
	clips   = flag.String("footage", "bench/footage", "folder with at least two webcam clips")
	text    = flag.String("text", "ARCHITECTURE.md", "the text on the shared screen")
)

// result is what a candidate needed for one film.
type result struct {
	candidate
	cpu         time.Duration // without reading the frames
	size        int64         // bytes
	ssim, worst float64       // the mean, and the 5th percentile of frames
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := search(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tune:", err)
		os.Exit(1)
	}
}

func search(ctx context.Context) error {
	work, err := os.MkdirTemp("", "roomreel-tune-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	films, err := makeFilms(ctx, work)
	if err != nil {
		return err
	}
	for _, codec := range strings.Split(*codecs, ",") {
		if candidates[codec] == nil {
			return fmt.Errorf("there are no candidates for %q", codec)
		}
		for _, f := range films {
			results, err := f.try(ctx, work, candidates[codec])
			if err != nil {
				return err
			}
			print(codec, f, results)
		}
	}
	return nil
}

// try measures all candidates, by turns.
func (f film) try(ctx context.Context, work string, all []candidate) ([]result, error) {
	results := make([]result, len(all))
	var reading time.Duration
	for turn := range *turns {
		cpu, err := run(ctx, f.input("-f", "null", "-")...)
		if err != nil {
			return nil, err
		}
		if turn == 0 || cpu < reading {
			reading = cpu
		}
		for i, c := range all {
			r := &results[i]
			r.candidate = c
			out := filepath.Join(work, "film.mkv")
			if cpu, err = run(ctx, f.input(append(strings.Fields(c.options), "-threads", "1", "-g", strconv.Itoa(4*fps), out)...)...); err != nil {
				return nil, err
			}
			if turn > 0 {
				r.cpu = min(r.cpu, cpu)
				continue
			}
			r.cpu = cpu
			info, err := os.Stat(out)
			if err != nil {
				return nil, err
			}
			r.size = info.Size()
			if r.ssim, r.worst, err = f.compare(ctx, work, out); err != nil {
				return nil, err
			}
		}
	}
	for i := range results {
		results[i].cpu -= reading
	}
	return results, nil
}

var ssimAll = regexp.MustCompile(`All:([0-9.]+)`)

// compare returns the mean SSIM of an encoded film, and the 5th percentile of its frames.
func (f film) compare(ctx context.Context, work, encoded string) (mean, worst float64, err error) {
	list := filepath.Join(work, "ssim")
	if _, err := run(ctx, f.input("-i", encoded, "-lavfi", fmt.Sprintf("[0:v]setpts=N/%d/TB[a];[1:v]setpts=N/%[1]d/TB[b];[a][b]ssim=shortest=1:stats_file=%s", fps, list), "-f", "null", "-")...); err != nil {
		return 0, 0, err
	}
	text, err := os.ReadFile(list)
	if err != nil {
		return 0, 0, err
	}
	var frames []float64
	for _, found := range ssimAll.FindAllSubmatch(text, -1) {
		v, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			return 0, 0, err
		}
		frames = append(frames, v)
		mean += v
	}
	if len(frames) != *seconds*fps {
		return 0, 0, fmt.Errorf("%d frames were compared, want %d", len(frames), *seconds*fps)
	}
	slices.Sort(frames)
	return mean / float64(len(frames)), frames[len(frames)/20], nil
}

// run runs ffmpeg and returns the CPU time that it used.
func run(ctx context.Context, arguments ...string) (time.Duration, error) {
	command := exec.CommandContext(ctx, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, arguments...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, &stderr)
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}

// print prints a table in the order of CPU time. The first candidate is what users set by hand.
func print(codec string, f film, results []result) {
	hand := results[0]
	slices.SortStableFunc(results, func(a, b result) int { return int(a.cpu - b.cpu) })
	fmt.Printf("\n%s, %s: by hand %.2f core-s, %.2f MB, SSIM %.4f, worst %.4f\n\n", codec, f.name, hand.cpu.Seconds(), float64(hand.size)/1e6, hand.ssim, hand.worst)
	fmt.Println("| cpu | bytes | SSIM | worst | front | settings |\n|---:|---:|---:|---:|---|---|")
	for _, r := range results {
		mark := ""
		if !slices.ContainsFunc(results, r.beatenBy) {
			mark = "*"
		}
		fmt.Printf("| %.2f | %.2f | %.4f | %.4f | %s | %s |\n", ratio(r.cpu, hand.cpu), ratio(r.size, hand.size), r.ssim, r.worst, mark, r)
	}
}

// beatenBy reports whether another result is at least as good in everything, and better in something.
func (r result) beatenBy(o result) bool {
	return o.cpu <= r.cpu && o.size <= r.size && o.ssim >= r.ssim && (o.cpu < r.cpu || o.size < r.size || o.ssim > r.ssim)
}

func ratio[T time.Duration | int64](a, b T) float64 { return float64(a) / float64(b) }
