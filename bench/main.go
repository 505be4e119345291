// Command bench measures how fast roomreel is, and prints a table of goals and figures. `make bench` runs it, and docs/performance.md
// keeps its table.
//
// A row composes a room alternately with roomreel and with an ffmpeg command written by hand, or measures a service that it starts.
// The rooms are made of webcam clips in bench/footage. A missed goal is no failure: the program exits with 0 when everything could be
// measured. Start reading with rows.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

var (
	rowNames = flag.String("rows", "*", "rows to measure: names or patterns, with commas")
	list     = flag.Bool("list", false, "list the rows and their goals, and measure nothing")
	length   = flag.Int("seconds", 60, "length of the reference room")
	turns    = flag.Int("turns", 3, "how often each command of a row runs; figures are medians")
	long     = flag.Bool("long", false, "compare 2 h with 10 min instead of 10 min with 1 min, which takes hours")
	program  = flag.String("roomreel", "bin/roomreel", "the program")
	clips    = flag.String("footage", "bench/footage", "folder of webcam clips of which rooms are made")
	rooms    = flag.String("rooms", "", "folder in which rooms are kept for the next time; default is a folder that is removed")
	profiles = flag.String("profile", "", "folder that receives a profile of roomreel for each row (needs perf); the figures are not valid then")
)

// bench is what rows share.
type bench struct {
	seconds, turns int
	long           bool
	program        string
	footage        []string // paths
	rooms, work    string   // folders
	profile        string   // file that receives perf's data; "" for none
	results        map[string]ended
	nodes          int // of services that were started
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measureRows(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measureRows(ctx context.Context) (err error) {
	chosen, err := choose(*rowNames)
	if err != nil {
		return err
	}
	if *list {
		for _, r := range chosen {
			fmt.Printf("%-18s %-12s %s\n", r.name, r.goal, r.title)
		}
		return nil
	}
	b := &bench{seconds: *length, turns: max(1, *turns), long: *long, rooms: *rooms, results: map[string]ended{}}
	if b.program, err = filepath.Abs(*program); err != nil {
		return err
	}
	if b.footage, err = footage(*clips); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp("", "roomreel-bench-"); err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			note("logs and films are kept in %s", b.work)
			return
		}
		os.RemoveAll(b.work)
	}()
	if b.rooms == "" {
		if b.rooms, err = os.MkdirTemp("", "roomreel-rooms-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.rooms)
	}
	if *profiles != "" {
		if err := os.MkdirAll(*profiles, 0o755); err != nil {
			return err
		}
		b.turns = 1
	}
	return b.all(ctx, chosen)
}

// all measures rows, prints each when it is done, and all as a table at the end.
func (b *bench) all(ctx context.Context, chosen []row) error {
	machine := describe(ctx)
	fmt.Printf("%s\n\n", machine)
	var table strings.Builder
	var failed []error
	for _, r := range chosen {
		if *profiles != "" {
			b.profile = filepath.Join(*profiles, r.name+".perf")
			clear(b.results)
		}
		began := time.Now()
		figure, err := r.measure(ctx, b)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		value, status, detail := r.judge(figure, err)
		if _, refused := errors.AsType[*refusal](err); err != nil && !refused {
			failed = append(failed, fmt.Errorf("%s: %w", r.name, err))
		}
		fmt.Printf("%-18s %-12s %-12s %-10s %s (%.0f s)\n", r.name, r.goal, value, status, detail, time.Since(began).Seconds())
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", r.title, r.goal, value, status, detail)
		if b.profile != "" {
			if err := writeProfile(ctx, b.profile); err != nil {
				failed = append(failed, err)
			}
		}
	}
	fmt.Printf("\n%s\n\n| | goal | figure | | |\n|---|---|---|---|---|\n%s", machine, table.String())
	return errors.Join(failed...)
}

// choose returns the rows that match a list of patterns.
func choose(patterns string) (chosen []row, err error) {
	list := strings.Split(patterns, ",")
	used := make([]bool, len(list))
	for _, r := range rows {
		match := false
		for i, pattern := range list {
			ok, err := path.Match(strings.TrimSpace(pattern), r.name)
			if err != nil {
				return nil, fmt.Errorf("-rows %s: %w", pattern, err)
			}
			used[i] = used[i] || ok
			match = match || ok
		}
		if match {
			chosen = append(chosen, r)
		}
	}
	for i, pattern := range list {
		if !used[i] {
			return nil, fmt.Errorf("-rows: no row is called %q; -list names them", pattern)
		}
	}
	return chosen, nil
}

// command returns a command line of roomreel, which a profiler runs if there is to be a profile.
func (b *bench) command(arguments ...string) []string {
	line := append([]string{b.program}, arguments...)
	if b.profile != "" {
		line = append([]string{"perf", "record", "--quiet", "--freq", "499", "-g", "--output", b.profile, "--"}, line...)
	}
	return line
}

// writeProfile writes what perf recorded as text: the share of each library in the time of each process, then of each function.
func writeProfile(ctx context.Context, recorded string) error {
	if _, err := os.Stat(recorded); err != nil {
		return nil // the row did not run roomreel
	}
	var all []byte
	for _, fields := range []string{"overhead,comm,dso", "overhead,comm,dso,symbol"} {
		text, err := exec.CommandContext(ctx, "perf", "report", "--stdio", "--no-children", "--call-graph", "none", "--percent-limit", "0.3",
			"--fields", fields, "--input", recorded).Output()
		if err != nil {
			return fmt.Errorf("perf report: %w", err)
		}
		all = append(all, text...)
	}
	return os.WriteFile(recorded+".txt", all, 0o644)
}

// describe names what the figures depend on.
func describe(ctx context.Context) string {
	processor := "unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			processor = strings.TrimSpace(value)
			break
		}
	}
	version := "no ffmpeg"
	if out, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output(); err == nil {
		version = strings.Join(strings.Fields(string(out))[:3], " ")
	}
	load := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(text), " ")
	}
	return fmt.Sprintf("%s, %d cores (%s), %s, load before the run: %s.", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), processor, version, load)
}

// note tells what happens that takes a while.
func note(format string, values ...any) { fmt.Fprintf(os.Stderr, "# "+format+"\n", values...) }
