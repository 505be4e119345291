package video

import (
	"fmt"

	"roomreel/internal/codec"
	"roomreel/internal/render/protocol"
)

// canvas remembers what it shows, so that only what changed is drawn again. Several are in use: while one is encoded,
// another is drawn on. Each is brought up to date from what it showed last.
type canvas struct {
	pixels *codec.Canvas
	scene  int // -1: a blank one
	drawn  []drawn
}

// drawn is what one cell of a canvas shows.
type drawn struct {
	serial int64 // of the source's frame; 0: nothing
	fit    rect  // where the frame is; the rest of the cell is black
}

type rect struct{ x, y, w, h int }

func (r rect) overlaps(o rect) bool {
	return r.x < o.x+o.w && o.x < r.x+r.w && r.y < o.y+o.h && o.y < r.y+r.h
}

func cellRect(c protocol.Cell) rect { return rect{c.X, c.Y, c.W, c.H} }

// shows reports whether the canvas already shows the scene as it is now.
func (c *canvas) shows(scene int, cells []protocol.Cell, tracks []*source) bool {
	if c.scene != scene {
		return false
	}
	for i, cell := range cells {
		if c.drawn[i].serial != tracks[cell.Track].shown.serial {
			return false
		}
	}
	return true
}

// draw brings the canvas up to date: it draws cells whose frame changed, and cells on top of them, in draw order. A source
// without a frame leaves its cell as it is, so that what lies underneath is visible. workingOn is called with the track whose
// frame is being drawn.
func (c *canvas) draw(scene int, cells []protocol.Cell, tracks []*source, workingOn func(int)) error {
	if c.scene != scene {
		c.pixels.Black(0, 0, c.pixels.Width, c.pixels.Height)
		c.scene = scene
		c.drawn = make([]drawn, len(cells))
	}
	redrawn := make([]bool, len(cells))
	for i, cell := range cells {
		now := tracks[cell.Track].shown
		if now.serial == 0 || now.serial == c.drawn[i].serial && !covered(cells, redrawn, i) {
			continue
		}
		view, w, h := show(now.frame, now.display)
		fit := contain(cell, w, h)
		if c.drawn[i].serial == 0 || c.drawn[i].fit != fit || covered(cells, redrawn, i) {
			c.border(cellRect(cell), fit)
		}
		workingOn(cell.Track)
		err := c.pixels.DrawView(now.frame, view, fit.x, fit.y, fit.w, fit.h)
		workingOn(-1)
		if err != nil {
			return fmt.Errorf("track %d: %w", cell.Track, err)
		}
		c.drawn[i] = drawn{serial: now.serial, fit: fit}
		redrawn[i] = true
	}
	return nil
}

// covered reports whether a cell below cell i was drawn again where they overlap.
func covered(cells []protocol.Cell, redrawn []bool, i int) bool {
	for j := range i {
		if redrawn[j] && cellRect(cells[j]).overlaps(cellRect(cells[i])) {
			return true
		}
	}
	return false
}

// border blackens what a fitted frame leaves of its cell.
func (c *canvas) border(cell, fit rect) {
	bars := [...]rect{
		{cell.x, cell.y, cell.w, fit.y - cell.y},
		{cell.x, fit.y + fit.h, cell.w, cell.y + cell.h - fit.y - fit.h},
		{cell.x, fit.y, fit.x - cell.x, fit.h},
		{fit.x + fit.w, fit.y, cell.x + cell.w - fit.x - fit.w, fit.h},
	}
	for _, b := range bars {
		if b.w > 0 && b.h > 0 {
			c.pixels.Black(b.x, b.y, b.w, b.h)
		}
	}
}

// show returns what of a frame is shown, and in which proportions w:h.
func show(f *codec.Frame, d protocol.Display) (v codec.View, w, h int64) {
	v = codec.View{W: f.Width, H: f.Height, Mirror: d.Mirror, Turn: d.Turn}
	v.X, v.W = crop(f.Width, d.Width, d.Left, d.Right)
	v.Y, v.H = crop(f.Height, d.Height, d.Top, d.Bottom)
	if f.Width == d.Width-d.Left-d.Right && f.Height == d.Height-d.Top-d.Bottom {
		v.X, v.Y, v.W, v.H = 0, 0, f.Width, f.Height // the stream has the same cropping, and the decoder did it
	}
	num, den := f.AspectNum, f.AspectDen
	if d.AspectNum > 0 && d.AspectDen > 0 {
		num, den = d.AspectNum, d.AspectDen
	}
	w, h = int64(v.W)*int64(num), int64(v.H)*int64(den)
	if d.Turn%180 != 0 {
		w, h = h, w
	}
	return v, w, h
}

// crop returns what is left of one side of a frame, when before and after are cropped of each whole. It is at least a pixel.
func crop(side, whole, before, after int) (start, length int) {
	if whole <= 0 || before < 0 || after < 0 || before+after >= whole {
		return 0, side
	}
	start = min((2*before*side+whole)/(2*whole), side-1)
	return start, max(side-start-(2*after*side+whole)/(2*whole), 1)
}

// contain fits what is shown in proportions w:h into a cell as CSS object-fit: contain does. It returns the largest even
// rectangle in the centre of the cell that has these proportions, to the nearest even number of pixels.
func contain(cell protocol.Cell, w, h int64) rect {
	fitW, fitH := int64(cell.W), int64(cell.H)
	if float64(w)*float64(cell.H) > float64(h)*float64(cell.W) {
		fitH = even(float64(cell.W)*float64(h)/float64(w), fitH)
	} else {
		fitW = even(float64(cell.H)*float64(w)/float64(h), fitW)
	}
	return rect{
		x: cell.X + (cell.W-int(fitW))/2&^1,
		y: cell.Y + (cell.H-int(fitH))/2&^1,
		w: int(fitW),
		h: int(fitH),
	}
}

// even returns the even number nearest to v, from 2 to limit, which is even.
func even(v float64, limit int64) int64 { return min(max(2*int64(v/2+0.5), 2), limit) }
