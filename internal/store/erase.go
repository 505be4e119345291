package store

import (
	"context"
	"slices"
	"time"

	"roomreel"
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
	blobs = slices.DeleteFunc(blobs, func(blob Erasure) bool { return blob.Key == "" })
	if len(blobs) == 0 {
		return nil
	}
	if err := s.note(ctx, tx, resource, blobs); err != nil {
		return err
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobErase, SID: resource})
}

func (s *Store) note(ctx context.Context, tx *Tx, resource string, blobs []Erasure) error {
	for _, blob := range blobs {
		if _, err := tx.Exec(ctx, `INSERT INTO erasure (resource, place, blob_key, created) VALUES ($1, $2, $3, $4)
			ON CONFLICT (place, blob_key) DO UPDATE SET resource = excluded.resource, created = excluded.created`, resource, blob.Place, blob.Key, micros(s.now())); err != nil {
			return err
		}
	}
	return nil
}

func scanErasure(row scanner) (e Erasure, err error) {
	err = row.Scan(&e.Place, &e.Key)
	return e, err
}

// Erasures lists the blobs that a resource left and that are still to be deleted.
func (s *Store) Erasures(ctx context.Context, resource string) ([]Erasure, error) {
	return collect(ctx, s.read(), scanErasure, `SELECT place, blob_key FROM erasure WHERE resource = $1 ORDER BY place, blob_key`, resource)
}

// Erase notes blobs to delete that a resource left beside its row, such as those of an attempt that was overtaken. What
// the row refers to stays: an attempt that lost against one which wrote the same blob must not take it away.
func (s *Store) Erase(ctx context.Context, resource string, blobs ...Erasure) error {
	return s.InTx(ctx, func(tx *Tx) error {
		held, err := s.held(ctx, tx, resource)
		if err != nil {
			return err
		}
		return s.erase(ctx, tx, resource, slices.DeleteFunc(slices.Clone(blobs), func(blob Erasure) bool {
			return slices.Contains(held, blob)
		})...)
	})
}

// held lists the blobs that the row of a recording or composition refers to, and keeps the row as it is.
func (s *Store) held(ctx context.Context, tx *Tx, resource string) ([]Erasure, error) {
	var media roomreel.Media
	var index string
	err := tx.QueryRow(ctx, `SELECT media, index_key FROM recording WHERE sid = $1`+s.forUpdate, resource).Scan(fromText{&media}, &index)
	if isNoRow(err) {
		err = tx.QueryRow(ctx, `SELECT media FROM composition WHERE sid = $1`+s.forUpdate, resource).Scan(fromText{&media})
	}
	if isNoRow(err) {
		return nil, nil
	}
	return []Erasure{{Vault, media.Key}, {Work, media.WorkKey}, {Vault, index}}, err
}

// Reserve notes blobs that are about to be stored and that no row refers to yet, or notes them anew. Should that never
// happen, Expire has them erased after forgottenAfter. An erasing of the resource itself does not wait so long: what is
// stored while others may erase for the same resource is reserved for [Unpublished].
func (s *Store) Reserve(ctx context.Context, resource string, blobs ...Erasure) error {
	return s.InTx(ctx, func(tx *Tx) error { return s.note(ctx, tx, resource, blobs) })
}

// Unpublished is the resource for which a composition's blobs are reserved until its rows refer to them.
func Unpublished(sid roomreel.CompositionSID) string { return string(sid) + "/unpublished" }

// keep drops the reservation of a blob, now that a row refers to it.
func keep(ctx context.Context, tx *Tx, blob Erasure) error {
	_, err := tx.Exec(ctx, `DELETE FROM erasure WHERE place = $1 AND blob_key = $2`, blob.Place, blob.Key)
	return err
}

// redeem drops what was reserved for a resource, now that its row refers to it.
func redeem(ctx context.Context, tx *Tx, resource string) error {
	_, err := tx.Exec(ctx, `DELETE FROM erasure WHERE resource = $1`, resource)
	return err
}

// Erased notes that a blob is deleted.
func (s *Store) Erased(ctx context.Context, blob Erasure) error {
	_, err := s.read().Exec(ctx, `DELETE FROM erasure WHERE place = $1 AND blob_key = $2`, blob.Place, blob.Key)
	return err
}

// forgottenAfter is longer than any upload takes, and any job that erases waits for its next try.
const forgottenAfter = 24 * time.Hour

// eraseForgotten enqueues the erasing of what was reserved and never used, or whose job was lost.
func (s *Store) eraseForgotten(ctx context.Context, now time.Time) error {
	return s.InTx(ctx, func(tx *Tx) error {
		resources, err := collect(ctx, tx, scanText[string], `SELECT DISTINCT resource FROM erasure WHERE created < $1 LIMIT $2`,
			micros(now.Add(-forgottenAfter)), expireBatch)
		if err != nil {
			return err
		}
		for _, resource := range resources {
			if err := s.queue.Enqueue(ctx, tx, Job{Kind: JobErase, SID: resource}); err != nil {
				return err
			}
		}
		return nil
	})
}
