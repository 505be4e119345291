package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	"strconv"
	"time"

	"roomreel"
)

// timestampLayout is how callbacks give the time: ISO 8601 in UTC, with milliseconds.
const timestampLayout = "2006-01-02T15:04:05.000Z"

// emit writes an event in the transaction that made it true and enqueues its callback. Nobody hears of a resource without
// a callback, so for such a resource there is nothing to write.
func (s *Store) emit(ctx context.Context, tx *Tx, e roomreel.Event) error {
	if e.Callback.URL == "" {
		return nil
	}
	// The row of the counter stays locked until the transaction ends, so numbers are given in the order of commits.
	if err := tx.QueryRow(ctx, `INSERT INTO event_sequence (resource, next, holder, held_until) VALUES ($1, 1, '', 0)
		ON CONFLICT (resource) DO UPDATE SET next = event_sequence.next + 1 RETURNING next - 1`, e.Resource).Scan(&e.Sequence); err != nil {
		return fmt.Errorf("number event: %w", err)
	}
	if e.ID == "" {
		e.ID = rand.Text()
	}
	e.Created = s.now()
	params := maps.Clone(e.Params)
	params["AccountSid"] = string(e.AccountSID)
	params["StatusCallbackEvent"] = string(e.Type)
	params["Timestamp"] = e.Created.Format(timestampLayout)
	if _, err := tx.Exec(ctx, `INSERT INTO event
		(id, account_sid, resource, sequence, type, created, url, method, params, status, attempts, since, due)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0, $10, 0)`,
		e.ID, e.AccountSID, e.Resource, e.Sequence, e.Type, micros(e.Created), e.Callback.URL, e.Callback.Method,
		text(params), micros(e.Created)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobCallback, SID: e.Resource})
}

// seconds is a duration as callbacks and resources give it: rounded, and never 0 for something that is there.
//
// Source: twilio.com/docs/video/api/recordings-resource, "duration".
func seconds(d time.Duration) string {
	n := math.Round(d.Seconds())
	if d > 0 {
		n = max(n, 1)
	}
	return strconv.Itoa(int(n))
}

func roomParams(r roomreel.Room) map[string]string {
	return map[string]string{"RoomSid": string(r.SID), "RoomName": r.UniqueName, "RoomType": r.Type}
}

func (s *Store) emitRoom(ctx context.Context, tx *Tx, r roomreel.Room, kind roomreel.EventType) error {
	params := roomParams(r)
	params["RoomStatus"] = string(r.Status)
	if kind == roomreel.RoomEndedEvent {
		params["RoomDuration"] = seconds(r.Ended.Sub(r.Created))
	}
	return s.emit(ctx, tx, roomreel.Event{
		AccountSID: r.AccountSID, Resource: string(r.SID), Type: kind, Callback: r.StatusCallback, Params: params,
	})
}

// emitRecording tells the room's callback what happened to a recording. The order is kept per recording: one that cannot
// be delivered holds back nobody else.
func (s *Store) emitRecording(ctx context.Context, tx *Tx, room roomreel.Room, r roomreel.Recording, kind roomreel.EventType) error {
	uri := "/v1/Recordings/" + string(r.SID)
	params := roomParams(room)
	maps.Copy(params, map[string]string{
		"RecordingSid":               string(r.SID),
		"RecordingUri":               uri,
		"ParticipantSid":             string(r.ParticipantSID),
		"ParticipantIdentity":        r.Identity,
		"SourceSid":                  string(r.TrackSID),
		"TrackName":                  r.TrackName,
		"Container":                  r.Container,
		"Codec":                      r.Codec,
		"Type":                       string(r.Kind),
		"OffsetFromTwilioVideoEpoch": strconv.FormatInt(r.Offset.Milliseconds(), 10),
	})
	switch kind {
	case roomreel.RecordingCompletedEvent:
		params["MediaUri"] = uri + "/Media"
		params["Duration"] = seconds(r.Duration)
		params["Size"] = strconv.FormatInt(r.Size, 10)
		if r.Media.External != "" {
			params["MediaExternalLocation"] = r.Media.External
		}
	case roomreel.RecordingFailedEvent:
		params["FailedOperation"] = r.Failure.Operation
	}
	return s.emit(ctx, tx, roomreel.Event{
		AccountSID: r.AccountSID, Resource: string(r.SID), Type: kind, Callback: room.StatusCallback, Params: params,
	})
}

// emitComposition tells a composition's callback what happened to it; hook is set when one created it.
func (s *Store) emitComposition(ctx context.Context, tx *Tx, c roomreel.Composition, kind roomreel.EventType, hook *roomreel.Hook) error {
	uri := "/v1/Compositions/" + string(c.SID)
	params := map[string]string{"RoomSid": string(c.RoomSID), "CompositionSid": string(c.SID), "CompositionUri": uri}
	switch kind {
	case roomreel.CompositionEnqueuedEvent:
		maps.Copy(params, hookParams(*hook))
	case roomreel.CompositionProgressEvent:
		params["PercentageDone"] = strconv.Itoa(c.Progress)
		params["SecondsRemaining"] = seconds(remaining(s.now().Sub(c.Started), c.Progress))
	case roomreel.CompositionAvailableEvent:
		params["MediaUri"] = uri + "/Media"
		params["Duration"] = seconds(c.Duration)
		params["Size"] = strconv.FormatInt(c.Size, 10)
		if c.Media.External != "" {
			params["MediaExternalLocation"] = c.Media.External
		}
	case roomreel.CompositionFailedEvent:
		params["FailedOperation"] = c.Failure.Operation
		params["ErrorMessage"] = c.Failure.Message
	}
	return s.emit(ctx, tx, roomreel.Event{
		AccountSID: c.AccountSID, Resource: string(c.SID), Type: kind, Callback: c.Spec.StatusCallback, Params: params,
	})
}

// remaining expects what is left to go as fast as what is done.
func remaining(spent time.Duration, percent int) time.Duration {
	if percent <= 0 {
		return 0
	}
	return spent * time.Duration(100-percent) / time.Duration(percent)
}

func hookParams(h roomreel.Hook) map[string]string {
	return map[string]string{
		"HookSid": string(h.SID), "HookUri": "/v1/CompositionHooks/" + string(h.SID), "HookFriendlyName": h.FriendlyName,
	}
}
