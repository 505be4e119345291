package api

import (
	"net/http"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/twilio"
)

var roomList = list{
	Key: "rooms", Max: 1000,
	Filters: []string{"Status", "UniqueName", "DateCreatedAfter", "DateCreatedBefore"},
}

// listRooms lists rooms in progress unless the filter has another status, as Twilio does.
func (a *API) listRooms(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, roomList)
	filter := app.RoomFilter{
		Status:     choice(p, "Status", roomreel.RoomInProgress, roomreel.RoomCompleted, roomreel.RoomFailed),
		UniqueName: p.text("UniqueName"),
		Created:    p.created(),
	}
	if p.err != nil {
		return p.err
	}
	if filter.Status == "" {
		filter.Status = roomreel.RoomInProgress
	}
	rows, err := a.app.Rooms(r.Context(), q.account, filter, q.page)
	if err != nil {
		return err
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(room roomreel.Room) roomBody { return roomShape(origin, room) })
	return nil
}

func (a *API) createRoom(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	in := app.CreateRoom{
		UniqueName:                   p.text("UniqueName"),
		Type:                         p.text("Type"),
		EnableTurn:                   p.boolean("EnableTurn"),
		AudioOnly:                    p.boolean("AudioOnly"),
		LargeRoom:                    p.boolean("LargeRoom"),
		RecordParticipantsOnConnect:  p.boolean("RecordParticipantsOnConnect"),
		EmptyRoomTimeout:             p.integer("EmptyRoomTimeout"),
		UnusedRoomTimeout:            p.integer("UnusedRoomTimeout"),
		MaxParticipants:              p.integer("MaxParticipants"),
		MaxParticipantDuration:       p.integer("MaxParticipantDuration"),
		MaxConcurrentPublishedTracks: p.integer("MaxConcurrentPublishedTracks"),
		VideoCodecs:                  p.list("VideoCodecs"),
		MediaRegion:                  p.text("MediaRegion"),
		RecordingRules:               p.json("RecordingRules"),
		StatusCallback:               p.text("StatusCallback"),
		StatusCallbackMethod:         p.text("StatusCallbackMethod"),
	}
	if p.err != nil {
		return p.err
	}
	room, err := a.app.CreateRoom(r.Context(), accountOf(r), in)
	if err != nil {
		return numbered(err, roomNumbers)
	}
	writeJSON(w, http.StatusCreated, roomShape(a.origin(r), room))
	return nil
}

func (a *API) fetchRoom(w http.ResponseWriter, r *http.Request) error {
	room, err := a.app.Room(r.Context(), accountOf(r), r.PathValue("Room"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, roomShape(a.origin(r), room))
	return nil
}

// updateRoom completes a room. Other states cannot be set.
func (a *API) updateRoom(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	if status := p.text("Status"); status != string(roomreel.RoomCompleted) {
		return &roomreel.Error{Code: roomreel.Invalid, Twilio: twilio.RoomStatusInvalid, Param: "Status", Detail: "a room can only be set to completed"}
	}
	room, err := a.app.CompleteRoom(r.Context(), accountOf(r), r.PathValue("Room"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, roomShape(a.origin(r), room))
	return nil
}

func (a *API) fetchRecordingRules(w http.ResponseWriter, r *http.Request) error {
	rules, err := a.app.RecordingRules(r.Context(), accountOf(r), r.PathValue("Room"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, recordingRulesShape(rules))
	return nil
}

func (a *API) updateRecordingRules(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	rules, err := a.app.UpdateRecordingRules(r.Context(), accountOf(r), r.PathValue("Room"), p.json("Rules"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, recordingRulesShape(rules))
	return nil
}

var participantList = list{
	Key: "participants", Max: 1000,
	Filters: []string{"Status", "Identity", "DateCreatedAfter", "DateCreatedBefore"},
}

// reconnecting is a status of Twilio's that no participant has here. The filter is accepted, and the list is empty.
const reconnecting = "reconnecting"

// listParticipants lists participants of every status unless the filter has one.
func (a *API) listParticipants(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, participantList)
	filter := app.ParticipantFilter{
		Status:   choice(p, "Status", "connected", "disconnected", reconnecting),
		Identity: p.text("Identity"),
		Created:  p.created(),
	}
	if p.err != nil {
		return p.err
	}
	if filter.Status == reconnecting {
		if _, err := a.app.Room(r.Context(), q.account, r.PathValue("Room")); err != nil {
			return err
		}
		writePage(a, w, r, q, app.List[roomreel.Participant]{}, func(roomreel.Participant) any { return nil })
		return nil
	}
	rows, err := a.app.Participants(r.Context(), q.account, r.PathValue("Room"), filter, q.page)
	if err != nil {
		return err
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(p roomreel.Participant) participantBody { return participantShape(origin, p) })
	return nil
}

func (a *API) fetchParticipant(w http.ResponseWriter, r *http.Request) error {
	participant, err := a.app.Participant(r.Context(), accountOf(r), r.PathValue("Room"), r.PathValue("Participant"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, participantShape(a.origin(r), participant))
	return nil
}

var publishedTrackList = list{Key: "published_tracks", Max: 1000}

func (a *API) listPublishedTracks(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, publishedTrackList)
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.PublishedTracks(r.Context(), q.account, r.PathValue("Room"), r.PathValue("Participant"), q.page)
	if err != nil {
		return err
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(t roomreel.PublishedTrack) publishedTrackBody { return publishedTrackShape(origin, t) })
	return nil
}

func (a *API) fetchPublishedTrack(w http.ResponseWriter, r *http.Request) error {
	track, err := a.app.PublishedTrack(r.Context(), accountOf(r), r.PathValue("Room"), r.PathValue("Participant"), r.PathValue("Track"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, publishedTrackShape(a.origin(r), track))
	return nil
}
