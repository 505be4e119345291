package compose

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Samples at rest: a packet of interleaved stereo float32 as one byte that says how many channels differ, then the bytes
// of all samples by significance (all lowest bytes first), compressed with zstd. Bytes of the same significance are
// alike, and most rooms are mono on both sides. Measured on three continuous tones, an hour takes 0.62 GB instead of 1.38 GB.
const (
	sampleBytes = 4
	mono        = 1
	stereo      = 2
)

var (
	packer = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // the options are constant
		}
		return e
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// packSamples returns interleaved stereo float32 samples as they are stored. It loses nothing.
func packSamples(data []byte) []byte {
	frames := len(data) / (2 * sampleBytes)
	channels := mono
	for i := 0; i < len(data) && channels == mono; i += 2 * sampleBytes {
		if !bytes.Equal(data[i:i+sampleBytes], data[i+sampleBytes:i+2*sampleBytes]) {
			channels = stereo
		}
	}
	planes := make([]byte, frames*channels*sampleBytes)
	for i := range frames * channels {
		from := i * sampleBytes * stereo / channels
		for b := range sampleBytes {
			planes[b*frames*channels+i] = data[from+b]
		}
	}
	return packer().EncodeAll(planes, []byte{byte(channels)})
}

// unpackSamples is the inverse of packSamples for the given number of samples.
func unpackSamples(packed []byte, frames int) ([]byte, error) {
	if len(packed) == 0 || packed[0] != mono && packed[0] != stereo {
		return nil, errors.New("audio samples are damaged")
	}
	channels := int(packed[0])
	planes, err := unpacker().DecodeAll(packed[1:], make([]byte, 0, frames*channels*sampleBytes))
	if err != nil {
		return nil, fmt.Errorf("audio samples are damaged: %w", err)
	}
	if len(planes) != frames*channels*sampleBytes {
		return nil, fmt.Errorf("audio samples are damaged: %d bytes for %d samples", len(planes), frames)
	}
	data := make([]byte, frames*stereo*sampleBytes)
	for i := range frames * stereo {
		from := i * channels / stereo
		for b := range sampleBytes {
			data[i*sampleBytes+b] = planes[b*frames*channels+from]
		}
	}
	return data, nil
}
