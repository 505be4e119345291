package api

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

const (
	testOrigin      = "https://video.example.com"
	testAccount     = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	testRoom        = "RMbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	testParticipant = "PAcccccccccccccccccccccccccccccccc"
	testTrack       = "MTdddddddddddddddddddddddddddddddd"
	testRecording   = "RTeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	testComposition = "CJffffffffffffffffffffffffffffffff"
	testHook        = "HK00000000000000000000000000000000"
	testCredential  = "CR11111111111111111111111111111111"
)

// TestWire_Shapes pins every field of every resource, once with as little as it can hold and once with all.
func TestWire_Shapes(t *testing.T) {
	at := time.Date(2026, 1, 31, 22, 59, 59, 999_999_000, time.FixedZone("", -3600))
	later := at.Add(90*time.Minute + 400*time.Millisecond)
	film := roomreel.FilmSpec{
		VideoLayout: `{"grid":{"video_sources":["*"]}}`, AudioSources: []string{"*"}, AudioSourcesExcluded: []string{"a&b<c>"},
		Resolution: "1280x720", Format: roomreel.MP4, Trim: true, StatusCallback: roomreel.Callback{URL: "https://app.example.com/?a=1&b=2", Method: "GET"},
	}
	bare := roomreel.FilmSpec{Resolution: "640x480", Format: roomreel.WebM}
	rec := roomreel.Recording{
		AccountSID: testAccount, RoomSID: testRoom, ParticipantSID: testParticipant, SID: testRecording, TrackSID: testTrack,
		TrackName: "camera", Kind: roomreel.Video, Container: "mkv", Codec: "vp8", Status: roomreel.RecordingCompleted, Created: at,
		Size: 5 << 32, Duration: 89*time.Second + 500*time.Millisecond, Offset: 12345 * time.Millisecond,
		Media: roomreel.Media{External: "https://bucket.s3.amazonaws.com/p/RTe.mkv"},
	}
	fresh := roomreel.Recording{
		AccountSID: testAccount, RoomSID: testRoom, ParticipantSID: testParticipant, SID: testRecording, TrackSID: testTrack,
		TrackName: testTrack, Kind: roomreel.Audio, Container: "mka", Codec: "opus", Status: roomreel.RecordingProcessing, Created: at,
	}
	shapes := map[string]any{
		"room_in_progress": roomShape(testOrigin, roomreel.Room{
			SID: testRoom, AccountSID: testAccount, UniqueName: testRoom, Status: roomreel.RoomInProgress,
			Type: "group", Created: at, EmptyRoomTimeout: 5 * time.Minute, UnusedRoomTimeout: 5 * time.Minute, MaxParticipants: 50,
			MaxParticipantDuration: 4 * time.Hour,
		}),
		"room_completed": roomShape(testOrigin, roomreel.Room{
			SID: testRoom, AccountSID: testAccount, UniqueName: "standup", Status: roomreel.RoomCompleted,
			Type: "group", Created: at, Updated: later, Ended: later, EmptyRoomTimeout: time.Minute, UnusedRoomTimeout: time.Hour, MaxParticipants: 2,
			MaxParticipantDuration: 24 * time.Hour, MaxConcurrentPublishedTracks: 10, RecordParticipantsOnConnect: true, EnableTurn: true, AudioOnly: true,
			LargeRoom: true, VideoCodecs: []string{"VP8", "H264"}, MediaRegion: "de1", StatusCallback: film.StatusCallback,
		}),
		"participant_connected": participantShape(testOrigin, roomreel.Participant{
			SID: testParticipant, RoomSID: testRoom, AccountSID: testAccount,
			Identity: "alice", Status: "connected", Created: at, Start: at,
		}),
		"participant_disconnected": participantShape(testOrigin, roomreel.Participant{
			SID: testParticipant, RoomSID: testRoom, AccountSID: testAccount,
			Identity: "alice", Status: "disconnected", Created: at, Updated: later, Start: at, End: later,
		}),
		"published_track": publishedTrackShape(testOrigin, roomreel.PublishedTrack{
			SID: testTrack, ParticipantSID: testParticipant, RoomSID: testRoom,
			Name: "camera", Kind: roomreel.Video, Enabled: true, Created: at,
		}),
		"recording_rules": recordingRulesShape(app.RecordingRules{RoomSID: testRoom, Created: at, Updated: later, Rules: []roomreel.RecordingRule{
			{Type: "include", All: true}, {Type: "exclude", Kind: roomreel.Video, Publisher: "bob", Track: "screen"},
		}}),
		"recording_rules_none": recordingRulesShape(app.RecordingRules{RoomSID: testRoom}),
		"recording":            recordingShape(testOrigin, rec, film.StatusCallback),
		"recording_processing": recordingShape(testOrigin, fresh, roomreel.Callback{}),
		"room_recording":       roomRecordingShape(testOrigin, rec),
		"composition": compositionShape(testOrigin, roomreel.Composition{
			SID: testComposition, AccountSID: testAccount, RoomSID: testRoom, Spec: film,
			Status: roomreel.CompositionCompleted, Created: at, Completed: later, Bitrate: 841, Size: 3_964_300, Duration: 38 * time.Second,
			Media: roomreel.Media{External: "https://bucket.s3.amazonaws.com/p/CJf.mp4"},
		}),
		"composition_enqueued": compositionShape(testOrigin, roomreel.Composition{
			SID: testComposition, AccountSID: testAccount, RoomSID: testRoom, Spec: bare,
			Status: roomreel.CompositionEnqueued, Created: at,
		}),
		"composition_deleted": compositionShape(testOrigin, roomreel.Composition{
			SID: testComposition, AccountSID: testAccount, RoomSID: testRoom, Spec: bare,
			Status: roomreel.CompositionDeleted, Created: at, Completed: later, Deleted: later, Bitrate: 1, Size: 2, Duration: 300 * time.Millisecond,
		}),
		"hook":     hookShape(testOrigin, roomreel.Hook{SID: testHook, AccountSID: testAccount, FriendlyName: "all rooms", Enabled: true, Spec: film, Created: at, Updated: later}),
		"hook_new": hookShape(testOrigin, roomreel.Hook{SID: testHook, AccountSID: testAccount, FriendlyName: "all rooms", Spec: bare, Created: at}),
		"settings": settingsShape(testOrigin+"/v1/CompositionSettings/Default", roomreel.Settings{
			AccountSID: testAccount, FriendlyName: "mine",
			AWSCredentialsSID: testCredential, AWSS3URL: "https://bucket.s3.amazonaws.com/p", AWSStorageEnabled: true,
			EncryptionKeySID: testCredential, EncryptionKeyEnabled: true,
		}),
		"settings_none":         settingsShape(testOrigin+"/v1/RecordingSettings/Default", roomreel.Settings{AccountSID: testAccount}),
		"credential_aws":        credentialShape(testOrigin, roomreel.Credential{SID: testCredential, AccountSID: testAccount, Kind: roomreel.AWSCredential, Created: at, Secret: []byte("never shown")}),
		"credential_public_key": credentialShape(testOrigin, roomreel.Credential{SID: testCredential, AccountSID: testAccount, Kind: roomreel.PublicKey, FriendlyName: "mine", Created: at, Updated: later}),
		"audit": auditShape(app.AuditEntry{
			ID: "1", Created: at, Actor: testAccount, Verb: "update", Subject: "recording settings",
			Detail: map[string]string{"encryption_enabled": "true"},
		}),
		"delivery": deliveryShape(app.Delivery{
			ID: "1", EventID: "2", Resource: testRoom, Sequence: 3, Type: roomreel.RoomEndedEvent, URL: "https://app.example.com",
			Method: "POST", Attempt: 1, Started: at, Duration: 1500 * time.Millisecond, Status: 200,
		}),
		"delivery_failed": deliveryShape(app.Delivery{
			ID: "1", EventID: "2", Resource: testRoom, Type: roomreel.RoomEndedEvent, URL: "https://app.example.com",
			Method: "POST", Attempt: 2, Started: at, Duration: 5 * time.Second, Error: "no answer within 5 s",
		}),
	}
	for name, body := range shapes {
		t.Run(name, func(t *testing.T) { golden(t, "testdata/shapes/"+name+".json", pretty(t, body)) })
	}
}

