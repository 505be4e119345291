package codec

// #include "codec.h"
// #include <stdlib.h>
import "C"

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"roomreel/internal/timeline"
)

// audioDecoders are libavcodec's names of the decoders, by our names of their codecs. Opus of one stream goes to libopus without
// libavcodec, see opus.go.
var audioDecoders = map[string]string{
	"opus": "libopus", "aac": "aac", "vorbis": "vorbis", "pcmu": "pcm_mulaw", "pcma": "pcm_alaw", "g722": "g722",
	"pcm_s16le": "pcm_s16le", "pcm_s16be": "pcm_s16be", "pcm_f32le": "pcm_f32le",
}

// maxPacketSamples bounds how many samples one packet may decode to. It is far more than the 120 ms of Opus, for PCM in large
// blocks.
const maxPacketSamples = 1 << 20

// AudioDecoder decodes one audio track. Not for concurrent use.
type AudioDecoder struct {
	codec    string
	channels int // of the samples that Decode returns
	rate     int
	opus     *opusDecoder // instead of:
	context  *C.AVCodecContext
	packet   *C.AVPacket
	frame    *C.AVFrame
}

// OpenAudioDecoder opens the decoder of opus, aac, vorbis, pcmu, pcma, g722, or of plain samples. private is the OpusHead, which may be
// empty, the AudioSpecificConfig, which aac needs, or the laced headers, which vorbis needs. Opus decodes at 48 kHz whatever
// rate says, and aac and vorbis as their headers say. Opus's pre-skip and AAC's priming are *not* dropped: the caller places the samples.
//
// channels is how many the track has, and wanted how many samples are decoded to: 1 or 2.
func OpenAudioDecoder(codec string, private []byte, rate, channels, wanted int) (*AudioDecoder, error) {
	name, ok := audioDecoders[codec]
	if !ok || wanted != 1 && wanted != 2 {
		return nil, fmt.Errorf("decoder %q: %w", codec, ErrUnsupported)
	}
	if codec == "opus" {
		head, err := opusHead(private, channels)
		if err != nil {
			return nil, err
		}
		private, rate, channels = head, timeline.SampleRate, int(head[9])
		if head[18] == 0 {
			opus, err := openOpusDecoder(head, wanted)
			if err != nil {
				return nil, err
			}
			return &AudioDecoder{codec: codec, channels: wanted, rate: rate, opus: opus}, nil
		}
	}
	most := 2
	switch codec {
	case "opus":
		most = maxOpusChannels
	case "aac":
		if len(private) < 2 {
			return nil, fmt.Errorf("decoder aac: no AudioSpecificConfig: %w", ErrUnsupported)
		}
		most = 8
	case "vorbis":
		if len(private) == 0 {
			return nil, fmt.Errorf("decoder vorbis: no headers: %w", ErrUnsupported)
		}
		most = 8
	case "g722":
		most = 1
	}
	if channels < 1 || channels > most || rate < 8000 || rate > 192000 {
		return nil, fmt.Errorf("decoder %q: %d channels at %d Hz: %w", codec, channels, rate, ErrUnsupported)
	}
	config := C.rr_decoder_config{rate: C.int(rate), channels: C.int(channels)}
	context, packet, err := openDecoder(codec, []string{name}, private, config)
	if err != nil {
		return nil, err
	}
	d := &AudioDecoder{codec: codec, channels: wanted, context: context, packet: packet, frame: C.av_frame_alloc(), rate: rate}
	if d.frame == nil {
		d.Close()
		return nil, failure("open decoder "+codec, -C.ENOMEM)
	}
	return d, nil
}

// maxOpusChannels bounds an Opus track: mapping family 1 has layouts for up to 8 channels.
const maxOpusChannels = 8

// vorbisOrder says, by the number of channels, where each channel of a WAV file is in the order of mapping family 1, which
// libavcodec expects of every header. Source: RFC 7845, 5.1.1.2.
var vorbisOrder = [maxOpusChannels + 1][]int{
	1: {0}, 2: {0, 1}, 3: {0, 2, 1}, 4: {0, 1, 2, 3}, 5: {0, 2, 1, 3, 4}, 6: {0, 2, 1, 5, 3, 4},
	7: {0, 2, 1, 6, 5, 3, 4}, 8: {0, 2, 1, 7, 5, 6, 3, 4},
}

