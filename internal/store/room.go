package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roomreel"
	"roomreel/internal/twilio"
)

// roomOptions are the parts of a room that no query looks at, as they are stored.
type roomOptions struct {
	EmptyRoomTimeout             time.Duration `json:"empty_room_timeout"`
	UnusedRoomTimeout            time.Duration `json:"unused_room_timeout"`
	MaxParticipants              int           `json:"max_participants"`
	MaxParticipantDuration       time.Duration `json:"max_participant_duration"`
	MaxConcurrentPublishedTracks int           `json:"max_concurrent_published_tracks"`
	RecordParticipantsOnConnect  bool          `json:"record_participants_on_connect"`
	EnableTurn                   bool          `json:"enable_turn"`
	AudioOnly                    bool          `json:"audio_only"`
	LargeRoom                    bool          `json:"large_room"`
	VideoCodecs                  []string      `json:"video_codecs"`
	MediaRegion                  string        `json:"media_region"`
}

const roomColumns = `sid, account_sid, unique_name, status, type, created, updated, ended, timed_out, options, rules, rules_updated,
	callback_url, callback_method`

func scanRoom(row scanner) (roomreel.Room, error) {
	var r roomreel.Room
	var o roomOptions
	err := row.Scan(&r.SID, &r.AccountSID, &r.UniqueName, &r.Status, &r.Type, instant{&r.Created}, instant{&r.Updated},
		instant{&r.Ended}, &r.TimedOut, fromText{&o}, fromText{&r.Rules}, instant{&r.RulesUpdated},
		&r.StatusCallback.URL, &r.StatusCallback.Method)
	r.EmptyRoomTimeout, r.UnusedRoomTimeout = o.EmptyRoomTimeout, o.UnusedRoomTimeout
	r.MaxParticipants, r.MaxParticipantDuration = o.MaxParticipants, o.MaxParticipantDuration
	r.MaxConcurrentPublishedTracks = o.MaxConcurrentPublishedTracks
	r.RecordParticipantsOnConnect, r.EnableTurn = o.RecordParticipantsOnConnect, o.EnableTurn
	r.AudioOnly, r.LargeRoom = o.AudioOnly, o.LargeRoom
	r.VideoCodecs, r.MediaRegion = o.VideoCodecs, o.MediaRegion
	return r, err
}

var roomTable = table[roomreel.Room]{
	name: "room", columns: roomColumns, created: "created", id: "sid", scan: scanRoom,
	cursor: func(r roomreel.Room) Cursor { return Cursor{r.Created, string(r.SID)} },
}

// CreateRoom adds a room in progress. A unique name that another room in progress has is a Conflict.
func (s *Store) CreateRoom(ctx context.Context, r roomreel.Room) (roomreel.Room, error) {
	r.Status, r.Created, r.Ended = roomreel.RoomInProgress, s.now(), time.Time{}
	r.Updated, r.RulesUpdated = r.Created, r.Created
	options := roomOptions{
		r.EmptyRoomTimeout, r.UnusedRoomTimeout, r.MaxParticipants, r.MaxParticipantDuration,
		r.MaxConcurrentPublishedTracks, r.RecordParticipantsOnConnect, r.EnableTurn, r.AudioOnly, r.LargeRoom,
		r.VideoCodecs, r.MediaRegion,
	}
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO room (`+roomColumns+`, hooks_asked)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			r.SID, r.AccountSID, r.UniqueName, r.Status, r.Type, micros(r.Created), micros(r.Updated), micros(r.Ended), false,
			text(options), text(r.Rules), micros(r.RulesUpdated), r.StatusCallback.URL, r.StatusCallback.Method, false)
		if isTaken(err) {
			return &roomreel.Error{
				Code: roomreel.Conflict, Twilio: twilio.RoomNameExists, Param: "UniqueName",
				Detail: "a room in progress has this name",
			}
		}
		if err != nil {
			return err
		}
		if err := s.endAfter(ctx, tx, r.SID, r.UnusedRoomTimeout); err != nil {
			return err
		}
		return s.emitRoom(ctx, tx, r, roomreel.RoomCreatedEvent)
	})
	return r, err
}

// endAfter lets a room end by itself after a time in which nothing arrives. 0 changes nothing.
func (s *Store) endAfter(ctx context.Context, q querier, sid roomreel.RoomSID, timeout time.Duration) error {
	if timeout == 0 {
		return nil
	}
	_, err := q.Exec(ctx, `UPDATE room SET ends = `+s.clockNow+` + $2 WHERE sid = $1 AND (status = 'in-progress' OR timed_out)`,
		sid, timeout.Microseconds())
	return err
}

