package api

import (
	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/twilio"
)

type roomBody struct {
	SID                          roomreel.RoomSID    `json:"sid"`
	Status                       roomreel.RoomStatus `json:"status"`
	DateCreated                  string              `json:"date_created"`
	DateUpdated                  *string             `json:"date_updated"`
	AccountSID                   roomreel.AccountSID `json:"account_sid"`
	EnableTurn                   bool                `json:"enable_turn"`
	UniqueName                   string              `json:"unique_name"`
	StatusCallback               *string             `json:"status_callback"`
	StatusCallbackMethod         string              `json:"status_callback_method"`
	EndTime                      *string             `json:"end_time"`
	Duration                     *int                `json:"duration"` // seconds
	Type                         string              `json:"type"`
	MaxParticipants              int                 `json:"max_participants"`
	MaxParticipantDuration       int                 `json:"max_participant_duration"` // seconds
	MaxConcurrentPublishedTracks int                 `json:"max_concurrent_published_tracks"`
	RecordParticipantsOnConnect  bool                `json:"record_participants_on_connect"`
	VideoCodecs                  []string            `json:"video_codecs"`
	MediaRegion                  *string             `json:"media_region"`
	AudioOnly                    bool                `json:"audio_only"`
	EmptyRoomTimeout             int                 `json:"empty_room_timeout"`  // minutes
	UnusedRoomTimeout            int                 `json:"unused_room_timeout"` // minutes
	LargeRoom                    bool                `json:"large_room"`
	URL                          string              `json:"url"`
	Links                        map[string]string   `json:"links"`
}

func roomShape(origin string, room roomreel.Room) roomBody {
	url := origin + twilio.RoomURI(room.SID)
	body := roomBody{
		SID: room.SID, Status: room.Status, DateCreated: instantText(room.Created), DateUpdated: instantOrNull(room.Updated),
		AccountSID: room.AccountSID, EnableTurn: room.EnableTurn, UniqueName: room.UniqueName,
		StatusCallback: orNull(room.StatusCallback.URL), StatusCallbackMethod: callbackMethod(room.StatusCallback),
		EndTime: instantOrNull(room.Ended), Type: room.Type,
		MaxParticipants: room.MaxParticipants, MaxParticipantDuration: int(room.MaxParticipantDuration.Seconds()),
		MaxConcurrentPublishedTracks: room.MaxConcurrentPublishedTracks,
		RecordParticipantsOnConnect:  room.RecordParticipantsOnConnect, VideoCodecs: orEmpty(room.VideoCodecs),
		MediaRegion: orNull(room.MediaRegion), AudioOnly: room.AudioOnly,
		EmptyRoomTimeout: int(room.EmptyRoomTimeout.Minutes()), UnusedRoomTimeout: int(room.UnusedRoomTimeout.Minutes()),
		LargeRoom: room.LargeRoom, URL: url,
		Links: map[string]string{
			"participants":    url + "/Participants",
			"recordings":      url + "/Recordings",
			"recording_rules": url + "/RecordingRules",
		},
	}
	if !room.Ended.IsZero() {
		lasted := twilio.Seconds(room.Ended.Sub(room.Created))
		body.Duration = &lasted
	}
	return body
}

type participantBody struct {
	SID         roomreel.ParticipantSID `json:"sid"`
	RoomSID     roomreel.RoomSID        `json:"room_sid"`
	AccountSID  roomreel.AccountSID     `json:"account_sid"`
	Status      string                  `json:"status"`
	Identity    string                  `json:"identity"`
	DateCreated string                  `json:"date_created"`
	DateUpdated *string                 `json:"date_updated"`
	StartTime   *string                 `json:"start_time"`
	EndTime     *string                 `json:"end_time"`
	Duration    *int                    `json:"duration"` // seconds
	URL         string                  `json:"url"`
	Links       map[string]string       `json:"links"`
}

func participantShape(origin string, p roomreel.Participant) participantBody {
	url := origin + twilio.ParticipantURI(p.RoomSID, p.SID)
	body := participantBody{
		SID: p.SID, RoomSID: p.RoomSID, AccountSID: p.AccountSID, Status: p.Status, Identity: p.Identity,
		DateCreated: instantText(p.Created), DateUpdated: instantOrNull(p.Updated),
		StartTime: instantOrNull(p.Start), EndTime: instantOrNull(p.End), URL: url,
		Links: map[string]string{"published_tracks": url + "/PublishedTracks"},
	}
	if !p.End.IsZero() {
		stayed := twilio.Seconds(p.End.Sub(p.Start))
		body.Duration = &stayed
	}
	return body
}

type publishedTrackBody struct {
	SID            roomreel.TrackSID       `json:"sid"`
	ParticipantSID roomreel.ParticipantSID `json:"participant_sid"`
	RoomSID        roomreel.RoomSID        `json:"room_sid"`
	Name           string                  `json:"name"`
	DateCreated    string                  `json:"date_created"`
	DateUpdated    *string                 `json:"date_updated"`
	Enabled        bool                    `json:"enabled"`
	Kind           roomreel.TrackKind      `json:"kind"`
	URL            string                  `json:"url"`
}

func publishedTrackShape(origin string, t roomreel.PublishedTrack) publishedTrackBody {
	return publishedTrackBody{
		SID: t.SID, ParticipantSID: t.ParticipantSID, RoomSID: t.RoomSID, Name: t.Name,
		DateCreated: instantText(t.Created), DateUpdated: instantOrNull(t.Updated), Enabled: t.Enabled, Kind: t.Kind,
		URL: origin + twilio.TrackURI(t.RoomSID, t.ParticipantSID, t.SID),
	}
}

type recordingRulesBody struct {
	RoomSID     roomreel.RoomSID    `json:"room_sid"`
	Rules       []recordingRuleBody `json:"rules"`
	DateCreated *string             `json:"date_created"`
	DateUpdated *string             `json:"date_updated"`
}

// recordingRuleBody holds only what the rule says.
type recordingRuleBody struct {
	Type      string             `json:"type"`
	All       bool               `json:"all,omitempty"`
	Kind      roomreel.TrackKind `json:"kind,omitempty"`
	Publisher string             `json:"publisher,omitempty"`
	Track     string             `json:"track,omitempty"`
}

func recordingRulesShape(rules app.RecordingRules) recordingRulesBody {
	body := recordingRulesBody{
		RoomSID: rules.RoomSID, Rules: []recordingRuleBody{},
		DateCreated: instantOrNull(rules.Created), DateUpdated: instantOrNull(rules.Updated),
	}
	for _, rule := range rules.Rules {
		body.Rules = append(body.Rules, recordingRuleBody(rule))
	}
	return body
}
