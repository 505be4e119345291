package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// An index at rest is a magic word, a version, the facts and then the packets as varint differences, and at last a CRC-32
// of all before. An hour of Opus takes about 1 MB.

const (
	indexMagic   = "rrix"
	indexVersion = 1
)

// maxTime bounds times and durations, so that their sum is one too.
const maxTime = time.Duration(1 << 61)

// Bits of a packet's first byte.
const (
	packetKey     = 1 << iota
	packetSized   // width and height follow
	packetSame    // lasts as long as the one before
	packetBeyond  // does not begin where the one before ends: the distance follows
	packetUnknown = ^byte(packetKey | packetSized | packetSame | packetBeyond)
)

// Bits of an index's flag byte.
const (
	indexVideo = 1 << iota
	indexTruncated
	indexUnknown = ^byte(indexVideo | indexTruncated)
)

var errIndex = errors.New("packet index is damaged")

// MarshalBinary returns the index in its compact form.
func (x *Index) MarshalBinary() ([]byte, error) {
	if len(x.Packets) > MaxPackets {
		return nil, fmt.Errorf("packet index: more than %d packets", MaxPackets)
	}
	b := make([]byte, 0, 256+8*len(x.Packets))
	b = append(b, indexMagic...)
	b = append(b, indexVersion)
	var flags byte
	if x.Video {
		flags |= indexVideo
	}
	if x.Truncated {
		flags |= indexTruncated
	}
	b = append(b, flags)
	for _, s := range [][]byte{[]byte(x.Codec), x.Private, x.Prefix} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	unit := x.unit()
	for _, v := range []int64{int64(x.CodecDelay), int64(x.Rate), int64(x.Channels), int64(x.Width), int64(x.Height), x.Size, int64(unit), int64(len(x.Packets))} {
		b = binary.AppendVarint(b, v)
	}
	var last Packet
	for _, p := range x.Packets {
		var flags byte
		gap := p.Pos - (last.Pos + int64(last.Size))
		if p.Key {
			flags |= packetKey
		}
		if p.Width != 0 || p.Height != 0 {
			flags |= packetSized
		}
		if p.Duration == last.Duration {
			flags |= packetSame
		}
		if gap != 0 {
			flags |= packetBeyond
		}
		b = append(b, flags)
		b = binary.AppendVarint(b, int64((p.Time-last.Time)/unit))
		b = binary.AppendUvarint(b, uint64(p.Size))
		if flags&packetBeyond != 0 {
			b = binary.AppendVarint(b, gap)
		}
		if flags&packetSame == 0 {
			b = binary.AppendVarint(b, int64(p.Duration/unit))
		}
		if flags&packetSized != 0 {
			b = binary.AppendUvarint(b, uint64(p.Width))
			b = binary.AppendUvarint(b, uint64(p.Height))
		}
		last = p
	}
	return sum(b), nil
}

// sum appends b's checksum.
func sum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

// unit returns the largest duration that all times are multiples of.
func (x *Index) unit() time.Duration {
	var unit time.Duration
	add := func(d time.Duration) {
		a, b := unit, max(d, -d)
		for b != 0 {
			a, b = b, a%b
		}
		unit = a
	}
	for _, p := range x.Packets {
		if unit == 1 {
			break
		}
		add(p.Time)
		add(p.Duration)
	}
	return max(unit, 1)
}

// UnmarshalBinary reads what MarshalBinary wrote. Memory is bounded by the length of b, and so is what x claims.
func (x *Index) UnmarshalBinary(b []byte) error {
	if len(b) < len(indexMagic)+1 || string(b[:len(indexMagic)]) != indexMagic {
		return fmt.Errorf("%w: it is no packet index", errIndex)
	}
	if v := b[len(indexMagic)]; v != indexVersion {
		return fmt.Errorf("packet index has version %d, this program reads version %d: make it anew from the recording", v, indexVersion)
	}
	n := len(b) - 4
	if n < 0 || crc32.ChecksumIEEE(b[:n]) != binary.BigEndian.Uint32(b[n:]) {
		return fmt.Errorf("%w: its checksum does not fit", errIndex)
	}
	r := indexReader{b: b[len(indexMagic)+1 : n]}
	var y Index
	flags := r.byte()
	y.Video, y.Truncated = flags&indexVideo != 0, flags&indexTruncated != 0
	y.Codec = string(r.bytes())
	y.Private = r.bytes()
	y.Prefix = r.bytes()
	y.CodecDelay = time.Duration(r.between(0, int64(time.Second)))
	y.Rate = int(r.between(0, MaxRate))
	y.Channels = int(r.between(0, MaxChannels))
	y.Width = int(r.between(0, MaxSide))
	y.Height = int(r.between(0, MaxSide))
	y.Size = r.between(0, math.MaxInt64)
	unit := time.Duration(r.between(1, int64(maxTime)))
	const least = 3 // bytes of the smallest packet
	count := r.between(0, min(MaxPackets, int64(len(r.b)/least)))
	if r.bad || flags&indexUnknown != 0 || len(y.Prefix) > MaxPrefix {
		return errIndex
	}
	if count > 0 {
		y.Packets = make([]Packet, count)
	}
	var last Packet
	for i := range y.Packets {
		p := r.packet(last, unit, y.Size)
		if r.bad {
			return errIndex
		}
		y.Packets[i], last = p, p
	}
	if len(r.b) != 0 {
		return errIndex
	}
	*x = y
	return nil
}

// indexReader reads varints off the front of b. After a mistake it is bad and yields zeros.
type indexReader struct {
	b   []byte
	bad bool
}

func (r *indexReader) packet(last Packet, unit time.Duration, end int64) Packet {
	flags := r.byte()
	if flags&packetUnknown != 0 {
		r.bad = true
	}
	units := int64(maxTime / unit)
	p := Packet{Key: flags&packetKey != 0, Duration: last.Duration}
	t := int64(last.Time / unit)
	p.Time = time.Duration(t+r.between(-t, units-t)) * unit
	p.Size = int(r.uint(MaxPacketSize))
	p.Pos = last.Pos + int64(last.Size)
	if flags&packetBeyond != 0 {
		p.Pos += r.between(-p.Pos, end-p.Pos)
	}
	if p.Pos+int64(p.Size) > end {
		r.bad = true
	}
	if flags&packetSame == 0 {
		p.Duration = time.Duration(r.between(0, units)) * unit
	}
	if flags&packetSized != 0 {
		p.Width, p.Height = int(r.uint(MaxSide)), int(r.uint(MaxSide))
	}
	return p
}

func (r *indexReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *indexReader) uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *indexReader) between(least, most int64) int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 || v < least || v > most {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *indexReader) bytes() []byte {
	n := int(r.uint(uint64(len(r.b))))
	if n > len(r.b) { // the count took a byte itself
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	s := append([]byte(nil), r.b[:n]...)
	r.b = r.b[n:]
	return s
}