// KeepRoomOpen says that something is arriving for a room: its EmptyRoomTimeout begins anew. Call it more often than every minute,
// the shortest timeout, so that the room does not end while an upload runs. When a node dies, its uploads no longer count.
func (s *Store) KeepRoomOpen(ctx context.Context, r roomreel.Room) error {
	return s.endAfter(ctx, s.read(), r.SID, r.EmptyRoomTimeout)
}

// Room returns a room by its SID, or a room in progress by its unique name. A name is free again once its room has
// ended, so it says nothing about rooms that have.
func (s *Store) Room(ctx context.Context, acct roomreel.AccountSID, sidOrName string) (roomreel.Room, error) {
	if !storable(sidOrName) {
		return roomreel.Room{}, roomNotFound("of this name")
	}
	text, arg := `unique_name = $2 AND status = 'in-progress'`, sidOrName
	if sid, err := roomreel.ParseSID[roomreel.RoomSID](sidOrName); err == nil {
		text, arg = `sid = $2`, string(sid)
	}
	r, err := scanRoom(s.read().QueryRow(ctx, `SELECT `+roomColumns+` FROM room WHERE account_sid = $1 AND `+text, acct, arg))
	if isNoRow(err) {
		err = roomNotFound(sidOrName)
	}
	return r, err
}

func roomNotFound(sidOrName string) error {
	return &roomreel.Error{Code: roomreel.NotFound, Detail: "there is no room " + sidOrName}
}

// Rooms lists an account's rooms.
func (s *Store) Rooms(ctx context.Context, acct roomreel.AccountSID, f RoomFilter, page Page) (List[roomreel.Room], error) {
	return list(ctx, s.read(), roomTable, f.where(acct), page)
}

func (f RoomFilter) where(acct roomreel.AccountSID) where {
	var w where
	w.and("account_sid = ?", acct)
	if f.Status != "" {
		w.and("status = ?", f.Status)
	}
	if f.UniqueName != "" {
		w.and("unique_name = ?", f.UniqueName)
	}
	w.created(f.Created)
	return w
}

// lockRoom returns a room and locks it until the transaction ends. Rooms are locked before anything else, so
// that two transactions never wait for each other.
func (s *Store) lockRoom(ctx context.Context, tx *Tx, acct roomreel.AccountSID, sid roomreel.RoomSID) (roomreel.Room, error) {
	r, err := scanRoom(tx.QueryRow(ctx, `SELECT `+roomColumns+` FROM room WHERE account_sid = $1 AND sid = $2`+s.forUpdate, acct, sid))
	if isNoRow(err) {
		err = roomNotFound(string(sid))
	}
	return r, err
}

// CompleteRoom ends a room in progress: its compositions may start, and its hooks run once all its recordings are where
// they belong. Of several calls one does it; the others find it done and return the same room.
func (s *Store) CompleteRoom(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RoomSID) (roomreel.Room, error) {
	var r roomreel.Room
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if r, err = s.lockRoom(ctx, tx, acct, sid); err != nil || r.Status == roomreel.RoomCompleted && !r.TimedOut {
			return err
		}
		return s.endRoom(ctx, tx, &r, false)
	})
	return r, err
}

