package store

import (
	"context"
	"time"

	"roomreel"
	"roomreel/internal/twilio"
)

const filmColumns = `video_layout, audio_sources, audio_sources_excluded, resolution, format, trim, callback_url, callback_method, quality`

func filmArgs(f roomreel.FilmSpec) []any {
	return []any{
		f.VideoLayout, text(f.AudioSources), text(f.AudioSourcesExcluded), f.Resolution, f.Format, f.Trim,
		f.StatusCallback.URL, f.StatusCallback.Method, f.Quality,
	}
}

func filmDest(f *roomreel.FilmSpec) []any {
	return []any{
		&f.VideoLayout,
		fromText{&f.AudioSources},
		fromText{&f.AudioSourcesExcluded},
		&f.Resolution, &f.Format, &f.Trim,
		&f.StatusCallback.URL, &f.StatusCallback.Method, &f.Quality,
	}
}

const compositionColumns = filmColumns + `, sid, account_sid, room_sid, hook_sid, status, created, started, completed, deleted,
	progress, remaining, noted, bitrate, size, duration, media, destination, failure, report`

func scanComposition(row scanner) (c roomreel.Composition, err error) {
	err = row.Scan(append(filmDest(&c.Spec), &c.SID, &c.AccountSID, &c.RoomSID, &c.HookSID, &c.Status, instant{&c.Created},
		instant{&c.Started}, instant{&c.Completed}, instant{&c.Deleted}, &c.Progress, &c.Remaining, instant{&c.Noted}, &c.Bitrate, &c.Size, &c.Duration,
		fromText{&c.Media}, fromText{&c.Destination}, fromText{&c.Failure}, &c.Report)...)
	return c, err
}

var compositionTable = table[roomreel.Composition]{
	name: "composition", columns: compositionColumns, created: "created", id: "sid", scan: scanComposition,
	cursor: func(c roomreel.Composition) Cursor { return Cursor{c.Created, string(c.SID)} },
}

// CreateComposition adds a composition of a room. When the room is completed its work is enqueued; otherwise it waits as
// a row until CompleteRoom. A hook makes one composition per room: asked again, it gets the one that is there.
func (s *Store) CreateComposition(ctx context.Context, c roomreel.Composition, hook *roomreel.Hook) (roomreel.Composition, error) {
	err := s.InTx(ctx, func(tx *Tx) error {
		room, err := s.lockRoom(ctx, tx, c.AccountSID, c.RoomSID)
		if err != nil {
			return err
		}
		if hook != nil {
			c.HookSID = hook.SID
			made, err := scanComposition(tx.QueryRow(ctx, `SELECT `+compositionColumns+` FROM composition
				WHERE room_sid = $1 AND hook_sid = $2 AND hook_sid <> ''`, room.SID, hook.SID))
			if err == nil {
				c = made
			}
			if !isNoRow(err) {
				return err
			}
		}
		c.Status, c.Created = roomreel.CompositionEnqueued, s.now()
		args := append(filmArgs(c.Spec), c.SID, c.AccountSID, c.RoomSID, c.HookSID, c.Status, micros(c.Created), 0, 0, 0,
			0, 0, 0, 0, 0, 0, text(c.Media), text(c.Destination), text(c.Failure), "", 0)
		if _, err := tx.Exec(ctx, `INSERT INTO composition (`+compositionColumns+`, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7,
			$8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)`, args...); err != nil {
			return err
		}
		if hook != nil {
			if err := s.emitComposition(ctx, tx, c, roomreel.CompositionEnqueuedEvent, hook); err != nil {
				return err
			}
		}
		if room.Status != roomreel.RoomCompleted {
			return nil
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobCompose, SID: string(c.SID)})
	})
	return c, err
}

