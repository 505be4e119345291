package app

import (
	"context"
	"slices"
	"time"

	"roomreel"
)

// CreateRoom describes a new room. An empty string or nil means the documented default.
type CreateRoom struct {
	UniqueName                   string
	Type                         string
	EnableTurn                   *bool
	AudioOnly                    *bool
	LargeRoom                    *bool
	RecordParticipantsOnConnect  *bool
	EmptyRoomTimeout             *int // minutes
	UnusedRoomTimeout            *int // minutes
	MaxParticipants              *int
	MaxParticipantDuration       *int // seconds
	MaxConcurrentPublishedTracks *int
	VideoCodecs                  []string
	MediaRegion                  string
	RecordingRules               string // JSON array
	StatusCallback               string
	StatusCallbackMethod         string
}

// Limits and defaults of a room.
//
// Source: twilio.com/docs/video/api/rooms-resource.
const (
	standardTimeout     = 5  // minutes
	maxTimeout          = 60 // minutes
	maxParticipants     = 50
	standardDuration    = 14400 // seconds
	maxDuration         = 86400 // seconds
	maxConcurrentTracks = 1000  // our own: the documentation names none
)

// notInPaths are names that a path cannot hold: clients remove dots, also when they are percent-encoded, and routers take a slash for
// the end of the path.
var notInPaths = []string{".", "..", "/"}

// CreateRoom adds a room in progress.
func (a *App) CreateRoom(ctx context.Context, acct roomreel.AccountSID, in CreateRoom) (roomreel.Room, error) {
	room, err := in.room(a)
	if err != nil {
		return roomreel.Room{}, err
	}
	room.SID, room.AccountSID = roomreel.NewSID[roomreel.RoomSID](), acct
	if room.UniqueName == "" {
		room.UniqueName = string(room.SID)
	}
	return a.store.CreateRoom(ctx, room)
}

// room checks the parameters and fills in the defaults.
func (in CreateRoom) room(a *App) (r roomreel.Room, err error) {
	if err := checkName("UniqueName", in.UniqueName, maxName); err != nil {
		return r, err
	}
	if _, err := roomreel.ParseSID[roomreel.RoomSID](in.UniqueName); err == nil {
		return r, roomreel.InvalidParam("UniqueName", "must not look like the SID of a room")
	}
	if slices.Contains(notInPaths, in.UniqueName) {
		return r, roomreel.InvalidParam("UniqueName", "must not be %q, which cannot be a part of a path: the room could not be found by its name", in.UniqueName)
	}
	if err := oneOf("Type", in.Type, "group", "go", "peer-to-peer", "group-small"); err != nil {
		return r, err
	}
	if err := checkName("MediaRegion", in.MediaRegion, maxName); err != nil {
		return r, err
	}
	for _, codec := range in.VideoCodecs {
		if codec == "" {
			return r, roomreel.InvalidParam("VideoCodecs", "must be VP8 or H264")
		}
		if err := oneOf("VideoCodecs", codec, "VP8", "H264"); err != nil {
			return r, err
		}
	}
	r = roomreel.Room{
		UniqueName: in.UniqueName, Type: in.Type, MediaRegion: in.MediaRegion,
		EnableTurn: or(in.EnableTurn, true), AudioOnly: or(in.AudioOnly, false), LargeRoom: or(in.LargeRoom, false),
		RecordParticipantsOnConnect: or(in.RecordParticipantsOnConnect, false),
	}
	if r.Type == "" {
		r.Type = "group"
	}
	if r.VideoCodecs = slices.Compact(slices.Clone(in.VideoCodecs)); len(r.VideoCodecs) == 0 {
		r.VideoCodecs = []string{"VP8", "H264"}
	}
	var empty, unused, stay int
	for _, number := range []struct {
		param                 string
		value                 *int
		standard, least, most int
		to                    *int
	}{
		{"EmptyRoomTimeout", in.EmptyRoomTimeout, standardTimeout, 1, maxTimeout, &empty},
		{"UnusedRoomTimeout", in.UnusedRoomTimeout, standardTimeout, 1, maxTimeout, &unused},
		{"MaxParticipants", in.MaxParticipants, maxParticipants, 1, maxParticipants, &r.MaxParticipants},
		{"MaxParticipantDuration", in.MaxParticipantDuration, standardDuration, 1, maxDuration, &stay},
		{"MaxConcurrentPublishedTracks", in.MaxConcurrentPublishedTracks, 0, 0, maxConcurrentTracks, &r.MaxConcurrentPublishedTracks},
	} {
		if *number.to, err = between(number.param, number.value, number.standard, number.least, number.most); err != nil {
			return r, err
		}
	}
	r.EmptyRoomTimeout, r.UnusedRoomTimeout = time.Duration(empty)*time.Minute, time.Duration(unused)*time.Minute
	r.MaxParticipantDuration = time.Duration(stay) * time.Second
	if in.RecordingRules != "" {
		if r.Rules, err = parseRecordingRules("RecordingRules", in.RecordingRules); err != nil {
			return r, err
		}
	}
	r.StatusCallback, err = a.callback(in.StatusCallback, in.StatusCallbackMethod)
	return r, err
}

