package roomreel

import "time"

// A RoomStatus moves in-progress -> completed or failed.
type RoomStatus string

const (
	RoomInProgress RoomStatus = "in-progress"
	RoomCompleted  RoomStatus = "completed"
	RoomFailed     RoomStatus = "failed"
)

// CanBecome reports whether the API promises this transition. The store refuses all others.
func (s RoomStatus) CanBecome(next RoomStatus) bool {
	return s == RoomInProgress && (next == RoomCompleted || next == RoomFailed)
}

// Room is a meeting whose tracks are recorded. Recordings are added while it is in progress. Its compositions start when it
// is completed, by a request or by itself when nothing has arrived for its timeout.
type Room struct {
	SID        RoomSID
	AccountSID AccountSID
	UniqueName string // unique among the account's rooms in progress; the SID when the caller gave none
	Status     RoomStatus
	Type       string // group, go, peer-to-peer or group-small; stored and returned, without any other effect
	Created    time.Time
	Updated    time.Time
	Ended      time.Time // zero until it is completed
	TimedOut   bool      // it ended by itself, and takes recordings that arrive later

	EmptyRoomTimeout             time.Duration // after the last recording has arrived; 0: it does not end by itself
	UnusedRoomTimeout            time.Duration // after it was created, while none arrives; 0: it does not end by itself
	MaxParticipants              int
	MaxParticipantDuration       time.Duration
	MaxConcurrentPublishedTracks int
	RecordParticipantsOnConnect  bool
	EnableTurn                   bool
	AudioOnly                    bool
	LargeRoom                    bool
	VideoCodecs                  []string
	MediaRegion                  string
	Rules                        []RecordingRule
	RulesUpdated                 time.Time
	StatusCallback               Callback
}

// TakesRecordings reports whether recordings may still be added.
func (r Room) TakesRecordings() bool { return r.Status == RoomInProgress || r.TimedOut }

// RecordingRule includes or excludes tracks from recording. An empty filter matches everything. All excludes other filters.
type RecordingRule struct {
	Type      string // include or exclude
	All       bool
	Kind      TrackKind // audio, video or ""
	Publisher string    // an identity or a participant SID
	Track     string    // a track name or a track SID
}

// SubscribeRule includes or excludes tracks of others from what a participant receives. It is kept and shown, without any other
// effect. Its kind may also be data.
type SubscribeRule struct {
	RecordingRule
	Priority string // low, standard, high or ""
}

// Participant is one stay of a person in a room, as far as the recordings show it.
type Participant struct {
	SID        ParticipantSID
	RoomSID    RoomSID
	AccountSID AccountSID
	Identity   string
	Status     string // connected or disconnected
	Created    time.Time
	Updated    time.Time
	Start      time.Time
	End        time.Time // zero while connected

	SubscribeRules        []SubscribeRule // nil when none were set
	SubscribeRulesUpdated time.Time
}

// PublishedTrack is a track that a participant published, as far as the recordings show it.
type PublishedTrack struct {
	SID            TrackSID
	RoomSID        RoomSID
	ParticipantSID ParticipantSID
	Name           string
	Kind           TrackKind
	Enabled        bool
	Created        time.Time
	Updated        time.Time
}

// Callback is where the events of a resource are sent to.
type Callback struct {
	URL    string // "" for none
	Method string // GET or POST
}
