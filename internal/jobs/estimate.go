package jobs

import (
	"context"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/plan"
	"roomreel/internal/store"
)

// fixedTime is what passes between a request and the first frame, and between the last frame and the film, on an idle server.
const fixedTime = 700 * time.Millisecond

// Estimate returns what a composition would cost now. The film is planned, and the plan is thrown away.
func (w *Worker) Estimate(ctx context.Context, c roomreel.Composition) (app.FilmEstimate, error) {
	options := w.Options
	workers, err := w.Queue.Workers(ctx)
	if err != nil {
		return app.FilmEstimate{}, err
	}
	options.Parallel *= max(workers, 1)
	film, err := w.decide(ctx, c, options)
	if err != nil {
		return app.FilmEstimate{}, err
	}
	return w.estimate(ctx, film)
}

// estimate corrects the cost of a planned film by what finished compositions took, and adds the work that is ahead of it.
func (w *Worker) estimate(ctx context.Context, film *plan.Plan) (e app.FilmEstimate, err error) {
	ratios, err := w.Store.CostRatios(ctx)
	if err != nil {
		return e, err
	}
	load, err := w.Store.Load(ctx)
	if err != nil {
		return e, err
	}
	cost, ratio := film.Cost(), ratioOf(ratios, costKind(&film.Summary))
	e = app.FilmEstimate{
		Length: film.Length, Core: scaled(cost.Core, ratio.Core), Size: int64(float64(cost.Size) * ratio.Size),
		InProgress: load.Compositions, Workers: load.Workers,
		Finished: ratio.Finished, CoreRatio: ratio.Core, WallRatio: ratio.Wall, SizeRatio: ratio.Size,
	}
	for format, core := range load.Core {
		e.Ahead += scaled(core, ratioOf(ratios, kindOf(format, w.Options.Encoder)).Core)
	}
	workers := time.Duration(max(1, load.Workers))
	ahead := e.Ahead / workers
	e.Wall = scaled(fixedTime+ahead+max(e.Core/workers, scaled(cost.Longest, ratio.Core)), ratio.Wall)
	return e, nil
}

func scaled(d time.Duration, ratio float64) time.Duration { return time.Duration(float64(d) * ratio) }

// costKind names the kind of films whose ratios correct one another: films of one container and quality, and copied ones.
func costKind(film *plan.Summary) string {
	switch {
	case film.VideoCopy != nil || film.Frames == 0 && film.AudioCopy != nil:
		return kindOf(string(film.Format), "copied")
	case film.Frames == 0:
		return kindOf(string(film.Format), "audio")
	}
	return kindOf(string(film.Format), film.Quality)
}

func kindOf(format string, policy plan.Policy) string {
	return strings.TrimSpace(format + " " + string(policy))
}

// ratioOf returns the ratio of a kind. Before a composition of the kind is finished, the machine's speed is that of the kind of which
// most are finished, and the size is as in the table of costs.
func ratioOf(ratios map[string]store.CostRatio, kind string) store.CostRatio {
	if ratio, known := ratios[kind]; known {
		return ratio
	}
	most := store.CostRatio{Core: 1, Wall: 1, Size: 1}
	for _, ratio := range ratios {
		if ratio.Finished > most.Finished {
			most = ratio
		}
	}
	most.Finished, most.Size = 0, 1
	return most
}

// expected returns what a planned film is expected to cost without the corrections that finished compositions make to it, to compare
// with what it takes. An error costs the estimate only.
func (w *Worker) expected(ctx context.Context, film *plan.Plan) store.Cost {
	e, err := w.estimate(ctx, film)
	if err != nil {
		w.Log.Warn("what a composition will cost is not known", "err", err)
		return store.Cost{}
	}
	cost := film.Cost()
	return store.Cost{Core: cost.Core, Wall: scaled(e.Wall, 1/e.WallRatio), Size: cost.Size}
}

// noteCost compares what a film took with what was expected, for the estimates of others. An error costs the estimates only.
func (w *Worker) noteCost(ctx context.Context, film *plan.Summary, expected, took store.Cost) {
	kind := costKind(film)
	if err := w.Store.NoteCost(ctx, kind, expected, took); err != nil && ctx.Err() == nil {
		w.Log.Warn("what a composition took is not noted", "err", err)
	}
}
