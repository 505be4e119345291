package store

import (
	"context"

	"roomreel"
)

const recordingColumns = `sid, account_sid, room_sid, participant_sid, identity, track_sid, track_name, kind, status, codec,
	container, size, duration, start_offset, created, completed, deleted, media, index_key, destination, failure, known_duration`

func scanRecording(row scanner) (r roomreel.Recording, err error) {
	err = row.Scan(&r.SID, &r.AccountSID, &r.RoomSID, &r.ParticipantSID, &r.Identity, &r.TrackSID, &r.TrackName, &r.Kind,
		&r.Status, &r.Codec, &r.Container, &r.Size, &r.Duration, &r.Offset, instant{&r.Created}, instant{&r.Completed},
		instant{&r.Deleted}, fromText{&r.Media}, &r.Index, fromText{&r.Destination}, fromText{&r.Failure}, &r.KnownDuration)
	return r, err
}

var recordingTable = table[roomreel.Recording]{
	name: "recording", columns: recordingColumns, created: "created", id: "sid", scan: scanRecording,
	cursor: func(r roomreel.Recording) Cursor { return Cursor{r.Created, string(r.SID)} },
}

// Upload is a recording that arrived, already in the media store.
type Upload struct {
	Recording roomreel.Recording // ParticipantSID, TrackSID and Created are filled in; TrackName may be empty
	Digest    string             // of the content and of what was said of it
}

// FindUpload returns the recording that an earlier upload with the same digest became, and whether there is one.
func (s *Store) FindUpload(ctx context.Context, room roomreel.RoomSID, digest string) (roomreel.Recording, bool, error) {
	return findUpload(ctx, s.read(), room, digest)
}

func findUpload(ctx context.Context, q querier, room roomreel.RoomSID, digest string) (roomreel.Recording, bool, error) {
	r, err := scanRecording(q.QueryRow(ctx, `SELECT `+recordingColumns+` FROM recording
		WHERE room_sid = $1 AND upload_digest = $2 AND status <> 'deleted'`, room, digest))
	if isNoRow(err) {
		return r, false, nil
	}
	return r, err == nil, err
}

// AddRecording adds a recording to a room in progress, or to one that timed out, with its participant and track. When the room has
// one of the same digest already, that one is returned and added is false. What has no destination of its own is completed at once;
// for the others a delivery is enqueued.
func (s *Store) AddRecording(ctx context.Context, u Upload) (r roomreel.Recording, added bool, err error) {
	r = u.Recording
	err = s.InTx(ctx, func(tx *Tx) error {
		room, err := s.lockRoom(ctx, tx, r.AccountSID, r.RoomSID)
		if err != nil {
			return err
		}
		if same, found, err := findUpload(ctx, tx, room.SID, u.Digest); err != nil || found {
			r = same
			return err
		}
		if !room.TakesRecordings() {
			return errRoomCompleted()
		}
		if err := s.endAfter(ctx, tx, room.SID, room.EmptyRoomTimeout); err != nil {
			return err
		}
		track, err := s.publish(ctx, tx, room, r.Identity, r.TrackName, r.Kind)
		if err != nil {
			return err
		}
		r.ParticipantSID, r.TrackSID, r.TrackName = track.ParticipantSID, track.SID, track.Name
		r.Status, r.Created, added = roomreel.RecordingProcessing, s.now(), true
		if err := insertRecording(ctx, tx, r, u.Digest); err != nil {
			return err
		}
		if err := release(ctx, tx, objectsOf(r)...); err != nil {
			return err
		}
		if err := s.emitRecording(ctx, tx, room, r, roomreel.RecordingStartedEvent); err != nil {
			return err
		}
		if r.Destination != (roomreel.Destination{}) {
			return s.queue.Enqueue(ctx, tx, Job{Kind: JobDeliverRecording, SID: string(r.SID)})
		}
		return s.setRecording(ctx, tx, room, &r, roomreel.RecordingCompleted)
	})
	return r, added && err == nil, err
}

