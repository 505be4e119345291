package api

import (
	"time"

	"roomreel"
	"roomreel/internal/app"
)

// operation is what the description says about a handler, besides what the source says.
type operation struct {
	tag, summary string
	status       int
	body         any  // a sample of the body; nil for none
	conflict     bool // may be answered with 409
}

// aPage is the body of a list.
func aPage(l list, entry any) object {
	return obj(l.Key, []any{entry}, "meta", meta{})
}

var (
	aRoom        = roomShape("", roomreel.Room{})
	aParticipant = participantShape("", roomreel.Participant{})
	aTrack       = publishedTrackShape("", roomreel.PublishedTrack{})
	aRecording   = recordingShape("", roomreel.Recording{}, roomreel.Callback{})
	ofARoom      = roomRecordingShape("", roomreel.Recording{})
	aFilm        = compositionShape("", roomreel.Composition{})
	aHook        = hookShape("", roomreel.Hook{})
	someSettings = settingsShape("", roomreel.Settings{})
	ourFilm      = ourCompositionShape("", roomreel.Composition{}, time.Time{})
	ourHook      = ourHookShape("", roomreel.Hook{})
	aCredential  = credentialShape("", roomreel.Credential{})
	rules        = recordingRulesShape(app.RecordingRules{})
	subscription = subscribeRulesShape(app.SubscribeRules{})
	aLink        = map[string]string{"redirect_to": ""}
	aStatus      = map[string]string{"status": ""}
	aRepeat      = map[string]string{"event_id": "", "resource_sid": ""}
)

const (
	tagRooms        = "Rooms"
	tagParticipants = "Participants"
	tagRecordings   = "Recordings"
	tagCompositions = "Compositions"
	tagHooks        = "Composition hooks"
	tagSettings     = "Settings"
	tagCredentials  = "Credentials"
	tagEvents       = "Deliveries of events"
	tagService      = "Service"
)

