package media

import (
	"fmt"
	"strings"

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
	Title      string             // of the track; "" for none
	Unreadable string             // why the track's packets cannot be read; "" when they can
}

// FileTrack is an audio or video track of a file.
type FileTrack struct {
	Kind   roomreel.TrackKind
	Number int    `json:",omitempty"` // among the tracks of its kind that can be read, from 1; 0 for one that cannot be read
	Codec  string // as in Index, or the container's name for it
	Title  string `json:",omitempty"`
}

func (t FileTrack) String() string {
	text := string(t.Kind) + " track"
	if t.Number > 0 {
		text += fmt.Sprintf(" %d", t.Number)
	}
	text += " (" + t.Codec
	if t.Title != "" {
		text += fmt.Sprintf(", %q", t.Title)
	}
	if t.Number == 0 {
		text += ", cannot be read"
	}
	return text + ")"
}

// Bounds of Index.Tracks.
const (
	maxFileTracks = 64
	maxTitle      = 40 // characters
)

// ListTracks returns the audio and video tracks of a file, and the number of the chosen one among those of its kind. A file of
// one track has no list.
func ListTracks(tracks []Candidate, chosen int) (list []FileTrack, number int) {
	clip := func(text string) string {
		letters := []rune(strings.ToValidUTF8(text, "?"))
		return string(letters[:min(len(letters), maxTitle)])
	}
	count := map[roomreel.TrackKind]int{}
	for i, t := range tracks {
		if t.Kind == "" {
			continue
		}
		entry := FileTrack{Kind: t.Kind, Codec: t.Codec, Title: clip(t.Title)}
		if t.usable() {
			count[t.Kind]++
			entry.Number = count[t.Kind]
		} else if entry.Codec == "" {
			entry.Codec = clip(t.Name)
		}
		if i == chosen {
			number = entry.Number
		}
		if len(list) < maxFileTracks {
			list = append(list, entry)
		}
	}
	if len(list) < 2 {
		list = nil
	}
	return list, number
}

// LeftOut returns the tracks of the index's file that are no recording made of it: used says which numbers of a kind are.
func (x *Index) LeftOut(used func(kind roomreel.TrackKind, number int) bool) []string {
	var list []string
	for _, t := range x.Tracks {
		if t.Number == 0 || !used(t.Kind, t.Number) {
			list = append(list, t.String())
		}
	}
	return list
}

func (c Candidate) usable() bool { return c.Codec != "" && c.Unreadable == "" }

// Choose returns the index of a track of the wanted kind ("" for either) that can be read: of such tracks, in the order of the file,
// the one with the given number, which begins at 1; 0 is the first. The error says to the uploader why there is none.
func Choose(tracks []Candidate, kind roomreel.TrackKind, number int) (int, error) {
	count := 0
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
			refuse(Invalid("codec %.40q is not supported: recordings hold VP8, VP9, H.264, HEVC, AV1, Opus, AAC, Vorbis, PCMU, PCMA, G.722 or PCM", t.Name))
		case t.Unreadable != "":
			refuse(Invalid("the %s track cannot be read: %s", t.Kind, t.Unreadable))
		default:
			if count++; count >= number {
				return i, nil
			}
		}
	}
	switch {
	case count > 0:
		return 0, roomreel.InvalidParam("Track", "is %d, and the file has %d %s that can be read", number, count, plural(kind, count))
	case refusal != nil:
		return 0, refusal
	case kind == "":
		return 0, Invalid("the file has no audio or video track")
	default:
		return 0, Invalid("the file has no %s track", kind)
	}
}

func plural(kind roomreel.TrackKind, count int) string {
	text := "track"
	if kind != "" {
		text = string(kind) + " track"
	}
	if count != 1 {
		text += "s"
	}
	return text
}

// GoesOn returns the index of the track with which a chosen track goes on when a file has another track list: -1 when there is none,
// and then what the file goes on with, as Omission.What. before is the track list in which track chosen was chosen.
//
// Tracks of the same kind belong together. Of several, first those with the same codec at the same place do, then those with the
// same codec, then the others in their order.
func GoesOn(before []Candidate, chosen int, after []Candidate) (int, string) {
	kind := before[chosen].Kind
	readable := func(list []Candidate) (places []int) {
		for i, t := range list {
			if t.Kind == kind && t.usable() && (len(places) < maxFileTracks || i == chosen) {
				places = append(places, i)
			}
		}
		return places
	}
	old, next := readable(before), readable(after)
	taken := make([]bool, len(next))
	match := func(same func(i, k int) bool) int {
		for i, o := range old {
			if o < 0 {
				continue
			}
			for k, n := range next {
				if taken[k] || !same(i, k) {
					continue
				}
				if o == chosen {
					return n
				}
				old[i], taken[k] = -1, true
				break
			}
		}
		return -1
	}
	sameCodec := func(i, k int) bool { return before[old[i]].Codec == after[next[k]].Codec }
	for _, same := range []func(i, k int) bool{
		func(i, k int) bool { return i == k && sameCodec(i, k) },
		sameCodec,
		func(int, int) bool { return true },
	} {
		if n := match(same); n >= 0 {
			return n, ""
		}
	}
	for _, t := range after {
		switch {
		case t.Kind != kind || t.usable():
		case t.Codec == "":
			return -1, fmt.Sprintf("with codec %.40q, which is left out: it is not supported", t.Name)
		default:
			return -1, fmt.Sprintf("with a %s track (%s), which is left out: %s", kind, t.Codec, t.Unreadable)
		}
	}
	if len(next) > 0 {
		return -1, fmt.Sprintf("without this track: only %d %s can be read", len(next), plural(kind, len(next)))
	}
	return -1, fmt.Sprintf("without %s", plural(kind, 2))
}

// Invalid reports a recording that cannot be used, in a sentence for its uploader.
func Invalid(format string, args ...any) *roomreel.Error {
	return roomreel.InvalidParam("Media", format, args...)
}
