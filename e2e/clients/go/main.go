// Command go uses twilio-go as an application does with the recordings and compositions of Twilio Video. It stops at
// the first answer that does not match the documentation of Twilio. Only connect.go differs from such an
// application, and the upload (upload.go), which Twilio does itself.
//
// It reads the variables of connect.go, and ROOM_FILES (a folder of recordings), FILM (where to put the film), PUBLIC_KEY
// (a PEM file) and CALLBACK (a URL). It prints the name of each part that succeeded.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	accounts "github.com/twilio/twilio-go/rest/accounts/v1"
	video "github.com/twilio/twilio-go/rest/video/v1"
)

// maxPolls is how often a composition is fetched, every 100 ms, until it is completed.
const maxPolls = 1200

var layout = map[string]any{
	"alice": map[string]any{"video_sources": []string{"alice-*"}, "x_pos": 0, "width": 320, "max_columns": 1},
	"bob":   map[string]any{"video_sources": []string{"bob-*"}, "x_pos": 320, "width": 320, "max_columns": 1},
}

func main() {
	log.SetFlags(log.Lshortfile)
	twilio, err := connect()
	ok(err)
	a := application{twilio}
	room := a.room()
	a.recordingRules(room)
	recordings := a.recordings(room)
	a.participants(room)
	hook := a.compositionHook()
	a.completeRoom(room)
	film := a.compositions(room, a.composed(room))
	a.media(film)
	a.replaceHook(hook)
	a.deletions(room, film, recordings[0])
	a.credentialsAndSettings()
	a.errors(room)
	a.anonymize(room)
	a.manyWrites()
}

type application struct{ *twilio.RestClient }

func (a application) room() string {
	room := must(a.VideoV1.CreateRoom((&video.CreateRoomParams{}).SetUniqueName("go").SetType("group").
		SetMaxParticipants(4).SetVideoCodecs([]string{"VP8", "H264"}).SetRecordParticipantsOnConnect(true).
		SetStatusCallback(os.Getenv("CALLBACK"))))
	check(*room.Status == "in-progress" && *room.UniqueName == "go" && room.EndTime == nil, room)
	check(*must(a.VideoV1.FetchRoom("go")).Sid == *room.Sid, "by name")
	rooms := must(a.VideoV1.ListRoom((&video.ListRoomParams{}).SetUniqueName("go").SetStatus("in-progress")))
	check(len(rooms) == 1 && rooms[0].DateCreated.Equal(*room.DateCreated), rooms)
	done("room")
	return *room.Sid
}

func (a application) recordingRules(room string) {
	rules := must(a.VideoV1.UpdateRoomRecordingRule(room, (&video.UpdateRoomRecordingRuleParams{}).
		SetRules([]map[string]any{{"type": "include", "all": true}})))
	check((*rules.Rules)[0].Type == "include" && (*rules.Rules)[0].All, rules)
	check(len(*must(a.VideoV1.FetchRoomRecordingRule(room)).Rules) == 1, "fetched rules")
	done("recording rules")
}

func (a application) recordings(room string) []string {
	var sids []string
	for _, track := range tracks {
		sids = append(sids, upload(room, track))
	}
	all := must(a.VideoV1.ListRecording((&video.ListRecordingParams{}).SetGroupingSid([]string{room}).SetPageSize(3)))
	check(len(all) == 4 && *all[3].Sid == sids[0], "two pages, the newest first")
	audioOnly := must(a.VideoV1.ListRoomRecording(room, (&video.ListRoomRecordingParams{}).SetSourceSid(*all[0].SourceSid)))
	check(len(audioOnly) == 1 && *audioOnly[0].TrackName == "bob-microphone" && *audioOnly[0].Codec == "opus", audioOnly)
	one := must(a.VideoV1.FetchRoomRecording(room, sids[0]))
	check(*one.Status == "completed" && *one.Type == "video" && *one.Codec == "vp8", one)
	file := must(os.ReadFile(filepath.Join(os.Getenv("ROOM_FILES"), tracks[0].file)))
	check(*one.Size == int64(len(file)) && bytes.Equal(a.download((*one.Links)["media"].(string)), file), "media of a recording")
	done("recordings")
	return sids
}

