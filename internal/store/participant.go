package store

import (
	"context"

	"roomreel"
)

const participantColumns = `sid, room_sid, account_sid, identity, created, updated`

// scanParticipant returns what scans participants of a room. Whether they are still there is the room's to say.
func scanParticipant(room roomreel.Room) func(scanner) (roomreel.Participant, error) {
	return func(row scanner) (p roomreel.Participant, err error) {
		err = row.Scan(&p.SID, &p.RoomSID, &p.AccountSID, &p.Identity, instant{&p.Created}, instant{&p.Updated})
		p.Start, p.End, p.Status = p.Created, room.Ended, participantStatus(room)
		return p, err
	}
}

func participantStatus(room roomreel.Room) string {
	if room.Status == roomreel.RoomInProgress {
		return "connected"
	}
	return "disconnected"
}

// Participants lists who was recorded in a room.
func (s *Store) Participants(ctx context.Context, room roomreel.Room, f ParticipantFilter, page Page) (List[roomreel.Participant], error) {
	if f.Status != "" && f.Status != participantStatus(room) {
		return List[roomreel.Participant]{}, nil
	}
	t := table[roomreel.Participant]{
		name: "participant", columns: participantColumns, created: "created", id: "sid", scan: scanParticipant(room),
		cursor: func(p roomreel.Participant) Cursor { return Cursor{p.Created, string(p.SID)} },
	}
	var w where
	w.and("room_sid = ?", room.SID)
	if f.Identity != "" {
		w.and("identity = ?", f.Identity)
	}
	w.created(f.Created)
	return list(ctx, s.read(), t, w, page)
}

// Participant returns one participant of a room by SID or identity.
func (s *Store) Participant(ctx context.Context, room roomreel.Room, sidOrIdentity string) (roomreel.Participant, error) {
	if !storable(sidOrIdentity) {
		return roomreel.Participant{}, notFound("participant", "of this identity")
	}
	column, arg := "identity", sidOrIdentity
	if sid, err := roomreel.ParseSID[roomreel.ParticipantSID](sidOrIdentity); err == nil {
		column, arg = "sid", string(sid)
	}
	p, err := scanParticipant(room)(s.read().QueryRow(ctx,
		`SELECT `+participantColumns+` FROM participant WHERE room_sid = $1 AND `+column+` = $2`, room.SID, arg))
	if isNoRow(err) {
		err = notFound("participant", sidOrIdentity)
	}
	return p, err
}

const trackColumns = `sid, room_sid, participant_sid, name, kind, created, updated`

func scanTrack(row scanner) (t roomreel.PublishedTrack, err error) {
	err = row.Scan(&t.SID, &t.RoomSID, &t.ParticipantSID, &t.Name, &t.Kind, instant{&t.Created}, instant{&t.Updated})
	t.Enabled = true
	return t, err
}

var trackTable = table[roomreel.PublishedTrack]{
	name: "track", columns: trackColumns, created: "created", id: "sid", scan: scanTrack,
	cursor: func(t roomreel.PublishedTrack) Cursor { return Cursor{t.Created, string(t.SID)} },
}

// Tracks lists what a participant published.
func (s *Store) Tracks(ctx context.Context, participant roomreel.ParticipantSID, page Page) (List[roomreel.PublishedTrack], error) {
	var w where
	w.and("participant_sid = ?", participant)
	return list(ctx, s.read(), trackTable, w, page)
}

// Track returns one track of a participant by SID or name. Of two with the same name, one of audio and one of video,
// it returns the older.
func (s *Store) Track(ctx context.Context, participant roomreel.ParticipantSID, sidOrName string) (roomreel.PublishedTrack, error) {
	if !storable(sidOrName) {
		return roomreel.PublishedTrack{}, notFound("track", "of this name")
	}
	column, arg := "name", sidOrName
	if sid, err := roomreel.ParseSID[roomreel.TrackSID](sidOrName); err == nil {
		column, arg = "sid", string(sid)
	}
	t, err := scanTrack(s.read().QueryRow(ctx, `SELECT `+trackColumns+` FROM track
		WHERE participant_sid = $1 AND `+column+` = $2 ORDER BY created, sid LIMIT 1`, participant, arg))
	if isNoRow(err) {
		err = notFound("track", sidOrName)
	}
	return t, err
}

// joinParticipant returns the SID of identity in a room, which is made when it is seen first.
func (s *Store) joinParticipant(ctx context.Context, tx *Tx, room roomreel.Room, identity string) (sid roomreel.ParticipantSID, err error) {
	now := micros(s.now())
	err = tx.QueryRow(ctx, `INSERT INTO participant (`+participantColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (room_sid, identity) DO UPDATE SET updated = excluded.updated RETURNING sid`,
		roomreel.NewSID[roomreel.ParticipantSID](), room.SID, room.AccountSID, identity, now, now).Scan(&sid)
	return sid, err
}

// publishTrack returns the SID and the name of a participant's track. A track with a name is the same whenever it is seen
// again; one without is new each time, and named by its SID.
func (s *Store) publishTrack(ctx context.Context, tx *Tx, room roomreel.Room, participant roomreel.ParticipantSID,
	name string, kind roomreel.TrackKind,
) (roomreel.TrackSID, string, error) {
	sid, now := roomreel.NewSID[roomreel.TrackSID](), micros(s.now())
	if name == "" {
		name = string(sid)
	}
	err := tx.QueryRow(ctx, `INSERT INTO track (`+trackColumns+`, account_sid) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (participant_sid, kind, name) DO UPDATE SET updated = excluded.updated RETURNING sid`,
		sid, room.SID, participant, name, kind, now, now, room.AccountSID).Scan(&sid)
	return sid, name, err
}
