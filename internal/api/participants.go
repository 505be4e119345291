package api

import (
	"net/http"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/twilio"
)

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

// updateParticipant disconnects a participant. Other states cannot be set.
func (a *API) updateParticipant(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	if status := p.text("Status"); status != "disconnected" {
		return &roomreel.Error{Code: roomreel.Invalid, Twilio: twilio.ParticipantStatusInvalid, Param: "Status", Detail: "a participant can only be set to disconnected"}
	}
	participant, err := a.app.DisconnectParticipant(r.Context(), accountOf(r), r.PathValue("Room"), r.PathValue("Participant"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, participantShape(a.origin(r), participant))
	return nil
}

func (a *API) anonymizeParticipant(w http.ResponseWriter, r *http.Request) error {
	participant, err := a.app.Anonymize(r.Context(), accountOf(r), r.PathValue("Room"), r.PathValue("Participant"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, anonymizedShape(a.origin(r), participant))
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

var subscribedTrackList = list{Key: "subscribed_tracks", Max: 1000}

// listSubscribedTracks answers an empty list: participants do not connect here, so they receive no tracks.
func (a *API) listSubscribedTracks(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, subscribedTrackList)
	if p.err != nil {
		return p.err
	}
	if _, err := a.app.Participant(r.Context(), q.account, r.PathValue("Room"), r.PathValue("Participant")); err != nil {
		return err
	}
	writePage(a, w, r, q, app.List[roomreel.PublishedTrack]{}, func(roomreel.PublishedTrack) any { return nil })
	return nil
}

func (a *API) fetchSubscribedTrack(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.app.Participant(r.Context(), accountOf(r), r.PathValue("Room"), r.PathValue("Participant")); err != nil {
		return err
	}
	return notFound()
}

func (a *API) fetchSubscribeRules(w http.ResponseWriter, r *http.Request) error {
	rules, err := a.app.SubscribeRules(r.Context(), accountOf(r), r.PathValue("Room"), r.PathValue("Participant"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, subscribeRulesShape(rules))
	return nil
}

func (a *API) updateSubscribeRules(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	rules, err := a.app.UpdateSubscribeRules(r.Context(), accountOf(r), r.PathValue("Room"), r.PathValue("Participant"), p.json("Rules"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, subscribeRulesShape(rules))
	return nil
}
