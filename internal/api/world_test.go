package api

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/compose"
	"roomreel/internal/plan"
	"roomreel/internal/render/protocol"
	"roomreel/internal/store"
)

// world is one of everything, for requests to name.
type world struct {
	names   map[string]string // {name} -> value
	callers map[string]caller
}

// fill puts values in the place of names, escaped for a URL.
func (w world) fill(text string) string {
	for name, value := range w.names {
		text = strings.ReplaceAll(text, "{"+name+"}", url.QueryEscape(value))
	}
	return text
}

// furnish makes one of everything through the API.
func (s *service) furnish(t *testing.T) world {
	t.Helper()
	as := s.account
	w := world{names: map[string]string{
		"long65": strings.Repeat("x", 65), "long101": strings.Repeat("x", 101), "long129": strings.Repeat("x", 129),
	}}
	w.names["room"] = as.want(t, 201, "POST", "/v1/Rooms", "UniqueName", "standup").text("sid")
	w.names["room2"] = as.want(t, 201, "POST", "/v1/Rooms").text("sid")
	w.names["completed"] = as.want(t, 201, "POST", "/v1/Rooms").text("sid")
	as.want(t, 202, "POST", "/v1/Rooms/"+w.names["completed"], "Status", "completed")
	rec := s.uploadAudio(t, w.names["room"], "alice")
	w.names["recording"], w.names["track"] = rec.text("sid"), rec.text("source_sid")
	w.names["participant"] = rec.text("grouping_sids.participant_sid")
	for range 3 {
		w.names["composition"] = as.want(t, 201, "POST", "/v1/Compositions", "RoomSid", w.names["room"], "AudioSources", "*").text("sid")
	}
	w.names["hook"] = as.want(t, 201, "POST", "/v1/CompositionHooks", "FriendlyName", "hook", "AudioSources", "*").text("sid")
	as.want(t, 201, "POST", "/v1/CompositionHooks", "FriendlyName", "hook2", "AudioSources", "*")
	w.names["aws"] = as.want(t, 201, "POST", "/v1/Credentials/AWS", "Credentials", "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG").text("sid")
	w.names["pem"], w.names["weakkey"] = publicKey(t, 2048), publicKey(t, 1024)
	w.names["key"] = as.want(t, 201, "POST", "/v1/Credentials/PublicKeys", "PublicKey", w.names["pem"]).text("sid")
	next, err := url.Parse(as.want(t, 200, "GET", "/v1/Compositions", "PageSize", "1").text("meta.next_page_url"))
	if err != nil {
		t.Fatal(err)
	}
	w.names["token"] = next.Query().Get("PageToken")

	key, secret, err := s.app.CreateAPIKey(context.Background(), roomreel.AccountSID(as.user), "revoked")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.app.RevokeAPIKey(context.Background(), roomreel.AccountSID(as.user), key.SID); err != nil {
		t.Fatal(err)
	}
	w.callers = map[string]caller{
		"none":    {service: s},
		"other":   s.other,
		"wrong":   {service: s, user: as.user, password: s.other.password},
		"crossed": {service: s, user: s.other.user, password: as.password},
		"unknown": {service: s, user: string(roomreel.NewSID[roomreel.AccountSID]()), password: as.password},
		"revoked": {service: s, user: string(key.SID), password: secret},
		"empty":   {service: s, user: as.user},
		"nul":     {service: s, user: as.user + "\x00", password: as.password},
		"bearer":  {service: s, header: "Bearer " + as.password},
		"garbled": {service: s, header: "Basic !!!"},
	}
	return w
}

// uploadAudio uploads two seconds of a tone.
func (s *service) uploadAudio(t testing.TB, room, identity string) answer {
	t.Helper()
	a := s.account.upload(t, "/roomreel/v1/Rooms/"+room+"/Recordings",
		"ParticipantIdentity", identity, "TrackName", identity+"-microphone", "Type", "audio", "OffsetMillis", "500", "@Media", "testdata/audio.mka")
	if a.Status != 201 {
		t.Fatalf("upload: %d %s", a.Status, a.Body)
	}
	return a
}

// census counts what the account has, to see that something changed nothing.
func (s *service) census(t *testing.T) string {
	t.Helper()
	var counts []string
	for path, key := range map[string]string{
		"/v1/Rooms": "rooms", "/v1/Rooms?Status=completed": "rooms", "/v1/Compositions": "compositions", "/v1/CompositionHooks": "composition_hooks",
		"/v1/Recordings": "recordings", "/v1/Credentials/AWS": "credentials", "/v1/Credentials/PublicKeys": "credentials",
	} {
		a := s.account.do(t, s.account.request(t, "GET", path, ""))
		text, _ := json.Marshal(a.JSON[key])
		counts = append(counts, fmt.Sprintf("%s %x", path, len(text)))
	}
	for _, path := range []string{"/v1/RecordingSettings/Default", "/v1/CompositionSettings/Default"} {
		counts = append(counts, string(s.account.want(t, 200, "GET", path).Body))
	}
	slices.Sort(counts)
	return strings.Join(counts, "\n")
}

// finish makes a composition complete, as its workers would.
func (s *service) finish(t testing.TB, sid string, film []byte, media roomreel.Media) {
	t.Helper()
	ctx := context.Background()
	if _, _, err := s.store.StartComposition(ctx, roomreel.CompositionSID(sid)); err != nil {
		t.Fatal(err)
	}
	if media.Key != "" {
		if err := s.store.Reserve(ctx, sid, store.PendingDeletion{Store: store.MediaStore, Key: media.Key}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.media.Put(ctx, media.Key, strings.NewReader(string(film)), int64(len(film)), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.store.CompleteComposition(ctx, roomreel.CompositionSID(sid), store.FilmResult{
		Size: int64(len(film)), Duration: 38 * time.Second, Bitrate: 841, Media: media, Report: aReport(t),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// filmOf is where the film of a composition is stored.
func filmOf(account, sid string) roomreel.Media {
	return roomreel.Media{Key: account + "/" + sid + ".mp4", Size: 6}
}

// aReport is the report of a film with one track.
func aReport(t testing.TB) string {
	t.Helper()
	text, err := json.Marshal(compose.MakeReport(&plan.Summary{
		Format: roomreel.MP4, Length: 38 * time.Second, Samples: 38 * 48000, AudioEncoder: protocol.Encoder{Codec: "aac"},
		Tracks: []plan.TrackSummary{{Recording: testRecording, Identity: "alice", Name: "alice-microphone", Kind: roomreel.Audio, Codec: "opus", Used: true}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func publicKey(t testing.TB, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