func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		name    string
		api     API
		tls     bool
		headers map[string]string
		want    string
	}{
		{name: "host", want: "http://video.twilio.com:8080"},
		{name: "tls", tls: true, want: "https://video.twilio.com:8080"},
		{name: "configured", api: API{publicURL: "https://films.example.com"}, headers: map[string]string{"X-Forwarded-Host": "evil"}, want: "https://films.example.com"},
		{name: "forwarded_not_trusted", headers: map[string]string{"X-Forwarded-Host": "evil", "X-Forwarded-Proto": "https"}, want: "http://video.twilio.com:8080"},
		{name: "forwarded", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "films.example.com", "X-Forwarded-Proto": "https"}, want: "https://films.example.com"},
		{name: "forwarded_by_the_nearest", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "evil, films.example.com:8443", "X-Forwarded-Proto": "gopher, https"}, want: "https://films.example.com:8443"},
		{name: "forwarded_nonsense", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "a/b", "X-Forwarded-Proto": "javascript"}, want: "http://video.twilio.com:8080"},
		{name: "forwarded_user", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "user@evil"}, want: "http://video.twilio.com:8080"},
		{name: "forwarded_without_headers", api: API{trustForwarded: true}, want: "http://video.twilio.com:8080"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/Rooms", nil)
			r.Host = "video.twilio.com:8080"
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			for name, value := range test.headers {
				r.Header.Set(name, value)
			}
			if got := test.api.origin(r); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
