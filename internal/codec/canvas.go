package codec

// #include "codec.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// Canvas is a frame that can be drawn on and encoded: yuv420p in limited range.
type Canvas struct {
	Width, Height int

	frame   *C.AVFrame
	scratch *C.uint8_t
	size    C.int
}

// NewCanvas makes a black canvas of BT.601. Its sides are even.
func NewCanvas(width, height int) (*Canvas, error) {
	if err := CheckSize(width, height); err != nil {
		return nil, fmt.Errorf("canvas: %w", err)
	}
	if width%2 != 0 || height%2 != 0 {
		return nil, fmt.Errorf("canvas of %dx%d: sides must be even", width, height)
	}
	c := &Canvas{Width: width, Height: height}
	if err := C.rr_new_canvas(&c.frame, C.int(width), C.int(height)); err < 0 {
		return nil, failure("new canvas", err)
	}
	open.Add(1)
	return c, nil
}

// SetColour sets what the canvas's samples mean, before anything is drawn. Only the matrix matters to what is drawn.
func (c *Canvas) SetColour(colour Colour) {
	if colour.Matrix != 0 {
		c.frame.colorspace = C.enum_AVColorSpace(colour.Matrix)
	}
}

// Black fills an even rectangle inside the canvas with black.
func (c *Canvas) Black(x, y, w, h int) {
	c.mustHold(x, y, w, h)
	C.rr_canvas_black(c.frame, C.int(x), C.int(y), C.int(w), C.int(h))
}

// View is what is drawn of a frame: the rectangle of W x H pixels at X, Y, mirrored left to right, and then turned clockwise.
type View struct {
	X, Y, W, H int
	Mirror     bool
	Turn       int // 0, 90, 180 or 270 degrees
}

// Draw scales f to fill an even rectangle inside the canvas, whatever f's proportions.
func (c *Canvas) Draw(f *Frame, x, y, w, h int) error {
	return c.DrawView(f, View{W: f.Width, H: f.Height}, x, y, w, h)
}

// DrawView scales what v shows of f to fill an even rectangle inside the canvas, and converts it to the canvas's matrix and range.
// Primaries and transfer functions are left as they are. It panics when v is not inside f.
func (c *Canvas) DrawView(f *Frame, v View, x, y, w, h int) error {
	c.mustHold(x, y, w, h)
	if v.X < 0 || v.Y < 0 || v.W < 1 || v.H < 1 || v.X > f.Width-v.W || v.Y > f.Height-v.H || v.Turn%90 != 0 || v.Turn < 0 || v.Turn > 270 {
		panic(fmt.Sprintf("codec: %+v of a frame of %dx%d", v, f.Width, f.Height))
	}
	view := C.rr_view{x: C.int(v.X), y: C.int(v.Y), w: C.int(v.W), h: C.int(v.H), turn: C.int(v.Turn)}
	if v.Mirror {
		view.mirror = 1
	}
	err := C.rr_canvas_draw(c.frame, f.av, &view, C.int(x), C.int(y), C.int(w), C.int(h), &c.scratch, &c.size)
	if err < 0 {
		return failure("draw", err)
	}
	return nil
}

// mustHold panics when a rectangle is odd or not inside the canvas, where C would write past the end.
func (c *Canvas) mustHold(x, y, w, h int) {
	if (x|y|w|h)&1 != 0 || x < 0 || y < 0 || w < 2 || h < 2 || x > c.Width-w || y > c.Height-h {
		panic(fmt.Sprintf("codec: rectangle %dx%d at %d,%d on a canvas of %dx%d", w, h, x, y, c.Width, c.Height))
	}
}

// Equal reports whether two canvases of one size show the same, to the bit.
func (c *Canvas) Equal(o *Canvas) bool {
	return c.Width == o.Width && c.Height == o.Height && C.rr_canvas_equal(c.frame, o.frame) != 0
}

// At returns the luma and chroma of one pixel.
func (c *Canvas) At(x, y int) (luma, cb, cr uint8) {
	c.mustHold(x&^1, y&^1, 2, 2)
	at := func(plane, x, y int) uint8 {
		start := unsafe.Pointer(c.frame.data[plane])
		return *(*uint8)(unsafe.Add(start, y*int(c.frame.linesize[plane])+x))
	}
	return at(0, x, y), at(1, x/2, y/2), at(2, x/2, y/2)
}

// I420 returns a copy of the canvas: the planes Y, U and V, without padding.
func (c *Canvas) I420() []byte {
	planes := make([]byte, 0, c.Width*c.Height*3/2)
	w, h := c.Width, c.Height
	for plane := range 3 {
		start, stride := unsafe.Pointer(c.frame.data[plane]), int(c.frame.linesize[plane])
		for y := range h {
			planes = append(planes, unsafe.Slice((*byte)(unsafe.Add(start, y*stride)), w)...)
		}
		if plane == 0 {
			w, h = w/2, h/2
		}
	}
	return planes
}

// Close frees the canvas.
func (c *Canvas) Close() {
	if c.frame == nil {
		return
	}
	C.av_frame_free(&c.frame)
	C.av_free(unsafe.Pointer(c.scratch))
	c.scratch = nil
	open.Add(-1)
}
