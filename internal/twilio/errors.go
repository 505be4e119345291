// Package twilio knows Twilio Video's wire where it is not HTTP: the numbers of the error dictionary, the parameters of
// status callbacks, the addresses of resources, and the containers and content types of media.
//
// Everything is a pure function or a table over the types of the root package. The names of parameters and addresses are
// Twilio's and must not change. Requests and JSON bodies are package api's, signatures package webhook's.
package twilio

import "roomreel"

// Numbers of Twilio's error dictionary.
//
// Source: twilio.com/docs/api/errors; those from 20003 to 20503 carry their HTTP status in their text or number.
const (
	// Answers to requests, by kind. 20001 is a warning about unknown parameters there, so a wrong parameter is 20422.
	Unauthenticated  = 20003
	MethodNotAllowed = 20004
	PageSizeTooLarge = 20007
	Forbidden        = 20403
	NotFound         = 20404
	Conflict         = 20409
	TooLarge         = 20413
	InvalidParameter = 20422
	TooManyRequests  = 20429
	Internal         = 20500
	Unavailable      = 20503

	// Rooms, participants and tracks.
	RoomNameInvalid               = 53100
	MaxParticipantsOutOfRange     = 53107
	RoomTypeInvalid               = 53108
	TimeoutOutOfRange             = 53109
	RoomCallbackMethodInvalid     = 53110
	RoomCallbackInvalid           = 53111
	RoomStatusInvalid             = 53112
	RoomNameExists                = 53113
	RoomCompleted                 = 53118
	RecordingRulesInvalid         = 53120
	ParticipantDurationOutOfRange = 53123
	IdentityInvalid               = 53200
	ParticipantStatusInvalid      = 53209
	SubscribeRulesInvalid         = 53215
	TrackNameInvalid              = 53301

	// Recordings.
	RecordingFailed       = 53603
	RecordingUploadFailed = 53604
	RecordingGivenUp      = 53616

	// Compositions and hooks.
	CompositionFailed     = 53626
	RecordingsDeleted     = 53628
	NoTracks              = 53630
	HookFailed            = 53631
	CompositionTooLarge   = 53633
	CallbackMethodInvalid = 53661
	CallbackInvalid       = 53662
)

// StorageErrors are the numbers for what is wrong with an account's bucket, credential or public key.
type StorageErrors struct {
	BucketURL         int // the bucket or its URL is wrong
	Credential        int // the bucket does not accept the AWS credential
	PublicKey         int // the public key cannot be used
	CredentialMissing int // the AWS credential does not exist
	PublicKeyMissing  int // the public key does not exist
	AccessDenied      int // the AWS credential may not write to the bucket
}

// One storage mistake has three numbers. The first two are for settings that are refused and, of recordings, for media that
// waits until its owner corrects them; the third is for a composition that failed because of them.
var (
	RecordingStorage    = StorageErrors{53610, 53611, 53612, 53613, 53614, 53615}
	CompositionStorage  = StorageErrors{53620, 53621, 53622, 53623, 53624, 53625}
	CompositionDelivery = StorageErrors{53664, 53665, 53666, 53667, 53668, 53669}
)

// SettingsErrors returns the numbers for settings of one kind that are refused.
func SettingsErrors(kind roomreel.SettingsKind) StorageErrors {
	if kind == roomreel.RecordingSettings {
		return RecordingStorage
	}
	return CompositionStorage
}

// ErrorEntry is what this service says about a number.
type ErrorEntry struct {
	Meaning string
	Status  int // HTTP, where Twilio answers another than that of the error's kind; else 0
}

