package media

import (
	"roomreel"
)

// Container is how a file holds its tracks.
type Container string

// The containers that are read and written.
const (
	Matroska Container = "matroska"
	WebM     Container = "webm" // or Matroska that holds only what WebM has; browsers play it under this name alone
	MP4      Container = "mp4"  // fragmented or not
	Ogg      Container = "ogg"
)

// ContentType returns the container's media type for a file of the given kind of track.
func (c Container) ContentType(kind roomreel.TrackKind) string {
	if c == Matroska {
		return string(kind) + "/x-matroska"
	}
	return string(kind) + "/" + string(c)
}

// Candidate is a track as a container's headers describe it.
type Candidate struct {
	Kind       roomreel.TrackKind // "" for subtitles and the like
	Codec      string             // as in Index; "" when it is not supported
	Name       string             // the codec by the container's name for it
	Unreadable string             // why the track's packets cannot be read; "" when they can
}

// Choose returns the number of the first track of the wanted kind ("" for either) that can be read. The error says to the
// uploader why there is none.
func Choose(tracks []Candidate, kind roomreel.TrackKind) (int, error) {
	var refusal error
	refuse := func(err error) {
		if refusal == nil {
			refusal = err
		}
	}
	for i, t := range tracks {
		switch {
		case t.Kind == "" || kind != "" && t.Kind != kind:
		case t.Codec == "":
			refuse(Invalid("codec %.40q is not supported: recordings hold VP8, VP9, H.264, Opus, AAC, PCMU or PCMA", t.Name))
		case t.Unreadable != "":
			refuse(Invalid("the %s track cannot be read: %s", t.Kind, t.Unreadable))
		default:
			return i, nil
		}
	}
	switch {
	case refusal != nil:
		return 0, refusal
	case kind == "":
		return 0, Invalid("the file has no audio or video track")
	default:
		return 0, Invalid("the file has no %s track", kind)
	}
}

// Invalid reports a recording that cannot be used, in a sentence for its uploader.
func Invalid(format string, args ...any) *roomreel.Error {
	return roomreel.InvalidParam("Media", format, args...)
}
