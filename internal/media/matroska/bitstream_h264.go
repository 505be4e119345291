package matroska

import (
	"bytes"
	"encoding/binary"

	"roomreel/internal/media"
)

// NAL unit types. Source: ITU-T H.264, table 7-1.
const (
	nalSlice = 1
	nalIDR   = 5
	nalSPS   = 7
)

// avc is how an H.264 track's packets are framed: by lengths of so many bytes, or 0 for Annex B start codes.
type avc struct {
	lengthSize    int
	width, height int // of the parameter set in the private data
}

// parseAVC reads a track's private data: an avcC record, Annex B parameter sets, or nothing.
func parseAVC(private []byte) avc {
	if len(private) >= 7 && private[0] == 1 {
		a := avc{lengthSize: int(private[4]&3) + 1}
		if private[5]&0x1f > 0 && len(private) >= 8 {
			n := int(binary.BigEndian.Uint16(private[6:]))
			a.width, a.height = parseSPS(private[8:min(8+n, len(private))])
		}
		return a
	}
	p := avc{}.picture(private)
	return avc{width: p.width, height: p.height}
}

// picture reads the NAL units at the front of a packet until a slice tells whether it is an IDR picture. An open GOP's
// entry points are not keyframes by this rule: a decoder that starts there shows broken pictures first.
func (a avc) picture(b []byte) picture {
	p := picture{}
	size := a.lengthSize
	switch {
	case bytes.HasPrefix(b, []byte{0, 0, 0, 1}): // Annex B whatever the private data says; no slice is one byte long
		size = 0
	case size == 0 && !bytes.HasPrefix(b, []byte{0, 0, 1}): // no private data, and no start code either
		size = 4
	}
	for len(b) > 0 {
		var nal []byte
		nal, b = nextNAL(b, size)
		if len(nal) == 0 {
			continue
		}
		switch nal[0] & 0x1f {
		case nalSlice, 2:
			return picture{known: true}
		case nalIDR:
			p.known, p.key = true, true
			if p.width == 0 {
				p.width, p.height = a.width, a.height
			}
			return p
		case nalSPS:
			p.width, p.height = parseSPS(nal)
		}
	}
	return p
}

// nextNAL splits the first NAL unit off b. The last one may be cut short by the end of b.
func nextNAL(b []byte, lengthSize int) (nal, rest []byte) {
	if lengthSize > 0 {
		if len(b) <= lengthSize {
			return nil, nil
		}
		n := uintOf(b[:lengthSize])
		b = b[lengthSize:]
		if n > uint64(len(b)) {
			return b, nil
		}
		return b[:n], b[n:]
	}
	i := bytes.Index(b, []byte{0, 0, 1})
	if i < 0 {
		return nil, nil
	}
	b = b[i+3:]
	if j := bytes.Index(b, []byte{0, 0, 1}); j >= 0 {
		return b[:j], b[j:]
	}
	return b, nil
}

// parseSPS returns the picture size of a sequence parameter set after cropping, or 0, 0.
// Source: ITU-T H.264, 7.3.2.1.1.
func parseSPS(nal []byte) (width, height int) {
	if len(nal) < 4 {
		return 0, 0
	}
	// Emulation prevention: 00 00 03 stands for 00 00.
	r := bitReader{b: bytes.ReplaceAll(nal[1:], []byte{0, 0, 3}, []byte{0, 0})}
	profile := r.bits(8)
	r.bits(16) // constraints, level
	r.ue()     // id
	chroma := uint32(1)
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		chroma = r.ue()
		if chroma == 3 && r.bits(1) == 1 { // separate planes
			chroma = 0
		}
		r.ue() // bit depths
		r.ue()
		r.bits(1)
		if r.bits(1) == 1 {
			lists := 8
			if chroma == 3 {
				lists = 12
			}
			for i := range lists {
				if r.bits(1) == 1 {
					skipScalingList(&r, i)
				}
			}
		}
	}
	r.ue() // log2_max_frame_num
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.bits(1)
		r.se()
		r.se()
		for n := r.ue(); n > 0 && !r.short; n-- {
			r.se()
		}
	}
	r.ue() // reference frames
	r.bits(1)
	w := int64(r.ue()+1) * 16
	h := int64(r.ue()+1) * 16
	frames := r.bits(1)
	if frames == 0 {
		h *= 2
		r.bits(1)
	}
	r.bits(1)
	if r.bits(1) == 1 {
		unitX, unitY := int64(1), int64(2-frames)
		if chroma == 1 || chroma == 2 {
			unitX = 2
		}
		if chroma == 1 {
			unitY *= 2
		}
		w -= unitX * (int64(r.ue()) + int64(r.ue()))
		h -= unitY * (int64(r.ue()) + int64(r.ue()))
	}
	if r.short || w <= 0 || h <= 0 || w > media.MaxSide || h > media.MaxSide {
		return 0, 0
	}
	return int(w), int(h)
}

func skipScalingList(r *bitReader, i int) {
	n := 16
	if i >= 6 {
		n = 64
	}
	last, next := int32(8), int32(8)
	for range n {
		if next != 0 {
			next = (last + r.se() + 256) % 256
		}
		if next != 0 {
			last = next
		}
		if r.short {
			return
		}
	}
}