// Room returns a room by its SID, or a room in progress by its unique name.
func (a *App) Room(ctx context.Context, acct roomreel.AccountSID, sidOrName string) (roomreel.Room, error) {
	return a.store.Room(ctx, acct, sidOrName)
}

// Rooms lists an account's rooms, of all states unless the filter has one.
func (a *App) Rooms(ctx context.Context, acct roomreel.AccountSID, filter RoomFilter, page Page) (List[roomreel.Room], error) {
	if err := oneOf("Status", filter.Status, roomreel.RoomInProgress, roomreel.RoomCompleted, roomreel.RoomFailed); err != nil {
		return List[roomreel.Room]{}, err
	}
	return a.store.Rooms(ctx, acct, filter, page)
}

// CompleteRoom completes a room: no recording can be added, and its compositions and the account's hooks can start. Completing it
// again changes nothing.
func (a *App) CompleteRoom(ctx context.Context, acct roomreel.AccountSID, sidOrName string) (roomreel.Room, error) {
	room, err := a.store.Room(ctx, acct, sidOrName)
	if err != nil {
		return room, err
	}
	return a.store.CompleteRoom(ctx, acct, room.SID)
}

// keepOpen keeps a room from ending by itself while something arrives for it, until stop is called. stop waits for a write that is
// under way: cancelled, PostgreSQL could still carry it out later.
func (a *App) keepOpen(ctx context.Context, r roomreel.Room) (stop func(), err error) {
	if err := a.store.KeepRoomOpen(ctx, r); err != nil {
		return nil, err
	}
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(a.keepRoomOpen)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-stopped:
				return
			case <-ticks.C:
			}
			if err := a.store.KeepRoomOpen(ctx, r); err != nil && ctx.Err() == nil {
				a.log.Warn("a running upload could not keep its room open; it tries again", "room", r.SID, "err", err)
			}
		}
	}()
	return func() { close(stopped); <-ended }, nil
}

// Participants lists the participants of a room who were recorded.
func (a *App) Participants(ctx context.Context, acct roomreel.AccountSID, room string, filter ParticipantFilter, page Page) (List[roomreel.Participant], error) {
	if err := oneOf("Status", filter.Status, "connected", "disconnected"); err != nil {
		return List[roomreel.Participant]{}, err
	}
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return List[roomreel.Participant]{}, err
	}
	return a.store.Participants(ctx, r, filter, page)
}

// Participant returns one participant of a room.
func (a *App) Participant(ctx context.Context, acct roomreel.AccountSID, room, sidOrIdentity string) (roomreel.Participant, error) {
	_, p, err := a.participantOf(ctx, acct, room, sidOrIdentity)
	return p, err
}

// participantOf returns a room and one of its participants.
func (a *App) participantOf(ctx context.Context, acct roomreel.AccountSID, room, sidOrIdentity string) (roomreel.Room, roomreel.Participant, error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return r, roomreel.Participant{}, err
	}
	p, err := a.store.Participant(ctx, r, sidOrIdentity)
	return r, p, err
}

// DisconnectParticipant disconnects a participant. Its recordings stay, and more of them can be added. Disconnecting it again changes
// nothing.
func (a *App) DisconnectParticipant(ctx context.Context, acct roomreel.AccountSID, room, sidOrIdentity string) (roomreel.Participant, error) {
	r, p, err := a.participantOf(ctx, acct, room, sidOrIdentity)
	if err != nil {
		return p, err
	}
	return a.store.DisconnectParticipant(ctx, r, p.SID)
}

// PublishedTracks lists the tracks of a participant that were recorded.
func (a *App) PublishedTracks(ctx context.Context, acct roomreel.AccountSID, room, participant string, page Page) (List[roomreel.PublishedTrack], error) {
	p, err := a.Participant(ctx, acct, room, participant)
	if err != nil {
		return List[roomreel.PublishedTrack]{}, err
	}
	return a.store.Tracks(ctx, p.SID, page)
}

// PublishedTrack returns one track of a participant.
func (a *App) PublishedTrack(ctx context.Context, acct roomreel.AccountSID, room, participant, sidOrName string) (roomreel.PublishedTrack, error) {
	p, err := a.Participant(ctx, acct, room, participant)
	if err != nil {
		return roomreel.PublishedTrack{}, err
	}
	return a.store.Track(ctx, p.SID, sidOrName)
}