// Errors explains the numbers that take the place of the number of an error's kind. The documentation is made from it.
//
// Numbers of Twilio's that are left out because nothing here sends them: 53600 to 53602 are 53610 to 53612 for recordings
// that were given up, for which 53616 stands; 53632 is a composition that could not be enqueued, which the answer to the
// request says, and 53631 of a hook's.
var Errors = map[int]ErrorEntry{
	PageSizeTooLarge: {Meaning: "PageSize is over 1000."},

	RoomNameInvalid:               {Meaning: "A room's UniqueName is longer than 128 characters, holds control characters, or looks like a SID."},
	MaxParticipantsOutOfRange:     {Meaning: "MaxParticipants is out of range."},
	RoomTypeInvalid:               {Meaning: "A room's Type is not one of group, go, peer-to-peer and group-small."},
	TimeoutOutOfRange:             {Meaning: "EmptyRoomTimeout or UnusedRoomTimeout is out of range."},
	RoomCallbackMethodInvalid:     {Meaning: "A room's StatusCallbackMethod is neither GET nor POST."},
	RoomCallbackInvalid:           {Meaning: "A room's StatusCallback is not a URL that can be called."},
	RoomStatusInvalid:             {Meaning: "A room's Status can only be set to completed."},
	RoomNameExists:                {Meaning: "A room of this UniqueName is in progress.", Status: 400},
	RoomCompleted:                 {Meaning: "The room is completed; what was asked needs a room in progress.", Status: 400},
	RecordingRulesInvalid:         {Meaning: "The recording rules are not valid; the message says which and why."},
	ParticipantDurationOutOfRange: {Meaning: "MaxParticipantDuration is out of range."},
	ParticipantStatusInvalid:      {Meaning: "A participant's Status can only be set to disconnected."},
	SubscribeRulesInvalid:         {Meaning: "The subscribe rules are not valid; the message says which and why."},
	IdentityInvalid:               {Meaning: "ParticipantIdentity is missing, longer than 128 characters, or holds control characters."},
	TrackNameInvalid:              {Meaning: "TrackName is longer than 128 characters or holds control characters."},

	RecordingFailed:       {Meaning: "The service could not process a recording: it cannot read its own copy. It tries again until a deadline."},
	RecordingUploadFailed: {Meaning: "A recording could not be uploaded to its bucket or stored; the service tries again until a deadline."},
	RecordingGivenUp:      {Meaning: "A recording was given up: it could not be uploaded until the deadline. Its media is deleted."},

	RecordingStorage.BucketURL:         {Meaning: "The bucket's URL in the recording settings is wrong."},
	RecordingStorage.Credential:        {Meaning: "The AWS credential in the recording settings is wrong."},
	RecordingStorage.PublicKey:         {Meaning: "The public key in the recording settings cannot be used."},
	RecordingStorage.CredentialMissing: {Meaning: "The AWS credential in the recording settings does not exist."},
	RecordingStorage.PublicKeyMissing:  {Meaning: "The public key in the recording settings does not exist."},
	RecordingStorage.AccessDenied:      {Meaning: "The bucket in the recording settings refuses access."},

	CompositionStorage.BucketURL:         {Meaning: "The bucket's URL in the composition settings is wrong."},
	CompositionStorage.Credential:        {Meaning: "The AWS credential in the composition settings is wrong."},
	CompositionStorage.PublicKey:         {Meaning: "The public key in the composition settings cannot be used."},
	CompositionStorage.CredentialMissing: {Meaning: "The AWS credential in the composition settings does not exist."},
	CompositionStorage.PublicKeyMissing:  {Meaning: "The public key in the composition settings does not exist."},
	CompositionStorage.AccessDenied:      {Meaning: "The bucket in the composition settings refuses access."},

	CompositionFailed:     {Meaning: "A composition could not be made; its report has the details."},
	RecordingsDeleted:     {Meaning: "The room's recordings are deleted, or can no longer be read for composing."},
	NoTracks:              {Meaning: "No recording matches the selectors, or none of those that do can be decoded."},
	HookFailed:            {Meaning: "A hook could not create a composition."},
	CompositionTooLarge:   {Meaning: "The film would pass a limit of this server: its length, its frames, or how many recordings it is made of or how far these lie apart."},
	CallbackMethodInvalid: {Meaning: "StatusCallbackMethod is neither GET nor POST."},
	CallbackInvalid:       {Meaning: "StatusCallback is not a URL that can be called."},

	CompositionDelivery.BucketURL:         {Meaning: "The bucket's URL in the composition settings was wrong when the film was delivered."},
	CompositionDelivery.Credential:        {Meaning: "The AWS credential in the composition settings was wrong when the film was delivered."},
	CompositionDelivery.PublicKey:         {Meaning: "The public key in the composition settings could not be used when the film was encrypted."},
	CompositionDelivery.CredentialMissing: {Meaning: "The AWS credential in the composition settings did not exist when the film was delivered."},
	CompositionDelivery.PublicKeyMissing:  {Meaning: "The public key in the composition settings did not exist when the film was encrypted."},
	CompositionDelivery.AccessDenied:      {Meaning: "The bucket in the composition settings refused the film."},
}
