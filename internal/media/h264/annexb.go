package h264

import (
	"bytes"
	"encoding/binary"
	"errors"

	"roomreel/internal/media/bitstream"
)

// AnnexB appends the NAL units of a packet to out behind start codes, as it is stored in a segment. The error says why the packet
// cannot be a frame of a stream that has the parameter sets of c and no others.
func (f Framing) AnnexB(out, packet []byte, c Config) ([]byte, error) {
	size := bitstream.NALFraming(packet, f.lengthSize)
	slices := 0
	for len(packet) > 0 {
		nal, rest := bitstream.CutNAL(packet, size)
		// CutNAL returns what there is.
		if size > 0 && (len(packet) < size || !bytes.HasSuffix(binary.BigEndian.AppendUint64(nil, uint64(len(nal))), packet[:size])) {
			return out, errors.New("it is cut short")
		}
		if size == 0 {
			nal = bytes.TrimRight(nal, "\x00")
		}
		if packet = rest; len(nal) == 0 {
			continue
		}
		if size > 0 && bytes.Contains(nal, bitstream.StartCode) {
			return out, errors.New("it holds a start code inside of a NAL unit")
		}
		switch nal[0] & 0x1f {
		case nalSlice, nalSlicePartition, nalIDR:
			slices++
		case nalAUD:
			continue
		case nalSPS, nalPPS:
			if !c.has(nal) {
				return out, errors.New("its parameter sets are others")
			}
			continue
		}
		out = append(append(out, 0), bitstream.StartCode...)
		out = append(out, nal...)
	}
	if slices == 0 {
		return out, errors.New("it holds no slice")
	}
	return out, nil
}