func insertRecording(ctx context.Context, tx *Tx, r roomreel.Recording, digest string) error {
	_, err := tx.Exec(ctx, `INSERT INTO recording (`+recordingColumns+`, copy_expires, upload_digest)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		r.SID, r.AccountSID, r.RoomSID, r.ParticipantSID, r.Identity, r.TrackSID, r.TrackName, r.Kind, r.Status, r.Codec,
		r.Container, r.Size, int64(r.Duration), int64(r.Offset), micros(r.Created), micros(r.Completed), micros(r.Deleted),
		text(r.Media), r.Index, text(r.Destination), text(r.Failure), int64(r.KnownDuration), micros(r.Media.CopyExpires), digest)
	return err
}

// setRecording changes the status of a recording whose room is locked, writes what else changed with it, and says so.
func (s *Store) setRecording(ctx context.Context, tx *Tx, room roomreel.Room, r *roomreel.Recording, next roomreel.RecordingStatus) error {
	if !r.Status.CanBecome(next) {
		return roomreel.Errorf(roomreel.Conflict, "a recording that is %s cannot become %s", r.Status, next)
	}
	r.Status = next
	var event roomreel.EventType
	switch next {
	case roomreel.RecordingCompleted:
		r.Completed, event = s.now(), roomreel.RecordingCompletedEvent
	case roomreel.RecordingFailed:
		r.Completed, event = s.now(), roomreel.RecordingFailedEvent
	case roomreel.RecordingDeleted:
		r.Deleted = s.now()
	}
	if _, err := tx.Exec(ctx, `UPDATE recording SET status = $2, completed = $3, deleted = $4, media = $5, copy_expires = $6,
		index_key = $7, failure = $8 WHERE sid = $1`,
		r.SID, r.Status, micros(r.Completed), micros(r.Deleted), text(r.Media), micros(r.Media.CopyExpires),
		r.Index, text(r.Failure)); err != nil {
		return err
	}
	if event != "" {
		if err := s.emitRecording(ctx, tx, room, *r, event); err != nil {
			return err
		}
	}
	return s.askHooks(ctx, tx, room)
}

// changeRecording runs change on a recording while its room is locked.
func (s *Store) changeRecording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID,
	change func(tx *Tx, room roomreel.Room, r *roomreel.Recording) error,
) (r roomreel.Recording, err error) {
	if r, err = s.Recording(ctx, acct, sid); err != nil {
		return r, err
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		room, err := s.lockRoom(ctx, tx, r.AccountSID, r.RoomSID)
		if err != nil {
			return err
		}
		if r, err = recordingBySID(ctx, tx, r.SID, s.forUpdate); err != nil {
			return err
		}
		return change(tx, room, &r)
	})
	return r, err
}

// DeleteRecording marks a recording as deleted and enqueues the deletion of its objects. Deleting it again changes nothing.
func (s *Store) DeleteRecording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) error {
	_, err := s.changeRecording(ctx, acct, sid, func(tx *Tx, room roomreel.Room, r *roomreel.Recording) error {
		if r.Status == roomreel.RecordingDeleted {
			return nil
		}
		left := objectsOf(*r)
		r.Media = roomreel.Media{External: r.Media.External}
		r.Index = ""
		if err := s.setRecording(ctx, tx, room, r, roomreel.RecordingDeleted); err != nil {
			return err
		}
		if err := s.deleteLater(ctx, tx, string(r.SID), left...); err != nil {
			return err
		}
		return s.audit(ctx, tx, acct, "delete", string(r.SID), nil)
	})
	return err
}

// CompleteRecording notes that a recording is where it belongs. A recording that was deleted meanwhile is a Conflict: the
// caller then discards what it delivered into the media store.
func (s *Store) CompleteRecording(ctx context.Context, sid roomreel.RecordingSID, media roomreel.Media) (roomreel.Recording, error) {
	return s.settleRecording(ctx, sid, func(r *roomreel.Recording) roomreel.RecordingStatus {
		r.Media, r.Failure = media, roomreel.Failure{}
		return roomreel.RecordingCompleted
	})
}

// NoteRecordingFailure writes why a recording could not be delivered yet. Delivering it, or giving up, replaces that.
func (s *Store) NoteRecordingFailure(ctx context.Context, sid roomreel.RecordingSID, failure roomreel.Failure) error {
	_, err := s.read().Exec(ctx, `UPDATE recording SET failure = $2 WHERE sid = $1 AND status = 'processing'`, sid, text(failure))
	return err
}

// FailRecording gives up on a recording and has its working copy deleted.
func (s *Store) FailRecording(ctx context.Context, sid roomreel.RecordingSID, failure roomreel.Failure) (roomreel.Recording, error) {
	return s.settleRecording(ctx, sid, func(r *roomreel.Recording) roomreel.RecordingStatus {
		r.Failure, r.Media = failure, roomreel.Media{}
		return roomreel.RecordingFailed
	})
}

func (s *Store) settleRecording(ctx context.Context, sid roomreel.RecordingSID,
	settle func(*roomreel.Recording) roomreel.RecordingStatus,
) (roomreel.Recording, error) {
	r, err := s.RecordingBySID(ctx, sid)
	if err != nil {
		return r, err
	}
	return s.changeRecording(ctx, r.AccountSID, sid, func(tx *Tx, room roomreel.Room, r *roomreel.Recording) error {
		before := r.Media
		next := settle(r)
		if err := s.setRecording(ctx, tx, room, r, next); err != nil {
			return err
		}
		if r.Media.Key != before.Key {
			if err := release(ctx, tx, PendingDeletion{MediaStore, r.Media.Key}); err != nil {
				return err
			}
		}
		return s.deleteLater(ctx, tx, string(r.SID), replaced(before, r.Media)...)
	})
}

// objectsOf lists the objects that a recording's row refers to.
func objectsOf(r roomreel.Recording) []PendingDeletion {
	return []PendingDeletion{{MediaStore, r.Media.Key}, {MediaStore, r.Index}, {WorkingStore, r.Media.CopyKey}}
}

// replaced lists what media no longer refers to after a change.
func replaced(before, after roomreel.Media) []PendingDeletion {
	var left []PendingDeletion
	if before.Key != after.Key {
		left = append(left, PendingDeletion{MediaStore, before.Key})
	}
	if before.CopyKey != after.CopyKey {
		left = append(left, PendingDeletion{WorkingStore, before.CopyKey})
	}
	return left
}

// Recording returns a recording of an account, deleted ones too.
func (s *Store) Recording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	r, err := recordingBySID(ctx, s.read(), sid, "")
	if err == nil && r.AccountSID != acct {
		err = notFound("recording", string(sid))
	}
	if err != nil {
		return roomreel.Recording{}, err
	}
	return r, nil
}

// RecordingBySID returns a recording of any account, for jobs.
func (s *Store) RecordingBySID(ctx context.Context, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	return recordingBySID(ctx, s.read(), sid, "")
}

func recordingBySID(ctx context.Context, q querier, sid roomreel.RecordingSID, lock string) (roomreel.Recording, error) {
	r, err := scanRecording(q.QueryRow(ctx, `SELECT `+recordingColumns+` FROM recording WHERE sid = $1`+lock, sid))
	if isNoRow(err) {
		err = notFound("recording", string(sid))
	}
	return r, err
}

// Recordings lists an account's recordings.
func (s *Store) Recordings(ctx context.Context, acct roomreel.AccountSID, f RecordingFilter, page Page) (List[roomreel.Recording], error) {
	return list(ctx, s.read(), recordingTable, f.where(acct), page)
}

func (f RecordingFilter) where(acct roomreel.AccountSID) where {
	var w where
	by := w.and // what rows are searched by: the narrowest condition there is; all others are checked
	if f.TrackSID != "" {
		by("track_sid = ?", f.TrackSID)
		by = w.check
	}
	if len(f.Participants) > 0 {
		condition, args := in("participant_sid", f.Participants)
		by(condition, args...)
		by = w.check
	}
	if len(f.RoomSIDs) > 0 {
		condition, args := in("room_sid", f.RoomSIDs)
		by(condition, args...)
		by = w.check
	}
	by("account_sid = ?", acct)
	if f.Status != "" {
		by("status = ?", f.Status)
	} else {
		w.and("status <> 'deleted'")
	}
	if f.Kind != "" {
		by("kind = ?", f.Kind)
	}
	w.created(f.Created)
	return w
}

// RecordingsOf returns all recordings of a room that a composition may use, oldest first.
func (s *Store) RecordingsOf(ctx context.Context, room roomreel.RoomSID) ([]roomreel.Recording, error) {
	return collect(ctx, s.read(), scanRecording, `SELECT `+recordingColumns+` FROM recording
		WHERE room_sid = $1 AND status <> 'deleted' ORDER BY created, sid`, room)
}
