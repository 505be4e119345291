package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/jsonparam"
)

var deliveryList = list{Key: "deliveries", Max: 1000}

// events serves the deliveries of events of one kind of resource. exists checks that the account has the resource.
type events struct {
	api    *API
	exists func(r *http.Request, sid string) error
}

// eventsOf returns the handlers for resources of the kind that fetch finds.
func eventsOf[S roomreel.SID, T any](a *API, fetch func(context.Context, roomreel.AccountSID, S) (T, error)) events {
	return events{a, func(r *http.Request, text string) error {
		sid, err := roomreel.ParseSID[S](text)
		if err != nil {
			return notFound()
		}
		_, err = fetch(r.Context(), accountOf(r), sid)
		return err
	}}
}

// roomEvents are the handlers for rooms. Rooms are found by SID here, not by name.
func (a *API) roomEvents() events {
	return eventsOf(a, func(ctx context.Context, account roomreel.AccountSID, sid roomreel.RoomSID) (roomreel.Room, error) {
		return a.app.Room(ctx, account, string(sid))
	})
}

// list lists the attempts to deliver events of a resource, newest first.
func (e events) list(w http.ResponseWriter, r *http.Request) error {
	a := e.api
	if err := e.exists(r, r.PathValue("Resource")); err != nil {
		return err
	}
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, deliveryList)
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.Deliveries(r.Context(), q.account, r.PathValue("Resource"), q.page)
	if err != nil {
		return err
	}
	writePage(a, w, r, q, rows, deliveryShape)
	return nil
}

// redeliver delivers an event again.
func (e events) redeliver(w http.ResponseWriter, r *http.Request) error {
	if err := e.exists(r, r.PathValue("Resource")); err != nil {
		return err
	}
	event := r.PathValue("Event")
	if err := e.api.app.Redeliver(r.Context(), accountOf(r), event); err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, map[string]string{"event_id": event, "resource_sid": r.PathValue("Resource")})
	return nil
}

var auditList = list{Key: "entries", Max: 1000}

// listAudit lists the changes and deletions in the account, newest first.
func (a *API) listAudit(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, auditList)
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.AuditLog(r.Context(), q.account, q.page)
	if err != nil {
		return err
	}
	writePage(a, w, r, q, rows, auditShape)
	return nil
}

// healthy answers that the process runs.
func (a *API) healthy(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// readiness answers whether requests may be sent to this process.
func (a *API) readiness(w http.ResponseWriter, r *http.Request) error {
	err := a.ready(r.Context())
	if roomreel.CodeOf(err) == roomreel.Unavailable {
		return err // says what is missing
	}
	if err != nil {
		return &roomreel.Error{Code: roomreel.Unavailable, Detail: "the service is not ready: it is starting or stopping", Err: err}
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	return nil
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

// previewLayout is ours: it answers where each track would be in a film. It takes the parameters of a composition, and either a
// RoomSid or Tracks, a JSON array of invented tracks.
func (a *API) previewLayout(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	in := app.PreviewLayout{RoomSID: p.text("RoomSid"), Tracks: p.tracks("Tracks"), FilmParams: filmRequest(p)}
	switch given := p.json("Tracks") != ""; {
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

// longestTrack bounds the times of invented tracks. Twilio's rooms last one day at most.
const longestTrack = 10 * 24 * time.Hour

// tracks reads the JSON array of invented tracks.
func (p *params) tracks(name string) []app.PreviewTrack {
	text := p.json(name)
	if text == "" {
		return nil
	}
	items, err := jsonparam.List(text, app.MaxPreviewTracks)
	if err != nil {
		p.fail(name, "must be a JSON array of tracks: %v", err)
	}
	tracks := make([]app.PreviewTrack, len(items))
	for i, item := range items {
		if tracks[i], err = previewTrack(string(item)); err != nil {
			p.fail(name, "track %d %v", i, err)
		}
	}
	return tracks
}

// previewTrack reads one invented track. Its kind is video when it is not said.
func previewTrack(text string) (app.PreviewTrack, error) {
	t := app.PreviewTrack{Kind: roomreel.Video}
	fields, err := jsonparam.Object(text)
	if err != nil {
		return t, fmt.Errorf("must be a JSON object: %w", err)
	}
	var kind string
	texts := map[string]*string{
		"recording_sid": &t.Recording, "track_sid": &t.Track, "participant_sid": &t.Participant, "track_name": &t.Name, "type": &kind,
	}
	times := map[string]*time.Duration{"start_millis": &t.Start, "end_millis": &t.End} // room time
	for _, field := range fields {
		if to := texts[field.Name]; to != nil {
			var ok bool
			if *to, ok = jsonparam.Text(field.Value); !ok {
				return t, fmt.Errorf("has a %s that is no text", field.Name)
			}
		} else if to := times[field.Name]; to != nil {
			ms, ok := jsonparam.Whole(string(field.Value), 0, longestTrack.Milliseconds())
			if !ok {
				return t, fmt.Errorf("has %.40s as %s; it must be a whole number of milliseconds from 0 to %d", field.Value, field.Name, longestTrack.Milliseconds())
			}
			*to = time.Duration(ms) * time.Millisecond
		} else {
			return t, fmt.Errorf("has the unknown field %.40q; the fields are track_name, type, start_millis, end_millis, recording_sid, track_sid and participant_sid", field.Name)
		}
	}
	if kind != "" {
		t.Kind = roomreel.TrackKind(kind)
	}
	switch {
	case t.Kind != roomreel.Audio && t.Kind != roomreel.Video:
		return t, fmt.Errorf("has type %q; it can be audio or video", clip(kind))
	case t.End <= t.Start:
		return t, fmt.Errorf("must end after it starts")
	}
	return t, nil
}
