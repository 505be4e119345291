package codec

// #include "codec.h"
import "C"

import (
	"fmt"
	"unsafe"

	"roomreel/internal/timeline"
)

// AudioEncoder encodes audio at 48 kHz. Not for concurrent use.
type AudioEncoder interface {
	// Header returns what a container needs to know first: AudioSpecificConfig or OpusHead.
	Header() []byte

	// FrameSize returns how many samples each Send takes; only the last may have fewer.
	FrameSize() int

	// Delay returns how many samples of priming come before the first sample that was sent.
	Delay() int

	// Send encodes interleaved samples that begin at sample pts.
	Send(samples []float32, pts int64) error

	// End tells the encoder that nothing more comes. Receive then returns the rest.
	End() error

	// Receive returns the next packet, and false when the encoder wants more first or has ended. Call it until then after every Send
	// and after End.
	Receive() (Encoded, bool, error)

	// Close frees the encoder.
	Close()
}

// OpenAudioEncoder opens an encoder of aac or opus for one or two channels.
func OpenAudioEncoder(config EncoderConfig, channels int) (AudioEncoder, error) {
	if channels != 1 && channels != 2 {
		return nil, fmt.Errorf("encoder %q with %d channels: %w", config.Codec, channels, ErrUnsupported)
	}
	switch config.Codec {
	case "aac":
		return openAACEncoder(config, channels)
	case "opus":
		return openOpusEncoder(config, channels)
	}
	return nil, fmt.Errorf("encoder %q: %w", config.Codec, ErrUnsupported)
}

// aacEncoder is that of libavcodec.
type aacEncoder struct {
	encoder
	channels int
	frame    *C.AVFrame
}

func openAACEncoder(config EncoderConfig, channels int) (AudioEncoder, error) {
	e, err := openEncoder(config, C.rr_encoder_config{rate: timeline.SampleRate, channels: C.int(channels)})
	if err != nil {
		return nil, err
	}
	frame := C.av_frame_alloc()
	if frame == nil {
		e.Close()
		return nil, failure("open encoder "+config.Codec, -C.ENOMEM)
	}
	return &aacEncoder{encoder: e, channels: channels, frame: frame}, nil
}

func (e *aacEncoder) FrameSize() int { return int(e.context.frame_size) }

func (e *aacEncoder) Delay() int { return int(e.context.initial_padding) }

func (e *aacEncoder) Send(samples []float32, pts int64) error {
	if err := checkFrame(e, e.codec, samples, e.channels); err != nil {
		return err
	}
	first := (*C.float)(unsafe.Pointer(unsafe.SliceData(samples)))
	if err := C.rr_send_audio(e.context, e.frame, first, C.int(len(samples)/e.channels), C.int64_t(pts)); err < 0 {
		return failure("encode "+e.codec, err)
	}
	return nil
}

// checkFrame refuses samples that are no frame.
func checkFrame(e AudioEncoder, codec string, samples []float32, channels int) error {
	if len(samples) == 0 || len(samples)%channels != 0 || len(samples)/channels > e.FrameSize() {
		return fmt.Errorf("encode %s: %d values do not fit a frame of %d samples of %d channels", codec, len(samples), e.FrameSize(), channels)
	}
	return nil
}

func (e *aacEncoder) Close() {
	C.av_frame_free(&e.frame)
	e.encoder.Close()
}
