package api

import (
	"net/http"
	"slices"
	"strings"
)

// A route is one path and its methods.
type route struct {
	Path    string
	Open    bool // served without signing in
	Methods map[string]handler
}

// allowed returns the methods, for the headers Allow and Access-Control-Allow-Methods.
func (r route) allowed() string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if r.Methods[method] != nil {
			methods = append(methods, method)
		}
	}
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	return strings.Join(append(methods, http.MethodOptions), ", ")
}

// routes lists every path, Twilio's first, in the order of Twilio's documentation. The paths of video.twilio.com and those of
// accounts.twilio.com are served on every host name.
func (a *API) routes() []route {
	type methods = map[string]handler
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	rooms, recordings := a.roomEvents(), eventsOf(a, a.app.Recording)
	compositions, hooks := eventsOf(a, a.app.Composition), eventsOf(a, a.app.Hook)
	return []route{
		// Rooms
		{Path: "/v1/Rooms", Methods: methods{get: a.listRooms, post: a.createRoom}},
		{Path: "/v1/Rooms/{Room}", Methods: methods{get: a.fetchRoom, post: a.updateRoom}},

		// Participants
		{Path: "/v1/Rooms/{Room}/Participants", Methods: methods{get: a.listParticipants}},
		{Path: "/v1/Rooms/{Room}/Participants/{Participant}", Methods: methods{get: a.fetchParticipant, post: a.updateParticipant}},
		{Path: "/v1/Rooms/{Room}/Participants/{Participant}/Anonymize", Methods: methods{post: a.anonymizeParticipant}},

		// PublishedTracks
		{Path: "/v1/Rooms/{Room}/Participants/{Participant}/PublishedTracks", Methods: methods{get: a.listPublishedTracks}},
		{Path: "/v1/Rooms/{Room}/Participants/{Participant}/PublishedTracks/{Track}", Methods: methods{get: a.fetchPublishedTrack}},

		// SubscribedTracks and SubscribeRules
		{Path: "/v1/Rooms/{Room}/Participants/{Participant}/SubscribedTracks", Methods: methods{get: a.listSubscribedTracks}},
		{Path: "/v1/Rooms/{Room}/Participants/{Participant}/SubscribedTracks/{Track}", Methods: methods{get: a.fetchSubscribedTrack}},
		{Path: "/v1/Rooms/{Room}/Participants/{Participant}/SubscribeRules", Methods: methods{get: a.fetchSubscribeRules, post: a.updateSubscribeRules}},

		// Transcriptions
		{Path: "/v1/Rooms/{Room}/Transcriptions", Methods: methods{get: a.noTranscriptions, post: a.noTranscriptions}},
		{Path: "/v1/Rooms/{Room}/Transcriptions/{Transcription}", Methods: methods{get: a.noTranscriptions, post: a.noTranscriptions}},

		// Recordings
		{Path: "/v1/Recordings", Methods: methods{get: a.listRecordings}},
		{Path: "/v1/Recordings/{Recording}", Methods: methods{get: a.fetchRecording, del: a.deleteRecording}},
		{Path: "/v1/Recordings/{Recording}/Media", Methods: methods{get: a.recordingMedia}},

		// Recordings of one room
		{Path: "/v1/Rooms/{Room}/Recordings", Methods: methods{get: a.listRoomRecordings}},
		{Path: "/v1/Rooms/{Room}/Recordings/{Recording}", Methods: methods{get: a.fetchRoomRecording, del: a.deleteRoomRecording}},
		{Path: "/v1/Rooms/{Room}/Recordings/{Recording}/Media", Methods: methods{get: a.roomRecordingMedia}},

		// Recording rules
		{Path: "/v1/Rooms/{Room}/RecordingRules", Methods: methods{get: a.fetchRecordingRules, post: a.updateRecordingRules}},

		// Recording settings
		{Path: "/v1/RecordingSettings/Default", Methods: methods{get: a.fetchRecordingSettings, post: a.updateRecordingSettings}},

		// Compositions
		{Path: "/v1/Compositions", Methods: methods{get: a.listCompositions, post: a.createComposition}},
		{Path: "/v1/Compositions/{Composition}", Methods: methods{get: a.fetchComposition, del: a.deleteComposition}},
		{Path: "/v1/Compositions/{Composition}/Media", Methods: methods{get: a.compositionMedia}},

		// Composition hooks
		{Path: "/v1/CompositionHooks", Methods: methods{get: a.listHooks, post: a.createHook}},
		{Path: "/v1/CompositionHooks/{Hook}", Methods: methods{get: a.fetchHook, post: a.updateHook, del: a.deleteHook}},

		// Composition settings
		{Path: "/v1/CompositionSettings/Default", Methods: methods{get: a.fetchCompositionSettings, post: a.updateCompositionSettings}},

		// Credentials
		{Path: "/v1/Credentials/AWS", Methods: methods{get: a.listAWSCredentials, post: a.createAWSCredential}},
		{Path: "/v1/Credentials/AWS/{Credential}", Methods: methods{get: a.fetchAWSCredential, post: a.updateAWSCredential, del: a.deleteAWSCredential}},
		{Path: "/v1/Credentials/PublicKeys", Methods: methods{get: a.listPublicKeys, post: a.createPublicKey}},
		{Path: "/v1/Credentials/PublicKeys/{Credential}", Methods: methods{get: a.fetchPublicKey, post: a.updatePublicKey, del: a.deletePublicKey}},

		// Ours
		{Path: "/roomreel/v1/Rooms/{Room}/Recordings", Methods: methods{post: a.uploadRecording}},
		{Path: "/roomreel/v1/Rooms/{Resource}/Deliveries", Methods: methods{get: rooms.list}},
		{Path: "/roomreel/v1/Rooms/{Resource}/Deliveries/{Event}/Redeliver", Methods: methods{post: rooms.redeliver}},
		{Path: "/roomreel/v1/Recordings/{Recording}/Report", Methods: methods{get: a.recordingReport}},
		{Path: "/roomreel/v1/Recordings/{Resource}/Deliveries", Methods: methods{get: recordings.list}},
		{Path: "/roomreel/v1/Recordings/{Resource}/Deliveries/{Event}/Redeliver", Methods: methods{post: recordings.redeliver}},
		{Path: "/roomreel/v1/Compositions", Methods: methods{post: a.createOurComposition}},
		{Path: "/roomreel/v1/Compositions/{Composition}", Methods: methods{get: a.fetchOurComposition, del: a.deleteAnyComposition}},
		{Path: "/roomreel/v1/Compositions/{Composition}/Report", Methods: methods{get: a.compositionReport}},
		{Path: "/roomreel/v1/Compositions/{Resource}/Deliveries", Methods: methods{get: compositions.list}},
		{Path: "/roomreel/v1/Compositions/{Resource}/Deliveries/{Event}/Redeliver", Methods: methods{post: compositions.redeliver}},
		{Path: "/roomreel/v1/CompositionHooks", Methods: methods{post: a.createOurHook}},
		{Path: "/roomreel/v1/CompositionHooks/{Hook}", Methods: methods{get: a.fetchOurHook, post: a.updateOurHook}},
		{Path: "/roomreel/v1/CompositionHooks/{Resource}/Deliveries", Methods: methods{get: hooks.list}},
		{Path: "/roomreel/v1/CompositionHooks/{Resource}/Deliveries/{Event}/Redeliver", Methods: methods{post: hooks.redeliver}},
		{Path: "/roomreel/v1/AuditLog", Methods: methods{get: a.listAudit}},
		{Path: "/roomreel/v1/Layouts", Methods: methods{post: a.previewLayout}},
		{Path: "/roomreel/v1/CompositionEstimates", Methods: methods{post: a.estimateComposition}},
		{Path: "/roomreel/v1/CompositionPreviews", Methods: methods{post: a.previewComposition}},
		{Path: mediaPath + "{Token}", Open: true, Methods: methods{get: a.serveMedia}},
		{Path: openAPIPath, Open: true, Methods: methods{get: a.fetchOpenAPI}},
		{Path: "/healthz", Open: true, Methods: methods{get: a.healthy}},
		{Path: "/readyz", Open: true, Methods: methods{get: a.readiness}},
	}
}
