// Package codec is the only place with cgo: a small binding of libavcodec's decoders and encoders, of libopus and of libyuv's scaler.
//
// It knows nothing of rooms and films. It opens codecs by name, from a short list of its own, with one thread by default, and
// refuses frames that are too large. It uses only the parts of libavcodec that are the same from FFmpeg 4 to 8: sending and
// receiving packets and frames, and options by name. The caller must close all that it opens, and [Open] counts it. C never
// keeps a pointer into Go's memory. Start with [VideoDecoder], [AudioDecoder], [VideoEncoder] and [AudioEncoder].
package codec

/*
#cgo pkg-config: libavcodec libavutil opus
#cgo LDFLAGS: -lyuv
#cgo CFLAGS: -O3 -Wall
#include "codec.h"
#include <libyuv/version.h>
#include <stdlib.h>
static int rr_again(void) { return AVERROR(EAGAIN); }
static int rr_eof(void) { return AVERROR_EOF; }
static int rr_no_decoder(void) { return AVERROR_DECODER_NOT_FOUND; }
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// MaxSide and MaxPixels bound every frame, decoded or encoded: 4096x2304 or 2304x4096. That is what level 5.1 of H.264 allows,
// and keeps one frame below 15 MB.
const (
	MaxSide   = 4096
	MaxPixels = 4096 * 2304
)

// ErrTooLarge reports a frame over [MaxSide] or [MaxPixels], or an empty one.
var ErrTooLarge = fmt.Errorf("frame is empty or larger than %d pixels", MaxPixels)

// ErrDamaged reports a frame of which the decoder concealed a part. It is never shown.
var ErrDamaged = errors.New("frame is damaged")

// ErrUnsupported reports a codec outside the list, or a frame in a format that cannot be drawn.
var ErrUnsupported = errors.New("not supported")

var (
	errAgain = C.rr_again()
	errEOF   = C.rr_eof()

	errNoDecoder = C.rr_no_decoder()
)

// open counts C's objects that Go holds.
var open atomic.Int64

// Open returns how many decoders, encoders, frames and canvases have not been closed.
func Open() int { return int(open.Load()) }

// Error is libavcodec's refusal of an operation.
type Error struct {
	Op     string // what was asked for, such as "decode vp8"
	Number int    // libavutil's
}

func (e *Error) Error() string {
	var text [C.AV_ERROR_MAX_STRING_SIZE]C.char
	C.av_strerror(C.int(e.Number), &text[0], C.size_t(len(text)))
	return e.Op + ": " + C.GoString(&text[0])
}

// Colour says what samples mean, by the numbers of ITU-T H.273. The zero value says nothing, which is BT.601 in limited range.
type Colour struct {
	Primaries, Transfer, Matrix uint8
	Full                        bool // samples have the full range
}

func failure(op string, number C.int) error { return &Error{Op: op, Number: int(number)} }

// Version names the libraries in use, such as "libavcodec 59.37.100".
func Version() []string {
	dotted := func(name string, v C.uint) string {
		return fmt.Sprintf("%s %d.%d.%d", name, v>>16, v>>8&0xff, v&0xff)
	}
	return []string{
		dotted("libavcodec", C.avcodec_version()),
		dotted("libavutil", C.avutil_version()),
		C.GoString(C.opus_get_version_string()),
		fmt.Sprintf("libyuv %d", C.LIBYUV_VERSION),
	}
}

// quiet stops the libraries from logging every damaged packet to standard error. Errors are returned.
var quiet = sync.OnceFunc(func() { C.rr_quiet() })

// CheckSize returns [ErrTooLarge] unless frames of the given size may be decoded and encoded.
func CheckSize(width, height int) error {
	if width < 1 || height < 1 || width > MaxSide || height > MaxSide || width*height > MaxPixels {
		return fmt.Errorf("%dx%d: %w", width, height, ErrTooLarge)
	}
	return nil
}
