package media

import (
	"fmt"
	"slices"

	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
)

// Stream says whether the packets of a track of VP8 or H.264 are one stream that can be put into another container as they are, as
// far as their first bytes tell. The zero value says nothing: of other codecs, and in an index that was made before.
type Stream struct {
	Known bool
	Sets  []byte `json:",omitempty"` // h264: the parameter sets of all packets, in Annex B form
	Why   string `json:",omitempty"` // why they are no such stream; "" when they are one
}

// Bounds of parameter sets. Real streams have two or three, of less than 100 bytes in all.
const (
	maxSets      = 4096 // bytes of Stream.Sets
	maxSetsPlace = 32   // of a packet
)

// add looks at the next packet. front is its first bytes, size its whole size, and frame what front tells.
func (s *Stream) add(x *Index, framing h264.Framing, frame bitstream.Frame, front []byte, size int64) {
	if s.Why != "" {
		s.Known = true
		return
	}
	switch {
	case x.Codec != "vp8" && x.Codec != "h264":
		return
	case !frame.Known:
		s.Why = "one of its packets does not say what frame it is"
	case x.Codec == "vp8":
		s.Why = bitstream.CheckVP8(front, size)
	default:
		s.Why = s.addSets(framing.Sets(front))
	}
	s.Known = true
}

// addSets compares the parameter sets of a packet with those of the stream, and says why they do not fit.
func (s *Stream) addSets(sets [][]byte) string {
	if len(sets) == 0 {
		return ""
	}
	if len(sets) > maxSetsPlace {
		return fmt.Sprintf("it has more than %d parameter sets in one place", maxSetsPlace)
	}
	if len(s.Sets) == 0 {
		for _, set := range sets {
			s.Sets = append(append(s.Sets, 0), bitstream.StartCode...)
			s.Sets = append(s.Sets, set...)
		}
		if len(s.Sets) > maxSets {
			s.Sets = nil
			return fmt.Sprintf("its parameter sets have more than %d bytes", maxSets)
		}
		return ""
	}
	known := h264.PrivateSets(s.Sets)
	for _, set := range sets {
		if !slices.ContainsFunc(known, func(have []byte) bool { return slices.Equal(have, set) }) {
			return "its parameter sets change"
		}
	}
	return ""
}

func (s *Stream) valid() bool { return len(s.Sets) <= maxSets && len(s.Why) <= maxOmission }
