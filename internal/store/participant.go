package store

import (
	"context"
	"time"

	"roomreel"
)

const participantColumns = `sid, room_sid, account_sid, identity, created, updated, ended, subscribe_rules, subscribe_rules_updated`

// scanParticipant returns what scans participants of a room. Those of a room that has ended are disconnected.
func scanParticipant(room roomreel.Room) func(scanner) (roomreel.Participant, error) {
	return func(row scanner) (p roomreel.Participant, err error) {
		err = row.Scan(&p.SID, &p.RoomSID, &p.AccountSID, &p.Identity, instant{&p.Created}, instant{&p.Updated}, instant{&p.End},
			fromText{&p.SubscribeRules}, instant{&p.SubscribeRulesUpdated})
		p.Start, p.Status = p.Created, connected
		if p.End.IsZero() {
			p.End = room.Ended
		}
		if !p.End.IsZero() {
			p.Status = disconnected
		}
		return p, err
	}
}

const (
	connected    = "connected"
	disconnected = "disconnected"
)

// Participants lists who was recorded in a room.
func (s *Store) Participants(ctx context.Context, room roomreel.Room, f ParticipantFilter, page Page) (List[roomreel.Participant], error) {
	inProgress := room.Status == roomreel.RoomInProgress
	if f.Status == connected && !inProgress {
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
	if f.Status == connected {
		w.check("ended = 0")
	} else if f.Status == disconnected && inProgress {
		w.check("ended > 0")
	}
	w.created(f.Created)
	return list(ctx, s.read(), t, w, page)
}

// Participant returns one participant of a room by SID or identity.
func (s *Store) Participant(ctx context.Context, room roomreel.Room, sidOrIdentity string) (roomreel.Participant, error) {
	return findParticipant(ctx, s.read(), room, sidOrIdentity)
}

func findParticipant(ctx context.Context, q querier, room roomreel.Room, sidOrIdentity string) (roomreel.Participant, error) {
	if !storable(sidOrIdentity) {
		return roomreel.Participant{}, notFound("participant", "of this identity")
	}
	column, arg := "identity", sidOrIdentity
	if sid, err := roomreel.ParseSID[roomreel.ParticipantSID](sidOrIdentity); err == nil {
		column, arg = "sid", string(sid)
	}
	p, err := scanParticipant(room)(q.QueryRow(ctx,
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

// joinParticipant returns the participant of identity in a room. One that is seen first is made, and is connected.
func (s *Store) joinParticipant(ctx context.Context, tx *Tx, room roomreel.Room, identity string) (p roomreel.Participant, added bool, err error) {
	now, sid := s.now(), roomreel.NewSID[roomreel.ParticipantSID]()
	p, err = scanParticipant(room)(tx.QueryRow(ctx, `INSERT INTO participant (`+participantColumns+`) VALUES ($1, $2, $3, $4, $5, $5, 0, 'null', 0)
		ON CONFLICT (room_sid, identity) DO UPDATE SET updated = excluded.updated RETURNING `+participantColumns,
		sid, room.SID, room.AccountSID, identity, micros(now)))
	return p, p.SID == sid, err
}

// publishTrack returns a participant's track. A track with a name is the same whenever it is seen again; one without is new each
// time, and named by its SID.
func (s *Store) publishTrack(ctx context.Context, tx *Tx, p roomreel.Participant, name string, kind roomreel.TrackKind) (t roomreel.PublishedTrack, added bool, err error) {
	sid, now := roomreel.NewSID[roomreel.TrackSID](), micros(s.now())
	if name == "" {
		name = string(sid)
	}
	t, err = scanTrack(tx.QueryRow(ctx, `INSERT INTO track (`+trackColumns+`, account_sid) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (participant_sid, kind, name) DO UPDATE SET updated = excluded.updated RETURNING `+trackColumns,
		sid, p.RoomSID, p.SID, name, kind, now, now, p.AccountSID))
	return t, t.SID == sid, err
}

// publish adds the track of a recording to a locked room, with its participant, and says so when they are new. A participant that is
// disconnected stays so: its recordings arrive after it has left, and its tracks are removed as soon as they are added.
func (s *Store) publish(ctx context.Context, tx *Tx, room roomreel.Room, identity, name string, kind roomreel.TrackKind) (roomreel.PublishedTrack, error) {
	p, joined, err := s.joinParticipant(ctx, tx, room, identity)
	if err != nil {
		return roomreel.PublishedTrack{}, err
	}
	track, added, err := s.publishTrack(ctx, tx, p, name, kind)
	if err != nil {
		return track, err
	}
	if joined {
		p.Status, p.End = connected, time.Time{}
		if err := s.emitParticipant(ctx, tx, room, p, nil, roomreel.ParticipantConnectedEvent); err != nil {
			return track, err
		}
	}
	if added {
		if err := s.emitParticipant(ctx, tx, room, p, &track, roomreel.TrackAddedEvent); err != nil {
			return track, err
		}
	}
	switch {
	case joined && room.Status != roomreel.RoomInProgress:
		return track, s.disconnect(ctx, tx, room, &p)
	case added && p.Status == disconnected:
		return track, s.emitParticipant(ctx, tx, room, p, &track, roomreel.TrackRemovedEvent)
	}
	return track, nil
}

// DisconnectParticipant disconnects a participant. One that is disconnected stays as it is.
func (s *Store) DisconnectParticipant(ctx context.Context, room roomreel.Room, sid roomreel.ParticipantSID) (roomreel.Participant, error) {
	return s.changeParticipant(ctx, room, sid, func(tx *Tx, room roomreel.Room, p *roomreel.Participant) error {
		if p.Status == disconnected {
			return nil
		}
		return s.disconnect(ctx, tx, room, p)
	})
}

// changeParticipant runs change on a participant while its room is locked.
func (s *Store) changeParticipant(ctx context.Context, room roomreel.Room, sid roomreel.ParticipantSID,
	change func(tx *Tx, room roomreel.Room, p *roomreel.Participant) error,
) (p roomreel.Participant, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		locked, err := s.lockRoom(ctx, tx, room.AccountSID, room.SID)
		if err != nil {
			return err
		}
		if p, err = findParticipant(ctx, tx, locked, string(sid)); err != nil {
			return err
		}
		return change(tx, locked, &p)
	})
	return p, err
}

// disconnect ends the stay of a connected participant of a locked room, and says so: its tracks are removed first.
func (s *Store) disconnect(ctx context.Context, tx *Tx, room roomreel.Room, p *roomreel.Participant) error {
	p.Status, p.End = disconnected, s.now()
	p.Updated = p.End
	if _, err := tx.Exec(ctx, `UPDATE participant SET ended = $2, updated = $2 WHERE sid = $1`, p.SID, micros(p.End)); err != nil {
		return err
	}
	if room.StatusCallback.URL == "" {
		return nil
	}
	tracks, err := collect(ctx, tx, scanTrack, `SELECT `+trackColumns+` FROM track WHERE participant_sid = $1 ORDER BY created, sid`, p.SID)
	if err != nil {
		return err
	}
	for _, track := range tracks {
		if err := s.emitParticipant(ctx, tx, room, *p, &track, roomreel.TrackRemovedEvent); err != nil {
			return err
		}
	}
	return s.emitParticipant(ctx, tx, room, *p, nil, roomreel.ParticipantEndedEvent)
}

// disconnectAll disconnects the participants of a locked room in progress, which is about to end.
func (s *Store) disconnectAll(ctx context.Context, tx *Tx, room roomreel.Room) error {
	present, err := collect(ctx, tx, scanParticipant(room), `SELECT `+participantColumns+` FROM participant
		WHERE room_sid = $1 AND ended = 0 ORDER BY created, sid`, room.SID)
	if err != nil {
		return err
	}
	for _, p := range present {
		if err := s.disconnect(ctx, tx, room, &p); err != nil {
			return err
		}
	}
	return nil
}

// SetSubscribeRules replaces the subscribe rules of a participant of a room in progress.
func (s *Store) SetSubscribeRules(ctx context.Context, room roomreel.Room, sid roomreel.ParticipantSID, rules []roomreel.SubscribeRule) (roomreel.Participant, error) {
	return s.changeParticipant(ctx, room, sid, func(tx *Tx, room roomreel.Room, p *roomreel.Participant) error {
		if room.Status != roomreel.RoomInProgress {
			return errRoomCompleted()
		}
		p.SubscribeRules, p.SubscribeRulesUpdated = rules, s.now()
		_, err := tx.Exec(ctx, `UPDATE participant SET subscribe_rules = $2, subscribe_rules_updated = $3 WHERE sid = $1`,
			p.SID, text(rules), micros(p.SubscribeRulesUpdated))
		return err
	})
}
