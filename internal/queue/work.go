package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"roomreel/internal/store"
)

// Job is one attempt at a job.
type Job struct {
	store.Job
	Last    bool // no further attempt follows
	Rescues int  // how often in a row the job was rescued from a node that had died

	forgetRescues func(context.Context) error
}

// Progressed says that a job has done a part of its work that it will not do again, so that earlier deaths of its nodes do
// not count against the rest. A long job that shares a node with the cause of those deaths would be given up otherwise.
func (j Job) Progressed(ctx context.Context) error {
	if j.Rescues == 0 {
		return nil
	}
	return j.forgetRescues(ctx)
}

// Task does one kind of job. nil means that the job is done. [Snooze] asks for another run that is no failure. After any
// other error the job is tried again after a pause that grows, unless it was the last attempt.
type Task func(ctx context.Context, job Job) error

// snoozed asks for another run.
type snoozed struct{ after time.Duration }

func (s *snoozed) Error() string { return fmt.Sprintf("snoozed for %v", s.after) }

// Snooze returns an error that puts a job off. The attempt does not count.
func Snooze(after time.Duration) error { return &snoozed{after} }

// Snoozed reports whether an error puts its job off, and for how long.
func Snoozed(err error) (after time.Duration, ok bool) {
	var s *snoozed
	if !errors.As(err, &s) {
		return 0, false
	}
	return s.after, true
}

// RecoverPanic runs a task and turns a panic into an error, for a wrapper that must see how its task ended. The queue does
// the same for each job.
func RecoverPanic(ctx context.Context, do Task, job Job) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	return do(ctx, job)
}

// args is what a job's row holds besides its kind.
type args struct {
	kind    string
	aliases []string
	SID     string `json:"sid"`
	Number  int    `json:"number,omitempty"`
}

func (a args) Kind() string          { return a.kind }
func (a args) KindAliases() []string { return a.aliases }

func (q *Queue) workers() *river.Workers {
	workers := river.NewWorkers()
	for _, kind := range q.kinds {
		river.AddWorkerArgs(workers, args{kind: kind.Name, aliases: kind.Aliases}, &worker{queue: q, kind: kind})
	}
	return workers
}

// worker runs the tasks of a kind for River.
type worker struct {
	river.WorkerDefaults[args]
	queue *Queue
	kind  Kind
}

// Work runs one attempt and logs one line.
func (w *worker) Work(ctx context.Context, row *river.Job[args]) error {
	begin := time.Now()
	job := Job{
		Job:     store.Job{Kind: w.kind.Name, SID: row.Args.SID, Number: row.Args.Number},
		Last:    row.Attempt >= row.MaxAttempts,
		Rescues: rescuesOf(row.Metadata),

		forgetRescues: func(ctx context.Context) error { return w.queue.forgetRescues(ctx, row.ID) },
	}
	log := w.queue.Log.With("job", job.Kind, "sid", job.SID, "attempt", row.Attempt)
	if job.Rescues >= maxRescues {
		return w.giveUp(ctx, log, job)
	}
	err := RecoverPanic(ctx, w.kind.Task, job)

	log = log.With("duration_ms", time.Since(begin).Milliseconds())
	after, snoozed := Snoozed(err)
	switch {
	case err == nil:
		log.Info("job done")
	case snoozed:
		log.Debug("job snoozed", "snooze_ms", after.Milliseconds())
		return river.JobSnooze(after)
	case errors.Is(ctx.Err(), context.Canceled):
		log.Info("job interrupted, and given back", "err", err)
		return context.Cause(ctx) // River knows its own stopping by it: the attempt does not count
	default:
		log.Warn("job failed", "err", err)
	}
	return err
}

// giveUp ends a job that has ended its node too often.
func (w *worker) giveUp(ctx context.Context, log *slog.Logger, job Job) error {
	if w.kind.GiveUp != nil {
		if err := RecoverPanic(ctx, w.kind.GiveUp, job); err != nil {
			return err
		}
	}
	log.Error("job given up: the process that ran it ended each time", "times", job.Rescues)
	return river.JobCancel(fmt.Errorf("the process that ran it ended %d times in a row", job.Rescues))
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

// minLevel drops log lines below a level.
type minLevel struct {
	slog.Handler
	level slog.Level
}

func (h *minLevel) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

func (h *minLevel) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &minLevel{h.Handler.WithAttrs(attrs), h.level}
}

func (h *minLevel) WithGroup(name string) slog.Handler {
	return &minLevel{h.Handler.WithGroup(name), h.level}
}
