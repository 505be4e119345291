package jobs

import (
	"context"
	"errors"
	"runtime"
	"time"

	"roomreel"
	"roomreel/internal/compose"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/still"
)

// stillTimeout bounds a child that renders a still picture. An idle core decodes the most that a still may need in about 14 s.
const stillTimeout = 30 * time.Second

// Still renders the frame that the film of a composition would show at a time. The composition is not stored.
func (w *Worker) Still(ctx context.Context, c roomreel.Composition, at time.Duration) (still.Frame, error) {
	if w.Render.Path == "" {
		return still.Frame{}, &roomreel.Error{Code: roomreel.Unavailable, Detail: "this node has no roomreel-render, which renders frames"}
	}
	c.Started = w.Store.Now() // working copies are read as long as a composition that starts now may read them
	sources := w.sources(ctx, c)
	defer sources.close()
	of, err := sources.request()
	if err != nil {
		return still.Frame{}, err
	}
	options := w.Options
	options.Encoder = w.quality(c)
	film, err := plan.NewStill(of.Request, of.tracks, of.index, options, at)
	if err != nil {
		return still.Frame{}, err
	}
	composer := *w.composer
	composer.Render.Timeout = stillTimeout
	limited, cancel := context.WithTimeout(ctx, stillTimeout) // of all children, when recordings kill some
	defer cancel()
	frame, err := composer.RenderStill(limited, film, func(track int) (compose.Recording, error) {
		return sources.open(of.recordings[track].SID)
	}, runtime.GOMAXPROCS(0))
	exit, died := errors.AsType[*render.ExitError](err)
	if died && exit.TimedOut || err != nil && limited.Err() != nil && ctx.Err() == nil {
		return frame, &roomreel.Error{
			Code: roomreel.Unavailable, Err: err,
			Detail: "the frame could not be decoded in time: this server is busy, or the keyframes before it are far away; try again later, or nearer to a keyframe",
		}
	}
	return frame, err
}