// HookFailed tells a hook's callback, once for each room, that the hook could not create a composition.
func (s *Store) HookFailed(ctx context.Context, room roomreel.RoomSID, hook roomreel.Hook, failure roomreel.Failure) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := s.lockRoom(ctx, tx, hook.AccountSID, room); err != nil {
			return err
		}
		id := string(room) + string(hook.SID)
		var known int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM event WHERE id = $1`, id).Scan(&known); err != nil || known > 0 {
			return err
		}
		return s.emit(ctx, tx, roomreel.Event{
			ID: id, AccountSID: hook.AccountSID, Resource: string(hook.SID), Type: roomreel.CompositionHookFailedEvent,
			Callback: hook.Spec.StatusCallback, Params: twilio.HookFailedEvent(hook, room, failure),
		})
	})
}

// Composition returns a composition of an account, deleted ones too.
func (s *Store) Composition(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID) (roomreel.Composition, error) {
	c, err := s.CompositionBySID(ctx, sid)
	if err == nil && c.AccountSID != acct {
		err = notFound("composition", string(sid))
	}
	if err != nil {
		return roomreel.Composition{}, err
	}
	return c, nil
}

// CompositionBySID returns a composition of any account, for jobs. Workers look at its Status while they work: one that
// is deleted or failed needs no more of it.
func (s *Store) CompositionBySID(ctx context.Context, sid roomreel.CompositionSID) (roomreel.Composition, error) {
	return s.composition(ctx, s.read(), sid, "")
}

func (s *Store) composition(ctx context.Context, q querier, sid roomreel.CompositionSID, lock string) (roomreel.Composition, error) {
	c, err := scanComposition(q.QueryRow(ctx, `SELECT `+compositionColumns+` FROM composition WHERE sid = $1`+lock, sid))
	if isNoRow(err) {
		err = notFound("composition", string(sid))
	}
	return c, err
}

// Compositions lists an account's compositions. Deleted ones are left out unless the filter asks for them.
func (s *Store) Compositions(ctx context.Context, acct roomreel.AccountSID, f CompositionFilter, page Page) (List[roomreel.Composition], error) {
	return list(ctx, s.read(), compositionTable, f.where(acct), page)
}

func (f CompositionFilter) where(acct roomreel.AccountSID) where {
	var w where
	if f.RoomSID != "" {
		w.and("room_sid = ?", f.RoomSID)
		w.check("account_sid = ?", acct)
	} else {
		w.and("account_sid = ?", acct)
	}
	if f.Status != "" {
		w.and("status = ?", f.Status)
	} else {
		w.and("status <> 'deleted'")
	}
	w.created(f.Created)
	return w
}

// change runs do on a composition that is locked meanwhile.
func (s *Store) change(ctx context.Context, sid roomreel.CompositionSID, do func(tx *Tx, c *roomreel.Composition) error) (c roomreel.Composition, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		if c, err = s.composition(ctx, tx, sid, s.forUpdate); err != nil {
			return err
		}
		return do(tx, &c)
	})
	return c, err
}

// setComposition changes a locked composition's status, writes what else changed with it, and says so.
func (s *Store) setComposition(ctx context.Context, tx *Tx, c *roomreel.Composition, next roomreel.CompositionStatus) error {
	if !c.Status.CanBecome(next) {
		return roomreel.Errorf(roomreel.Conflict, "a composition that is %s cannot become %s", c.Status, next)
	}
	c.Status = next
	var event roomreel.EventType
	switch next {
	case roomreel.CompositionProcessing:
		c.Started, event = s.now(), roomreel.CompositionStartedEvent
	case roomreel.CompositionCompleted:
		c.Completed, c.Progress, event = s.now(), 100, roomreel.CompositionAvailableEvent
	case roomreel.CompositionFailed:
		event = roomreel.CompositionFailedEvent
	case roomreel.CompositionDeleted:
		c.Deleted = s.now()
	}
	if _, err := tx.Exec(ctx, `UPDATE composition SET status = $2, started = $3, completed = $4, deleted = $5, progress = $6,
		bitrate = $7, size = $8, duration = $9, media = $10, failure = $11, report = $12 WHERE sid = $1`,
		c.SID, c.Status, micros(c.Started), micros(c.Completed), micros(c.Deleted), c.Progress, c.Bitrate, c.Size,
		int64(c.Duration), text(c.Media), text(c.Failure), c.Report); err != nil {
		return err
	}
	if event == "" {
		return nil
	}
	return s.emitComposition(ctx, tx, *c, event, nil)
}

// DeleteComposition ends a composition's work if there is any, marks it as deleted and enqueues the deletion of its
// objects. A failed one is a Conflict unless force is set. Deleting it again changes nothing.
func (s *Store) DeleteComposition(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID, force bool) error {
	if _, err := s.Composition(ctx, acct, sid); err != nil {
		return err
	}
	_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		if c.Status == roomreel.CompositionDeleted {
			return nil
		}
		if c.Status == roomreel.CompositionFailed && !force {
			return roomreel.Errorf(roomreel.Conflict, "a composition that failed cannot be deleted")
		}
		left := []PendingDeletion{{MediaStore, c.Media.Key}, {WorkingStore, c.Media.CopyKey}}
		c.Media = roomreel.Media{External: c.Media.External}
		if err := s.setComposition(ctx, tx, c, roomreel.CompositionDeleted); err != nil {
			return err
		}
		if err := s.clearPlan(ctx, tx, c.SID); err != nil {
			return err
		}
		if err := s.deleteLater(ctx, tx, string(c.SID), left...); err != nil {
			return err
		}
		return s.audit(ctx, tx, acct, "delete", string(c.SID), nil)
	})
	return err
}

// StartComposition moves an enqueued composition to processing; one that is processing already has been started by an
// attempt before this one. In any other state there is nothing to start, and the error is a Conflict.
func (s *Store) StartComposition(ctx context.Context, sid roomreel.CompositionSID) (c roomreel.Composition, attempt int, err error) {
	c, err = s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		if c.Status != roomreel.CompositionProcessing {
			if err := s.setComposition(ctx, tx, c, roomreel.CompositionProcessing); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `UPDATE composition SET attempt = attempt + 1 WHERE sid = $1 RETURNING attempt`, sid).Scan(&attempt)
	})
	return c, attempt, err
}

// FilmResult is what became of a composition's work.
type FilmResult struct {
	Size     int64 // bytes of the film
	Duration time.Duration
	Bitrate  int // kbit/s
	Media    roomreel.Media
	SHA256   string    // of the film, in hexadecimal digits; "" when an earlier version of the program assembled it
	Report   string    // JSON
	Since    time.Time // when it was assembled, for what is still to be delivered
}

// CompleteComposition notes that the film is where it belongs. It succeeds once: a composition that was deleted, failed or
// completed meanwhile is a Conflict.
func (s *Store) CompleteComposition(ctx context.Context, sid roomreel.CompositionSID, film FilmResult) (roomreel.Composition, error) {
	return s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		report, err := currentNames(ctx, tx, c.RoomSID, film.Report)
		if err != nil {
			return err
		}
		c.Size, c.Duration, c.Bitrate, c.Media, c.Report = film.Size, film.Duration, film.Bitrate, film.Media, report
		if err := s.setComposition(ctx, tx, c, roomreel.CompositionCompleted); err != nil {
			return err
		}
		if err := release(ctx, tx, PendingDeletion{MediaStore, film.Media.Key}); err != nil {
			return err
		}
		return s.clearPlan(ctx, tx, c.SID)
	})
}

// FailComposition gives up on a composition.
func (s *Store) FailComposition(ctx context.Context, sid roomreel.CompositionSID, failure roomreel.Failure) (roomreel.Composition, error) {
	return s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		c.Failure = failure
		if err := s.setComposition(ctx, tx, c, roomreel.CompositionFailed); err != nil {
			return err
		}
		return s.clearPlan(ctx, tx, c.SID)
	})
}
