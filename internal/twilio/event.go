package twilio

import (
	"maps"
	"math"
	"strconv"
	"time"

	"roomreel"
)

// FailedOperation is what a callback of a failure says was being done. Twilio documents the values for recordings only.
const (
	RecordingUpload       = "RecordingUpload"
	CompositionEnqueue    = "CompositionEnqueue"
	CompositionProcessing = "CompositionProcessing"
	CompositionUpload     = "CompositionUpload"
)

// SequenceNumber is the callback parameter that orders the events of one resource.
const SequenceNumber = "SequenceNumber"

// EventParams returns the parameters of an event as they are sent, except SequenceNumber: the event's own, and those that
// every event has.
func EventParams(e roomreel.Event) map[string]string {
	params := map[string]string{}
	maps.Copy(params, e.Params)
	params["AccountSid"] = string(e.AccountSID)
	params["StatusCallbackEvent"] = string(e.Type)
	params["Timestamp"] = e.Created.UTC().Format("2006-01-02T15:04:05.000Z") // ISO 8601 in UTC, with milliseconds
	return params
}

// RoomEvent returns the own parameters of an event of a room.
func RoomEvent(r roomreel.Room, kind roomreel.EventType) map[string]string {
	params := roomParams(r)
	params["RoomStatus"] = string(r.Status)
	if kind == roomreel.RoomEndedEvent {
		params["RoomDuration"] = seconds(r.Ended.Sub(r.Created))
	}
	return params
}

// ParticipantEvent returns the own parameters of an event of a participant of room, or of one of its tracks; track is nil for the
// former.
//
// Source: twilio.com/docs/video/api/status-callbacks, "Rooms Status Callbacks".
func ParticipantEvent(room roomreel.Room, p roomreel.Participant, track *roomreel.PublishedTrack, kind roomreel.EventType) map[string]string {
	params := roomParams(room)
	params["RoomStatus"] = string(room.Status)
	params["ParticipantSid"] = string(p.SID)
	params["ParticipantStatus"] = p.Status
	params["ParticipantIdentity"] = p.Identity
	if kind == roomreel.ParticipantEndedEvent {
		params["ParticipantDuration"] = seconds(p.End.Sub(p.Start))
	}
	if track != nil {
		params["TrackSid"], params["TrackKind"] = string(track.SID), string(track.Kind)
	}
	return params
}

func roomParams(r roomreel.Room) map[string]string {
	return map[string]string{"RoomSid": string(r.SID), "RoomName": r.UniqueName, "RoomType": r.Type}
}

// RecordingEvent returns the own parameters of an event of a recording of room.
func RecordingEvent(room roomreel.Room, r roomreel.Recording, kind roomreel.EventType) map[string]string {
	uri := RecordingURI(r.SID)
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
		addMedia(params, uri, r.Duration, r.Size, r.Media.External)
	case roomreel.RecordingFailedEvent:
		params["FailedOperation"] = r.Failure.Operation
	}
	return params
}

// CompositionEvent returns the own parameters of an event of a composition at the time now. hook is the hook that created
// the composition; it is read for CompositionEnqueuedEvent only.
func CompositionEvent(c roomreel.Composition, kind roomreel.EventType, hook *roomreel.Hook, now time.Time) map[string]string {
	uri := CompositionURI(c.SID)
	params := map[string]string{"RoomSid": string(c.RoomSID), "CompositionSid": string(c.SID), "CompositionUri": uri}
	switch kind {
	case roomreel.CompositionEnqueuedEvent:
		maps.Copy(params, hookParams(*hook))
	case roomreel.CompositionProgressEvent:
		params["PercentageDone"] = strconv.Itoa(c.Progress)
		remaining, _ := c.RemainingAt(now)
		params["SecondsRemaining"] = seconds(remaining)
	case roomreel.CompositionAvailableEvent:
		addMedia(params, uri, c.Duration, c.Size, c.Media.External)
	case roomreel.CompositionFailedEvent:
		addFailure(params, c.Failure)
	}
	return params
}

// HookFailedEvent returns the own parameters of the event that hook could not create a composition of room.
func HookFailedEvent(hook roomreel.Hook, room roomreel.RoomSID, failure roomreel.Failure) map[string]string {
	params := hookParams(hook)
	params["RoomSid"] = string(room)
	addFailure(params, failure)
	return params
}

func hookParams(h roomreel.Hook) map[string]string {
	return map[string]string{"HookSid": string(h.SID), "HookUri": HookURI(h.SID), "HookFriendlyName": h.FriendlyName}
}

func addMedia(params map[string]string, uri string, length time.Duration, size int64, external string) {
	params["MediaUri"] = MediaURI(uri)
	params["Duration"] = seconds(length)
	params["Size"] = strconv.FormatInt(size, 10)
	if external != "" {
		params["MediaExternalLocation"] = external
	}
}

func addFailure(params map[string]string, failure roomreel.Failure) {
	params["FailedOperation"] = failure.Operation
	params["ErrorMessage"] = failure.Message
}

// Seconds returns a duration as callbacks and resources give it: rounded to the nearest second, and at least 1 for what is
// longer than nothing.
//
// Source: twilio.com/docs/video/api/recordings-resource, "duration".
func Seconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return max(1, int(math.Round(d.Seconds())))
}

func seconds(d time.Duration) string { return strconv.Itoa(Seconds(d)) }
