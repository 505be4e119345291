package main

import (
	"context"
	"log/slog"
	"time"

	"roomreel/internal/blob"
)

const (
	sweepEvery = time.Hour
	// deadUpload is longer than any upload of a living process takes: the largest recording, at 4 Mbit/s.
	deadUpload = 24 * time.Hour
)

// sweepVault removes, now and every hour until ctx ends, the parts of uploads into the vault's bucket that died with
// their process. The work store lies under the same prefix. A folder sweeps itself when it is opened.
func sweepVault(ctx context.Context, vault blob.Store, log *slog.Logger) {
	bucket, ok := blob.As[blob.Sweeper](vault)
	if !ok {
		return
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		switch n, err := bucket.SweepMultipart(ctx, deadUpload); {
		case err != nil && ctx.Err() == nil:
			log.Warn("unfinished uploads were not swept", "err", err)
		case n > 0:
			log.Info("unfinished uploads are removed", "uploads", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
