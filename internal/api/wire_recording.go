package api

import (
	"roomreel"
	"roomreel/internal/twilio"
)

// recordingFields are common to a recording and to a recording seen under its room.
type recordingFields struct {
	AccountSID            roomreel.AccountSID      `json:"account_sid"`
	Status                roomreel.RecordingStatus `json:"status"`
	DateCreated           string                   `json:"date_created"`
	SID                   roomreel.RecordingSID    `json:"sid"`
	SourceSID             roomreel.TrackSID        `json:"source_sid"`
	Size                  int64                    `json:"size"`
	URL                   string                   `json:"url"`
	Type                  roomreel.TrackKind       `json:"type"`
	Duration              int                      `json:"duration"` // seconds
	ContainerFormat       string                   `json:"container_format"`
	Codec                 string                   `json:"codec"`
	GroupingSIDs          groupingSIDs             `json:"grouping_sids"`
	TrackName             string                   `json:"track_name"`
	Offset                int64                    `json:"offset"` // ms
	MediaExternalLocation *string                  `json:"media_external_location"`
	Links                 map[string]string        `json:"links"`
}

type groupingSIDs struct {
	RoomSID        roomreel.RoomSID        `json:"room_sid"`
	ParticipantSID roomreel.ParticipantSID `json:"participant_sid"`
}

type recordingBody struct {
	recordingFields
	StatusCallback       *string `json:"status_callback"`
	StatusCallbackMethod string  `json:"status_callback_method"`
}

type roomRecordingBody struct {
	recordingFields
	RoomSID roomreel.RoomSID `json:"room_sid"`
}

func recordingFieldsOf(url string, rec roomreel.Recording) recordingFields {
	return recordingFields{
		AccountSID: rec.AccountSID, Status: rec.Status, DateCreated: instantText(rec.Created), SID: rec.SID,
		SourceSID: rec.TrackSID, Size: rec.Size, URL: url, Type: rec.Kind, Duration: twilio.Seconds(rec.Duration),
		ContainerFormat: rec.Container, Codec: rec.Codec,
		GroupingSIDs: groupingSIDs{rec.RoomSID, rec.ParticipantSID}, TrackName: rec.TrackName,
		Offset: rec.Offset.Milliseconds(), MediaExternalLocation: orNull(rec.Media.External),
		Links: map[string]string{"media": twilio.MediaURI(url)},
	}
}

// recordingShape takes the callback of the recording's room: that is where its events go.
func recordingShape(origin string, rec roomreel.Recording, callback roomreel.Callback) recordingBody {
	return recordingBody{
		recordingFields: recordingFieldsOf(origin+twilio.RecordingURI(rec.SID), rec),
		StatusCallback:  orNull(callback.URL), StatusCallbackMethod: callbackMethod(callback),
	}
}

func roomRecordingShape(origin string, rec roomreel.Recording) roomRecordingBody {
	url := origin + twilio.RoomRecordingURI(rec.RoomSID, rec.SID)
	return roomRecordingBody{recordingFields: recordingFieldsOf(url, rec), RoomSID: rec.RoomSID}
}
