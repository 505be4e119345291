package api

import (
	"net/http"

	"roomreel"
	"roomreel/internal/app"
)

var (
	recordingList = list{
		Key: "recordings", Max: 100,
		Filters: []string{"Status", "SourceSid", "GroupingSid", "DateCreatedAfter", "DateCreatedBefore", "MediaType"},
	}
	roomRecordingList = list{
		Key: "recordings", Max: 1000,
		Filters: []string{"Status", "SourceSid", "DateCreatedAfter", "DateCreatedBefore"},
	}
)

// dataTrack is a kind of Twilio's that is never recorded. The filter is accepted, and the list is empty.
const dataTrack roomreel.TrackKind = "data"

func (a *API) listRecordings(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, recordingList)
	filter := recordingFilter(p)
	filter.Kind = choice(p, "MediaType", roomreel.Audio, roomreel.Video, dataTrack)
	for _, text := range p.list("GroupingSid") {
		if sid, err := roomreel.ParseSID[roomreel.RoomSID](text); err == nil {
			filter.RoomSIDs = append(filter.RoomSIDs, sid)
		} else if sid, err := roomreel.ParseSID[roomreel.ParticipantSID](text); err == nil {
			filter.Participants = append(filter.Participants, sid)
		} else {
			p.fail("GroupingSid", "%q is not the SID of a room (RM…) or a participant (PA…)", clip(text))
		}
	}
	if p.err != nil {
		return p.err
	}
	if filter.Kind == dataTrack {
		writePage(a, w, r, q, app.List[roomreel.Recording]{}, func(roomreel.Recording) any { return nil })
		return nil
	}
	rows, err := a.app.Recordings(r.Context(), q.account, filter, q.page)
	if err != nil {
		return err
	}
	callbacks := map[roomreel.RoomSID]roomreel.Callback{}
	for _, rec := range rows.Items {
		if _, known := callbacks[rec.RoomSID]; !known {
			if callbacks[rec.RoomSID], err = a.callbackOf(r, rec); err != nil {
				return err
			}
		}
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(rec roomreel.Recording) recordingBody {
		return recordingShape(origin, rec, callbacks[rec.RoomSID])
	})
	return nil
}

// recordingFilter reads the filters of both lists of recordings.
func recordingFilter(p *params) app.RecordingFilter {
	return app.RecordingFilter{
		Status: choice(p, "Status", roomreel.RecordingProcessing, roomreel.RecordingCompleted,
			roomreel.RecordingDeleted, roomreel.RecordingFailed),
		TrackSID: sidParam[roomreel.TrackSID](p, "SourceSid"),
		Created:  p.created(),
	}
}

// callbackOf returns the callback of the recording's room, which receives the recording's events. A room whose metadata is deleted
// has none.
func (a *API) callbackOf(r *http.Request, rec roomreel.Recording) (roomreel.Callback, error) {
	room, err := a.app.Room(r.Context(), accountOf(r), string(rec.RoomSID))
	if roomreel.CodeOf(err) == roomreel.NotFound {
		return roomreel.Callback{}, nil
	}
	return room.StatusCallback, err
}

func (a *API) fetchRecording(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.RecordingSID](r, "Recording")
	if err != nil {
		return err
	}
	rec, err := a.app.Recording(r.Context(), accountOf(r), sid)
	if err != nil {
		return err
	}
	callback, err := a.callbackOf(r, rec)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, recordingShape(a.origin(r), rec, callback))
	return nil
}

func (a *API) deleteRecording(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.RecordingSID](r, "Recording")
	if err != nil {
		return err
	}
	if err := a.app.DeleteRecording(r.Context(), accountOf(r), sid); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) recordingMedia(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.RecordingSID](r, "Recording")
	if err != nil {
		return err
	}
	return a.redirectToMedia(w, r, func(in app.MediaRequest) (app.MediaLink, error) {
		return a.app.RecordingMedia(r.Context(), accountOf(r), sid, in)
	})
}

func (a *API) listRoomRecordings(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, roomRecordingList)
	filter := recordingFilter(p)
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.RoomRecordings(r.Context(), q.account, r.PathValue("Room"), filter, q.page)
	if err != nil {
		return err
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(rec roomreel.Recording) roomRecordingBody { return roomRecordingShape(origin, rec) })
	return nil
}

// roomRecording finds the recording of a path with a room.
func (a *API) roomRecording(r *http.Request) (roomreel.Recording, error) {
	sid, err := pathSID[roomreel.RecordingSID](r, "Recording")
	if err != nil {
		return roomreel.Recording{}, err
	}
	return a.app.RoomRecording(r.Context(), accountOf(r), r.PathValue("Room"), sid)
}

func (a *API) fetchRoomRecording(w http.ResponseWriter, r *http.Request) error {
	rec, err := a.roomRecording(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, roomRecordingShape(a.origin(r), rec))
	return nil
}

func (a *API) deleteRoomRecording(w http.ResponseWriter, r *http.Request) error {
	rec, err := a.roomRecording(r)
	if err != nil {
		return err
	}
	if err := a.app.DeleteRecording(r.Context(), accountOf(r), rec.SID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) roomRecordingMedia(w http.ResponseWriter, r *http.Request) error {
	rec, err := a.roomRecording(r)
	if err != nil {
		return err
	}
	return a.redirectToMedia(w, r, func(in app.MediaRequest) (app.MediaLink, error) {
		return a.app.RecordingMedia(r.Context(), accountOf(r), rec.SID, in)
	})
}

// recordingReport is ours: why a recording failed, or was not delivered yet; else null.
func (a *API) recordingReport(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.RecordingSID](r, "Recording")
	if err != nil {
		return err
	}
	recording, err := a.app.Recording(r.Context(), accountOf(r), sid)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, recordingReportBody{sid, failureShape(recording.Failure)})
	return nil
}
