package bitstream

import "bytes"

// StartCode begins a NAL unit of H.264 and HEVC in an Annex B byte stream. A fourth zero may come before it.
var StartCode = []byte{0, 0, 1}

// NALFraming returns how many bytes say the length of a NAL unit in a packet, 0 for start codes, when the track's private data
// says size.
func NALFraming(packet []byte, size int) int {
	switch {
	case bytes.HasPrefix(packet, []byte{0, 0, 0, 1}): // start codes whatever the private data says: no slice is one byte long
		return 0
	case size == 0 && !bytes.HasPrefix(packet, StartCode): // no private data, and no start code either
		return 4
	}
	return size
}

// CutNAL splits the first NAL unit off b. Units are behind lengths of so many bytes, or behind start codes when lengthSize is 0. The last one
// may be cut short by the end of b. An empty unit with an empty rest is the end.
func CutNAL(b []byte, lengthSize int) (nal, rest []byte) {
	if lengthSize > 0 {
		if len(b) <= lengthSize {
			return nil, nil
		}
		n := uint64(0)
		for _, c := range b[:lengthSize] {
			n = n<<8 | uint64(c)
		}
		b = b[lengthSize:]
		if n > uint64(len(b)) {
			return b, nil
		}
		return b[:n], b[n:]
	}
	i := bytes.Index(b, StartCode)
	if i < 0 {
		return nil, nil
	}
	b = b[i+3:]
	if j := bytes.Index(b, StartCode); j >= 0 {
		return b[:j], b[j:]
	}
	return b, nil
}