func (a application) participants(room string) {
	people := must(a.VideoV1.ListRoomParticipant(room, nil))
	check(len(people) == 2, people)
	bob := must(a.VideoV1.FetchRoomParticipant(room, "bob"))
	check(*bob.Identity == "bob" && *bob.RoomSid == room, bob)
	published := must(a.VideoV1.ListRoomParticipantPublishedTrack(room, *bob.Sid, nil))
	check(len(published) == 2, published)
	track := must(a.VideoV1.FetchRoomParticipantPublishedTrack(room, *bob.Sid, *published[0].Sid))
	check(*track.Name == *published[0].Name && *track.ParticipantSid == *bob.Sid, track)

	received := must(a.VideoV1.ListRoomParticipantSubscribedTrack(room, *bob.Sid, nil))
	check(len(received) == 0, received)
	rule := map[string]any{"type": "exclude", "publisher": "alice", "kind": "video"}
	rules := must(a.VideoV1.UpdateRoomParticipantSubscribeRule(room, *bob.Sid, (&video.UpdateRoomParticipantSubscribeRuleParams{}).SetRules([]any{rule})))
	check(len(*rules.Rules) == 1, rules)
	rules = must(a.VideoV1.FetchRoomParticipantSubscribeRule(room, "bob"))
	check((*rules.Rules)[0].Publisher == "alice", rules)
	left := must(a.VideoV1.UpdateRoomParticipant(room, "bob", (&video.UpdateRoomParticipantParams{}).SetStatus("disconnected")))
	check(*left.Status == "disconnected" && left.EndTime != nil, left)
	done("participants")
}

// anonymize takes the name of a participant out of a room and its compositions.
func (a application) anonymize(room string) {
	bob := must(a.VideoV1.FetchRoomParticipant(room, "bob"))
	hidden := must(a.VideoV1.UpdateRoomParticipantAnonymize(room, *bob.Sid))
	check(*hidden.Identity == *bob.Sid, hidden)
	_, err := a.VideoV1.FetchRoomParticipant(room, "bob")
	refused(err, 404, 20404)
	done("anonymized participant")
}

func (a application) compositionHook() string {
	hook := must(a.VideoV1.CreateCompositionHook((&video.CreateCompositionHookParams{}).SetFriendlyName("Audio of every room").
		SetAudioSources([]string{"*"}).SetFormat("webm")))
	check(*hook.Enabled && hook.DateUpdated == nil && *hook.Trim, hook)
	check(*must(a.VideoV1.FetchCompositionHook(*hook.Sid)).FriendlyName == "Audio of every room", "fetched hook")
	found := must(a.VideoV1.ListCompositionHook((&video.ListCompositionHookParams{}).SetFriendlyName("*every*").SetEnabled(true)))
	check(len(found) == 1 && *found[0].Sid == *hook.Sid, found)
	done("composition hook")
	return *hook.Sid
}

func (a application) completeRoom(room string) {
	completed := must(a.VideoV1.UpdateRoom(room, (&video.UpdateRoomParams{}).SetStatus("completed")))
	check(*completed.Status == "completed" && completed.EndTime != nil && completed.Duration != nil, completed)
	done("completed room")
}

// composed waits for the composition that the hook creates for the room.
func (a application) composed(room string) string {
	for range maxPolls {
		made := must(a.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(room)))
		if len(made) == 1 {
			return *made[0].Sid
		}
		time.Sleep(100 * time.Millisecond)
	}
	log.Fatal("the hook created no composition")
	return ""
}

