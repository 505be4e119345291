package codec

// #include "codec.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"math"
	"unsafe"
)

// pictureDecoders are libavcodec's own decoders, by our names of their codecs.
var pictureDecoders = map[string]string{"vp8": "vp8", "vp9": "vp9", "h264": "h264"}

// VideoDecoder decodes one track's pictures. Not for concurrent use.
type VideoDecoder struct {
	codec   string
	context *C.AVCodecContext
	packet  *C.AVPacket
}

// OpenVideoDecoder opens the decoder of vp8, vp9 or h264. private is Matroska's CodecPrivate (avcC for h264), and may
// be empty where the stream itself says everything.
func OpenVideoDecoder(codec string, private []byte) (*VideoDecoder, error) {
	name, ok := pictureDecoders[codec]
	if !ok {
		return nil, fmt.Errorf("decoder %q: %w", codec, ErrUnsupported)
	}
	context, packet, err := openDecoder(name, private, C.rr_decoder_config{max_pixels: MaxPixels})
	if err != nil {
		return nil, err
	}
	return &VideoDecoder{codec: codec, context: context, packet: packet}, nil
}

// openDecoder opens libavcodec's decoder of the given name.
func openDecoder(name string, private []byte, config C.rr_decoder_config) (*C.AVCodecContext, *C.AVPacket, error) {
	quiet()
	config.name = C.CString(name)
	defer C.free(unsafe.Pointer(config.name))
	if len(private) > math.MaxInt16 {
		return nil, nil, fmt.Errorf("open decoder %s: %d bytes of private data: %w", name, len(private), ErrUnsupported)
	}
	if len(private) > 0 {
		data := C.CBytes(private)
		defer C.free(data)
		config.extradata, config.extradata_size = (*C.uint8_t)(data), C.int(len(private))
	}
	var context *C.AVCodecContext
	if err := C.rr_open_decoder(&context, &config); err < 0 {
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

// Send gives the decoder one packet, or with no data the end: it then hands out what it still holds, and takes no more.
// Call [VideoDecoder.Receive] until it has nothing more after every Send. pts comes back with the picture.
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

// Receive puts the next decoded picture, in order of presentation, into p in place of what p held. It reports false
// when the decoder wants another packet first. After an error (ErrDamaged, ErrTooLarge, ErrUnsupported or libavcodec's)
// p is empty, and there may be more to receive.
func (d *VideoDecoder) Receive(p *Picture) (bool, error) {
	p.Unref()
	var info C.rr_frame_info
	err := C.rr_receive_frame(d.context, p.frame, &info)
	switch {
	case err == errAgain, err == errEOF:
		return false, nil
	case err < 0:
		return false, failure("decode "+d.codec, err)
	}
	p.PTS = int64(info.pts)
	p.Width, p.Height = int(info.width), int(info.height)
	p.AspectNum, p.AspectDen = int(info.sar_num), int(info.sar_den)
	if p.AspectNum <= 0 || p.AspectDen <= 0 {
		p.AspectNum, p.AspectDen = 1, 1
	}
	if err := p.check(info.bad != 0, info.drawable != 0); err != nil {
		p.Unref()
		return false, fmt.Errorf("decode %s: %w", d.codec, err)
	}
	return true, nil
}

// Delay returns how many pictures the decoder holds back to put them in order. It is known only after some packets.
func (d *VideoDecoder) Delay() int { return int(d.context.has_b_frames) }

// Close frees the decoder. Pictures received from it stay valid.
func (d *VideoDecoder) Close() {
	if d.context == nil {
		return
	}
	C.avcodec_free_context(&d.context)
	C.av_packet_free(&d.packet)
	open.Add(-1)
}
