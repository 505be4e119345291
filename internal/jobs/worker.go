package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"roomreel/internal/store"
)

// task does one kind of job. nil means done. A *laterError asks to be run again; any other error too, after a pause that
// grows, unless job.last.
type task func(ctx context.Context, job args) error

// laterError asks for another run that does not count as a failure.
type laterError struct{ after time.Duration }

func (e *laterError) Error() string { return fmt.Sprintf("again in %v", e.after) }

func later(after time.Duration) error { return &laterError{after} }

func (r *Runner) workers() *river.Workers {
	workers := river.NewWorkers()
	for kind, do := range map[string]task{
		store.JobCompose:          r.ofComposition(r.plan),
		store.JobRender:           r.ofComposition(r.stretch),
		store.JobAudio:            r.ofComposition(r.sound),
		store.JobAssemble:         r.ofComposition(r.assemble),
		store.JobDeliver:          r.ofComposition(r.deliver),
		store.JobDeliverRecording: r.deliverRecording,
		store.JobHook:             r.hook,
		store.JobCallback:         r.callback,
		store.JobDelete:           r.erase,
		store.JobExpire:           r.expire,
	} {
		river.AddWorkerArgs(workers, args{kind: kind}, &worker{do: do, log: r.Log})
	}
	return workers
}

// worker runs a task for River.
type worker struct {
	river.WorkerDefaults[args]
	do  task
	log *slog.Logger
}

// Work runs one attempt, with one log line.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	begin := time.Now()
	arg := job.Args
	arg.kind, arg.last = job.Kind, job.Attempt >= job.MaxAttempts
	err := calmly(ctx, w.do, arg)

	log := w.log.With("job", job.Kind, "sid", arg.SID, "attempt", job.Attempt, "duration", time.Since(begin).Round(time.Millisecond))
	var again *laterError
	switch {
	case err == nil:
		log.Info("job done")
	case errors.As(err, &again):
		log.Debug("job goes on later", "after", again.after)
		return river.JobSnooze(again.after)
	case errors.Is(ctx.Err(), context.Canceled):
		log.Info("job interrupted, and given back", "err", err)
		return context.Cause(ctx) // which River knows as its own stopping: the attempt does not count
	default:
		log.Warn("job failed", "err", err)
	}
	return err
}

// calmly runs a task and turns a panic into an error: a composition whose worker panics has to end too.
func calmly(ctx context.Context, do task, job args) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	return do(ctx, job)
}

// retryPolicy waits 1, 2, 4 … seconds between attempts, at most a minute.
type retryPolicy struct{}

func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	wait := time.Minute
	if n := len(job.Errors); n < 6 {
		wait = time.Second << n
	}
	return time.Now().Add(wait)
}

// levelAtLeast drops what is logged below a level.
type levelAtLeast struct {
	slog.Handler
	least slog.Level
}

func (h *levelAtLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.least && h.Handler.Enabled(ctx, level)
}

func (h *levelAtLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &levelAtLeast{h.Handler.WithAttrs(attrs), h.least}
}

func (h *levelAtLeast) WithGroup(name string) slog.Handler {
	return &levelAtLeast{h.Handler.WithGroup(name), h.least}
}

// thisNode describes this run of this process. Two runs never share a name, so that a restart finds its own leftovers.
func thisNode(role string) store.Node {
	host, _ := os.Hostname()
	return store.Node{ID: fmt.Sprintf("%.60s-%d-%s", host, os.Getpid(), rand.Text()[:8]), Host: host, Role: role}
}
