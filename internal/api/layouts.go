package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

// trackParam is one entry of Tracks: a made-up track to try a layout on.
type trackParam struct {
	RecordingSID   string `json:"recording_sid"`
	TrackSID       string `json:"track_sid"`
	ParticipantSID string `json:"participant_sid"`
	TrackName      string `json:"track_name"`
	Type           string `json:"type"`         // audio or video; video when it is not said
	StartMillis    int64  `json:"start_millis"` // room time
	EndMillis      int64  `json:"end_millis"`
}

type layoutBody struct {
	Resolution     string          `json:"resolution"`
	VideoLayout    json.RawMessage `json:"video_layout"`
	DurationMillis int64           `json:"duration_millis"`
	Placements     []placementBody `json:"placements"`
}

type placementBody struct {
	RecordingSID   *string `json:"recording_sid"`
	TrackSID       *string `json:"track_sid"`
	ParticipantSID *string `json:"participant_sid"`
	TrackName      string  `json:"track_name"`
	FromMillis     int64   `json:"from_millis"` // of the film
	ToMillis       int64   `json:"to_millis"`
	X              int     `json:"x"`
	Y              int     `json:"y"`
	Width          int     `json:"width"`
	Height         int     `json:"height"`
	Z              int     `json:"z_pos"`
}

// previewLayout is ours: where everybody would be in a film. It takes the parameters of a composition, and either a
// RoomSid or Tracks, a JSON array of made-up tracks.
func (a *API) previewLayout(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	in := app.PreviewLayout{RoomSID: p.text("RoomSid"), Tracks: p.tracks("Tracks"), FilmParams: filmRequest(p)}
	switch given := p.text("Tracks") != ""; {
	case given && in.RoomSID != "":
		p.fail("Tracks", "give RoomSid or Tracks, not both")
	case !given && in.RoomSID == "":
		p.fail("RoomSid", "is missing; give it, or Tracks to try the layout on")
	}
	if p.err != nil {
		return p.err
	}
	preview, err := a.app.PreviewLayout(r.Context(), accountOf(r), in)
	if err != nil {
		return err
	}
	body := layoutBody{
		Resolution:  fmt.Sprintf("%dx%d", preview.Canvas.W, preview.Canvas.H),
		VideoLayout: layoutJSON(preview.Layout), DurationMillis: preview.Length.Milliseconds(), Placements: []placementBody{},
	}
	for _, at := range preview.Placements {
		body.Placements = append(body.Placements, placementBody{
			RecordingSID: orNull(at.Track.Recording), TrackSID: orNull(at.Track.Track), ParticipantSID: orNull(at.Track.Participant),
			TrackName: at.Track.Name, FromMillis: at.From.Milliseconds(), ToMillis: at.To.Milliseconds(),
			X: at.Rect.X, Y: at.Rect.Y, Width: at.Rect.W, Height: at.Rect.H, Z: at.Z,
		})
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// longestTrack bounds made-up times: ten times as long as Twilio lets a room be.
const longestTrack = 10 * 24 * time.Hour

// tracks reads the JSON array of made-up tracks.
func (p *params) tracks(name string) []app.PreviewTrack {
	text := p.text(name)
	if text == "" {
		return nil
	}
	var list []trackParam
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil || decoder.More() {
		p.fail(name, "must be a JSON array of tracks with track_name, start_millis, end_millis and, where wanted, type, recording_sid, track_sid and participant_sid")
		return nil
	}
	tracks := make([]app.PreviewTrack, len(list))
	for i, t := range list {
		kind := roomreel.TrackKind(t.Type)
		if kind == "" {
			kind = roomreel.Video
		}
		switch {
		case kind != roomreel.Audio && kind != roomreel.Video:
			p.fail(name, "track %d has type %q; it can be audio or video", i, clip(t.Type))
		case t.StartMillis < 0 || t.EndMillis <= t.StartMillis || t.EndMillis > longestTrack.Milliseconds():
			p.fail(name, "track %d must start at 0 or later, end after it starts, and end within %d hours", i, int(longestTrack.Hours()))
		}
		tracks[i] = app.PreviewTrack{
			Recording: t.RecordingSID, Track: t.TrackSID, Participant: t.ParticipantSID, Name: t.TrackName, Kind: kind,
			Start: time.Duration(t.StartMillis) * time.Millisecond, End: time.Duration(t.EndMillis) * time.Millisecond,
		}
	}
	return tracks
}
