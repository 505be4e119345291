package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// Transactions wait for each other longer than SQLite waits by itself, in order, and none is refused.
func TestInTx_WaitsItsTurn(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t))
	const each, count = 100 * time.Millisecond, 80 // 8 s in all
	var group sync.WaitGroup
	for range count {
		group.Go(func() {
			err := s.InTx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE schema_needs SET version = version`)
				time.Sleep(each)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), each)
	defer cancel()
	time.Sleep(each / 2)
	if err := s.InTx(ctx, func(*store.Tx) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller that does not wait as long: %v", err)
	}
	group.Wait()
}