// operations describes every handler by its name. Those of deliveries are named after their resource.
var operations = map[string]operation{
	"listRooms":  {tagRooms, "List rooms, newest first; those in progress unless Status says otherwise", 200, aPage(roomList, aRoom), false},
	"createRoom": {tagRooms, "Create a room", 201, aRoom, false},
	"fetchRoom":  {tagRooms, "Read a room", 200, aRoom, false},
	"updateRoom": {tagRooms, "Complete a room; its compositions start", 202, aRoom, false},

	"listParticipants":     {tagParticipants, "List the participants of a room", 200, aPage(participantList, aParticipant), false},
	"fetchParticipant":     {tagParticipants, "Read a participant", 200, aParticipant, false},
	"updateParticipant":    {tagParticipants, "Note that a participant has left", 202, aParticipant, true},
	"anonymizeParticipant": {tagParticipants, "Replace the name of a participant everywhere", 200, participantFields{}, true},
	"listPublishedTracks":  {tagParticipants, "List the tracks of a participant", 200, aPage(publishedTrackList, aTrack), false},
	"fetchPublishedTrack":  {tagParticipants, "Read a track of a participant", 200, aTrack, false},
	"listSubscribedTracks": {tagParticipants, "List the tracks that a participant receives: always an empty list", 200, aPage(subscribedTrackList, map[string]string{}), false},
	"fetchSubscribedTrack": {tagParticipants, "Read a track that a participant receives: there is none", 404, nil, false},
	"fetchSubscribeRules":  {tagParticipants, "Read which tracks a participant subscribes to", 200, subscription, false},
	"updateSubscribeRules": {tagParticipants, "Replace the subscribe rules of a participant", 200, subscription, false},
	"noTranscriptions":     {tagRooms, "Transcriptions: this server makes none", 404, nil, false},

	"listRecordings":       {tagRecordings, "List recordings, newest first", 200, aPage(recordingList, aRecording), false},
	"fetchRecording":       {tagRecordings, "Read a recording", 200, aRecording, false},
	"deleteRecording":      {tagRecordings, "Delete the media of a recording", 204, nil, true},
	"recordingMedia":       {tagRecordings, "Get a link to the media of a recording", 302, aLink, false},
	"listRoomRecordings":   {tagRecordings, "List the recordings of a room, newest first", 200, aPage(roomRecordingList, ofARoom), false},
	"fetchRoomRecording":   {tagRecordings, "Read a recording of a room", 200, ofARoom, false},
	"deleteRoomRecording":  {tagRecordings, "Delete the media of a recording of a room", 204, nil, true},
	"roomRecordingMedia":   {tagRecordings, "Get a link to the media of a recording of a room", 302, aLink, false},
	"fetchRecordingRules":  {tagRecordings, "Read which tracks of a room are recorded", 200, rules, false},
	"updateRecordingRules": {tagRecordings, "Replace the recording rules of a room", 200, rules, false},
	"uploadRecording":      {tagRecordings, "Upload a recorded track", 201, uploadBody{recordingBody: aRecording}, true},
	"recordingReport":      {tagRecordings, "Read why a recording failed or waits for its delivery", 200, recordingReportBody{}, false},

	"listCompositions":     {tagCompositions, "List compositions, newest first", 200, aPage(compositionList, aFilm), false},
	"createComposition":    {tagCompositions, "Request a film of a room; give VideoLayout, AudioSources or both", 201, aFilm, false},
	"fetchComposition":     {tagCompositions, "Read a composition", 200, aFilm, false},
	"deleteComposition":    {tagCompositions, "Delete the media of a composition", 204, nil, true},
	"compositionMedia":     {tagCompositions, "Get a link to a film", 302, aLink, false},
	"createOurComposition": {tagCompositions, "Request a film of a room, with its quality; give VideoLayout, AudioSources or both", 201, ourFilm, false},
	"fetchOurComposition":  {tagCompositions, "Read a composition with its quality, and how far it is", 200, ourFilm, false},
	"deleteAnyComposition": {tagCompositions, "Delete the media of a composition, also of a failed one", 204, nil, true},
	"compositionReport":    {tagCompositions, "Read what is in a film and what was left out, or why there is none", 200, compositionReportBody{}, false},
	"previewLayout":        {tagCompositions, "Try a layout on the recordings of a room, or on invented tracks", 200, layoutBody{}, false},
	"estimateComposition":  {tagCompositions, "Ask what a composition would cost, without making it; give VideoLayout, AudioSources or both", 200, estimateBody{}, false},
	"previewComposition":   {tagCompositions, "Get the frame that a film would show at a second, without making the film; give VideoLayout", 200, nil, false},

	"listHooks":     {tagHooks, "List composition hooks, newest first", 200, aPage(hookList, aHook), false},
	"createHook":    {tagHooks, "Create a hook: a film of each room that is completed; give VideoLayout, AudioSources or both", 201, aHook, true},
	"fetchHook":     {tagHooks, "Read a composition hook", 200, aHook, false},
	"updateHook":    {tagHooks, "Replace a hook; parameters that are not given get their defaults", 200, aHook, true},
	"createOurHook": {tagHooks, "Create a hook with the quality of its films; give VideoLayout, AudioSources or both", 201, ourHook, true},
	"fetchOurHook":  {tagHooks, "Read a composition hook with the quality of its films", 200, ourHook, false},
	"updateOurHook": {tagHooks, "Replace a hook and the quality of its films; parameters that are not given get their defaults", 200, ourHook, true},
	"deleteHook":    {tagHooks, "Delete a composition hook", 204, nil, false},

	"fetchRecordingSettings":    {tagSettings, "Read how new recordings are encrypted and delivered", 200, someSettings, false},
	"updateRecordingSettings":   {tagSettings, "Replace the settings of recordings; the bucket and the key are tried first", 200, someSettings, false},
	"fetchCompositionSettings":  {tagSettings, "Read how new films are encrypted and delivered", 200, someSettings, false},
	"updateCompositionSettings": {tagSettings, "Replace the settings of compositions; the bucket and the key are tried first", 200, someSettings, false},

	"listAWSCredentials":  {tagCredentials, "List the credentials for buckets", 200, aPage(credentialList, aCredential), false},
	"createAWSCredential": {tagCredentials, "Store a credential for a bucket", 201, aCredential, false},
	"fetchAWSCredential":  {tagCredentials, "Read a credential, without its secret", 200, aCredential, false},
	"updateAWSCredential": {tagCredentials, "Rename a credential", 200, aCredential, false},
	"deleteAWSCredential": {tagCredentials, "Delete a credential", 204, nil, true},
	"listPublicKeys":      {tagCredentials, "List the public keys that encrypt media", 200, aPage(credentialList, aCredential), false},
	"createPublicKey":     {tagCredentials, "Store a public key", 201, aCredential, false},
	"fetchPublicKey":      {tagCredentials, "Read a public key's entry", 200, aCredential, false},
	"updatePublicKey":     {tagCredentials, "Rename a public key", 200, aCredential, false},
	"deletePublicKey":     {tagCredentials, "Delete a public key", 204, nil, true},

	"listRoomDeliveries":            {tagEvents, "List the attempts to deliver the events of a room, newest first", 200, aPage(deliveryList, deliveryBody{}), false},
	"redeliverRoomEvent":            {tagEvents, "Deliver an event of a room again", 202, aRepeat, false},
	"listRecordingDeliveries":       {tagEvents, "List the attempts to deliver the events of a recording, newest first", 200, aPage(deliveryList, deliveryBody{}), false},
	"redeliverRecordingEvent":       {tagEvents, "Deliver an event of a recording again", 202, aRepeat, false},
	"listCompositionDeliveries":     {tagEvents, "List the attempts to deliver the events of a composition, newest first", 200, aPage(deliveryList, deliveryBody{}), false},
	"redeliverCompositionEvent":     {tagEvents, "Deliver an event of a composition again", 202, aRepeat, false},
	"listCompositionHookDeliveries": {tagEvents, "List the attempts to deliver the events of a hook, newest first", 200, aPage(deliveryList, deliveryBody{}), false},
	"redeliverCompositionHookEvent": {tagEvents, "Deliver an event of a hook again", 202, aRepeat, false},

	"listAudit":    {tagService, "List who changed or deleted what in the account, newest first", 200, aPage(auditList, auditBody{}), false},
	"serveMedia":   {tagService, "Download media by a link that a Media path gave, whole or in ranges", 200, nil, false},
	"fetchOpenAPI": {tagService, "Read this description", 200, obj("type", "object"), false},
	"healthy":      {tagService, "Ask whether the process runs", 200, aStatus, false},
	"readiness":    {tagService, "Ask whether requests may be sent to the process", 200, aStatus, false},
}

