// Package layout parses a request's VideoLayout into regions, and computes which source is in which rectangle when.
//
// The package is pure: no I/O, no clock, no randomness. The same text and the same sources give the same rectangles.
// Start with [Parse], then [Layout.Place]. docs/divergences.md lists the choices made where Twilio's documentation says
// nothing.
package layout

import (
	"fmt"
	"time"
)

// Size is a width and height in pixels.
type Size struct{ W, H int }

// String writes a size as WIDTHxHEIGHT.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.W, s.H) }

// Rect is a rectangle in pixels, counted from the top left.
type Rect struct{ X, Y, W, H int }

// Source is one recording that a selector may select.
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
	Region   int // index into Layout.Regions
	Cell     int // index into the region's cells, without the excluded ones
}

// Reuse is what a region does when it has more sources than cells.
type Reuse string

const (
	ReuseNone  Reuse = "none"        // a cell shows one source in the whole film
	ShowOldest Reuse = "show_oldest" // a cell is used again when its source has ended; later sources wait
	ShowNewest Reuse = "show_newest" // a later source covers the cell whose source ends first
)

// Region is one grid of cells on the canvas.
type Region struct {
	Name                 string
	X, Y, Z              int
	Width, Height        int // 0: to the canvas's right or bottom edge
	MaxColumns, MaxRows  int // 0: no maximum
	CellsExcluded        []int
	Reuse                Reuse
	VideoSources         []string
	VideoSourcesExcluded []string
}

// Layout is the regions of a film in the order of the request's text. The zero Layout has no video.
type Layout struct {
	Canvas  Size // as requested
	Regions []Region
}

// Empty reports whether the layout has no region, so that the film has no video.
func (l Layout) Empty() bool { return len(l.Regions) == 0 }

// Default is the layout of a request without a VideoLayout: a single grid of all videos.
func Default(canvas Size) Layout {
	return Layout{Canvas: canvas, Regions: []Region{{Name: "grid", Reuse: ShowOldest, VideoSources: []string{"*"}}}}
}