func (a application) compositions(room, byHook string) string {
	film := must(a.VideoV1.CreateComposition((&video.CreateCompositionParams{}).SetRoomSid(room).SetVideoLayout(layout).
		SetAudioSources([]string{"*"}).SetAudioSourcesExcluded([]string{"bob-m*"}).SetResolution("640x480").SetFormat("mp4").
		SetStatusCallback(os.Getenv("CALLBACK")).SetStatusCallbackMethod("GET")))
	check(*film.Status == "enqueued" && *film.Trim && film.DateCompleted == nil && *film.StatusCallbackMethod == "GET", film)
	regions := (*film.VideoLayout).(map[string]any)
	check(regions["bob"].(map[string]any)["x_pos"] == 320.0, film)
	audioOnly := must(a.VideoV1.CreateComposition((&video.CreateCompositionParams{}).SetRoomSid(room).SetAudioSources([]string{"alice-*"}).SetTrim(false)))
	check(*audioOnly.Format == "webm" && !*audioOnly.Trim, audioOnly)

	made := a.wait(*film.Sid)
	check(made.Duration == 3 && *made.Size > 0 && made.Bitrate > 0 && made.DateCompleted != nil, made)
	a.wait(*audioOnly.Sid)
	of := func() *video.ListCompositionParams { return (&video.ListCompositionParams{}).SetRoomSid(room) }
	all := must(a.VideoV1.ListComposition(of().SetPageSize(2)))
	check(len(all) == 3 && *all[0].Sid == *audioOnly.Sid && *all[2].Sid == byHook, "the newest first")
	check(len(*a.wait(byHook).AudioSources) == 1, "the hook's")
	first := must(a.VideoV1.PageComposition(of().SetPageSize(2), "", ""))
	check(len(first.Compositions) == 2 && first.Meta.NextPageUrl != nil, first.Meta)
	today := of().SetStatus("completed").SetDateCreatedAfter(time.Now().Add(-24 * time.Hour))
	check(len(must(a.VideoV1.ListComposition(today))) == 3, "completed today")
	check(len(must(a.VideoV1.ListComposition(of().SetDateCreatedBefore(time.Now().Add(-24*time.Hour))))) == 0, "made yesterday")
	done("compositions")
	return *film.Sid
}

func (a application) wait(composition string) *video.VideoV1Composition {
	for range maxPolls {
		c := must(a.VideoV1.FetchComposition(composition))
		switch *c.Status {
		case "completed":
			return c
		case "failed", "deleted":
			log.Fatalf("%s is %s", composition, *c.Status)
		}
		time.Sleep(100 * time.Millisecond)
	}
	log.Fatalf("%s takes too long", composition)
	return nil
}

func (a application) media(film string) {
	links := *must(a.VideoV1.FetchComposition(film)).Links
	text := a.download(links["media"].(string) + "?Ttl=60&ContentDisposition=inline")
	check(string(text[4:8]) == "ftyp", "the film")
	ok(os.WriteFile(os.Getenv("FILM"), text, 0o644))
	done("media")
}

// download follows the redirect of a Media resource without authentication.
func (a application) download(media string) []byte {
	answer := must(a.Client.SendRequest(http.MethodGet, media, nil, nil))
	var redirect struct {
		To string `json:"redirect_to"`
	}
	ok(json.NewDecoder(answer.Body).Decode(&redirect))
	ok(answer.Body.Close())
	check(answer.StatusCode == http.StatusFound && redirect.To == answer.Header.Get("Location"), answer.Status)
	file := must(http.Get(redirect.To))
	defer file.Body.Close()
	check(file.StatusCode == http.StatusOK, file.Status)
	return must(io.ReadAll(file.Body))
}

func (a application) replaceHook(hook string) {
	replaced := must(a.VideoV1.UpdateCompositionHook(hook, (&video.UpdateCompositionHookParams{}).SetFriendlyName("Faces").
		SetVideoLayout(layout).SetEnabled(false)))
	check(!*replaced.Enabled && replaced.DateUpdated != nil && len(*replaced.AudioSources) == 0, replaced)
	ok(a.VideoV1.DeleteCompositionHook(hook))
	check(len(must(a.VideoV1.ListCompositionHook(nil))) == 0, "hooks")
	done("replaced hook")
}

func (a application) deletions(room, film, recording string) {
	ok(a.VideoV1.DeleteComposition(film))
	deleted := must(a.VideoV1.FetchComposition(film))
	check(*deleted.Status == "deleted" && deleted.DateDeleted != nil, deleted)
	ok(a.VideoV1.DeleteRoomRecording(room, recording))
	check(*must(a.VideoV1.FetchRecording(recording)).Status == "deleted", recording)
	check(len(must(a.VideoV1.ListRoomRecording(room, nil))) == 3, "remaining recordings")
	check(len(must(a.VideoV1.ListRecording((&video.ListRecordingParams{}).SetStatus("deleted")))) == 1, "deleted recordings")
	done("deletions")
}

