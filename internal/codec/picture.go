package codec

// #include "codec.h"
import "C"

import "fmt"

// Picture is a decoded picture, or an empty place for one. Its pixels are C's, shared with the decoder that made them
// and never written.
type Picture struct {
	PTS                  int64
	Width, Height        int
	AspectNum, AspectDen int // of one pixel; 1:1 when the stream does not say

	frame *C.AVFrame
}

// NewPicture makes an empty picture. It panics when there is no memory, as Go does.
func NewPicture() *Picture {
	frame := C.av_frame_alloc()
	if frame == nil {
		panic("codec: out of memory")
	}
	open.Add(1)
	return &Picture{frame: frame}
}

func (p *Picture) check(bad, drawable bool) error {
	if err := CheckSize(p.Width, p.Height); err != nil {
		return err
	}
	if bad {
		return ErrDamaged
	}
	if !drawable {
		return fmt.Errorf("pixel format %d: %w", p.frame.format, ErrUnsupported)
	}
	return nil
}

// Unref empties p and lets go of its pixels.
func (p *Picture) Unref() { C.av_frame_unref(p.frame) }

// Close frees p.
func (p *Picture) Close() {
	if p.frame == nil {
		return
	}
	C.av_frame_free(&p.frame)
	open.Add(-1)
}
