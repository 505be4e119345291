package roomreel

import "time"

// EventType is the StatusCallbackEvent of a callback.
type EventType string

const (
	RoomCreatedEvent           EventType = "room-created"
	RoomEndedEvent             EventType = "room-ended"
	ParticipantConnectedEvent  EventType = "participant-connected"
	ParticipantEndedEvent      EventType = "participant-disconnected"
	TrackAddedEvent            EventType = "track-added"
	TrackRemovedEvent          EventType = "track-removed"
	RecordingStartedEvent      EventType = "recording-started"
	RecordingCompletedEvent    EventType = "recording-completed"
	RecordingFailedEvent       EventType = "recording-failed"
	CompositionEnqueuedEvent   EventType = "composition-enqueued"
	CompositionHookFailedEvent EventType = "composition-hook-failed"
	CompositionStartedEvent    EventType = "composition-started"
	CompositionProgressEvent   EventType = "composition-progress"
	CompositionAvailableEvent  EventType = "composition-available"
	CompositionFailedEvent     EventType = "composition-failed"
)

// Event is a change of a resource that is reported to the resource's callback URL. It is written in the same transaction as
// the change. It is delivered at least once, in the order of Sequence.
type Event struct {
	ID         string // unique
	AccountSID AccountSID
	Resource   string // SID of the room, recording or composition whose events are ordered together
	Sequence   int    // 0, 1, 2, … within Resource
	Type       EventType
	Created    time.Time
	Callback   Callback
	Params     map[string]string // all parameters of the callback except SequenceNumber
}
