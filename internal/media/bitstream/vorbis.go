package bitstream

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Vorbis follows the packets of a Vorbis track. A packet overlaps with the one before it, so it decodes to a quarter of the
// sum of their block sizes, and the first decodes to nothing.
type Vorbis struct {
	Rate, Channels int
	Private        []byte // the headers without comments, which may hold images of megabytes

	blocks [2]int // sizes of short and long blocks, in samples
	long   uint64 // bit n: mode n has long blocks
	bits   int    // of a mode's number
	last   int    // size of the last block; 0 before the first
}

// LaceVorbis joins the three headers of a Vorbis track as Matroska and libavcodec want them. The length of each of the first two is
// a row of bytes that end below 255.
func LaceVorbis(identification, comment, setup []byte) []byte {
	b := []byte{2}
	for _, header := range [][]byte{identification, comment} {
		n := len(header)
		b = append(b, bytes.Repeat([]byte{255}, n/255)...)
		b = append(b, byte(n%255))
	}
	return append(append(append(b, identification...), comment...), setup...)
}

// ParseVorbis reads the private data of a track, and reports whether it holds the headers that decoders need. Source: Vorbis I
// specification, 4.2.
func ParseVorbis(private []byte) (*Vorbis, bool) {
	identification, setup, ok := unlace(private)
	v := &Vorbis{}
	const header = 30
	if !ok || len(identification) < header || !IsVorbisHeader(identification, 1) || !IsVorbisHeader(setup, 5) {
		return v, false
	}
	v.Channels, v.Rate = int(identification[11]), int(min(binary.LittleEndian.Uint32(identification[12:]), 1<<30))
	v.Private = LaceVorbis(identification, nil, setup)
	short, long := identification[28]&15, identification[28]>>4
	v.blocks = [2]int{1 << short, 1 << long}
	return v, v.Channels > 0 && v.Rate > 0 && short >= 6 && short <= long && long <= 13 && v.modes(setup)
}

// IsVorbisHeader reports whether a packet is the header of a kind: 1, 3 or 5.
func IsVorbisHeader(b []byte, kind byte) bool {
	return len(b) >= 7 && b[0] == kind && string(b[1:7]) == "vorbis"
}

// unlace splits what LaceVorbis joined.
func unlace(b []byte) (identification, setup []byte, ok bool) {
	if len(b) == 0 || b[0] != 2 {
		return nil, nil, false
	}
	b = b[1:]
	var sizes [2]int
	for i := range sizes {
		n := 0
		for n < len(b) && b[n] == 255 {
			n++
		}
		if n == len(b) {
			return nil, nil, false
		}
		sizes[i] = 255*n + int(b[n])
		b = b[n+1:]
	}
	if sizes[0]+sizes[1] > len(b) {
		return nil, nil, false
	}
	return b[:sizes[0]], b[sizes[0]+sizes[1]:], true
}

// modes finds the list of modes, which ends the setup header, from behind: what is before it can only be read as a whole. A mode has
// a bit for its block size, 32 bits that are 0, and 8 bits of mapping. The number of modes less one has 6 bits, and one bit set ends
// the header. What looks like a longer list is one when its number fits too. libavcodec's vorbis_parser does the same.
func (v *Vorbis) modes(setup []byte) bool {
	const header, mode, most = 7, 41, 64
	r := backward{b: setup[header:]}
	r.end = 8 * len(r.b)
	for r.end > 0 && r.take(1) == 0 { // the framing bit
	}
	found := 0
	for n, at := 1, r.end; n <= most && at >= mode+6; n++ {
		at -= mode
		if r.at(at+1, 32) != 0 || r.at(at+33, 8) >= most {
			break
		}
		if int(r.at(at-6, 6)) == n-1 {
			found = n
		}
	}
	if found == 0 {
		return false
	}
	first := r.end - mode*found
	for n := range found {
		v.long |= r.at(first+mode*n, 1) << n
	}
	v.bits = bits.Len(uint(found - 1))
	return true
}

// backward reads bits of a packet, which begin with the least significant bit of a byte.
type backward struct {
	b   []byte
	end int // in bits
}

func (r *backward) take(n int) uint64 {
	r.end -= n
	return r.at(r.end, n)
}

// at returns the n bits at a position.
func (r *backward) at(position, n int) (v uint64) {
	for i := range n {
		if k := position + i; k >= 0 && k < 8*len(r.b) {
			v |= uint64(r.b[k>>3]>>(k&7)&1) << i
		}
	}
	return v
}

// Samples returns how many samples the next packet of the track decodes to, by its first two bytes. Headers among the
// packets decode to none, as damaged packets do.
func (v *Vorbis) Samples(front []byte) int {
	r := backward{b: front}
	if len(front) == 0 || r.at(0, 1) != 0 {
		return 0
	}
	size := v.blocks[v.long>>r.at(1, v.bits)&1]
	samples := 0
	if v.last > 0 {
		samples = (v.last + size) / 4
	}
	v.last = size
	return samples
}

// Longest is the largest number of samples that a packet decodes to.
func (v *Vorbis) Longest() int { return v.blocks[1] / 2 }
