package h264

import (
	"fmt"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// Sequence is what the sequence parameter set of a stream says about its frames.
type Sequence struct {
	Width, Height                int // after cropping
	AspectNum, AspectDen         int // of a pixel; 0 when it is not said
	Primaries, Transfer, Matrix  uint8
	Full                         bool // samples have the full range
	Coloured                     bool // the numbers before Full are said
	Ranged                       bool // Full is said
	Profile, ChromaFormat, Depth int
	Interlaced                   bool
}

// ParseSequence reads the only sequence parameter set among sets. It reports whether there is exactly one that can be read.
func ParseSequence(sets [][]byte) (Sequence, bool) {
	var s h264.SPS
	found := 0
	for _, set := range sets {
		if set[0]&0x1f == nalSPS {
			if found++; s.Unmarshal(set) != nil {
				return Sequence{}, false
			}
		}
	}
	if found != 1 {
		return Sequence{}, false
	}
	q := Sequence{
		Width: s.Width(), Height: s.Height(), Profile: int(s.ProfileIdc), ChromaFormat: int(s.ChromaFormatIdc),
		Depth: 8 + int(max(s.BitDepthLumaMinus8, s.BitDepthChromaMinus8)), Interlaced: !s.FrameMbsOnlyFlag,
	}
	if slices.Contains(plainProfiles, q.Profile) {
		q.ChromaFormat, q.Depth = 1, 8
	}
	if v := s.VUI; v != nil {
		q.AspectNum, q.AspectDen = aspect(v)
		if q.Ranged = v.VideoSignalTypePresentFlag; q.Ranged {
			q.Full = v.VideoFullRangeFlag
		}
		if q.Coloured = q.Ranged && v.ColourDescriptionPresentFlag; q.Coloured {
			q.Primaries, q.Transfer, q.Matrix = v.ColourPrimaries, v.TransferCharacteristics, v.MatrixCoefficients
		}
	}
	return q, true
}

const (
	baseline = 66
	main     = 77
	extended = 88
	high     = 100
)

// plainProfiles have 4:2:0 and 8 bits always, and do not say so.
var plainProfiles = []int{baseline, main, extended}

// Refusal says why browsers may not play frames of the sequence. It is "" when all do: Baseline, Main and High, 4:2:0, 8 bits, progressive.
func (q Sequence) Refusal() string {
	switch {
	case !slices.Contains([]int{baseline, main, high}, q.Profile):
		return fmt.Sprintf("it has H.264 of profile %d, which not all browsers play", q.Profile)
	case q.ChromaFormat != 1 || q.Depth != 8:
		return "its frames are not 4:2:0 of 8 bits, which all browsers play"
	case q.Interlaced:
		return "its frames may be interlaced"
	}
	return ""
}

// aspects are the proportions of a pixel by their number. Source: ITU-T H.264, table E-1.
var aspects = [][2]int{
	{0, 0}, {1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11}, {80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1},
}

func aspect(v *h264.SPS_VUI) (num, den int) {
	const extendedSAR = 255
	switch {
	case !v.AspectRatioInfoPresentFlag:
		return 0, 0
	case v.AspectRatioIdc == extendedSAR:
		if v.SarWidth == 0 || v.SarHeight == 0 {
			return 0, 0
		}
		return int(v.SarWidth), int(v.SarHeight)
	case int(v.AspectRatioIdc) < len(aspects):
		return aspects[v.AspectRatioIdc][0], aspects[v.AspectRatioIdc][1]
	}
	return 0, 0
}
