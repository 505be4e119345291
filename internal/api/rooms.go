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

// noTranscriptions answers requests for transcripts, which this service does not make.
func (a *API) noTranscriptions(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.app.Room(r.Context(), accountOf(r), r.PathValue("Room")); err != nil {
		return err
	}
	return roomreel.Errorf(roomreel.NotFound, "this server makes no transcriptions")
}
