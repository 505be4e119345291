package codec

// #include "codec.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"slices"
	"sort"
	"unsafe"
)

// encoders are libavcodec's names of the encoders, by our names of their codecs.
var encoders = map[string]string{"h264": "libx264", "vp8": "libvpx", "av1": "libsvtav1", "aac": "aac"}

// VideoEncoders returns which codecs of video this build of libavcodec can encode, sorted.
func VideoEncoders() []string {
	var list []string
	for _, codec := range []string{"av1", "h264", "vp8"} {
		name := C.CString(encoders[codec])
		if C.avcodec_find_encoder_by_name(name) != nil {
			list = append(list, codec)
		}
		C.free(unsafe.Pointer(name))
	}
	return list
}

// EncoderConfig chooses an encoder and its point between speed and size.
type EncoderConfig struct {
	Codec   string            // h264, vp8, av1, aac or opus
	Options map[string]string // libavcodec's own names; an unknown one is an error
	Bitrate int               // bit/s; 0 lets Options decide
	GOP     int               // frames between keyframes at most; 0 is the encoder's default
	Threads int               // 0 means 1
	Colour  Colour            // video: what its samples are said to be. The zero value says BT.601's matrix and nothing else
}

// Encoded is one packet of an encoder.
type Encoded struct {
	PTS  int64
	Key  bool
	Data []byte
}

// encoder is what encoders of libavcodec share.
type encoder struct {
	codec   string
	context *C.AVCodecContext
	packet  *C.AVPacket
}

func openEncoder(config EncoderConfig, c C.rr_encoder_config) (encoder, error) {
	quiet()
	name, ok := encoders[config.Codec]
	if !ok {
		return encoder{}, fmt.Errorf("encoder %q: %w", config.Codec, ErrUnsupported)
	}
	c.name = C.CString(name)
	defer C.free(unsafe.Pointer(c.name))
	c.threads = C.int(max(config.Threads, 1))
	c.bitrate = C.int64_t(config.Bitrate)
	c.gop = C.int(config.GOP)
	var options *C.AVDictionary
	defer func() { C.av_dict_free(&options) }()
	for _, key := range sortedKeys(config.Options) {
		k, v := C.CString(key), C.CString(config.Options[key])
		err := C.av_dict_set(&options, k, v, 0)
		C.free(unsafe.Pointer(k))
		C.free(unsafe.Pointer(v))
		if err < 0 {
			return encoder{}, failure("open encoder "+name, err)
		}
	}
	e := encoder{codec: config.Codec}
	if err := C.rr_open_encoder(&e.context, &c, &options); err < 0 {
		return encoder{}, failure("open encoder "+name, err)
	}
	open.Add(1)
	if e.packet = C.av_packet_alloc(); e.packet == nil {
		e.Close()
		return encoder{}, failure("open encoder "+name, -C.ENOMEM)
	}
	if left := C.rr_option_left(options); left != nil {
		err := fmt.Errorf("open encoder %s: it has no option %q", name, C.GoString(left))
		e.Close()
		return encoder{}, err
	}
	return e, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Header returns what a container needs to know first: SPS and PPS in Annex B, a sequence header OBU, AudioSpecificConfig or
// OpusHead; nil for vp8.
func (e *encoder) Header() []byte {
	if e.context.extradata_size == 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(e.context.extradata), e.context.extradata_size)
}

// End tells the encoder that nothing more comes. Receive then hands out the rest.
func (e *encoder) End() error {
	if err := C.rr_end(e.context); err < 0 {
		return failure("encode "+e.codec, err)
	}
	return nil
}

// Receive returns the next packet in decoding order, and false when the encoder wants more first or has ended. Call it
// until then after every Send and after End.
func (e *encoder) Receive() (Encoded, bool, error) {
	var key C.int
	err := C.rr_receive_packet(e.context, e.packet, &key)
	switch {
	case err == errAgain, err == errEOF:
		return Encoded{}, false, nil
	case err < 0:
		return Encoded{}, false, failure("encode "+e.codec, err)
	}
	data := C.GoBytes(unsafe.Pointer(e.packet.data), e.packet.size)
	return Encoded{PTS: int64(e.packet.pts), Key: key != 0, Data: data}, true, nil
}

// Close frees the encoder.
func (e *encoder) Close() {
	if e.context == nil {
		return
	}
	C.avcodec_free_context(&e.context)
	C.av_packet_free(&e.packet)
	open.Add(-1)
}

// VideoEncoder encodes canvases to h264, vp8 or av1. Not for concurrent use.
type VideoEncoder struct{ encoder }

// OpenVideoEncoder opens an encoder for canvases of the given size, fps of them per second.
func OpenVideoEncoder(config EncoderConfig, width, height, fps int) (*VideoEncoder, error) {
	if err := CheckSize(width, height); err != nil {
		return nil, fmt.Errorf("encoder %q: %w", config.Codec, err)
	}
	if fps < 1 || !slices.Contains(VideoEncoders(), config.Codec) {
		return nil, fmt.Errorf("encoder %q at %d frames per second: %w", config.Codec, fps, ErrUnsupported)
	}
	e, err := openEncoder(config, C.rr_encoder_config{
		width: C.int(width), height: C.int(height), fps: C.int(fps),
		primaries: C.int(config.Colour.Primaries), transfer: C.int(config.Colour.Transfer), matrix: C.int(config.Colour.Matrix),
	})
	if err != nil {
		return nil, err
	}
	return &VideoEncoder{e}, nil
}

// FrameType says what a frame of h264 must be. Its numbers are those of AVFrame.pict_type.
type FrameType int

const (
	AnyFrame FrameType = iota // what the encoder decides
	KeyFrame
	NoBFrame // a P-frame, or a keyframe where one is due
)

// Send encodes the canvas as frame number pts, which ascends. Once Receive has nothing more, the canvas may be drawn on again.
func (e *VideoEncoder) Send(c *Canvas, pts int64, t FrameType) error {
	if err := C.rr_send_canvas(e.context, c.frame, C.int64_t(pts), C.int(t)); err < 0 {
		return failure("encode "+e.codec, err)
	}
	return nil
}

// Delay returns by how many frames decoding order runs ahead of the order of presentation: the B-frame delay.
func (e *VideoEncoder) Delay() int { return int(e.context.has_b_frames) }
