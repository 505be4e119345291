package bitstream

import "encoding/binary"

// VP8 frame headers. Source: RFC 6386, 9 and 19.2.
const (
	vp8Tag       = 3  // bytes of the tag of every frame
	vp8KeyHeader = 10 // bytes before the first partition of a keyframe, tag included
	vp8Versions  = 4  // that are defined
)

// CheckVP8 says why a decoder refuses a VP8 frame of size bytes or shows nothing of it, as far as its first bytes tell. It is "" when they
// do not. Damage inside of partitions is not found: decoders make something of it.
func CheckVP8(front []byte, size int64) string {
	frame := ParseVP8(front)
	if !frame.Known {
		return "one of its packets is no VP8 frame"
	}
	tag := uint32(front[0]) | uint32(front[1])<<8 | uint32(front[2])<<16
	head := int64(vp8Tag)
	if frame.Key {
		head = vp8KeyHeader
		const scale = 0xc000
		if (binary.LittleEndian.Uint16(front[6:])|binary.LittleEndian.Uint16(front[8:]))&scale != 0 {
			return "players are to scale its frames"
		}
	}
	first := head + int64(tag>>5)
	switch {
	case tag>>1&7 >= vp8Versions:
		return "one of its packets has an unknown version of VP8"
	case tag>>4&1 == 0:
		return "some of its frames are not to be shown"
	case tag>>5 == 0 || first > size:
		return "one of its packets is cut short"
	}
	partitions := int64(1) << vp8Partitions(front[head:min(first, int64(len(front)))], frame.Key)
	table := first + 3*(partitions-1) // sizes of all partitions but the last
	if table > size {
		return "one of its packets is cut short"
	}
	if table > int64(len(front)) {
		return ""
	}
	end := table
	for at := first; at < table; at += 3 {
		end += int64(front[at]) | int64(front[at+1])<<8 | int64(front[at+2])<<16
	}
	if end > size {
		return "one of its packets is cut short"
	}
	return ""
}

// vp8Partitions returns the binary logarithm of how many partitions of tokens a frame has, by its first partition.
func vp8Partitions(b []byte, key bool) uint {
	r := newBoolReader(b)
	optional := func(bits int) {
		if r.bits(1) == 1 {
			r.bits(bits)
		}
	}
	if key {
		r.bits(2) // colour space, clamping
	}
	if r.bits(1) == 1 { // segmentation
		updateMap, updateData := r.bits(1), r.bits(1)
		if updateData == 1 {
			r.bits(1)
			for range 4 {
				optional(7 + 1) // quantizer and sign
			}
			for range 4 {
				optional(6 + 1) // level of the loop filter and sign
			}
		}
		if updateMap == 1 {
			for range 3 {
				optional(8)
			}
		}
	}
	r.bits(1 + 6 + 3)   // loop filter: type, level, sharpness
	if r.bits(1) == 1 { // the levels are adjusted
		if update := r.bits(1); update == 1 {
			for range 8 {
				optional(6 + 1)
			}
		}
	}
	return uint(r.bits(2))
}

// boolReader reads bits of even probability that VP8's arithmetic coder wrote. Past the end it goes on with zeros. Source: RFC 6386, 7.3.
type boolReader struct {
	b      []byte
	value  uint32 // the next two bytes, less what was read
	width  uint32
	shifts int
}

func newBoolReader(b []byte) *boolReader {
	r := &boolReader{b: b, width: 255}
	r.value = r.next()<<8 | r.next()
	return r
}

func (r *boolReader) next() uint32 {
	if len(r.b) == 0 {
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return uint32(c)
}

func (r *boolReader) bits(n int) uint32 {
	v := uint32(0)
	for range n {
		split := 1 + (r.width-1)*128>>8
		bit := uint32(0)
		if r.value >= split<<8 {
			bit = 1
			r.width -= split
			r.value -= split << 8
		} else {
			r.width = split
		}
		for r.width < 128 {
			r.value <<= 1
			r.width <<= 1
			if r.shifts++; r.shifts == 8 {
				r.shifts = 0
				r.value |= r.next()
			}
		}
		v = v<<1 | bit
	}
	return v
}
