package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// ignoreSettled turns an error into none that says that there is nothing left to do: what the job serves is gone, or is
// already in the state that the job was to bring it to.
func ignoreSettled(err error) error {
	switch roomreel.CodeOf(err) {
	case roomreel.Conflict, roomreel.NotFound:
		return nil
	}
	return err
}

// ofComposition makes a task of work on a composition. The work stops soon after the composition is deleted. An error that
// is final fails the composition and not only the job: no composition stays in progress without a job.
func (w *Worker) ofComposition(do queue.Task) queue.Task {
	return func(ctx context.Context, job queue.Job) error {
		sid := roomreel.CompositionSID(job.SID)
		workCtx, release := w.whileInProgress(ctx, sid)
		err := queue.RecoverPanic(workCtx, do, job)
		release()
		if _, snoozed := queue.Snoozed(err); err == nil || snoozed || errors.Is(ctx.Err(), context.Canceled) {
			return err // canceled: the service stops
		}
		// The task may have failed because its time was over. There is some more for this.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalizeTimeout)
		defer cancel()
		err = w.classifyFailure(ctx, sid, err, job.Last)
		if _, snoozed := queue.Snoozed(err); err != nil && job.Last && !snoozed {
			w.Log.Error("composition could not be marked as failed; tried again later", "composition", sid, "err", err)
			return queue.Snooze(time.Minute)
		}
		return err
	}
}

// filmError says that a film is not what its plan promises, although it was made by two routes. Another attempt would end
// alike, so the composition fails with it.
type filmError struct{ err error }

func (e *filmError) Error() string { return e.err.Error() }
func (e *filmError) Unwrap() error { return e.err }

// staleRetry is when a worker that lost its lease looks whether the other one finished.
const staleRetry = 10 * time.Minute

// finalizeTimeout bounds the statements that record the end of work whose own time may be over.
const finalizeTimeout = 10 * time.Second

// classifyFailure decides what an error means for a composition: nothing when there is nothing left to do; a snooze when
// another worker has the lease, a store is unavailable or a disk is full; its end when that took too long, when the next attempt
// would fail alike, or when this was the last attempt; else another attempt.
func (w *Worker) classifyFailure(ctx context.Context, sid roomreel.CompositionSID, err error, last bool) error {
	c, lookErr := w.Store.CompositionBySID(ctx, sid)
	switch {
	case roomreel.CodeOf(lookErr) == roomreel.NotFound:
		return nil
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case !c.Status.InProgress():
		return nil
	case errors.Is(err, store.ErrLeaseLost):
		// Another attempt has the lease. When it dies, its job may already be marked as done by the end of this one.
		return queue.Snooze(staleRetry)
	}
	if wait := w.untilAvailable(err, c.Started); wait > 0 {
		w.Log.Warn("a store is unavailable or a disk is full; tried again later", "composition", sid, "err", err)
		return queue.Snooze(wait)
	}
	var known *roomreel.Error
	permanent := errors.As(err, &known) && known.Code == roomreel.Invalid
	_, unfit := errors.AsType[*filmError](err)
	full := app.IsFull(err)
	if !permanent && !unfit && !full && !last {
		return err
	}
	failure := roomreel.Failure{Code: twilio.CompositionFailed, Operation: twilio.CompositionProcessing, Message: "The composition could not be processed.", Detail: err.Error()}
	if unfit {
		failure.Message = "The film could not be made: " + err.Error() + "."
	}
	if full {
		failure.Message = fmt.Sprintf("The film could not be made: the disk of the service had no space for it for %v.", w.DeliverFor)
	}
	if permanent {
		failure.Message = known.Detail
		if known.Twilio != 0 {
			failure.Code = known.Twilio
		}
	}
	return w.fail(ctx, sid, failure)
}

// giveUpComposition fails a composition of which a job ended its node each time.
func (w *Worker) giveUpComposition(ctx context.Context, job queue.Job) error {
	return w.fail(ctx, roomreel.CompositionSID(job.SID), roomreel.Failure{
		Code: twilio.CompositionFailed, Operation: twilio.CompositionProcessing, Message: "The composition could not be processed.",
		Detail: fmt.Sprintf("the process that worked on it (%s) ended %d times in a row without a result", job.Kind, job.Rescues),
	})
}

func (w *Worker) fail(ctx context.Context, sid roomreel.CompositionSID, failure roomreel.Failure) error {
	w.Log.Warn("composition failed", "composition", sid, "code", failure.Code, "err", failure.Detail)
	_, err := w.Store.FailComposition(ctx, sid, failure)
	return ignoreSettled(err)
}

// errNotInProgress is the cause with which work is stopped on a composition that is no longer in progress.
var errNotInProgress = errors.New("the composition is not in progress any more")

// checkEvery is how soon a deleted composition's work stops.
const checkEvery = time.Second

// whileInProgress returns a context that ends when the composition is deleted or comes to its end otherwise. The queue
// cannot cancel a running job on every database. release must be called.
func (w *Worker) whileInProgress(ctx context.Context, sid roomreel.CompositionSID) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(checkEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			c, err := w.Store.CompositionBySID(ctx, sid)
			if err == nil && !c.Status.InProgress() || roomreel.CodeOf(err) == roomreel.NotFound {
				cancel(errNotInProgress)
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}
