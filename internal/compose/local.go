package compose

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"roomreel/internal/blob"
	"roomreel/internal/blob/dir"
	"roomreel/internal/plan"
	"roomreel/internal/render"
)

// ErrOtherEncoder means that segments were made by encoders that do not agree, such as two versions of a codec library on
// two nodes. They cannot be one film.
var ErrOtherEncoder = errors.New("it was encoded with other headers than the chunks before it")

// LocalOptions say what to compose of files on disk, and how.
type LocalOptions struct {
	Plan       *plan.Plan
	Recordings Recordings // of the plan's tracks
	Parallel   int        // tasks at a time
	Began      time.Time  // when the film was asked for; zero for now
	Render     render.Command
	Out        string // the film's path; replaced only when the new film is whole. Scratch is beside it meanwhile
	Log        *slog.Logger
	Progress   func(plan.Progress) // from any goroutine; may be nil
}

// LocalResult is what Local made.
type LocalResult struct {
	Film   Result
	Report Report
}

// Local composes a film of local files without a server: the same plan, children and checks. The error is a NotCopiedError when the film
// has to be planned again without copying.
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
	l := newLocal(o, store)
	part := filepath.Join(scratch.path, "film")
	result, err := l.make(ctx, part)
	if err != nil {
		return LocalResult{}, err
	}
	return result, os.Rename(part, o.Out)
}

// local is one run of Local.
type local struct {
	LocalOptions
	composer *Composer

	mu       sync.Mutex
	stats    []TaskStats
	segments Segments
	samples  []Segment // of the audio tasks
	again    int       // chunks that were rendered again, because their segments were damaged
	began    time.Time // of the rendering
	all      plan.Work
	done     []time.Duration // what is done by task: video, audio, then encoding
}

// newLocal prepares a run that keeps its segments in store.
func newLocal(o LocalOptions, store blob.Store) *local {
	if o.Began.IsZero() {
		o.Began = time.Now()
	}
	return &local{
		LocalOptions: o, composer: &Composer{Render: o.Render, Store: store, Log: o.Log},
		segments: Segments{Chunks: make([]Segment, o.Plan.Chunks)},
		done:     make([]time.Duration, len(o.Plan.Video)+len(o.Plan.Audio)+1),
		all:      work(o.Plan),
	}
}

// work returns what all tasks of a plan cost.
func work(p *plan.Plan) (all plan.Work) {
	for i := range p.Video {
		for _, cost := range p.Video[i].Costs() {
			all.Add(false, cost)
		}
	}
	for i := range p.Audio {
		all.Add(true, p.Audio[i].Cost())
	}
	if len(p.Audio) > 1 {
		all.Add(true, p.EncodeCost())
	}
	return all
}

// make makes the film at path.
func (l *local) make(ctx context.Context, path string) (LocalResult, error) {
	times := ReportTimes{Queued: l.Began, Started: time.Now()}
	l.began = times.Started
	err := l.renderAll(ctx)
	if _, again := errors.AsType[*UnfitError](err); err != nil && !again {
		return LocalResult{}, err
	}
	report := MakeReport(&l.Plan.Summary, l.stats...)
	if err := report.Failure(); err != nil {
		return LocalResult{}, err
	}
	var film Result
	times.Rendered = time.Now()
	for {
		if err == nil {
			film, err = l.composer.WriteFilm(ctx, &l.Plan.Summary, l.segments, path)
		}
		unfit, again := errors.AsType[*UnfitError](err)
		if !again || l.again > 0 {
			break
		}
		if err = l.renderAgain(ctx, unfit); err == nil {
			times.Rendered = time.Now()
		}
	}
	times.Assembled = time.Now()
	report.Time(times)
	report.Checks = &film.Checks
	report.RenderAgain(l.again)
	return LocalResult{Film: film, Report: report}, err
}

// renderAll runs all tasks: as many video tasks at once as the options allow, and audio beside them. All but the encoding of
// the audio is done when the error is an UnfitError.
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
	l.samples = make([]Segment, len(l.Plan.Audio))
	var left atomic.Int64 // audio tasks
	left.Store(int64(len(l.samples)))
	var damaged *UnfitError // what audio tasks left
	for i := range l.Plan.Audio {
		run(audioSlots, func() error {
			if err := l.renderAudio(ctx, i); err != nil {
				return err
			}
			if left.Add(-1) > 0 {
				return nil
			}
			err := l.encodeAudio(ctx)
			if unfit, ok := errors.AsType[*UnfitError](err); ok {
				damaged, err = unfit, nil // the video is finished meanwhile
			}
			return err
		})
	}
	for i := range l.Plan.Video {
		task := &l.Plan.Video[i]
		progress := func(frames int) { l.progress(i, task.Spent(task.First, frames)) }
		run(videoSlots, func() error {
			defer progress(l.Plan.Frames) // more than it has
			return l.renderVideo(ctx, task, progress)
		})
	}
	if err := group.Wait(); err != nil || damaged == nil {
		return err
	}
	return damaged
}

