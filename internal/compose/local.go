package compose

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"roomreel/internal/blob/dir"
	"roomreel/internal/render"
)

// LocalOptions say what to compose of files on disk, and how.
type LocalOptions struct {
	Request  Request
	Tracks   []Track
	Media    Media // of Tracks
	Options  Options
	Render   render.Command
	Out      string // the film's path; replaced only when the new film is whole
	Log      *slog.Logger
	Progress func(done float64) // 0..1, from any goroutine; may be nil
}

// LocalResult is what Local made.
type LocalResult struct {
	Film   Film   `json:"film"`
	Report Report `json:"report"`
}

// Local composes a film of local files without a server: the same plan, children and checks.
func Local(ctx context.Context, o LocalOptions) (LocalResult, error) {
	plan, err := NewPlan(o.Request, o.Tracks, o.Options)
	if err != nil {
		return LocalResult{}, err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(o.Out), ".roomreel-")
	if err != nil {
		return LocalResult{}, fmt.Errorf("make a scratch folder beside the film: %w", err)
	}
	defer os.RemoveAll(scratch)
	work, err := dir.Open(scratch)
	if err != nil {
		return LocalResult{}, err
	}
	defer work.Close()
	c := &Composer{Render: o.Render, Work: work, Log: o.Log}

	outcomes, err := c.renderAll(ctx, plan, o)
	if err != nil {
		return LocalResult{}, err
	}
	part := filepath.Join(scratch, "film")
	film, err := c.writeFilm(ctx, plan, part)
	if err != nil {
		return LocalResult{}, err
	}
	if err := os.Rename(part, o.Out); err != nil {
		return LocalResult{}, err
	}
	return LocalResult{Film: film, Report: plan.Report(outcomes...)}, nil
}

const localSound = "sound"

func localChunk(n int) string { return fmt.Sprintf("chunk-%05d", n) }

// renderAll runs the sound and as many stretches at once as the options allow.
func (c *Composer) renderAll(ctx context.Context, plan *Plan, o LocalOptions) ([]Outcome, error) {
	var mu sync.Mutex
	var outcomes []Outcome
	keep := func(outcome Outcome, err error) error {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, outcome)
		return err
	}
	progress := newProgress(plan, len(plan.Stretches), o.Progress)
	group, ctx := errgroup.WithContext(ctx)
	if plan.Samples > 0 {
		group.Go(func() error {
			return keep(c.Sound(ctx, plan, o.Media, localSound, progress.sound))
		})
	}
	slots := make(chan struct{}, max(1, o.Options.Parallel))
	for i, stretch := range plan.Stretches {
		group.Go(func() error {
			slots <- struct{}{}
			defer func() { <-slots }()
			return keep(c.Stretch(ctx, plan, stretch, stretch.First, o.Media, localChunk,
				func(int) error { return nil }, progress.pictures(i)))
		})
	}
	return outcomes, group.Wait()
}

// writeFilm assembles the film at path and verifies it.
func (c *Composer) writeFilm(ctx context.Context, plan *Plan, path string) (Film, error) {
	keys := make([]string, plan.Chunks())
	for i := range keys {
		keys[i] = localChunk(i)
	}
	return c.Finish(ctx, plan, keys, localSound, path)
}

// Finish assembles the film into a new file at path and reads it back. A file that is not what the plan promised is an
// error, and the file is removed.
func (c *Composer) Finish(ctx context.Context, plan *Plan, chunks []string, sound, path string) (Film, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return Film{}, err
	}
	film, err := func() (Film, error) {
		defer file.Close()
		buffered := bufio.NewWriterSize(file, 1<<20)
		if err := c.Assemble(ctx, plan, chunks, sound, buffered); err != nil {
			return Film{}, err
		}
		if err := buffered.Flush(); err != nil {
			return Film{}, err
		}
		size, err := file.Seek(0, io.SeekEnd)
		if err != nil {
			return Film{}, err
		}
		film, err := verify(plan, file, size)
		if err != nil {
			return Film{}, err
		}
		return film, file.Sync()
	}()
	if err != nil {
		os.Remove(path)
		return Film{}, fmt.Errorf("write the film: %w", err)
	}
	return film, nil
}
