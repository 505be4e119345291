package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
)

type track struct{ file, identity, name, offset string }

var tracks = []track{
	{"alice-camera.mkv", "alice", "alice-camera", "0"},
	{"alice-microphone.mka", "alice", "alice-microphone", "0"},
	{"bob-camera.mkv", "bob", "bob-camera", "1000"},
	{"bob-microphone.mka", "bob", "bob-microphone", "1000"},
}

// upload adds a recorded track to a room and returns the SID of the recording. Twilio records rooms itself.
func upload(room string, t track) string {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	ok(form.WriteField("ParticipantIdentity", t.identity))
	ok(form.WriteField("TrackName", t.name))
	ok(form.WriteField("OffsetMillis", t.offset))
	file := must(os.Open(filepath.Join(os.Getenv("ROOM_FILES"), t.file)))
	defer file.Close()
	must(io.Copy(must(form.CreateFormFile("Media", t.file)), file))
	ok(form.Close())

	request := must(http.NewRequest(http.MethodPost, os.Getenv("ROOMREEL_URL")+"/roomreel/v1/Rooms/"+room+"/Recordings", &body))
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.SetBasicAuth(os.Getenv("TWILIO_API_KEY"), os.Getenv("TWILIO_API_SECRET"))
	answer := must(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	var recording struct{ SID string }
	ok(json.NewDecoder(answer.Body).Decode(&recording))
	if answer.StatusCode != http.StatusCreated {
		log.Fatalf("upload of %s: %s", t.file, answer.Status)
	}
	return recording.SID
}
