package twilio

import (
	"net/url"

	"roomreel"
)

// Addresses of resources, relative to the origin of the API. Callbacks send them as they are.

// RoomsURI and CompositionsURI are the lists.
const (
	RoomsURI        = "/v1/Rooms"
	CompositionsURI = "/v1/Compositions"
)

// RoomURI is the address of a room, by its SID or unique name.
func RoomURI[T ~string](sidOrName T) string {
	return RoomsURI + "/" + url.PathEscape(string(sidOrName))
}

// ParticipantURI is the address of a participant.
func ParticipantURI(room roomreel.RoomSID, sid roomreel.ParticipantSID) string {
	return RoomURI(room) + "/Participants/" + string(sid)
}

// TrackURI is the address of a published track.
func TrackURI(room roomreel.RoomSID, participant roomreel.ParticipantSID, sid roomreel.TrackSID) string {
	return ParticipantURI(room, participant) + "/PublishedTracks/" + string(sid)
}

// RecordingURI is the address of a recording.
func RecordingURI(sid roomreel.RecordingSID) string { return "/v1/Recordings/" + string(sid) }

// RoomRecordingURI is the address of a recording below its room.
func RoomRecordingURI(room roomreel.RoomSID, sid roomreel.RecordingSID) string {
	return RoomURI(room) + "/Recordings/" + string(sid)
}

// CompositionURI is the address of a composition.
func CompositionURI(sid roomreel.CompositionSID) string { return CompositionsURI + "/" + string(sid) }

// HookURI is the address of a composition hook.
func HookURI(sid roomreel.HookSID) string { return "/v1/CompositionHooks/" + string(sid) }

// CredentialURI is the address of a credential.
func CredentialURI(kind roomreel.CredentialKind, sid roomreel.CredentialSID) string {
	if kind == roomreel.PublicKey {
		return "/v1/Credentials/PublicKeys/" + string(sid)
	}
	return "/v1/Credentials/AWS/" + string(sid)
}

// MediaURI is the address of the media of a recording or composition, whose own address is resource.
func MediaURI(resource string) string { return resource + "/Media" }

// RecordingContainer is the container_format of a recording with a track of the given kind. Twilio knows no others, so it
// says so whatever the file's container is.
func RecordingContainer(kind roomreel.TrackKind) string {
	if kind == roomreel.Video {
		return "mkv"
	}
	return "mka"
}

// RecordingContentType is the media type of a recording's file as it was uploaded.
func RecordingContentType(r roomreel.Recording) string {
	if r.Media.ContentType != "" {
		return r.Media.ContentType
	}
	return string(r.Kind) + "/x-matroska"
}

// RecordingFileName is the name that a recording is downloaded under.
func RecordingFileName(r roomreel.Recording) string {
	extension := r.Container
	switch RecordingContentType(r) {
	case "video/mp4":
		extension = "mp4"
	case "audio/mp4":
		extension = "m4a"
	case "audio/ogg":
		extension = "ogg"
	}
	return string(r.SID) + "." + extension
}

// FilmContentType is the media type of a composition's film. It says video also when the film has audio alone, as Twilio
// does.
func FilmContentType(f roomreel.Format) string { return "video/" + string(f) }
