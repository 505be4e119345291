package store

import (
	"context"
	"slices"
	"time"

	"roomreel"
)

// BlobStore is one of the two stores that hold our blobs.
type BlobStore string

const (
	MediaStore   BlobStore = "vault" // media and indexes
	WorkingStore BlobStore = "work"  // what compositions leave on their way, and the copies they read
)

// PendingDeletion is a blob that nothing refers to any more. Its row stays until somebody has deleted the blob, so that a
// deletion outlives any failure.
type PendingDeletion struct {
	Store BlobStore
	Key   string
}

// erase notes blobs to delete and enqueues the job that does it. Empty keys are ignored.
func (s *Store) erase(ctx context.Context, tx *Tx, resource string, blobs ...PendingDeletion) error {
	blobs = slices.DeleteFunc(blobs, func(blob PendingDeletion) bool { return blob.Key == "" })
	if len(blobs) == 0 {
		return nil
	}
	if err := s.note(ctx, tx, resource, blobs); err != nil {
		return err
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobDelete, SID: resource})
}

func (s *Store) note(ctx context.Context, tx *Tx, resource string, blobs []PendingDeletion) error {
	for _, blob := range blobs {
		if _, err := tx.Exec(ctx, `INSERT INTO erasure (resource, place, blob_key, created) VALUES ($1, $2, $3, $4)
			ON CONFLICT (place, blob_key) DO UPDATE SET resource = excluded.resource, created = excluded.created`, resource, blob.Store, blob.Key, micros(s.now())); err != nil {
			return err
		}
	}
	return nil
}

func scanErasure(row scanner) (e PendingDeletion, err error) {
	err = row.Scan(&e.Store, &e.Key)
	return e, err
}

// PendingDeletions lists the blobs that a resource left and that are still to be deleted.
func (s *Store) PendingDeletions(ctx context.Context, resource string) ([]PendingDeletion, error) {
	return collect(ctx, s.read(), scanErasure, `SELECT place, blob_key FROM erasure WHERE resource = $1 ORDER BY place, blob_key`, resource)
}

// Erase notes blobs to delete that a resource left beside its row, such as those of an attempt that was overtaken. What
// the row refers to stays: an attempt that lost against one which wrote the same blob must not take it away.
func (s *Store) Erase(ctx context.Context, resource string, blobs ...PendingDeletion) error {
	return s.InTx(ctx, func(tx *Tx) error {
		held, err := s.held(ctx, tx, resource)
		if err != nil {
			return err
		}
		return s.erase(ctx, tx, resource, slices.DeleteFunc(slices.Clone(blobs), func(blob PendingDeletion) bool {
			return slices.Contains(held, blob)
		})...)
	})
}

// held lists the blobs that the row of a recording or composition refers to, and keeps the row as it is.
func (s *Store) held(ctx context.Context, tx *Tx, resource string) ([]PendingDeletion, error) {
	var media roomreel.Media
	var index string
	err := tx.QueryRow(ctx, `SELECT media, index_key FROM recording WHERE sid = $1`+s.forUpdate, resource).Scan(fromText{&media}, &index)
	if isNoRow(err) {
		err = tx.QueryRow(ctx, `SELECT media FROM composition WHERE sid = $1`+s.forUpdate, resource).Scan(fromText{&media})
	}
	if isNoRow(err) {
		return nil, nil
	}
	return []PendingDeletion{{MediaStore, media.Key}, {WorkingStore, media.CopyKey}, {MediaStore, index}}, err
}

// Reserve notes blobs that are about to be stored and that no row refers to yet, or notes them anew. Should that never
// happen, Expire has them erased after forgottenAfter. An erasing of the resource itself does not wait so long: what is
// stored while others may erase for the same resource is reserved for [Unpublished].
func (s *Store) Reserve(ctx context.Context, resource string, blobs ...PendingDeletion) error {
	return s.InTx(ctx, func(tx *Tx) error { return s.note(ctx, tx, resource, blobs) })
}

// Unpublished is the resource for which a composition's blobs are reserved until its rows refer to them.
func Unpublished(sid roomreel.CompositionSID) string { return string(sid) + "/unpublished" }

// keep drops the reservation of a blob, now that a row refers to it.
func keep(ctx context.Context, tx *Tx, blob PendingDeletion) error {
	_, err := tx.Exec(ctx, `DELETE FROM erasure WHERE place = $1 AND blob_key = $2`, blob.Store, blob.Key)
	return err
}

// redeem drops what was reserved for a resource, now that its row refers to it.
func redeem(ctx context.Context, tx *Tx, resource string) error {
	_, err := tx.Exec(ctx, `DELETE FROM erasure WHERE resource = $1`, resource)
	return err
}

// Erased notes that a blob is deleted.
func (s *Store) Erased(ctx context.Context, blob PendingDeletion) error {
	_, err := s.read().Exec(ctx, `DELETE FROM erasure WHERE place = $1 AND blob_key = $2`, blob.Store, blob.Key)
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
			if err := s.queue.Enqueue(ctx, tx, Job{Kind: JobDelete, SID: resource}); err != nil {
				return err
			}
		}
		return nil
	})
}
