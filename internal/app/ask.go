package app

import (
	"context"
	"runtime"
	"time"

	"roomreel"
	"roomreel/internal/still"
)

// Films plans films of rooms and renders single frames of them. Package jobs does so.
type Films interface {
	// Estimate returns what a composition would cost. It reads packet indexes and no media.
	Estimate(ctx context.Context, c roomreel.Composition) (FilmEstimate, error)

	// Still renders the frame that the film of a composition would show at a time.
	Still(ctx context.Context, c roomreel.Composition, at time.Duration) (still.Frame, error)
}

// SetFilms says who answers questions about films that are not made. It is called once, before the App is used. Without it they are
// Unavailable.
func (a *App) SetFilms(f Films) { a.films = f }

// FilmEstimate is what a film would cost, before it is made.
type FilmEstimate struct {
	Length time.Duration
	Core   time.Duration // of processor time, of all cores
	Wall   time.Duration // from the request until the film is there, with the work that is ahead of it
	Size   int64         // bytes

	Ahead      time.Duration // processor time of the compositions in progress that is still to be spent
	InProgress int           // compositions in progress that are planned
	Workers    int           // render workers of all nodes that live

	// Finished says of how many finished compositions the measured values correct the estimate. The ratios are those of measured values
	// to the values of the machine on which the costs were measured; 1 without a finished composition.
	Finished                        int
	CoreRatio, WallRatio, SizeRatio float64
}

// EstimateComposition returns what a composition with these parameters would cost now. Nothing is stored.
func (a *App) EstimateComposition(ctx context.Context, acct roomreel.AccountSID, in CreateComposition) (e FilmEstimate, err error) {
	err = a.ask(ctx, acct, in, a.estimates, func(c roomreel.Composition) error {
		e, err = a.films.Estimate(ctx, c)
		return err
	})
	return e, err
}

// PreviewComposition returns the frame that a composition with these parameters would show at a time of the film. The room need not be
// completed: what it has is shown. Nothing is stored.
func (a *App) PreviewComposition(ctx context.Context, acct roomreel.AccountSID, in CreateComposition, at time.Duration) (f still.Frame, err error) {
	err = a.ask(ctx, acct, in, a.previews, func(c roomreel.Composition) error {
		f, err = a.films.Still(ctx, c, at)
		return err
	})
	return f, err
}

// ask checks a request about a film that is not made, and answers it when there is room for it.
func (a *App) ask(ctx context.Context, acct roomreel.AccountSID, in CreateComposition, free slots, answer func(roomreel.Composition) error) error {
	c, err := a.requested(ctx, acct, in)
	if err != nil {
		return err
	}
	if a.films == nil {
		return unavailable("this node answers nothing about films", nil)
	}
	if err := free.take(ctx); err != nil {
		return err
	}
	defer free.leave()
	return answer(c)
}

// slots bounds how many requests that keep a core busy are answered at once. It holds one value for each of these.
type slots chan struct{}

// newSlots lets half as many requests in at once as there are cores. Each may use several of them.
func newSlots() slots { return make(slots, max(1, runtime.GOMAXPROCS(0)/2)) }

// longestWait is how long a request waits for a slot.
const longestWait = 2 * time.Second

// take waits until the request may be answered. The error is Unavailable when that takes too long.
func (s slots) take(ctx context.Context) error {
	wait := time.NewTimer(longestWait)
	defer wait.Stop()
	select {
	case s <- struct{}{}:
		return nil
	case <-wait.C:
		return unavailable("as many requests of this kind are being answered as this server does at once", nil)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s slots) leave() { <-s }
