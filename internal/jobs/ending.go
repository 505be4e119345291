package jobs

import (
	"context"
	"errors"
	"time"

	"roomreel"
	"roomreel/internal/render"
	"roomreel/internal/store"
)

// isOver reports whether err says that there is nothing left to do: the composition was deleted, or came to its end,
// or another attempt took over.
func isOver(err error) bool {
	switch roomreel.CodeOf(err) {
	case roomreel.Conflict, roomreel.NotFound:
		return true
	}
	return errors.Is(err, store.ErrOvertaken) || errors.Is(err, errUnwanted)
}

// over turns an error that says there is nothing left to do into none.
func over(err error) error {
	if isOver(err) {
		return nil
	}
	return err
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
			if err == nil && c.Status != roomreel.CompositionProcessing || roomreel.CodeOf(err) == roomreel.NotFound {
				cancel(errUnwanted)
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// failed decides what an error means for the composition: nothing when it is not wanted any more; its end when the same
// would happen again, or when this was the last attempt; else another attempt.
func (r *Runner) failed(ctx context.Context, sid roomreel.CompositionSID, err error, last bool) error {
	if isOver(err) || errors.Is(context.Cause(ctx), errUnwanted) {
		return nil
	}
	if ctx.Err() != nil {
		return err // the service stops, or the job took too long: not the composition's fault
	}
	var known *roomreel.Error
	permanent := errors.As(err, &known) && known.Code == roomreel.Invalid
	if !permanent && !last {
		return err
	}
	failure := roomreel.Failure{Code: processingFailure, Operation: "CompositionProcessing", Message: "The composition could not be processed.", Detail: err.Error()}
	if permanent {
		failure.Message = known.Detail
		if known.Twilio != 0 {
			failure.Code = known.Twilio
		}
	}
	var exit *render.ExitError
	if errors.As(err, &exit) {
		failure.Detail = exit.Error()
	}
	r.Log.Warn("composition failed", "composition", sid, "code", failure.Code, "err", err)
	_, err = r.Store.FailComposition(ctx, sid, failure, "")
	return over(err)
}

// tellProgress returns a function that notes progress, from 0 to 1, when it is a percent further.
func (r *Runner) tellProgress(ctx context.Context, sid roomreel.CompositionSID) func(float64) {
	told := 0
	return func(done float64) {
		percent := int(done * 100)
		if percent <= told {
			return
		}
		told = percent
		if err := r.Store.SetProgress(ctx, sid, percent); err != nil && ctx.Err() == nil {
			r.Log.Warn("progress was not noted", "composition", sid, "err", err)
		}
	}
}

// watchProgress returns a function that takes the number of pictures that a stretch has made since it was claimed. What
// other stretches have published by now is counted too.
func (r *Runner) watchProgress(ctx context.Context, film *rendering) (func(int), error) {
	saved, err := r.Store.Work(ctx, film.composition.SID)
	if err != nil {
		return nil, err
	}
	before := 0
	for _, chunk := range saved.Chunks {
		if chunk.Number != store.Sound && chunk.Done() {
			before += chunk.Past - chunk.First
		}
	}
	tell := r.tellProgress(ctx, film.composition.SID)
	return func(pictures int) { tell(float64(before+pictures) / float64(film.Pictures)) }, nil
}
