package jobs

import (
	"context"
	"errors"
	"time"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// over turns an error that says that there is nothing left to do into none: what the job serves is gone, or is already
// in the state that the job was to bring it to.
func over(err error) error {
	switch roomreel.CodeOf(err) {
	case roomreel.Conflict, roomreel.NotFound:
		return nil
	}
	return err
}

// ofComposition is a task that works on a composition. Its work stops soon after the composition is deleted, and what goes
// wrong for good ends the composition and not only the job: a composition never stays in progress with nobody at work.
func (r *Runner) ofComposition(do task) task {
	return func(ctx context.Context, job args) error {
		sid := roomreel.CompositionSID(job.SID)
		wanted, release := r.whileWanted(ctx, sid)
		err := calmly(wanted, do, job)
		release()
		var again *laterError
		if err == nil || errors.As(err, &again) || errors.Is(ctx.Err(), context.Canceled) {
			return err // the last when the service stops
		}
		// The task may have failed because its time was over: then there is still some for this.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer cancel()
		if err = r.verdict(ctx, sid, err, job.last); err != nil && job.last && !errors.As(err, &again) {
			r.Log.Error("composition could not be ended, tried again later", "composition", sid, "err", err)
			return later(time.Minute)
		}
		return err
	}
}

// lookAgain is when an attempt that was overtaken sees to it that the other one came to its end.
const lookAgain = 10 * time.Minute

// lastWord is how long writing down the end of something may take when the time for the thing itself is over.
const lastWord = 10 * time.Second

// verdict decides what an error means for a composition: nothing when there is nothing left to do; a later look when somebody
// else has the work; its end when the same would happen again, or when this was the last attempt; else another attempt.
func (r *Runner) verdict(ctx context.Context, sid roomreel.CompositionSID, err error, last bool) error {
	c, lookErr := r.Store.CompositionBySID(ctx, sid)
	switch {
	case roomreel.CodeOf(lookErr) == roomreel.NotFound:
		return nil
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case !inProgress(c):
		return nil
	case errors.Is(err, store.ErrLeaseLost):
		// Another attempt has the work. Should that one die, its job may be marked as done by this one's end.
		return later(lookAgain)
	}
	if wait := r.waitOut(err, c.Started); wait > 0 {
		r.Log.Warn("the vault or the work store does not answer, tried again later", "composition", sid, "err", err)
		return later(wait)
	}
	var known *roomreel.Error
	permanent := errors.As(err, &known) && known.Code == roomreel.Invalid
	if !permanent && !last {
		return err
	}
	failure := roomreel.Failure{Code: twilio.CompositionFailed, Operation: twilio.CompositionProcessing, Message: "The composition could not be processed.", Detail: err.Error()}
	if permanent {
		failure.Message = known.Detail
		if known.Twilio != 0 {
			failure.Code = known.Twilio
		}
	}
	r.Log.Warn("composition failed", "composition", sid, "code", failure.Code, "err", err)
	_, err = r.Store.FailComposition(ctx, sid, failure, "")
	return over(err)
}

// inProgress reports whether there may be work to do.
func inProgress(c roomreel.Composition) bool {
	return c.Status == roomreel.CompositionEnqueued || c.Status == roomreel.CompositionProcessing
}

// errUnwanted is the cause with which work on a composition is stopped that is not in progress any more.
var errUnwanted = errors.New("the composition is not in progress any more")

// watchEvery is how soon a deleted composition's work stops.
const watchEvery = time.Second

// whileWanted returns a context that ends when the composition is deleted or comes to its end otherwise. The queue's own
// cancelling does not reach a running job on every database. release must be called.
func (r *Runner) whileWanted(ctx context.Context, sid roomreel.CompositionSID) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			c, err := r.Store.CompositionBySID(ctx, sid)
			if err == nil && !inProgress(c) || roomreel.CodeOf(err) == roomreel.NotFound {
				cancel(errUnwanted)
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// tellEvery bounds what progress costs the database.
const tellEvery = 250 * time.Millisecond

// tellProgress returns a function that takes how many pictures of a stretch are done, or how many samples when there is
// sound alone, and notes how far the film is: with what others have published by then, a few times a second and when
// it is a percent further.
func (r *Runner) tellProgress(ctx context.Context, film *rendering, stretch int) func(done int64) {
	sid, total := film.composition.SID, int64(film.Pictures)
	if total == 0 {
		total = film.Samples
	}
	told := 0
	var looked time.Time
	return func(done int64) {
		if time.Since(looked) < tellEvery {
			return
		}
		looked = time.Now()
		saved, err := r.Store.Work(ctx, sid)
		if err != nil {
			return // whoever publishes next will see why
		}
		for _, chunk := range saved.Chunks {
			if chunk.Stretch != stretch && chunk.Done() {
				done += int64(chunk.Past - chunk.First) // 0 for the sound
			}
		}
		percent := int(done * 100 / total)
		if percent <= told {
			return
		}
		told = percent
		if err := r.Store.SetProgress(ctx, sid, percent); err != nil && ctx.Err() == nil {
			r.Log.Warn("progress was not noted", "composition", sid, "err", err)
		}
	}
}
