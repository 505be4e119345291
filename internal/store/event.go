package store

import (
	"context"
	"crypto/rand"
	"fmt"

	"roomreel"
	"roomreel/internal/twilio"
)

// emit writes an event in the transaction that made it true and enqueues its callback. For a resource without a callback it
// writes nothing.
func (s *Store) emit(ctx context.Context, tx *Tx, e roomreel.Event) error {
	if e.Callback.URL == "" {
		return nil
	}
	// The row of the counter stays locked until the transaction ends, so numbers are given in the order of commits.
	if err := tx.QueryRow(ctx, `INSERT INTO event_sequence (resource, next, lease_node, lease_expires) VALUES ($1, 1, '', 0)
		ON CONFLICT (resource) DO UPDATE SET next = event_sequence.next + 1 RETURNING next - 1`, e.Resource).Scan(&e.Sequence); err != nil {
		return fmt.Errorf("number event: %w", err)
	}
	if e.ID == "" {
		e.ID = rand.Text()
	}
	e.Created = s.now()
	if _, err := tx.Exec(ctx, `INSERT INTO event
		(id, account_sid, resource, sequence, type, created, url, method, params, status, attempts, since, due)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0, $10, 0)`,
		e.ID, e.AccountSID, e.Resource, e.Sequence, e.Type, micros(e.Created), e.Callback.URL, e.Callback.Method,
		text(twilio.EventParams(e)), micros(e.Created)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobCallback, SID: e.Resource})
}

func (s *Store) emitRoom(ctx context.Context, tx *Tx, r roomreel.Room, kind roomreel.EventType) error {
	return s.emit(ctx, tx, roomreel.Event{
		AccountSID: r.AccountSID, Resource: string(r.SID), Type: kind, Callback: r.StatusCallback,
		Params: twilio.RoomEvent(r, kind),
	})
}

// emitParticipant writes an event of a participant, or of one of its tracks, for the room's callback. It is ordered among the
// events of the room.
func (s *Store) emitParticipant(ctx context.Context, tx *Tx, room roomreel.Room, p roomreel.Participant, track *roomreel.PublishedTrack, kind roomreel.EventType) error {
	return s.emit(ctx, tx, roomreel.Event{
		AccountSID: room.AccountSID, Resource: string(room.SID), Type: kind, Callback: room.StatusCallback,
		Params: twilio.ParticipantEvent(room, p, track, kind),
	})
}

// emitRecording writes an event of a recording for its room's callback. Events are ordered per recording: one that cannot be
// delivered does not hold back those of another recording.
func (s *Store) emitRecording(ctx context.Context, tx *Tx, room roomreel.Room, r roomreel.Recording, kind roomreel.EventType) error {
	return s.emit(ctx, tx, roomreel.Event{
		AccountSID: r.AccountSID, Resource: string(r.SID), Type: kind, Callback: room.StatusCallback,
		Params: twilio.RecordingEvent(room, r, kind),
	})
}

// emitComposition writes an event of a composition for its callback. hook is the hook that created the composition, else nil.
func (s *Store) emitComposition(ctx context.Context, tx *Tx, c roomreel.Composition, kind roomreel.EventType, hook *roomreel.Hook) error {
	return s.emit(ctx, tx, roomreel.Event{
		AccountSID: c.AccountSID, Resource: string(c.SID), Type: kind, Callback: c.Spec.StatusCallback,
		Params: twilio.CompositionEvent(c, kind, hook, s.now()),
	})
}
