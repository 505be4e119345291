package api

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	accounts "github.com/twilio/twilio-go/rest/accounts/v1"
	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel"
)

// toServer sends what is meant for Twilio's hosts to another server: all that an application has to change.
type toServer struct{ base *url.URL }

func (to toServer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = to.base.Scheme, to.base.Host, to.base.Host
	return http.DefaultTransport.RoundTrip(r)
}

func (c caller) twilio(t *testing.T) *twilio.RestClient {
	t.Helper()
	base, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	inner := &client.Client{
		Credentials: client.NewCredentials(c.user, c.password),
		HTTPClient: &http.Client{
			Transport:     toServer{base},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	inner.SetAccountSid(c.user)
	return twilio.NewRestClientWithParams(twilio.ClientParams{Client: inner})
}

// must is for calls of the client that have to succeed.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTwilioGo drives every endpoint with Twilio's own Go client.
func TestTwilioGo(t *testing.T) {
	s := boot(t, Config{})
	tw := s.account.twilio(t)
	v, creds := tw.VideoV1, tw.AccountsV1

	room := must(v.CreateRoom((&video.CreateRoomParams{}).SetUniqueName("standup").SetType("group").SetMaxParticipants(5).
		SetVideoCodecs([]string{"VP8", "H264"}).SetRecordParticipantsOnConnect(true).
		SetRecordingRules([]map[string]any{{"type": "include", "all": true}}).SetStatusCallback("https://app.example.com/")))(t)
	if *room.Status != "in-progress" || *room.UniqueName != "standup" || room.EndTime != nil || len(*room.VideoCodecs) != 2 {
		t.Errorf("room: %+v", room)
	}
	if again := must(v.FetchRoom("standup"))(t); *again.Sid != *room.Sid {
		t.Errorf("by name: %s", *again.Sid)
	}
	if rooms := must(v.ListRoom((&video.ListRoomParams{}).SetUniqueName("standup").SetDateCreatedBefore(room.DateCreated.AddDate(0, 0, 1))))(t); len(rooms) != 1 {
		t.Errorf("%d rooms", len(rooms))
	}
	rules := must(v.UpdateRoomRecordingRule(*room.Sid, (&video.UpdateRoomRecordingRuleParams{}).SetRules([]map[string]string{{"type": "include", "kind": "audio"}})))(t)
	if len(*rules.Rules) != 1 || (*rules.Rules)[0].Kind != "audio" {
		t.Errorf("rules: %+v", rules)
	}
	must(v.FetchRoomRecordingRule(*room.Sid))(t)

	uploaded := s.uploadAudio(t, *room.Sid, "alice").text("sid")
	rec := must(v.FetchRecording(uploaded))(t)
	if *rec.Type != "audio" || *rec.Codec != "opus" || *rec.Offset != 500 || *rec.StatusCallback != "https://app.example.com/" {
		t.Errorf("recording: %+v", rec)
	}
	grouping := (*rec.GroupingSids).(map[string]any)
	participant := grouping["participant_sid"].(string)
	if got := must(v.ListRecording((&video.ListRecordingParams{}).SetGroupingSid([]string{*room.Sid}).SetMediaType("audio").SetLimit(500)))(t); len(got) != 1 {
		t.Errorf("%d recordings", len(got))
	}
	if got := must(v.ListRoomRecording(*room.Sid, (&video.ListRoomRecordingParams{}).SetSourceSid(*rec.SourceSid)))(t); len(got) != 1 || *got[0].RoomSid != *room.Sid {
		t.Errorf("recordings of the room: %+v", got)
	}
	must(v.FetchRoomRecording(*room.Sid, uploaded))(t)
	if got := must(v.ListRoomParticipant(*room.Sid, (&video.ListRoomParticipantParams{}).SetIdentity("alice")))(t); len(got) != 1 || *got[0].Sid != participant {
		t.Errorf("participants: %+v", got)
	}
	must(v.FetchRoomParticipant(*room.Sid, "alice"))(t)
	if got := must(v.ListRoomParticipantPublishedTrack(*room.Sid, participant, nil))(t); len(got) != 1 || *got[0].Sid != *rec.SourceSid {
		t.Errorf("tracks: %+v", got)
	}
	must(v.FetchRoomParticipantPublishedTrack(*room.Sid, participant, *rec.SourceSid))(t)

	layout := map[string]any{"grid": map[string]any{"video_sources": []string{"*"}}}
	var made []string
	for range 5 {
		composition := must(v.CreateComposition((&video.CreateCompositionParams{}).SetRoomSid(*room.Sid).SetVideoLayout(layout).SetAudioSources([]string{"*"}).
			SetAudioSourcesExcluded([]string{"bob*"}).SetFormat("mp4").SetResolution("1280x720").SetTrim(false).SetStatusCallback("https://app.example.com/")))(t)
		if *composition.Status != "enqueued" || *composition.Trim || composition.Bitrate != 0 || *composition.StatusCallbackMethod != "POST" {
			t.Errorf("composition: %+v", composition)
		}
		made = append(made, *composition.Sid)
	}
	if got := must(v.ListComposition((&video.ListCompositionParams{}).SetRoomSid(*room.Sid).SetStatus("enqueued").SetPageSize(2)))(t); len(got) != 5 || *got[0].Sid != made[4] {
		t.Errorf("%d compositions by pages of 2, want 5, the newest first", len(got))
	}
	completed := must(v.UpdateRoom(*room.Sid, (&video.UpdateRoomParams{}).SetStatus("completed")))(t)
	if *completed.Status != "completed" || completed.EndTime == nil || completed.Duration == nil {
		t.Errorf("completed room: %+v", completed)
	}
	s.finish(t, made[0], []byte("a film"), roomreel.Media{Key: s.account.user + "/" + made[0] + ".mp4", Size: 6})
	if done := must(v.FetchComposition(made[0]))(t); *done.Status != "completed" || done.Bitrate != 841 || done.Duration != 38 || *done.Size != 6 {
		t.Errorf("completed composition: %+v", done)
	}
	check(t, v.DeleteComposition(made[0]))

	hook := must(v.CreateCompositionHook((&video.CreateCompositionHookParams{}).SetFriendlyName("all rooms").SetAudioSources([]string{"*"}).SetVideoLayout(layout)))(t)
	if !*hook.Enabled || hook.DateUpdated != nil {
		t.Errorf("hook: %+v", hook)
	}
	hook = must(v.UpdateCompositionHook(*hook.Sid, (&video.UpdateCompositionHookParams{}).SetFriendlyName("some rooms").SetAudioSources([]string{"a*"})))(t)
	if hook.DateUpdated == nil || len((*hook.VideoLayout).(map[string]any)) != 0 {
		t.Errorf("replaced hook: %+v", hook)
	}
	must(v.FetchCompositionHook(*hook.Sid))(t)
	if got := must(v.ListCompositionHook((&video.ListCompositionHookParams{}).SetFriendlyName("*ROOMS").SetEnabled(true)))(t); len(got) != 1 {
		t.Errorf("%d hooks", len(got))
	}
	check(t, v.DeleteCompositionHook(*hook.Sid))

	key := must(creds.CreateCredentialPublicKey((&accounts.CreateCredentialPublicKeyParams{}).SetPublicKey(publicKey(t, 2048)).SetFriendlyName("mine")))(t)
	must(creds.FetchCredentialPublicKey(*key.Sid))(t)
	must(creds.UpdateCredentialPublicKey(*key.Sid, (&accounts.UpdateCredentialPublicKeyParams{}).SetFriendlyName("ours")))(t)
	if got := must(creds.ListCredentialPublicKey(nil))(t); len(got) != 1 || *got[0].FriendlyName != "ours" {
		t.Errorf("public keys: %+v", got)
	}
	aws := must(creds.CreateCredentialAws((&accounts.CreateCredentialAwsParams{}).SetCredentials("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI").SetFriendlyName("mine")))(t)
	must(creds.FetchCredentialAws(*aws.Sid))(t)
	must(creds.UpdateCredentialAws(*aws.Sid, (&accounts.UpdateCredentialAwsParams{}).SetFriendlyName("ours")))(t)
	if got := must(creds.ListCredentialAws(nil))(t); len(got) != 1 {
		t.Errorf("AWS credentials: %+v", got)
	}
	set := must(v.CreateCompositionSettings((&video.CreateCompositionSettingsParams{}).SetFriendlyName("sealed").SetEncryptionEnabled(true).SetEncryptionKeySid(*key.Sid)))(t)
	if !*set.EncryptionEnabled || *set.EncryptionKeySid != *key.Sid || *set.AwsStorageEnabled {
		t.Errorf("settings: %+v", set)
	}
	must(v.FetchCompositionSettings())(t)
	must(v.CreateCompositionSettings((&video.CreateCompositionSettingsParams{}).SetFriendlyName("plain").SetEncryptionEnabled(false)))(t)
	must(v.FetchRecordingSettings())(t)
	must(v.CreateRecordingSettings((&video.CreateRecordingSettingsParams{}).SetFriendlyName("plain")))(t)
	check(t, creds.DeleteCredentialPublicKey(*key.Sid))
	check(t, creds.DeleteCredentialAws(*aws.Sid))

	check(t, v.DeleteRoomRecording(*room.Sid, uploaded))
	if got := must(v.ListRecording((&video.ListRecordingParams{}).SetStatus("deleted")))(t); len(got) != 1 {
		t.Errorf("%d deleted recordings", len(got))
	}

	var refused *client.TwilioRestError
	if _, err := v.FetchComposition("CJ00000000000000000000000000000000"); !errors.As(err, &refused) || refused.Status != 404 || refused.Code != 20404 {
		t.Errorf("a composition that is not there: %v", err)
	}
	if _, err := v.CreateComposition((&video.CreateCompositionParams{}).SetRoomSid(*room.Sid)); !errors.As(err, &refused) || refused.Status != 400 {
		t.Errorf("a composition of nothing: %v", err)
	}
	wrong := caller{service: s, user: s.account.user, password: "wrong"}.twilio(t)
	if _, err := wrong.VideoV1.ListRoom(nil); !errors.As(err, &refused) || refused.Status != 401 || refused.Code != 20003 {
		t.Errorf("a wrong token: %v", err)
	}
}
