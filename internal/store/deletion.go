package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"roomreel"
)

// How an object comes and goes without ever being lost or left behind:
//
// Before an object is stored, its key is reserved. The transaction that writes the key into a row (the publication) releases
// the reservation. The transaction that removes the key from its row marks the object as pending, and a job deletes it.
// A reservation that nothing has released after reservationLife is treated as pending.
//
// Before an object is deleted, one transaction looks for a row that refers to its key and marks the object as deleting. A
// publication needs a reservation that is still reserved. Both change the row of pending_deletion, so one waits for the
// other: an object that is being deleted cannot become referred to, and an object that is referred to is not deleted.

// BlobStore is one of the two stores that hold our objects.
type BlobStore string

const (
	MediaStore   BlobStore = "media"   // media and indexes
	WorkingStore BlobStore = "working" // what compositions leave on their way, and the copies they read
)

// PendingDeletion is an object that no row refers to: not yet, or not any more.
type PendingDeletion struct {
	Store BlobStore
	Key   string
}

// reservationLife is longer than any upload takes.
const reservationLife = 24 * time.Hour

// Reserve notes objects that are about to be stored for a resource. When no row refers to one after reservationLife, it is
// deleted. Reserving again prolongs that. The error is ErrLeaseLost for an object that waits for its deletion.
func (s *Store) Reserve(ctx context.Context, resource string, objects ...PendingDeletion) error {
	return s.InTx(ctx, func(tx *Tx) error {
		for _, object := range objects {
			n, err := tx.Exec(ctx, `INSERT INTO pending_deletion (store, object_key, resource, state, created) VALUES ($1, $2, $3, 'reserved', $4)
				ON CONFLICT (store, object_key) DO UPDATE SET created = excluded.created
				WHERE pending_deletion.state = 'reserved' AND pending_deletion.resource = excluded.resource`,
				object.Store, object.Key, resource, micros(s.now()))
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("reserve %s: %w", object.Key, ErrLeaseLost)
			}
		}
		return nil
	})
}

// release ends the reservations of objects that a row of this transaction refers to from now on. Empty keys are ignored. When
// an object is not reserved, it may be gone, and the error is ErrLeaseLost.
func release(ctx context.Context, tx *Tx, objects ...PendingDeletion) error {
	for _, object := range objects {
		if object.Key == "" {
			continue
		}
		n, err := tx.Exec(ctx, `DELETE FROM pending_deletion WHERE store = $1 AND object_key = $2 AND state = 'reserved'`, object.Store, object.Key)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("release %s: %w", object.Key, ErrLeaseLost)
		}
	}
	return nil
}

// Discard has objects deleted that were stored for a resource in vain, such as those of a stale worker.
func (s *Store) Discard(ctx context.Context, resource string, objects ...PendingDeletion) error {
	return s.InTx(ctx, func(tx *Tx) error { return s.deleteLater(ctx, tx, resource, objects...) })
}

// DiscardReserved has all objects deleted that are still reserved for a resource.
func (s *Store) DiscardReserved(ctx context.Context, resource string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, `UPDATE pending_deletion SET state = 'pending' WHERE resource = $1 AND state = 'reserved'`, resource)
		if err != nil || n == 0 {
			return err
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobDelete, SID: resource})
	})
}

// deleteLater marks objects as pending and enqueues the job that deletes them. Empty keys are ignored.
func (s *Store) deleteLater(ctx context.Context, tx *Tx, resource string, objects ...PendingDeletion) error {
	objects = slices.DeleteFunc(slices.Clone(objects), func(object PendingDeletion) bool { return object.Key == "" })
	if len(objects) == 0 {
		return nil
	}
	for _, object := range objects {
		if _, err := tx.Exec(ctx, `INSERT INTO pending_deletion (store, object_key, resource, state, created) VALUES ($1, $2, $3, 'pending', $4)
			ON CONFLICT (store, object_key) DO UPDATE SET resource = excluded.resource, created = excluded.created, state = 'pending'
			WHERE pending_deletion.state <> 'deleting'`, object.Store, object.Key, resource, micros(s.now())); err != nil {
			return err
		}
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobDelete, SID: resource})
}

func scanDeletion(row scanner) (d PendingDeletion, err error) {
	err = row.Scan(&d.Store, &d.Key)
	return d, err
}

