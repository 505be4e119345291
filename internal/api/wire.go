package api

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/twilio"
)

// The bodies are Twilio's JSON. Every field is always present, and null where there is no value. The order of the fields is that of
// Twilio's descriptions.

// instantText writes a time in whole seconds, UTC. Python's clients do not read fractions.
func instantText(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }

func instantOrNull(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	text := instantText(at)
	return &text
}

// orNull returns nil, which becomes null, for "".
func orNull[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

// orEmpty returns a list that becomes [], not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// callbackMethod is POST also without a URL, as Twilio shows it.
func callbackMethod(c roomreel.Callback) string {
	if c.Method == "" {
		return "POST"
	}
	return c.Method
}

// layoutJSON returns a stored layout; {} for none.
func layoutJSON(text string) json.RawMessage {
	if text == "" {
		text = "{}"
	}
	return json.RawMessage(text)
}

// origin returns scheme://host of the URLs in an answer: the configured public URL; else, where forwarded headers are trusted, the
// host that the nearest proxy names; else the host of the request.
func (a *API) origin(r *http.Request) string {
	if a.publicURL != "" {
		return a.publicURL
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if a.trustForwarded {
		if forwarded := lastItem(r.Header.Get("X-Forwarded-Proto")); forwarded == "http" || forwarded == "https" {
			scheme = forwarded
		}
		if forwarded := lastItem(r.Header.Get("X-Forwarded-Host")); plainHost(forwarded) {
			host = forwarded
		}
	}
	if host == "" { // HTTP/1.0
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			host = local.String()
		}
	}
	return scheme + "://" + host
}

// lastItem returns the item of a list header that the nearest proxy added. Earlier items came with the request, and may be forged.
func lastItem(header string) string {
	return strings.TrimSpace(header[strings.LastIndexByte(header, ',')+1:])
}

// plainHost reports whether text is a host with an optional port.
func plainHost(text string) bool {
	u, err := url.Parse("http://" + text)
	return err == nil && text != "" && u.Host == text
}

type roomBody struct {
	SID                          roomreel.RoomSID    `json:"sid"`
	Status                       roomreel.RoomStatus `json:"status"`
	DateCreated                  string              `json:"date_created"`
	DateUpdated                  *string             `json:"date_updated"`
	AccountSID                   roomreel.AccountSID `json:"account_sid"`
	EnableTurn                   bool                `json:"enable_turn"`
	UniqueName                   string              `json:"unique_name"`
	StatusCallback               *string             `json:"status_callback"`
	StatusCallbackMethod         string              `json:"status_callback_method"`
	EndTime                      *string             `json:"end_time"`
	Duration                     *int                `json:"duration"` // seconds
	Type                         string              `json:"type"`
	MaxParticipants              int                 `json:"max_participants"`
	MaxParticipantDuration       int                 `json:"max_participant_duration"` // seconds
	MaxConcurrentPublishedTracks int                 `json:"max_concurrent_published_tracks"`
	RecordParticipantsOnConnect  bool                `json:"record_participants_on_connect"`
	VideoCodecs                  []string            `json:"video_codecs"`
	MediaRegion                  *string             `json:"media_region"`
	AudioOnly                    bool                `json:"audio_only"`
	EmptyRoomTimeout             int                 `json:"empty_room_timeout"`  // minutes
	UnusedRoomTimeout            int                 `json:"unused_room_timeout"` // minutes
	LargeRoom                    bool                `json:"large_room"`
	URL                          string              `json:"url"`
	Links                        map[string]string   `json:"links"`
}

func roomShape(origin string, room roomreel.Room) roomBody {
	url := origin + twilio.RoomURI(room.SID)
	body := roomBody{
		SID: room.SID, Status: room.Status, DateCreated: instantText(room.Created), DateUpdated: instantOrNull(room.Updated),
		AccountSID: room.AccountSID, EnableTurn: room.EnableTurn, UniqueName: room.UniqueName,
		StatusCallback: orNull(room.StatusCallback.URL), StatusCallbackMethod: callbackMethod(room.StatusCallback),
		EndTime: instantOrNull(room.Ended), Type: room.Type,
		MaxParticipants: room.MaxParticipants, MaxParticipantDuration: int(room.MaxParticipantDuration.Seconds()),
		MaxConcurrentPublishedTracks: room.MaxConcurrentPublishedTracks,
		RecordParticipantsOnConnect:  room.RecordParticipantsOnConnect, VideoCodecs: orEmpty(room.VideoCodecs),
		MediaRegion: orNull(room.MediaRegion), AudioOnly: room.AudioOnly,
		EmptyRoomTimeout: int(room.EmptyRoomTimeout.Minutes()), UnusedRoomTimeout: int(room.UnusedRoomTimeout.Minutes()),
		LargeRoom: room.LargeRoom, URL: url,
		Links: map[string]string{
			"participants":    url + "/Participants",
			"recordings":      url + "/Recordings",
			"recording_rules": url + "/RecordingRules",
		},
	}
	if !room.Ended.IsZero() {
		lasted := twilio.Seconds(room.Ended.Sub(room.Created))
		body.Duration = &lasted
	}
	return body
}

// participantFields are the fields of both bodies of a participant.
type participantFields struct {
	SID         roomreel.ParticipantSID `json:"sid"`
	RoomSID     roomreel.RoomSID        `json:"room_sid"`
	AccountSID  roomreel.AccountSID     `json:"account_sid"`
	Status      string                  `json:"status"`
	Identity    string                  `json:"identity"`
	DateCreated string                  `json:"date_created"`
	DateUpdated *string                 `json:"date_updated"`
	StartTime   *string                 `json:"start_time"`
	EndTime     *string                 `json:"end_time"`
	Duration    *int                    `json:"duration"` // seconds
	URL         string                  `json:"url"`
}

type participantBody struct {
	participantFields
	Links map[string]string `json:"links"`
}

func participantFieldsOf(url string, p roomreel.Participant) participantFields {
	body := participantFields{
		SID: p.SID, RoomSID: p.RoomSID, AccountSID: p.AccountSID, Status: p.Status, Identity: p.Identity,
		DateCreated: instantText(p.Created), DateUpdated: instantOrNull(p.Updated),
		StartTime: instantOrNull(p.Start), EndTime: instantOrNull(p.End), URL: url,
	}
	if !p.End.IsZero() {
		stayed := twilio.Seconds(p.End.Sub(p.Start))
		body.Duration = &stayed
	}
	return body
}

func participantShape(origin string, p roomreel.Participant) participantBody {
	url := origin + twilio.ParticipantURI(p.RoomSID, p.SID)
	return participantBody{participantFieldsOf(url, p), map[string]string{
		"published_tracks":  url + "/PublishedTracks",
		"subscribed_tracks": url + "/SubscribedTracks",
		"subscribe_rules":   url + "/SubscribeRules",
		"anonymize":         url + "/Anonymize",
	}}
}

// anonymizedShape is the answer to Anonymize: a participant without links.
func anonymizedShape(origin string, p roomreel.Participant) participantFields {
	return participantFieldsOf(origin+twilio.ParticipantURI(p.RoomSID, p.SID)+"/Anonymize", p)
}

type publishedTrackBody struct {
	SID            roomreel.TrackSID       `json:"sid"`
	ParticipantSID roomreel.ParticipantSID `json:"participant_sid"`
	RoomSID        roomreel.RoomSID        `json:"room_sid"`
	Name           string                  `json:"name"`
	DateCreated    string                  `json:"date_created"`
	DateUpdated    *string                 `json:"date_updated"`
	Enabled        bool                    `json:"enabled"`
	Kind           roomreel.TrackKind      `json:"kind"`
	URL            string                  `json:"url"`
}

func publishedTrackShape(origin string, t roomreel.PublishedTrack) publishedTrackBody {
	return publishedTrackBody{
		SID: t.SID, ParticipantSID: t.ParticipantSID, RoomSID: t.RoomSID, Name: t.Name,
		DateCreated: instantText(t.Created), DateUpdated: instantOrNull(t.Updated), Enabled: t.Enabled, Kind: t.Kind,
		URL: origin + twilio.TrackURI(t.RoomSID, t.ParticipantSID, t.SID),
	}
}

type recordingRulesBody struct {
	RoomSID     roomreel.RoomSID    `json:"room_sid"`
	Rules       []recordingRuleBody `json:"rules"`
	DateCreated *string             `json:"date_created"`
	DateUpdated *string             `json:"date_updated"`
}

// recordingRuleBody has no fields for filters that the rule does not have.
type recordingRuleBody struct {
	Type      string             `json:"type"`
	All       bool               `json:"all,omitempty"`
	Kind      roomreel.TrackKind `json:"kind,omitempty"`
	Publisher string             `json:"publisher,omitempty"`
	Track     string             `json:"track,omitempty"`
}

func recordingRulesShape(rules app.RecordingRules) recordingRulesBody {
	body := recordingRulesBody{
		RoomSID: rules.RoomSID, Rules: []recordingRuleBody{},
		DateCreated: instantOrNull(rules.Created), DateUpdated: instantOrNull(rules.Updated),
	}
	for _, rule := range rules.Rules {
		body.Rules = append(body.Rules, recordingRuleBody(rule))
	}
	return body
}

type subscribeRulesBody struct {
	ParticipantSID roomreel.ParticipantSID `json:"participant_sid"`
	RoomSID        roomreel.RoomSID        `json:"room_sid"`
	Rules          []subscribeRuleBody     `json:"rules"`
	DateCreated    *string                 `json:"date_created"`
	DateUpdated    *string                 `json:"date_updated"`
}

// subscribeRuleBody has no fields for filters that the rule does not have, as recordingRuleBody.
type subscribeRuleBody struct {
	recordingRuleBody
	Priority string `json:"priority,omitempty"`
}

func subscribeRulesShape(rules app.SubscribeRules) subscribeRulesBody {
	body := subscribeRulesBody{
		ParticipantSID: rules.ParticipantSID, RoomSID: rules.RoomSID, Rules: []subscribeRuleBody{},
		DateCreated: instantOrNull(rules.Created), DateUpdated: instantOrNull(rules.Updated),
	}
	for _, rule := range rules.Rules {
		body.Rules = append(body.Rules, subscribeRuleBody{recordingRuleBody(rule.RecordingRule), rule.Priority})
	}
	return body
}

// recordingFields are the fields of both bodies of a recording.
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

// recordingShape takes the callback of the recording's room, which receives its events.
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

type settingsBody struct {
	AccountSID        roomreel.AccountSID     `json:"account_sid"`
	FriendlyName      *string                 `json:"friendly_name"`
	AWSCredentialsSID *roomreel.CredentialSID `json:"aws_credentials_sid"`
	AWSS3URL          *string                 `json:"aws_s3_url"`
	AWSStorageEnabled bool                    `json:"aws_storage_enabled"`
	EncryptionKeySID  *roomreel.CredentialSID `json:"encryption_key_sid"`
	EncryptionEnabled bool                    `json:"encryption_enabled"`
	URL               string                  `json:"url"`
}

func settingsShape(url string, s roomreel.Settings) settingsBody {
	return settingsBody{
		AccountSID: s.AccountSID, FriendlyName: orNull(s.FriendlyName),
		AWSCredentialsSID: orNull(s.AWSCredentialsSID), AWSS3URL: orNull(s.AWSS3URL), AWSStorageEnabled: s.AWSStorageEnabled,
		EncryptionKeySID: orNull(s.EncryptionKeySID), EncryptionEnabled: s.EncryptionKeyEnabled, URL: url,
	}
}

// credentialBody is the body of both kinds. It has no field for a secret.
type credentialBody struct {
	SID          roomreel.CredentialSID `json:"sid"`
	AccountSID   roomreel.AccountSID    `json:"account_sid"`
	FriendlyName string                 `json:"friendly_name"`
	DateCreated  string                 `json:"date_created"`
	DateUpdated  string                 `json:"date_updated"`
	URL          string                 `json:"url"`
}

func credentialShape(origin string, c roomreel.Credential) credentialBody {
	updated := c.Updated
	if updated.IsZero() {
		updated = c.Created
	}
	return credentialBody{
		SID: c.SID, AccountSID: c.AccountSID, FriendlyName: c.FriendlyName,
		DateCreated: instantText(c.Created), DateUpdated: instantText(updated),
		URL: origin + twilio.CredentialURI(c.Kind, c.SID),
	}
}

// deliveryBody is ours: one attempt to deliver an event.
type deliveryBody struct {
	ID             string             `json:"id"`
	EventID        string             `json:"event_id"`
	ResourceSID    string             `json:"resource_sid"`
	SequenceNumber int                `json:"sequence_number"`
	Event          roomreel.EventType `json:"event"`
	URL            string             `json:"url"`
	Method         string             `json:"method"`
	Attempt        int                `json:"attempt"`
	DateStarted    string             `json:"date_started"`
	DurationMillis int64              `json:"duration_millis"`
	Status         *int               `json:"status"` // of the receiver's answer; null when there was none
	Error          *string            `json:"error"`  // null when it was delivered
}

func deliveryShape(d app.Delivery) deliveryBody {
	body := deliveryBody{
		ID: d.ID, EventID: d.EventID, ResourceSID: d.Resource, SequenceNumber: d.Sequence, Event: d.Type,
		URL: d.URL, Method: d.Method, Attempt: d.Attempt,
		DateStarted: d.Started.UTC().Format(time.RFC3339Nano), DurationMillis: d.Duration.Milliseconds(), Error: orNull(d.Error),
	}
	if d.Status != 0 {
		body.Status = &d.Status
	}
	return body
}

// auditBody is ours: one change or deletion in the account.
type auditBody struct {
	ID      string            `json:"id"`
	Date    string            `json:"date"`
	Actor   string            `json:"actor"`   // account or API key that signed in; "" for commands of the operator
	Verb    string            `json:"verb"`    // create, update or delete
	Subject string            `json:"subject"` // a SID, or "recording settings" and "composition settings"
	Detail  map[string]string `json:"detail"`  // the new settings; null for other changes
}

func auditShape(e app.AuditEntry) auditBody {
	return auditBody{e.ID, e.Created.UTC().Format(time.RFC3339Nano), e.Actor, e.Verb, e.Subject, e.Detail}
}

// failureBody is ours: why a recording or composition failed, with its number in Twilio's error dictionary.
type failureBody struct {
	Code      int    `json:"code"`
	Operation string `json:"operation"`
	Message   string `json:"message"`
	MoreInfo  string `json:"more_info"`
}

// failureShape returns nil when there is no failure.
func failureShape(f roomreel.Failure) *failureBody {
	if f.Code == 0 {
		return nil
	}
	return &failureBody{f.Code, f.Operation, f.Message, moreInfo(f.Code)}
}

// recordingReportBody is ours: why a recording failed.
type recordingReportBody struct {
	RecordingSID roomreel.RecordingSID `json:"recording_sid"`
	Failure      *failureBody          `json:"failure"` // null when it did not fail
}

// compositionReportBody is ours: a film's report, or why there is no film.
type compositionReportBody struct {
	CompositionSID roomreel.CompositionSID `json:"composition_sid"`
	Report         json.RawMessage         `json:"report"`  // null when there is no film yet
	Failure        *failureBody            `json:"failure"` // null when it did not fail
}