// filmAudio is Segment.Number of the film's audio. What several audio tasks leave has the numbers below.
const filmAudio = -1

// renderVideo renders a task, or a part of one.
func (l *local) renderVideo(ctx context.Context, task *plan.VideoTask, progress func(frames int)) error {
	stats, err := l.composer.RenderVideo(ctx, task, task.First, l.Recordings, ChunkSink{
		Key: func(chunk int) string { return l.key("chunk", chunk) },
		Published: func(chunk int, segment Segment, _ TaskStats) error {
			frames := task.Chunks[chunk-task.First]
			segment.Number, segment.Frames = chunk, frames.To-frames.From
			l.segments.Chunks[chunk] = segment // each is written by one goroutine
			return nil
		},
		Progress: progress,
	})
	return l.keep(stats, err)
}

func (l *local) renderAudio(ctx context.Context, i int) error {
	task := &l.Plan.Audio[i]
	progress := func(samples int64) { l.progress(len(l.Plan.Video)+i, task.Spent(samples)) }
	defer progress(task.To - task.From)
	segment, stats, err := l.composer.RenderAudio(ctx, task, l.Recordings, l.key("audio", i), progress)
	if segment.Number = filmAudio - 1 - i; len(l.samples) == 1 {
		segment.Number = filmAudio
	}
	l.samples[i] = segment
	return l.keep(stats, err)
}

// key names a segment. What is rendered again has another name than what is damaged.
func (l *local) key(kind string, number int) string {
	if l.again > 0 {
		kind += "-again"
	}
	return fmt.Sprintf("%s-%05d", kind, number)
}

// keep keeps the stats of a task. What is rendered again was counted before.
func (l *local) keep(stats TaskStats, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.again == 0 {
		l.stats = append(l.stats, stats)
	}
	return err
}

// encodeAudio makes the film's audio of what the audio tasks left. A single task has encoded it already.
func (l *local) encodeAudio(ctx context.Context) (err error) {
	l.segments.Audio = l.samples[0]
	if len(l.samples) > 1 {
		var stats TaskStats
		l.segments.Audio, stats, err = l.composer.EncodeAudio(ctx, &l.Plan.Summary, l.samples, "audio", func(samples int64) {
			l.progress(len(l.done)-1, l.Plan.Encoded(samples))
		})
		err = l.keep(stats, err)
		l.segments.Audio.Number = filmAudio
	}
	return err
}

// renderAgain renders the chunks whose segments are damaged, once in a run: a folder that damages what it keeps may do so again.
func (l *local) renderAgain(ctx context.Context, unfit *UnfitError) error {
	l.again = len(unfit.Chunks)
	l.Log.Warn("segments are damaged and are rendered again", "chunks", unfit.Chunks, "err", unfit)
	audio := false
	for _, number := range unfit.Chunks {
		if number < 0 {
			audio = true
			if i := filmAudio - 1 - number; i >= 0 || len(l.samples) == 1 {
				if err := l.renderAudio(ctx, max(i, 0)); err != nil {
					return err
				}
			}
			continue
		}
		for i := range l.Plan.Video {
			task := &l.Plan.Video[i]
			if number < task.First || number >= task.First+len(task.Chunks) {
				continue
			}
			if err := l.renderVideo(ctx, task.Part(number, number+1), func(int) {}); err != nil {
				return err
			}
		}
	}
	if audio {
		return l.encodeAudio(ctx)
	}
	return nil
}

// progress tells how far the film is, now that so much of a task is done. What is rendered again does not bring it back.
func (l *local) progress(task int, done time.Duration) {
	if l.Progress == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[task] = max(l.done[task], done)
	left := l.all
	for i, done := range l.done {
		left.Add(i >= len(l.Plan.Video), -done)
	}
	l.Progress(plan.EstimateProgress(l.all, left, time.Since(l.began), runtime.GOMAXPROCS(0), l.Parallel))
}
