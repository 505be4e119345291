package jobs

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

func TestNew_SeveralNodesMayStartAtTheSameTime(t *testing.T) {
	w := newWorld(t, storetest.PostgreSQL(t))
	var nodes errgroup.Group
	for range 4 {
		s, err := store.Open(t.Context(), w.config)
		check(t, err)
		t.Cleanup(func() { s.Close() })
		nodes.Go(func() error {
			_, err := New(t.Context(), Config{Store: s, Log: quiet(), Role: "worker"})
			return err
		})
	}
	check(t, nodes.Wait())
}
