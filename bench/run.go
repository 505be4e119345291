package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// run holds the measurements of one command, or the medians of several.
type run struct {
	cpu, wall time.Duration // user and system time of the process and all its children; elapsed time
	memory    int64         // bytes, of the process and all its children at the same time, at their most; 0 when it was not measured
	size      int64         // bytes of the film
}

// refusal is what the program says when it does not do what is asked of it, as with a resolution that is too large.
type refusal struct{ said string }

func (r *refusal) Error() string { return "refused: " + r.said }

// usageError is the exit code with which roomreel refuses a request.
const usageError = 2

// measure runs a command that makes a film.
func measure(ctx context.Context, film string, line ...string) (run, error) {
	return measureWith(ctx, false, film, line...)
}

// measureMemory is measure with memory. Reading it takes time of the machine, so times of such a run are not compared.
func measureMemory(ctx context.Context, film string, line ...string) (run, error) {
	return measureWith(ctx, true, film, line...)
}

func measureWith(ctx context.Context, memory bool, film string, line ...string) (run, error) {
	var output bytes.Buffer
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	command.Stderr = &output
	began := time.Now()
	if err := command.Start(); err != nil {
		return run{}, err
	}
	done, most := make(chan struct{}), make(chan int64, 1)
	if memory {
		go func() { most <- watch(command.Process.Pid, done) }()
	}
	err := command.Wait()
	close(done)
	r := run{wall: time.Since(began), cpu: command.ProcessState.UserTime() + command.ProcessState.SystemTime()}
	if memory {
		r.memory = <-most
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == usageError && filepath.Base(line[0]) == "roomreel" {
		first, _, _ := strings.Cut(strings.TrimPrefix(output.String(), "roomreel: "), "\n")
		return r, &refusal{first}
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w\n%s", strings.Join(line, " "), err, &output)
	}
	info, err := os.Stat(film)
	if err != nil {
		return r, err
	}
	r.size = info.Size()
	return r, nil
}

// watch returns the largest sum of the memory of a process and its children, of which it takes a sample every 100 ms.
func watch(pid int, done <-chan struct{}) (most int64) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			var sum int64
			for _, p := range tree(pid) {
				sum += memoryOf(p)
			}
			most = max(most, sum)
		case <-done:
			return most
		}
	}
}

// tree returns a process and all that it started, directly or not.
func tree(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ") // the name may contain spaces
		fields := strings.Fields(after)
		if len(fields) < 2 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// memoryOf returns a process's part of the memory in use: pages that several share count in parts (PSS). Where the kernel does
// not tell, as to users other than root of a process in a sandbox, it is all resident pages.
func memoryOf(pid int) int64 {
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
		if kib, ok := kibibytes(string(text), "Pss:"); ok {
			return kib << 10
		}
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	kib, _ := kibibytes(string(text), "VmRSS:")
	return kib << 10
}

func kibibytes(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
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

func middle[R any, T time.Duration | int64 | float64](runs []R, of func(R) T) T {
	var values []T
	for _, r := range runs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func ratio[T time.Duration | int64](a, b T) float64 { return float64(a) / float64(b) }
