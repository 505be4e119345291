package render

import (
	"context"
	"time"
)

// watch stops a child that does nothing for limit. Its clock stands while the parent itself is what the child may be
// waiting for: while next fetches a packet or a handler takes an answer. A child stopped by a signal is found out all
// the same, because its pipe fills and then neither of them runs.
func (r *run) watch(ctx context.Context, limit time.Duration) {
	tick := time.NewTicker(max(limit/8, time.Millisecond))
	defer tick.Stop()
	steps, since := int64(-1), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			seen := r.received.Load() + r.child.page.steps.Load()
			if seen != steps || r.waiting.Load() > 0 {
				steps, since = seen, now
			} else if now.Sub(since) >= limit {
				r.stop(errStalled)
				return
			}
		}
	}
}
