package codec

// #include "codec.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"math"
	"unsafe"
)

// videoDecoders are libavcodec's names of the decoders, by our names of their codecs. All are its own but those of AV1, for which it
// calls a library: dav1d, or the reference decoder where that is missing.
var videoDecoders = map[string][]string{
	"vp8": {"vp8"}, "vp9": {"vp9"}, "h264": {"h264"}, "hevc": {"hevc"}, "av1": {"libdav1d", "libaom-av1"},
}

// VideoDecoder decodes one video track. Not for concurrent use.
type VideoDecoder struct {
	Colour Colour // what the container says of the frames; it counts where the stream says nothing

	codec   string
	context *C.AVCodecContext
	packet  *C.AVPacket
}

// OpenVideoDecoder opens the decoder of vp8, vp9, h264, hevc or av1. private is Matroska's CodecPrivate (avcC for h264, hvcC for
// hevc, av1C for av1), and may be empty where the stream itself says everything.
func OpenVideoDecoder(codec string, private []byte) (*VideoDecoder, error) {
	names, ok := videoDecoders[codec]
	if !ok {
		return nil, fmt.Errorf("decoder %q: %w", codec, ErrUnsupported)
	}
	context, packet, err := openDecoder(codec, names, private, C.rr_decoder_config{max_pixels: MaxPixels})
	if err != nil {
		return nil, err
	}
	return &VideoDecoder{codec: codec, context: context, packet: packet}, nil
}

// openDecoder opens the first of the named decoders that libavcodec was built with.
func openDecoder(codec string, names []string, private []byte, config C.rr_decoder_config) (*C.AVCodecContext, *C.AVPacket, error) {
	quiet()
	if len(private) > math.MaxInt16 {
		return nil, nil, fmt.Errorf("decoder %q: %d bytes of private data: %w", codec, len(private), ErrUnsupported)
	}
	if len(private) > 0 {
		data := C.CBytes(private)
		defer C.free(data)
		config.extradata, config.extradata_size = (*C.uint8_t)(data), C.int(len(private))
	}
	for _, name := range names {
		var context *C.AVCodecContext
		config.name = C.CString(name)
		err := C.rr_open_decoder(&context, &config)
		C.free(unsafe.Pointer(config.name))
		if err == errNoDecoder {
			continue
		}
		if err < 0 {
			return nil, nil, failure("open decoder "+name, err)
		}
		packet := C.av_packet_alloc()
		if packet == nil {
			C.avcodec_free_context(&context)
			return nil, nil, failure("open decoder "+name, -C.ENOMEM)
		}
		open.Add(1)
		return context, packet, nil
	}
	return nil, nil, fmt.Errorf("this build of the codec library has no decoder for %s: %w", codec, ErrUnsupported)
}

// Send gives the decoder one packet, or with no data the end: it then hands out what it still holds, and takes no more.
// Call [VideoDecoder.Receive] until it has nothing more after every Send. pts comes back with the frame.
func (d *VideoDecoder) Send(data []byte, pts int64) error {
	return send(d.context, d.packet, d.codec, data, pts)
}

func send(context *C.AVCodecContext, packet *C.AVPacket, codec string, data []byte, pts int64) error {
	if len(data) > math.MaxInt32-C.AV_INPUT_BUFFER_PADDING_SIZE {
		return fmt.Errorf("decode %s: packet of %d bytes: %w", codec, len(data), ErrUnsupported)
	}
	if err := C.rr_send_data(context, packet, (*C.uint8_t)(unsafe.SliceData(data)), C.int(len(data)), C.int64_t(pts)); err < 0 {
		return failure("decode "+codec, err)
	}
	return nil
}

// Receive puts the next decoded frame, in order of presentation, into f in place of what f held. It reports false
// when the decoder wants another packet first. After an error (ErrDamaged, ErrTooLarge, ErrUnsupported or libavcodec's)
// f is empty, and there may be more to receive.
func (d *VideoDecoder) Receive(f *Frame) (bool, error) {
	f.Unref()
	var info C.rr_frame_info
	err := C.rr_receive_frame(d.context, f.av, &info)
	switch {
	case err == errAgain, err == errEOF:
		return false, nil
	case err < 0:
		return false, failure("decode "+d.codec, err)
	}
	full := C.int(0)
	if d.Colour.Full {
		full = 1
	}
	C.rr_settle_colour(d.context, f.av, C.int(d.Colour.Matrix), full)
	f.PTS = int64(info.pts)
	f.Width, f.Height = int(info.width), int(info.height)
	f.AspectNum, f.AspectDen = int(info.sar_num), int(info.sar_den)
	if f.AspectNum <= 0 || f.AspectDen <= 0 {
		f.AspectNum, f.AspectDen = 1, 1
	}
	if err := f.check(info.bad != 0, info.drawable != 0); err != nil {
		f.Unref()
		return false, fmt.Errorf("decode %s: %w", d.codec, err)
	}
	return true, nil
}

// SkipUnreferenced says whether frames that no other frame needs are left out of what is decoded, from the next packet on. The others
// are the same as without it.
func (d *VideoDecoder) SkipUnreferenced(skip bool) {
	d.context.skip_frame = C.AVDISCARD_DEFAULT
	if skip {
		d.context.skip_frame = C.AVDISCARD_NONREF
	}
}

// Lost reports whether a frame was missing that the packets since the last call need, as far as the decoder tells: hevc shows grey
// in its place.
func (d *VideoDecoder) Lost() bool { return C.rr_lost(d.context) != 0 }

// Delay returns how many frames the decoder holds back to put them in order. It is known only after some packets.
func (d *VideoDecoder) Delay() int { return int(d.context.has_b_frames) }

// Close frees the decoder. Frames received from it stay valid.
func (d *VideoDecoder) Close() {
	if d.context == nil {
		return
	}
	C.avcodec_free_context(&d.context)
	C.av_packet_free(&d.packet)
	open.Add(-1)
}

// Frame is a decoded video frame, or room for one. Its pixels belong to C, are shared with the decoder that made them,
// and are never written.
type Frame struct {
	PTS                  int64
	Width, Height        int
	AspectNum, AspectDen int // of one pixel; 1:1 when the stream does not say

	av *C.AVFrame
}

// NewFrame makes an empty frame. Like Go, it panics when there is no memory.
func NewFrame() *Frame {
	frame := C.av_frame_alloc()
	if frame == nil {
		panic("codec: out of memory")
	}
	open.Add(1)
	return &Frame{av: frame}
}

func (f *Frame) check(bad, drawable bool) error {
	if err := CheckSize(f.Width, f.Height); err != nil {
		return err
	}
	if bad {
		return ErrDamaged
	}
	if !drawable {
		return fmt.Errorf("pixel format %d: %w", f.av.format, ErrUnsupported)
	}
	return nil
}

// Unref empties f and releases its pixels.
func (f *Frame) Unref() { C.av_frame_unref(f.av) }

// Close frees f.
func (f *Frame) Close() {
	if f.av == nil {
		return
	}
	C.av_frame_free(&f.av)
	open.Add(-1)
}