func (a application) credentialsAndSettings() {
	pem := string(must(os.ReadFile(os.Getenv("PUBLIC_KEY"))))
	key := must(a.AccountsV1.CreateCredentialPublicKey((&accounts.CreateCredentialPublicKeyParams{}).SetPublicKey(pem).SetFriendlyName("mine")))
	key = must(a.AccountsV1.UpdateCredentialPublicKey(*key.Sid, (&accounts.UpdateCredentialPublicKeyParams{}).SetFriendlyName("ours")))
	check(*must(a.AccountsV1.FetchCredentialPublicKey(*key.Sid)).FriendlyName == "ours", key)
	check(len(must(a.AccountsV1.ListCredentialPublicKey(nil))) == 1, "public keys")
	aws := must(a.AccountsV1.CreateCredentialAws((&accounts.CreateCredentialAwsParams{}).SetCredentials("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI")))
	aws = must(a.AccountsV1.UpdateCredentialAws(*aws.Sid, (&accounts.UpdateCredentialAwsParams{}).SetFriendlyName("bucket")))
	check(*must(a.AccountsV1.FetchCredentialAws(*aws.Sid)).FriendlyName == "bucket", aws)
	check(len(must(a.AccountsV1.ListCredentialAws(nil))) == 1, "AWS credentials")
	done("credentials")

	check(!*must(a.VideoV1.FetchRecordingSettings()).EncryptionEnabled, "recordings are not encrypted")
	sealed := must(a.VideoV1.CreateCompositionSettings((&video.CreateCompositionSettingsParams{}).SetFriendlyName("sealed").
		SetEncryptionEnabled(true).SetEncryptionKeySid(*key.Sid)))
	check(*sealed.EncryptionEnabled && !*sealed.AwsStorageEnabled, sealed)
	check(*must(a.VideoV1.FetchCompositionSettings()).EncryptionKeySid == *key.Sid, "fetched settings")
	plain := must(a.VideoV1.CreateRecordingSettings((&video.CreateRecordingSettingsParams{}).SetFriendlyName("plain")))
	check(!*plain.EncryptionEnabled, plain)
	_, err := a.VideoV1.CreateRecordingSettings((&video.CreateRecordingSettingsParams{}).SetFriendlyName("bucket").
		SetAwsStorageEnabled(true).SetAwsCredentialsSid(*aws.Sid).SetAwsS3Url("https://bucket.storage.invalid/recordings"))
	refused(err, 400, 53610)
	done("settings")
	ok(a.AccountsV1.DeleteCredentialAws(*aws.Sid))
}

func (a application) errors(room string) {
	_, err := a.VideoV1.FetchComposition("CJ00000000000000000000000000000000")
	refused(err, 404, 20404)
	_, err = a.VideoV1.CreateComposition((&video.CreateCompositionParams{}).SetRoomSid(room).SetAudioSources([]string{"*"}).SetResolution("1x1"))
	refused(err, 400, 20422)
	secret := os.Getenv("TWILIO_API_SECRET")
	ok(os.Setenv("TWILIO_API_SECRET", "wrong"))
	stranger := must(connect())
	ok(os.Setenv("TWILIO_API_SECRET", secret))
	_, err = stranger.VideoV1.ListRoom(nil)
	refused(err, 401, 20003)
	done("errors")
}

// manyWrites makes more rooms in a row than the rate limit allows at once. They wait, and none is refused.
func (a application) manyWrites() {
	for range 200 {
		_, err := a.VideoV1.CreateRoom(nil)
		ok(err)
	}
	done("many writes")
}

func done(part string) { fmt.Println(part) }

func ok(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
	return value
}

// check ends the program if a condition does not hold.
func check(holds bool, answer any) {
	if !holds {
		text, _ := json.Marshal(answer)
		log.Output(2, "unexpected: "+string(text))
		os.Exit(1)
	}
}

func refused(err error, status, code int) {
	var answer *client.TwilioRestError
	if !errors.As(err, &answer) || answer.Status != status || answer.Code != code || answer.Message == "" {
		log.Output(2, fmt.Sprintf("want status %d and code %d, got: %v", status, code, err))
		os.Exit(1)
	}
}
