package media

import (
	"errors"
	"fmt"
	"time"
)

// Film is what a finished film says about itself. It is read back to be compared with its plan, so its readers are strict:
// what breaks a rule of the container is an error, and nothing is corrected.
type Film struct {
	Duration time.Duration // of the header
	Front    bool          // the tables that players seek by come before the media
	Tracks   []*FilmTrack
}

// FilmTrack is one track of a film.
type FilmTrack struct {
	Video          bool
	Codec          string // h264, vp8, av1, aac, opus, or the container's name of another one
	Width, Height  int    // video: pixels
	Rate, Channels int    // audio: samples per second
	Scale          int64  // stamps are in units of 1/Scale seconds
	Delay          int64  // audio: samples of priming that players skip
	Start          int64  // units of film time before the first is shown or played, where the container says it apart from the stamps of packets
	Length         int64  // units that players show or play; 0 when the container does not say it of each track
}

// FilmPacket is one packet of a film, in decoding order.
type FilmPacket struct {
	Decode  int64 // units; the first packet's need not be 0
	Shown   int64 // units of film time
	Length  int64 // units until the next is decoded; 0 when the container does not say
	Samples int64 // audio: that it decodes to, without the padding at the end
	Key     bool  // decoding may begin here: by the container's flag and by the packet's own bytes
	Pos     int64 // where its bytes begin in the file
	Size    int64
}

// FilmVisitor is called for each packet of a film. Its error ends the reading and is returned.
type FilmVisitor func(track *FilmTrack, packet FilmPacket) error

// errFilm is wrapped by every error that is about the film and not about reading it.
var errFilm = errors.New("film is damaged")

// Damaged returns an error of a reader of films that is about the film and not about reading it.
func Damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errFilm, fmt.Sprintf(format, args...))
}

// Rescale converts n units, of which from are a second, to the nearest number of units of which to are a second. n is at least 0.
func Rescale(n, from, to int64) int64 {
	return n/from*to + (n%from*to+from/2)/from
}