// PendingDeletions lists what of a resource is to be deleted now, and what was reserved for it too long ago.
func (s *Store) PendingDeletions(ctx context.Context, resource string) ([]PendingDeletion, error) {
	return collect(ctx, s.read(), scanDeletion, `SELECT store, object_key FROM pending_deletion
		WHERE resource = $1 AND (state <> 'reserved' OR created < $2) ORDER BY store, object_key`,
		resource, micros(s.now().Add(-reservationLife)))
}

// DeletePending deletes what PendingDeletions lists. It calls remove for each object that no row refers to. An object that
// remove could not delete stays pending. Deletions may run twice, so remove must succeed for an object that is gone.
func (s *Store) DeletePending(ctx context.Context, resource string, remove func(context.Context, PendingDeletion) error) error {
	objects, err := s.PendingDeletions(ctx, resource)
	if err != nil {
		return err
	}
	var failed []error
	for _, object := range objects {
		unused, err := s.beginDeletion(ctx, object)
		if err == nil && unused {
			err = remove(ctx, object)
		}
		if err == nil && unused {
			_, err = s.read().Exec(ctx, `DELETE FROM pending_deletion WHERE store = $1 AND object_key = $2 AND state = 'deleting'`, object.Store, object.Key)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("delete %s: %w", object.Key, err))
		}
	}
	return errors.Join(failed...)
}

// beginDeletion marks an object as deleting and reports whether it may be deleted. When a row refers to the object, it is
// kept, and no deletion is pending any more.
func (s *Store) beginDeletion(ctx context.Context, object PendingDeletion) (unused bool, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		var resource string
		err := tx.QueryRow(ctx, `SELECT resource FROM pending_deletion WHERE store = $1 AND object_key = $2
			AND (state <> 'reserved' OR created < $3)`+s.forUpdate, object.Store, object.Key, micros(s.now().Add(-reservationLife))).Scan(&resource)
		if isNoRow(err) {
			return nil // published, reserved again or deleted since it was listed
		}
		if err != nil {
			return err
		}
		used, err := s.refersTo(ctx, tx, resource, object)
		if err != nil {
			return err
		}
		if used {
			_, err = tx.Exec(ctx, `DELETE FROM pending_deletion WHERE store = $1 AND object_key = $2`, object.Store, object.Key)
			return err
		}
		unused = true
		_, err = tx.Exec(ctx, `UPDATE pending_deletion SET state = 'deleting' WHERE store = $1 AND object_key = $2`, object.Store, object.Key)
		return err
	})
	return unused && err == nil, err
}

// refersTo reports whether a row refers to an object of a resource. Each column that may hold a key is asked here.
func (s *Store) refersTo(ctx context.Context, tx *Tx, resource string, object PendingDeletion) (bool, error) {
	var used []PendingDeletion
	mediaOf := func(media roomreel.Media) {
		used = append(used, PendingDeletion{MediaStore, media.Key}, PendingDeletion{WorkingStore, media.CopyKey})
	}
	var media roomreel.Media
	var index string
	err := tx.QueryRow(ctx, `SELECT media, index_key FROM recording WHERE sid = $1`, resource).Scan(fromText{&media}, &index)
	if err == nil {
		mediaOf(media)
		used = append(used, PendingDeletion{MediaStore, index})
		return slices.Contains(used, object), nil
	}
	if !isNoRow(err) {
		return false, err
	}
	err = tx.QueryRow(ctx, `SELECT media FROM composition WHERE sid = $1`, resource).Scan(fromText{&media})
	if isNoRow(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mediaOf(media)
	plan, err := planOf(ctx, tx, roomreel.CompositionSID(resource))
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		return false, err
	}
	used = append(used, plan.objects()...)
	return slices.Contains(used, object), nil
}

// deleteForgotten enqueues the deletion of what was reserved and never released, and of what is still pending after a day
// because its job was lost.
func (s *Store) deleteForgotten(ctx context.Context, now time.Time) error {
	return s.InTx(ctx, func(tx *Tx) error {
		resources, err := collect(ctx, tx, scanText[string], `SELECT DISTINCT resource FROM pending_deletion WHERE created < $1 LIMIT $2`,
			micros(now.Add(-reservationLife)), expireBatch)
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
