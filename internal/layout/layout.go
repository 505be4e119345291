// Package layout turns a request's VideoLayout into regions, and tells for every instant who is in which rectangle.
//
// It is pure: no I/O, no clock, no randomness; the same text and the same sources give the same rectangles. Start with
// [Parse], then [Layout.Place]. A track that is published again takes the cell that the reuse rule gives it, which is its
// former one unless a cell before that is free: the order of cells goes first. Where Twilio's
// documentation is silent, docs/divergences.md says what was chosen.
package layout

import "time"

// Size is a width and height in pixels.
type Size struct{ W, H int }

// Rect is a rectangle in pixels from the top left.
type Rect struct{ X, Y, W, H int }

// Source is one recording that a selector may name.
type Source struct {
	Recording   string // RT…
	Track       string // MT…
	Participant string // PA…
	Name        string
	Start, End  time.Duration // output time, [Start, End)
}

// Placement is one source's rectangle from From until To.
type Placement struct {
	Source   int // index into the sources given to Place
	From, To time.Duration
	Rect     Rect
	Z        int
	Region   int // the region's place in the request's text
	Cell     int // the cell's place among those of its region that may be used
}
