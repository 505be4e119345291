package jobs

import (
	"context"

	"roomreel"
	"roomreel/internal/app"
)

// Estimate ...
func (w *Worker) Estimate(ctx context.Context, c roomreel.Composition) (app.FilmEstimate, error) {
	return app.FilmEstimate{}, nil
}
