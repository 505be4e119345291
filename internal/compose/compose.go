// Package compose turns a room's recordings into a film: the parent's side of the work.
//
// [NewPlan] decides everything, purely: who is in which rectangle at which picture, which packets a child needs, where
// chunks begin, where each run of sound lies. What runs afterwards has no choices left: [Composer.Stretch] renders
// consecutive chunks of pictures in one child, [Composer.Sound] the whole sound in another, and [Composer.Assemble]
// joins their packets into an mp4 or WebM and reads it back. [Local] does all of it for files on disk.
//
// Three words: a chunk is the unit that is published, counted and resumed; a stretch is a row of chunks that one child
// renders one after another, so that sources are decoded once; a scene is who is where until that changes.
package compose

import (
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/twilio"
)

// Request is a film that somebody asked for, checked.
type Request struct {
	Layout        layout.Layout
	AudioSources  []string
	AudioExcluded []string
	Size          layout.Size // as asked; the canvas is the next even size below
	Format        roomreel.Format
	Trim          bool
}

// Track is one recording of the room.
type Track struct {
	Recording   roomreel.RecordingSID
	Source      roomreel.TrackSID
	Participant roomreel.ParticipantSID
	Identity    string // for the report only
	Name        string
	Kind        roomreel.TrackKind
	Offset      time.Duration // room time of the first packet
	Index       *media.Index
}

// Options are the server's choices. The same options, request and tracks give the same plan.
type Options struct {
	FPS      int           // output pictures per second
	Chunk    time.Duration // output time that one chunk holds
	Parallel int           // how many stretches may be rendered at once
	Encoder  Policy
}

// ErrNoTracks says that the request's selectors match no recording.
var ErrNoTracks = &roomreel.Error{
	Code: roomreel.Invalid, Twilio: twilio.NoTracks,
	Detail: "no recording of the room matches VideoLayout or AudioSources",
}
