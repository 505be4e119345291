package codec

// #include "codec.h"
// #cgo noescape rr_decode_opus
// #cgo nocallback rr_decode_opus
// #cgo noescape rr_encode_opus
// #cgo nocallback rr_encode_opus
import "C"

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"roomreel/internal/timeline"
)

// Opus of one stream is decoded and encoded by libopus itself. The samples and packets are those that libavcodec's wrapper makes of
// it, but the wrapper calls libopus's functions for several streams. Those ask for the size of a decoder in every packet, and a library that
// was built with custom modes, as Debian's is, then executes CPUID eight times. A virtual machine traps each. libavcodec's own Opus
// decoder is as quick as libopus, but its samples are others, and it loses some where an encoder changes its mode. docs/performance.md
// has the figures.

// opusDecoder is libopus's decoder of one stream.
type opusDecoder struct {
	decoder  *C.OpusDecoder
	channels int // that it decodes to
	wanted   int // that decode returns; when there are more of them than channels, both are the same
}

// openOpusDecoder opens the decoder of a track whose header is of mapping family 0.
func openOpusDecoder(head []byte, wanted int) (*opusDecoder, error) {
	d := &opusDecoder{channels: min(int(head[9]), wanted), wanted: wanted}
	gain := int16(binary.LittleEndian.Uint16(head[16:]))
	if err := C.rr_open_opus_decoder(&d.decoder, C.int(d.channels), C.int(gain)); err < 0 {
		return nil, failure("open decoder opus", err)
	}
	open.Add(1)
	return d, nil
}

// decode is AudioDecoder.Decode.
func (d *opusDecoder) decode(dst []float32, data []byte) ([]float32, error) {
	const most = 120 * timeline.SampleRate / 1000 // samples in a packet
	grown := slices.Grow(dst, most*d.wanted)
	room := grown[len(dst) : len(dst)+most*d.wanted]
	n := C.rr_decode_opus(d.decoder, (*C.uint8_t)(unsafe.SliceData(data)), C.int(len(data)), (*C.float)(unsafe.SliceData(room)), most)
	if n < 0 {
		return dst, failure("decode opus", n)
	}
	if d.channels < d.wanted {
		for i := int(n) - 1; i >= 0; i-- {
			room[2*i], room[2*i+1] = room[i], room[i]
		}
	}
	return grown[:len(dst)+int(n)*d.wanted], nil
}

func (d *opusDecoder) close() {
	if d.decoder == nil {
		return
	}
	C.opus_decoder_destroy(d.decoder)
	d.decoder = nil
	open.Add(-1)
}

const (
	opusFrame = timeline.SampleRate / 50 // samples in a packet of the encoder: 20 ms

	// maxOpusPacket is more than a frame takes, in bytes.
	maxOpusPacket = 1500
)

// opusEncoder is libopus's encoder of one stream.
type opusEncoder struct {
	encoder  *C.OpusEncoder
	channels int
	delay    int
	left     int // samples that were sent, or are priming, and are in no packet
	frame    []float32
	packet   []byte // room for one
	ready    []byte // the packet to receive next; nil when there is none
	ended    bool
}

func openOpusEncoder(config EncoderConfig, channels int) (AudioEncoder, error) {
	complexity := 10
	for key, value := range config.Options {
		if key != "compression_level" {
			return nil, fmt.Errorf("open encoder opus: it has no option %q", key)
		}
		var err error
		if complexity, err = strconv.Atoi(value); err != nil {
			return nil, fmt.Errorf("open encoder opus: option %s: %w", key, err)
		}
	}
	e := &opusEncoder{channels: channels, frame: make([]float32, channels*opusFrame), packet: make([]byte, maxOpusPacket)}
	var delay C.int
	if err := C.rr_open_opus_encoder(&e.encoder, C.int(channels), C.int(config.Bitrate), C.int(complexity), &delay); err < 0 {
		return nil, failure("open encoder opus", err)
	}
	open.Add(1)
	e.delay = int(delay)
	e.left = e.delay
	return e, nil
}

// Header returns an OpusHead. Source: RFC 7845, 5.1.
func (e *opusEncoder) Header() []byte {
	head := append([]byte("OpusHead\x01"), byte(e.channels))
	head = binary.LittleEndian.AppendUint16(head, uint16(e.delay))
	head = binary.LittleEndian.AppendUint32(head, timeline.SampleRate)
	return append(head, 0, 0, 0)
}

func (e *opusEncoder) FrameSize() int { return opusFrame }

func (e *opusEncoder) Delay() int { return e.delay }

func (e *opusEncoder) Send(samples []float32, _ int64) error {
	if err := checkFrame(e, "opus", samples, e.channels); err != nil {
		return err
	}
	e.left += len(samples) / e.channels
	return e.encode(samples)
}

// encode makes a packet of a frame, the rest of which is silence.
func (e *opusEncoder) encode(samples []float32) error {
	if len(samples) < len(e.frame) {
		clear(e.frame[copy(e.frame, samples):])
		samples = e.frame
	}
	n := C.rr_encode_opus(e.encoder, (*C.float)(unsafe.SliceData(samples)), opusFrame, (*C.uint8_t)(unsafe.SliceData(e.packet)), maxOpusPacket)
	if n < 0 {
		return failure("encode opus", n)
	}
	e.left -= opusFrame
	e.ready = e.packet[:n]
	return nil
}

func (e *opusEncoder) End() error {
	e.ended = true
	return nil
}

func (e *opusEncoder) Receive() (Encoded, bool, error) {
	if e.ready == nil && e.ended && e.left > 0 {
		if err := e.encode(nil); err != nil {
			return Encoded{}, false, err
		}
	}
	data := e.ready
	e.ready = nil
	return Encoded{Key: true, Data: data}, data != nil, nil
}

func (e *opusEncoder) Close() {
	if e.encoder == nil {
		return
	}
	C.opus_encoder_destroy(e.encoder)
	e.encoder = nil
	open.Add(-1)
}
