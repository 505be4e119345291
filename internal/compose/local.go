package compose

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"roomreel/internal/blob/dir"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/timeline"
)

// ErrOtherEncoder means that segments were made by encoders that do not agree, such as two versions of a codec library on
// two nodes. They cannot be one film.
var ErrOtherEncoder = errors.New("it was encoded with other headers than the chunks before it")

// LocalOptions say what to compose of files on disk, and how.
type LocalOptions struct {
	Plan       *plan.Plan
	Recordings Recordings // of the plan's tracks
	Parallel   int        // tasks at a time
	Render     render.Command
	Out        string // the film's path; replaced only when the new film is whole. Scratch is beside it meanwhile
	Log        *slog.Logger
	Progress   func(done float64) // 0..1, from any goroutine; may be nil
}

// LocalResult is what Local made.
type LocalResult struct {
	Film   Result
	Report Report
}

// Local composes a film of local files without a server: the same plan, children and checks.
func Local(ctx context.Context, o LocalOptions) (LocalResult, error) {
	scratch, err := makeScratch(filepath.Dir(o.Out), func(path string, err error) {
		o.Log.Warn("a scratch folder of an earlier run could not be removed", "path", path, "err", err)
	})
	if err != nil {
		return LocalResult{}, err
	}
	defer scratch.remove()
	store, err := dir.Open(scratch.path)
	if err != nil {
		return LocalResult{}, err
	}
	defer store.Close()
	l := &local{
		LocalOptions: o, composer: &Composer{Render: o.Render, Store: store, Log: o.Log},
		segments: Segments{Chunks: make([]Segment, o.Plan.Chunks)},
		done:     make([]atomic.Int64, len(o.Plan.Video)+len(o.Plan.Audio)+1),
	}
	if err := l.renderAll(ctx); err != nil {
		return LocalResult{}, err
	}
	report := MakeReport(&o.Plan.Summary, l.stats...)
	if err := report.Failure(); err != nil {
		return LocalResult{}, err
	}
	part := filepath.Join(scratch.path, "film")
	film, err := l.composer.WriteFilm(ctx, &o.Plan.Summary, l.segments, part)
	if err != nil {
		return LocalResult{}, err
	}
	if err := os.Rename(part, o.Out); err != nil {
		return LocalResult{}, err
	}
	return LocalResult{Film: film, Report: report}, nil
}

// local is one run of Local.
type local struct {
	LocalOptions
	composer *Composer

	mu       sync.Mutex
	stats    []TaskStats
	segments Segments
	done     []atomic.Int64 // frames or samples by task: video, audio, then encoding
}

// renderAll runs all tasks: as many video tasks at once as the options allow, and audio beside them.
func (l *local) renderAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	audioAtOnce := 1
	if len(l.Plan.Video) == 0 {
		audioAtOnce = l.Parallel
	}
	run := func(slots chan struct{}, task func() error) {
		group.Go(func() error {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			defer func() { <-slots }()
			return task()
		})
	}
	audioSlots, videoSlots := make(chan struct{}, max(1, audioAtOnce)), make(chan struct{}, max(1, l.Parallel))
	samples := make([]Segment, len(l.Plan.Audio))
	var left atomic.Int64 // audio tasks
	left.Store(int64(len(samples)))
	for i := range l.Plan.Audio {
		run(audioSlots, func() error {
			segment, stats, err := l.composer.RenderAudio(ctx, &l.Plan.Audio[i], l.Recordings,
				fmt.Sprintf("audio-%05d", i), l.progress(len(l.Plan.Video)+i))
			if err := l.keep(stats, err); err != nil {
				return err
			}
			if samples[i] = segment; left.Add(-1) == 0 {
				return l.encodeAudio(ctx, samples)
			}
			return nil
		})
	}
	for i := range l.Plan.Video {
		run(videoSlots, func() error { return l.renderVideo(ctx, i) })
	}
	return group.Wait()
}

func (l *local) renderVideo(ctx context.Context, i int) error {
	task := &l.Plan.Video[i]
	progress := l.progress(i)
	stats, err := l.composer.RenderVideo(ctx, task, task.First, l.Recordings, ChunkSink{
		Key: func(chunk int) string { return fmt.Sprintf("chunk-%05d", chunk) },
		Published: func(chunk int, segment Segment) error {
			l.segments.Chunks[chunk] = segment // each is written by one goroutine
			return nil
		},
		Progress: func(frames int) { progress(int64(frames)) },
	})
	return l.keep(stats, err)
}

func (l *local) keep(stats TaskStats, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats = append(l.stats, stats)
	return err
}

// encodeAudio makes the film's audio of what the audio tasks left. A single task has encoded it already.
func (l *local) encodeAudio(ctx context.Context, samples []Segment) (err error) {
	l.segments.Audio = samples[0]
	if len(samples) > 1 {
		l.segments.Audio, err = l.composer.EncodeAudio(ctx, &l.Plan.Summary, samples, "audio", l.progress(len(l.done)-1))
	}
	return err
}

// audioShare is about what a second of audio costs, where a second of video costs 1.
const audioShare = 1.0 / 20

// progress returns a function that takes how many frames or samples of a task are done, and tells how far the film is.
func (l *local) progress(task int) func(int64) {
	return func(done int64) {
		l.done[task].Store(done)
		if l.Progress == nil {
			return
		}
		var sum, total float64
		if l.Plan.Frames > 0 {
			for i := range l.Plan.Video {
				sum += float64(l.done[i].Load()) / float64(l.Plan.FPS)
			}
			total += l.Plan.Length.Seconds()
		}
		if l.Plan.Samples > 0 {
			for i := len(l.Plan.Video); i < len(l.done); i++ {
				sum += float64(l.done[i].Load()) / timeline.SampleRate * audioShare
			}
			passes := float64(min(2, len(l.Plan.Audio))) // samples, then encoding
			total += l.Plan.Length.Seconds() * audioShare * passes
		}
		l.Progress(min(1, sum/total))
	}
}

// WriteFilm joins segments into a film in a new file at path and reads it back. A file that is not what the plan promised
// is an error, and the file is removed.
func (c *Composer) WriteFilm(ctx context.Context, film *plan.Summary, segments Segments, path string) (Result, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return Result{}, err
	}
	result, err := func() (Result, error) {
		defer file.Close()
		buffered := bufio.NewWriterSize(file, 1<<20)
		if err := c.assemble(ctx, film, segments, buffered); err != nil {
			return Result{}, err
		}
		if err := buffered.Flush(); err != nil {
			return Result{}, err
		}
		size, err := file.Seek(0, io.SeekEnd)
		if err != nil {
			return Result{}, err
		}
		result, err := verify(film, file, size)
		if err != nil {
			return Result{}, err
		}
		return result, file.Sync()
	}()
	if err != nil {
		os.Remove(path)
		return Result{}, fmt.Errorf("write the film: %w", err)
	}
	return result, nil
}
