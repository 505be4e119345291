package api

import (
	"encoding/json"

	"roomreel"
	"roomreel/internal/twilio"
)

type compositionBody struct {
	AccountSID            roomreel.AccountSID        `json:"account_sid"`
	Status                roomreel.CompositionStatus `json:"status"`
	DateCreated           string                     `json:"date_created"`
	DateCompleted         *string                    `json:"date_completed"`
	DateDeleted           *string                    `json:"date_deleted"`
	SID                   roomreel.CompositionSID    `json:"sid"`
	RoomSID               roomreel.RoomSID           `json:"room_sid"`
	AudioSources          []string                   `json:"audio_sources"`
	AudioSourcesExcluded  []string                   `json:"audio_sources_excluded"`
	VideoLayout           json.RawMessage            `json:"video_layout"`
	Resolution            string                     `json:"resolution"`
	Trim                  bool                       `json:"trim"`
	Format                roomreel.Format            `json:"format"`
	Bitrate               int                        `json:"bitrate"` // kbit/s
	Size                  int64                      `json:"size"`
	Duration              int                        `json:"duration"` // seconds
	MediaExternalLocation *string                    `json:"media_external_location"`
	StatusCallback        *string                    `json:"status_callback"`
	StatusCallbackMethod  string                     `json:"status_callback_method"`
	URL                   string                     `json:"url"`
	Links                 map[string]string          `json:"links"`
}

func compositionShape(origin string, c roomreel.Composition) compositionBody {
	url := origin + twilio.CompositionURI(c.SID)
	return compositionBody{
		AccountSID: c.AccountSID, Status: c.Status, DateCreated: instantText(c.Created),
		DateCompleted: instantOrNull(c.Completed), DateDeleted: instantOrNull(c.Deleted),
		SID: c.SID, RoomSID: c.RoomSID,
		AudioSources: orEmpty(c.Spec.AudioSources), AudioSourcesExcluded: orEmpty(c.Spec.AudioSourcesExcluded),
		VideoLayout: layoutJSON(c.Spec.VideoLayout), Resolution: c.Spec.Resolution, Trim: c.Spec.Trim, Format: c.Spec.Format,
		Bitrate: c.Bitrate, Size: c.Size, Duration: twilio.Seconds(c.Duration), MediaExternalLocation: orNull(c.Media.External),
		StatusCallback: orNull(c.Spec.StatusCallback.URL), StatusCallbackMethod: callbackMethod(c.Spec.StatusCallback),
		URL: url, Links: map[string]string{"media": twilio.MediaURI(url)},
	}
}

type hookBody struct {
	AccountSID           roomreel.AccountSID `json:"account_sid"`
	FriendlyName         string              `json:"friendly_name"`
	Enabled              bool                `json:"enabled"`
	DateCreated          string              `json:"date_created"`
	DateUpdated          *string             `json:"date_updated"`
	SID                  roomreel.HookSID    `json:"sid"`
	AudioSources         []string            `json:"audio_sources"`
	AudioSourcesExcluded []string            `json:"audio_sources_excluded"`
	VideoLayout          json.RawMessage     `json:"video_layout"`
	Resolution           string              `json:"resolution"`
	Trim                 bool                `json:"trim"`
	Format               roomreel.Format     `json:"format"`
	StatusCallback       *string             `json:"status_callback"`
	StatusCallbackMethod string              `json:"status_callback_method"`
	URL                  string              `json:"url"`
}

func hookShape(origin string, h roomreel.Hook) hookBody {
	return hookBody{
		AccountSID: h.AccountSID, FriendlyName: h.FriendlyName, Enabled: h.Enabled,
		DateCreated: instantText(h.Created), DateUpdated: instantOrNull(h.Updated), SID: h.SID,
		AudioSources: orEmpty(h.Spec.AudioSources), AudioSourcesExcluded: orEmpty(h.Spec.AudioSourcesExcluded),
		VideoLayout: layoutJSON(h.Spec.VideoLayout), Resolution: h.Spec.Resolution, Trim: h.Spec.Trim, Format: h.Spec.Format,
		StatusCallback: orNull(h.Spec.StatusCallback.URL), StatusCallbackMethod: callbackMethod(h.Spec.StatusCallback),
		URL: origin + twilio.HookURI(h.SID),
	}
}
