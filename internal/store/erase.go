package store

import (
	"context"
	"time"
)

// Place is one of the two stores that hold our blobs.
type Place string

const (
	Vault Place = "vault" // media and indexes
	Work  Place = "work"  // what compositions leave on their way, and the copies they read
)

// Erasure is a blob that nothing refers to any more. Its row stays until somebody has deleted the blob, so that a
// deletion outlives any failure.
type Erasure struct {
	Place Place
	Key   string
}

// erase notes blobs to delete and enqueues the job that does it. Empty keys are ignored.
func (s *Store) erase(ctx context.Context, tx *Tx, resource string, blobs ...Erasure) error {
	noted := false
	for _, blob := range blobs {
		if blob.Key == "" {
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO erasure (resource, place, blob_key, created) VALUES ($1, $2, $3, $4)
			ON CONFLICT (place, blob_key) DO NOTHING`, resource, blob.Place, blob.Key, micros(s.now())); err != nil {
			return err
		}
		noted = true
	}
	if !noted {
		return nil
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobErase, SID: resource})
}

func scanErasure(row scanner) (e Erasure, err error) {
	err = row.Scan(&e.Place, &e.Key)
	return e, err
}

// Erasures lists the blobs that a resource left and that are still to be deleted.
func (s *Store) Erasures(ctx context.Context, resource string) ([]Erasure, error) {
	return collect(ctx, s.read(), scanErasure, `SELECT place, blob_key FROM erasure WHERE resource = $1 ORDER BY place, blob_key`, resource)
}

// Erase notes blobs to delete that no row refers to, such as those of an attempt that was overtaken.
func (s *Store) Erase(ctx context.Context, resource string, blobs ...Erasure) error {
	return s.InTx(ctx, func(tx *Tx) error { return s.erase(ctx, tx, resource, blobs...) })
}

// Erased notes that a blob is deleted.
func (s *Store) Erased(ctx context.Context, blob Erasure) error {
	_, err := s.read().Exec(ctx, `DELETE FROM erasure WHERE place = $1 AND blob_key = $2`, blob.Place, blob.Key)
	return err
}

// ForgottenErasures lists resources whose blobs have waited since before the given time, up to 1000: their job was lost.
func (s *Store) ForgottenErasures(ctx context.Context, before time.Time) ([]string, error) {
	return collect(ctx, s.read(), scanText[string], `SELECT DISTINCT resource FROM erasure WHERE created < $1 LIMIT 1000`, micros(before))
}
