package store

import (
	"context"
	"time"

	"roomreel"
)

// KeepDeleted is how long the metadata of deleted recordings and compositions stays where
// nothing else is configured.
//
// Source: twilio.com/docs/video/api/compositions-resource and recordings-resource, "Delete".
const KeepDeleted = 30 * 24 * time.Hour

// expireBatch bounds how many rows one transaction removes, so that no other transaction waits long for it.
const expireBatch = 500

// Expire removes what has had its time by now: deleted recordings and compositions after Config.KeepDeleted, the events
// of what is gone and those delivered as long ago, and the working copies of recordings whose window is over.
// The jobs that delete objects are enqueued once more for what was to be deleted a day ago and is still there.
func (s *Store) Expire(ctx context.Context, now time.Time) error {
	before := micros(now.Add(-s.keep))
	for _, table := range []string{"recording", "composition"} {
		for more := true; more; {
			err := s.InTx(ctx, func(tx *Tx) (err error) {
				gone, err := collect(ctx, tx, scanText[string], `DELETE FROM `+table+` WHERE sid IN (SELECT sid FROM `+table+`
					WHERE status = 'deleted' AND deleted < $1 ORDER BY deleted LIMIT $2) RETURNING sid`, before, expireBatch)
				if err != nil {
					return err
				}
				for _, sid := range gone {
					if err := forgetEvents(ctx, tx, sid); err != nil {
						return err
					}
				}
				more = len(gone) == expireBatch
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	if err := s.expireEvents(ctx, before); err != nil {
		return err
	}
	if err := s.expireCopies(ctx, now); err != nil {
		return err
	}
	return s.deleteForgotten(ctx, now)
}

func forgetEvents(ctx context.Context, tx *Tx, resource string) error {
	for _, text := range []string{
		`DELETE FROM delivery WHERE event_id IN (SELECT id FROM event WHERE resource = $1)`,
		`DELETE FROM event WHERE resource = $1`,
		`DELETE FROM event_sequence WHERE resource = $1`,
	} {
		if _, err := tx.Exec(ctx, text, resource); err != nil {
			return err
		}
	}
	return nil
}

// expireEvents removes old events of resources that stay. Their counters stay too: numbers are never given twice.
func (s *Store) expireEvents(ctx context.Context, before int64) error {
	for more := true; more; {
		err := s.InTx(ctx, func(tx *Tx) error {
			old, err := collect(ctx, tx, scanText[string], `SELECT id FROM event WHERE created < $1 AND status <> 'pending'
				ORDER BY created LIMIT $2`, before, expireBatch)
			if err != nil {
				return err
			}
			for _, id := range old {
				if _, err := tx.Exec(ctx, `DELETE FROM delivery WHERE event_id = $1`, id); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `DELETE FROM event WHERE id = $1`, id); err != nil {
					return err
				}
			}
			more = len(old) == expireBatch
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expireCopies has the working copies deleted that compositions may no longer read. A composition that began in time reads
// to its end.
func (s *Store) expireCopies(ctx context.Context, now time.Time) error {
	for {
		over, err := collect(ctx, s.read(), scanText[roomreel.RecordingSID], `SELECT sid FROM recording
			WHERE copy_expires > 0 AND copy_expires <= $1 AND status <> 'processing' AND NOT EXISTS (SELECT 1 FROM composition
				WHERE composition.room_sid = recording.room_sid AND composition.status = 'processing') LIMIT $2`, micros(now), expireBatch)
		if err != nil || len(over) == 0 {
			return err
		}
		for _, sid := range over {
			err := s.InTx(ctx, func(tx *Tx) error {
				r, err := scanRecording(tx.QueryRow(ctx, `SELECT `+recordingColumns+` FROM recording WHERE sid = $1`+s.forUpdate, sid))
				if isNoRow(err) {
					return nil
				}
				if err != nil {
					return err
				}
				copied := r.Media.CopyKey
				r.Media.CopyKey, r.Media.CopyExpires = "", time.Time{}
				if _, err := tx.Exec(ctx, `UPDATE recording SET media = $2, copy_expires = 0 WHERE sid = $1`, sid, text(r.Media)); err != nil {
					return err
				}
				return s.deleteLater(ctx, tx, string(sid), PendingDeletion{WorkingStore, copied})
			})
			if err != nil {
				return err
			}
		}
	}
}