// parameter is what the description says about a parameter, besides its name and type.
type parameter struct {
	text     string
	schema   object // added to the type's
	required bool
	ignored  bool // the operation reads it and does not use it
}

func between(standard any, least, most int) object {
	return obj("minimum", least, "maximum", most, "default", standard)
}

func words(standard string, words ...string) object { return obj("enum", words, "default", standard) }

func longest(characters int) object { return obj("maxLength", characters) }

func jsonOf(schema string) object {
	return obj("contentMediaType", "application/json", "contentSchema", obj("$ref", "#/components/schemas/"+schema))
}

// selectors bounds a list of sources.
var selectors = obj("maxItems", 1000)

// millis are the times of uploads: at most 100 years of 365 days.
var ofMillis = obj("minimum", 0, "maximum", int64(100*365*24*3600*1000), "default", 0, "format", "int64")

// parameters describes parameters by their names, and those of one operation by operation.name.
var parameters = map[string]parameter{
	// Lists
	"PageSize":                  {"Entries in a page. More than the list's own maximum, which is 100 for recordings and compositions, gives that maximum.", between(50, 1, 1000), false, false},
	"Page":                      {"Number of the page, for the client. Pages after the first need a PageToken.", obj("minimum", 0, "default", 0), false, false},
	"PageToken":                 {"Position of the page, from a URL in meta.", nil, false, false},
	"DateCreatedAfter":          {"Entries that were created at this time or later, in ISO 8601, such as 2026-01-31T23:59:59Z. Without a time zone it is UTC.", nil, false, false},
	"DateCreatedBefore":         {"Entries that were created before this time, in ISO 8601. Without a time zone it is UTC.", nil, false, false},
	"Status":                    {"Entries of this status.", nil, false, false},
	"SourceSid":                 {"Recordings of this track.", nil, false, false},
	"GroupingSid":               {"Recordings of these rooms and participants.", nil, false, false},
	"MediaType":                 {"Recordings of this kind. data gives an empty list.", nil, false, false},
	"Identity":                  {"Participants of this name.", nil, false, false},
	"listRooms.Status":          {"Rooms of this status.", obj("default", "in-progress"), false, false},
	"listRooms.UniqueName":      {"Rooms of this name.", nil, false, false},
	"listCompositions.RoomSid":  {"Compositions of this room.", nil, false, false},
	"listRecordings.Status":     {"Recordings of this status. Deleted ones are listed for deleted only.", nil, false, false},
	"listRoomRecordings.Status": {"Recordings of this status. Deleted ones are listed for deleted only.", nil, false, false},
	"listCompositions.Status":   {"Compositions of this status. Deleted ones are listed for deleted only.", nil, false, false},
	"listHooks.Enabled":         {"Hooks that are enabled, or that are not.", nil, false, false},
	"listHooks.FriendlyName":    {"Hooks of this name, in any case. * at the beginning, the end or both stands for any text.", nil, false, false},

	// Rooms
	"UniqueName":                   {"Name of the room. The room can be found by it until it ends.", longest(128), false, false},
	"createRoom.Type":              {"Kind of room. It is kept and shown.", words("group", "group", "go", "peer-to-peer", "group-small"), false, false},
	"EnableTurn":                   {"It is kept and shown.", obj("default", true), false, false},
	"AudioOnly":                    {"It is kept and shown.", obj("default", false), false, false},
	"LargeRoom":                    {"It is kept and shown.", obj("default", false), false, false},
	"RecordParticipantsOnConnect":  {"It is kept and shown.", obj("default", false), false, false},
	"EmptyRoomTimeout":             {"Minutes after the last upload until the room ends by itself.", between(5, 1, 60), false, false},
	"UnusedRoomTimeout":            {"Minutes until a room without uploads ends by itself.", between(5, 1, 60), false, false},
	"MaxParticipants":              {"It is kept and shown.", between(50, 1, 50), false, false},
	"MaxParticipantDuration":       {"Seconds. It is kept and shown.", between(14400, 1, 86400), false, false},
	"MaxConcurrentPublishedTracks": {"It is kept and shown.", between(0, 0, 1000), false, false},
	"VideoCodecs":                  {"Codecs of the room's videos. It is kept and shown.", obj("items", obj("type", "string", "enum", []string{"VP8", "H264"})), false, false},
	"MediaRegion":                  {"It is kept and shown.", longest(128), false, false},
	"RecordingRules":               {"JSON array of recording rules.", jsonOf("RecordingRulesRequest"), false, false},
	"updateRecordingRules.Rules":   {"JSON array of recording rules.", jsonOf("RecordingRulesRequest"), true, false},
	"updateSubscribeRules.Rules":   {"JSON array of subscribe rules.", jsonOf("SubscribeRulesRequest"), true, false},
	"updateRoom.Status":            {"completed ends the room.", obj("enum", []string{"completed"}), true, false},
	"updateParticipant.Status":     {"disconnected ends the participant's stay.", obj("enum", []string{"disconnected"}), true, false},
	"StatusCallback":               {"URL that receives events.", obj("format", "uri", "maxLength", 2048), false, false},
	"StatusCallbackMethod":         {"HTTP method of callbacks.", words("POST", "GET", "POST"), false, false},

	// Films
	"createComposition.RoomSid":    {"Room to compose. The work begins when it is completed.", obj("$ref", "#/components/schemas/RoomSid"), true, false},
	"estimateComposition.RoomSid":  {"Room that would be composed, as it is now.", obj("$ref", "#/components/schemas/RoomSid"), true, false},
	"previewComposition.RoomSid":   {"Room that would be composed, as it is now.", obj("$ref", "#/components/schemas/RoomSid"), true, false},
	"Second":                       {"Time of the film, in seconds.", obj("default", 0, "minimum", 0), false, false},
	"ImageFormat":                  {"Format of the image. Without it the header Accept decides: png where it names image/png and not image/jpeg, else jpeg.", nil, false, false},
	"previewLayout.RoomSid":        {"Room whose recordings are placed. Give it or Tracks.", obj("$ref", "#/components/schemas/RoomSid"), false, false},
	"Tracks":                       {"JSON array of invented tracks. Give it or RoomSid.", jsonOf("InventedTracks"), false, false},
	"VideoLayout":                  {"JSON object of regions by name. Without it the film has no video.", jsonOf("VideoLayoutRequest"), false, false},
	"AudioSources":                 {"Names or SIDs of participants, tracks and recordings that are audible. * at the beginning, the end or both stands for any text.", selectors, false, false},
	"AudioSourcesExcluded":         {"Of these, the ones that are left out.", selectors, false, false},
	"Resolution":                   {"WIDTHxHEIGHT in pixels, each at least 16. The server has a limit (compose.max_resolution), which is 1920x1080 if nothing else is configured: each side up to the longer one of it, and as many pixels in all.", obj("pattern", "^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$", "default", "640x480"), false, false},
	"Format":                       {"Container of the film.", words("webm", "mp4", "webm"), false, false},
	"Trim":                         {"Whether times without recordings are left out.", obj("default", true), false, false},
	"createHook.FriendlyName":      {"Name of the hook.", longest(100), true, false},
	"updateHook.FriendlyName":      {"Name of the hook.", longest(100), true, false},
	"Enabled":                      {"Whether the hook makes films.", obj("default", true), false, false},
	"createOurComposition.RoomSid": {"Room to compose. The work begins when it is completed.", obj("$ref", "#/components/schemas/RoomSid"), true, false},
	"createOurHook.FriendlyName":   {"Name of the hook.", longest(100), true, false},
	"updateOurHook.FriendlyName":   {"Name of the hook.", longest(100), true, false},
	"Quality":                      {"draft is made quickest, archive looks best, standard is in between. small is AV1, with the fewest bytes and the longest time to make; it is refused if no running worker has an AV1 encoder. Without it the server decides (compose.encoder, standard if nothing else is configured).", nil, false, false},

	"estimateComposition.StatusCallback":       {ignored: true},
	"estimateComposition.StatusCallbackMethod": {ignored: true},
	"previewComposition.StatusCallback":        {ignored: true},
	"previewComposition.StatusCallbackMethod":  {ignored: true},
	"previewLayout.Format":                     {ignored: true},
	"previewLayout.StatusCallback":             {ignored: true},
	"previewLayout.StatusCallbackMethod":       {ignored: true},

	// Media
	"Ttl":                {"Seconds for which the link is valid.", between(600, 1, 3600), false, false},
	"ContentDisposition": {"Header of the download: attachment or inline, with a file name. Without it the media is an attachment.", nil, false, false},

	// Uploads
	"Media":                {"The recording's file: Matroska, WebM, MP4 or Ogg.", obj("contentMediaType", "application/octet-stream"), true, false},
	"ParticipantIdentity":  {"Participant whose track this is.", longest(128), true, false},
	"TrackName":            {"Name of the track. Without it the name is the track's SID.", longest(128), false, false},
	"uploadRecording.Type": {"Kind of track, where the file has several.", obj("enum", []roomreel.TrackKind{roomreel.Audio, roomreel.Video}), false, false},
	"Track":                {"Number of the track in the file.", obj("minimum", 1), false, false},
	"OffsetMillis":         {"When the file begins, in milliseconds of the room's time.", ofMillis, false, false},
	"DurationMillis":       {"How long the recording lasted, in milliseconds, where the recorder knows. 0 where it does not.", ofMillis, false, false},

	// Settings and credentials
	"updateRecordingSettings.FriendlyName":   {"Name of the settings.", longest(128), true, false},
	"updateCompositionSettings.FriendlyName": {"Name of the settings.", longest(128), true, false},
	"AwsCredentialsSid":                      {"Credential for the bucket.", obj("$ref", "#/components/schemas/CredentialSid"), false, false},
	"AwsS3Url":                               {"URL of the bucket, with a path.", obj("format", "uri", "maxLength", 2048), false, false},
	"AwsStorageEnabled":                      {"Whether media is delivered to the bucket.", obj("default", false), false, false},
	"EncryptionKeySid":                       {"Public key that encrypts media.", obj("$ref", "#/components/schemas/CredentialSid"), false, false},
	"EncryptionEnabled":                      {"Whether media is encrypted.", obj("default", false), false, false},
	"FriendlyName":                           {"Name of the credential.", longest(64), false, false},
	"AccountSid":                             {"The account that signed in.", obj("$ref", "#/components/schemas/AccountSid"), false, false},
	"Credentials":                            {"Access key ID and secret, joined by a colon.", longest(1024), true, false},
	"createAWSCredential.PublicKey":          {ignored: true},
	"createPublicKey.Credentials":            {ignored: true},
	"PublicKey":                              {"RSA public key as PEM.", nil, true, false},
}

// pathParameters are those that are no SIDs.
var pathParameters = map[string]string{
	"Room":          "SID or unique name of the room.",
	"Participant":   "SID or identity of the participant.",
	"Track":         "SID or name of the track.",
	"Transcription": "SID of a transcription.",
	"Event":         "ID of the event, from its deliveries.",
	"Token":         "Signed token of a link.",
}