// endRoom completes a locked room. One that is completed already takes no more recordings, unless it timed out again: then all that
// arrived late has arrived. The compositions of a room that timed out without a recording go on waiting for one.
func (s *Store) endRoom(ctx context.Context, tx *Tx, r *roomreel.Room, timedOut bool) error {
	r.TimedOut = timedOut
	if _, err := tx.Exec(ctx, `UPDATE room SET ends = 0, timed_out = $2 WHERE sid = $1`, r.SID, timedOut); err != nil {
		return err
	}
	if r.Status != roomreel.RoomCompleted {
		if err := s.disconnectAll(ctx, tx, *r); err != nil {
			return err
		}
		if err := s.setRoom(ctx, tx, r, roomreel.RoomCompleted); err != nil {
			return err
		}
	}
	if timedOut {
		var recordings int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM recording WHERE room_sid = $1`, r.SID).Scan(&recordings); err != nil || recordings == 0 {
			return err // there is nothing for hooks either
		}
	}
	waiting, err := collect(ctx, tx, scanText[roomreel.CompositionSID],
		`SELECT sid FROM composition WHERE account_sid = $1 AND room_sid = $2 AND status = 'enqueued' ORDER BY created, sid`,
		r.AccountSID, r.SID)
	if err != nil {
		return err
	}
	for _, composition := range waiting {
		if err := s.queue.Enqueue(ctx, tx, Job{Kind: JobCompose, SID: string(composition)}); err != nil {
			return err
		}
	}
	return s.askHooks(ctx, tx, *r)
}

// roomDue is the condition that a room's timeout has passed, before the database's clock.
const roomDue = `ends > 0 AND ends <= `

func (s *Store) idleRooms(ctx context.Context, q querier) ([]roomreel.Room, error) {
	return collect(ctx, q, scanRoom, `SELECT `+roomColumns+` FROM room WHERE `+roomDue+s.clockNow+` ORDER BY ends LIMIT $1`, expireBatch)
}

// EndIdleRooms ends the rooms for which nothing has arrived during their timeout, and returns how many. An error of one room does not
// keep the others from ending.
func (s *Store) EndIdleRooms(ctx context.Context) (ended int, err error) {
	idle, err := s.idleRooms(ctx, s.read())
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, found := range idle {
		var stillDue bool // something may have arrived since
		err := s.InTx(ctx, func(tx *Tx) error {
			r, err := s.lockRoom(ctx, tx, found.AccountSID, found.SID)
			if err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, `SELECT `+roomDue+s.clockNow+` FROM room WHERE sid = $1`, r.SID).Scan(&stillDue); err != nil || !stillDue {
				return err
			}
			return s.endRoom(ctx, tx, &r, true)
		})
		if err != nil {
			failures = append(failures, fmt.Errorf("end room %s: %w", found.SID, err))
		} else if stillDue {
			ended++
		}
	}
	return ended, errors.Join(failures...)
}

// setRoom changes a locked room's status and says so.
func (s *Store) setRoom(ctx context.Context, tx *Tx, r *roomreel.Room, next roomreel.RoomStatus) error {
	if !r.Status.CanBecome(next) {
		return roomreel.Errorf(roomreel.Conflict, "a room that is %s cannot become %s", r.Status, next)
	}
	r.Status, r.Updated = next, s.now()
	r.Ended = r.Updated
	if _, err := tx.Exec(ctx, `UPDATE room SET status = $2, updated = $3, ended = $4 WHERE sid = $1`,
		r.SID, r.Status, micros(r.Updated), micros(r.Ended)); err != nil {
		return err
	}
	return s.emitRoom(ctx, tx, *r, roomreel.RoomEndedEvent)
}

// askHooks enqueues the job that runs the account's hooks for a locked room, once, when there is something to compose
// and nothing more to wait for. While recordings arrive for a room that timed out, its next timeout is waited for.
func (s *Store) askHooks(ctx context.Context, tx *Tx, r roomreel.Room) error {
	if r.Status != roomreel.RoomCompleted {
		return nil
	}
	var notNow bool
	if err := tx.QueryRow(ctx, `SELECT hooks_asked OR ends > 0 FROM room WHERE sid = $1`, r.SID).Scan(&notNow); err != nil || notNow {
		return err
	}
	var unsettled, completed int
	err := tx.QueryRow(ctx, `SELECT COUNT(CASE WHEN status = 'processing' THEN 1 END), COUNT(CASE WHEN status = 'completed' THEN 1 END)
		FROM recording WHERE room_sid = $1 AND status <> 'deleted'`, r.SID).Scan(&unsettled, &completed)
	if err != nil || unsettled > 0 || completed == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE room SET hooks_asked = $2 WHERE sid = $1`, r.SID, true); err != nil {
		return err
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobHook, SID: string(r.SID)})
}

// RoomBySID returns a room of any account, for jobs.
func (s *Store) RoomBySID(ctx context.Context, sid roomreel.RoomSID) (roomreel.Room, error) {
	r, err := scanRoom(s.read().QueryRow(ctx, `SELECT `+roomColumns+` FROM room WHERE sid = $1`, sid))
	if isNoRow(err) {
		err = roomNotFound(string(sid))
	}
	return r, err
}

// SetRules replaces the recording rules of a room in progress.
func (s *Store) SetRules(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RoomSID, rules []roomreel.RecordingRule) (roomreel.Room, error) {
	var r roomreel.Room
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if r, err = s.lockRoom(ctx, tx, acct, sid); err != nil {
			return err
		}
		if r.Status != roomreel.RoomInProgress {
			return errRoomCompleted()
		}
		r.Rules, r.RulesUpdated = rules, s.now()
		_, err = tx.Exec(ctx, `UPDATE room SET rules = $2, rules_updated = $3 WHERE sid = $1`, r.SID, text(rules), micros(r.RulesUpdated))
		return err
	})
	return r, err
}

func errRoomCompleted() error {
	return &roomreel.Error{Code: roomreel.Conflict, Twilio: twilio.RoomCompleted, Detail: "the room is completed"}
}
