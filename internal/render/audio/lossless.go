package audio

import (
	"encoding/binary"
	"fmt"
	"math"

	"roomreel/internal/render/protocol"
)

const (
	// losslessSamples is how many samples a packet holds, 200 ms; the last may hold fewer.
	losslessSamples = 9600

	floatSize = 4 // bytes
)

// losslessWriter sends samples as they are: not limited, not encoded.
type losslessWriter struct {
	out      *packetWriter
	channels int
	packet   []byte
}

func newLosslessWriter(channels int, out *packetWriter) (*losslessWriter, error) {
	if err := out.conn.Header(protocol.Header{}); err != nil {
		return nil, err
	}
	return &losslessWriter{out: out, channels: channels, packet: make([]byte, 0, losslessSamples*channels*floatSize)}, nil
}

func (w *losslessWriter) write(samples []float32, _ float32) error {
	for len(samples) > 0 {
		n := min(len(samples), (cap(w.packet)-len(w.packet))/floatSize)
		for _, v := range samples[:n] {
			w.packet = binary.LittleEndian.AppendUint32(w.packet, math.Float32bits(v))
		}
		samples = samples[n:]
		if len(w.packet) < cap(w.packet) {
			continue
		}
		if err := w.send(); err != nil {
			return err
		}
	}
	return nil
}

func (w *losslessWriter) send() error {
	n := int64(len(w.packet) / (w.channels * floatSize))
	if err := w.out.packet(w.out.done, n, w.packet); err != nil {
		return err
	}
	w.packet = w.packet[:0]
	return w.out.progress(n, false)
}

func (w *losslessWriter) end() error {
	if len(w.packet) > 0 {
		if err := w.send(); err != nil {
			return err
		}
	}
	return w.out.progress(0, true)
}

// readLossless appends the samples of a packet to dst.
func readLossless(dst []float32, data []byte, channels int) ([]float32, error) {
	if len(data) == 0 || len(data)%(channels*floatSize) != 0 {
		return dst, fmt.Errorf("a lossless packet of %d bytes", len(data))
	}
	for ; len(data) > 0; data = data[floatSize:] {
		dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(data)))
	}
	return dst, nil
}
