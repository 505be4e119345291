package picture

import (
	"fmt"

	"roomreel/internal/codec"
	"roomreel/internal/render"
)

// canvas remembers what it shows, so that only what changed is drawn again. Several take turns: while one is encoded
// the next is drawn on, and each catches up with what it missed by itself.
type canvas struct {
	pixels *codec.Canvas
	scene  int // -1: a blank one
	drawn  []drawn
}

// drawn is what one cell of a canvas shows.
type drawn struct {
	serial int64 // of the source's picture; 0: nothing
	fit    rect  // where it is; the rest of the cell is black
}

type rect struct{ x, y, w, h int }

func (r rect) overlaps(o rect) bool {
	return r.x < o.x+o.w && o.x < r.x+r.w && r.y < o.y+o.h && o.y < r.y+r.h
}

func cellRect(c render.Cell) rect { return rect{c.X, c.Y, c.W, c.H} }

// shows reports whether the canvas already is what the scene looks like now.
func (c *canvas) shows(scene int, cells []render.Cell, tracks []*source) bool {
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

// draw brings the canvas up to date: cells whose picture changed, and cells on top of them, in the scene's order. A
// source without a picture leaves its cell as it is, so that what lies underneath is seen. serving is told whose
// picture is being drawn.
func (c *canvas) draw(scene int, cells []render.Cell, tracks []*source, serving func(int)) error {
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
		fit := contain(cell, now.picture)
		if c.drawn[i].serial == 0 || c.drawn[i].fit != fit || covered(cells, redrawn, i) {
			c.border(cellRect(cell), fit)
		}
		serving(cell.Track)
		err := c.pixels.Draw(now.picture, fit.x, fit.y, fit.w, fit.h)
		serving(-1)
		if err != nil {
			return fmt.Errorf("track %d: %w", cell.Track, err)
		}
		c.drawn[i] = drawn{serial: now.serial, fit: fit}
		redrawn[i] = true
	}
	return nil
}

// covered reports whether a cell below cell i was drawn again where they overlap.
func covered(cells []render.Cell, redrawn []bool, i int) bool {
	for j := range i {
		if redrawn[j] && cellRect(cells[j]).overlaps(cellRect(cells[i])) {
			return true
		}
	}
	return false
}

// border blackens what a fitted picture leaves of its cell.
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

// contain returns the largest even rectangle, centred in the cell, of the picture's proportions (to the nearest even
// number of pixels): what CSS calls object-fit: contain.
func contain(cell render.Cell, p *codec.Picture) rect {
	w, h := int64(p.Width)*int64(p.AspectNum), int64(p.Height)*int64(p.AspectDen)
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