// opusHead returns a header (RFC 7845 section 5.1) with a pre-skip of 0, so that libavcodec drops nothing. Channels, gain and
// the mapping of several streams are those of head when there is one. Mapping family 1 says where its channels are.
// Family 255 does not: they are taken to be in the order of WAV files.
func opusHead(head []byte, channels int) ([]byte, error) {
	if len(head) == 0 {
		channels = min(max(channels, 1), 2)
		made := append([]byte("OpusHead\x01"), byte(channels))
		made = binary.LittleEndian.AppendUint16(made, 0)
		made = binary.LittleEndian.AppendUint32(made, timeline.SampleRate)
		return append(made, 0, 0, 0), nil
	}
	const size = 19
	if len(head) < size || string(head[:8]) != "OpusHead" || head[8]>>4 != 0 {
		return nil, fmt.Errorf("decoder opus: malformed OpusHead of %d bytes: %w", len(head), ErrUnsupported)
	}
	channels, family := int(head[9]), head[18]
	table := size + 2 + channels // with the numbers of streams and of coupled streams, and the mapping
	switch {
	case channels >= 1 && channels <= 2 && (family == 0 || (family == 1 || family == 255) && len(head) < table):
		head = slices.Clone(head[:size])
		head[18] = 0
	case channels >= 1 && channels <= maxOpusChannels && (family == 1 || family == 255) && len(head) >= table:
		head = slices.Clone(head[:table])
		if family == 255 {
			mapping := slices.Clone(head[size+2:])
			for channel, at := range vorbisOrder[channels] {
				head[size+2+at] = mapping[channel]
			}
		}
	default:
		return nil, fmt.Errorf("decoder opus: %d channels in mapping family %d: %w", channels, family, ErrUnsupported)
	}
	binary.LittleEndian.PutUint16(head[10:], 0)
	return head, nil
}

// Rate returns the sample rate of the packet that was decoded last. SBR doubles that of aac.
func (d *AudioDecoder) Rate() int { return d.rate }

// Decode appends the samples of one packet to dst, interleaved: mono on both sides of stereo, and more channels than are wanted mixed
// down. On an error dst is returned as it was.
func (d *AudioDecoder) Decode(dst []float32, data []byte) ([]float32, error) {
	if len(data) == 0 {
		return dst, fmt.Errorf("decode %s: empty packet: %w", d.codec, ErrUnsupported)
	}
	if d.opus != nil {
		return d.opus.decode(dst, data)
	}
	if err := send(d.context, d.packet, d.codec, data, 0); err != nil {
		return dst, err
	}
	result := dst
	for {
		var info C.rr_frame_info
		err := C.rr_receive_frame(d.context, d.frame, &info)
		if err == errAgain || err == errEOF {
			return result, nil
		}
		if err < 0 {
			return dst, failure("decode "+d.codec, err)
		}
		n := int(info.samples)
		if n < 1 {
			continue
		}
		if n > maxPacketSamples {
			return dst, fmt.Errorf("decode %s: %d samples in a packet: %w", d.codec, n, ErrUnsupported)
		}
		start := len(result)
		result = slices.Grow(result, d.channels*n)[:start+d.channels*n]
		if err := C.rr_audio_copy(d.frame, (*C.float)(unsafe.Pointer(&result[start])), C.int(d.channels)); err < 0 {
			return dst, failure("decode "+d.codec, err)
		}
		d.rate = int(info.rate)
	}
}

// Close frees the decoder.
func (d *AudioDecoder) Close() {
	if d.opus != nil {
		d.opus.close()
	}
	if d.context == nil {
		return
	}
	C.avcodec_free_context(&d.context)
	C.av_packet_free(&d.packet)
	C.av_frame_free(&d.frame)
	open.Add(-1)
}
