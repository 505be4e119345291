package media

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// An index at rest can be read in slices. It is a magic word and a version, the length of the head, the head (JSON: the
// track's properties and a table of blocks), and then the blocks: blockPackets packets each, as varint differences, that
// can be decoded one by one. The head and each block end in a CRC-32 of themselves. An hour of Opus takes about 1 MB.

const (
	indexMagic   = "rrix"
	indexVersion = 2

	blockPackets = 1024
	maxHead      = 8 << 20 // bytes; a block takes about 12 in it
)

// maxTime bounds times and durations, so that their sum is one too.
const maxTime = time.Duration(1 << 61)

// Bits of a packet's first byte.
const (
	packetKey       = 1 << iota
	packetSized     // width and height follow
	packetSame      // lasts as long as the one before
	packetBeyond    // does not begin where the one before ends: the distance follows
	packetReordered // Need is earlier than Time: the difference follows
	packetSplit     // Rest follows
	packetUnknown   = ^byte(packetKey | packetSized | packetSame | packetBeyond | packetReordered | packetSplit)
)

// maxRest bounds Packet.Rest: an Ogg packet of 120 ms spans a few pages.
const maxRest = 1 << 12

var errIndex = errors.New("packet index is damaged")

// indexHead is the part of an index at rest that is read first.
type indexHead struct {
	Track  Index         // without packets
	Count  int           // of packets
	Length time.Duration // Index.Length
	Unit   time.Duration // all times are multiples of it
	Blocks []byte        // the table: for each block, as varints, bytes, and the time and position from which its packets count
}

// block is an entry of the table.
type block struct {
	at      int64 // where its bytes begin in the encoded index
	size    int   // in bytes, with its checksum
	first   int   // number of its first packet
	packets int
	time    time.Duration // from which its times count
	pos     int64         // from which its positions count
}

// MarshalBinary returns the index as it is stored.
func (x *Index) MarshalBinary() ([]byte, error) {
	if len(x.Packets) > MaxPackets {
		return nil, fmt.Errorf("packet index: more than %d packets", MaxPackets)
	}
	head := indexHead{Track: *x, Count: len(x.Packets), Length: x.Length(), Unit: x.unit()}
	head.Track.Packets = nil
	need := neededFrom(x.Packets)
	var blocks []byte
	var last Packet
	for first := 0; first < len(x.Packets); first += blockPackets {
		begin := len(blocks)
		base := last
		last.Duration = 0
		for i := first; i < min(first+blockPackets, len(x.Packets)); i++ {
			p := x.Packets[i]
			if need != nil {
				p.Need = need[i]
			} else {
				p.Need = p.Time
			}
			blocks = appendPacket(blocks, p, last, head.Unit)
			last = p
		}
		blocks = sum(blocks, begin)
		head.Blocks = binary.AppendUvarint(head.Blocks, uint64(len(blocks)-begin))
		head.Blocks = binary.AppendVarint(head.Blocks, int64(base.Time/head.Unit))
		head.Blocks = binary.AppendVarint(head.Blocks, base.Pos+int64(base.Size))
		last.Pos, last.Size = last.Pos+int64(last.Size), 0
	}
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	if len(text) > maxHead {
		return nil, fmt.Errorf("packet index: its head has %d bytes, more than %d", len(text), maxHead)
	}
	b := make([]byte, 0, len(indexMagic)+9+len(text)+len(blocks))
	b = append(b, indexMagic...)
	b = append(b, indexVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	b = sum(b, 0)
	return append(b, blocks...), nil
}

// neededFrom returns Packet.Need of all packets, nil when each is needed at its own time.
func neededFrom(packets []Packet) []time.Duration {
	ordered := true
	for i := 1; i < len(packets) && ordered; i++ {
		ordered = packets[i-1].Time <= packets[i].Time
	}
	if ordered {
		return nil
	}
	need := make([]time.Duration, len(packets))
	earliest := maxTime
	for i := len(packets) - 1; i >= 0; i-- {
		earliest = min(earliest, packets[i].Time)
		need[i] = earliest
	}
	return need
}

func appendPacket(b []byte, p, last Packet, unit time.Duration) []byte {
	var flags byte
	gap := p.Pos - (last.Pos + int64(last.Size))
	set := func(bit byte, when bool) {
		if when {
			flags |= bit
		}
	}
	set(packetKey, p.Key)
	set(packetSized, p.Width != 0 || p.Height != 0)
	set(packetSame, p.Duration == last.Duration)
	set(packetBeyond, gap != 0)
	set(packetReordered, p.Need != p.Time)
	set(packetSplit, len(p.Rest) > 0)
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
	if flags&packetReordered != 0 {
		b = binary.AppendUvarint(b, uint64((p.Time-p.Need)/unit))
	}
	if flags&packetSplit != 0 {
		b = binary.AppendUvarint(b, uint64(len(p.Rest)))
		for _, span := range p.Rest {
			b = binary.AppendUvarint(b, uint64(span.Pos))
			b = binary.AppendUvarint(b, uint64(span.Size))
		}
	}
	return b
}

// sum appends the checksum of b[from:].
func sum(b []byte, from int) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}

// unsum returns b without the checksum at its end, and whether that fits.
func unsum(b []byte) ([]byte, bool) {
	n := len(b) - 4
	return b[:max(n, 0)], n >= 0 && crc32.ChecksumIEEE(b[:n]) == binary.BigEndian.Uint32(b[n:])
}

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

// parseHead reads the head of version 2, which ends at byte end of the encoded index, and its table of blocks.
func parseHead(text []byte, end int64) (indexHead, []block, error) {
	var head indexHead
	if err := json.Unmarshal(text, &head); err != nil {
		return head, nil, fmt.Errorf("%w: %w", errIndex, err)
	}
	t := &head.Track
	t.Packets = nil
	if head.Count < 0 || head.Count > MaxPackets || t.Size < 0 || !t.validHeaders() || !t.validParts(head.Count) ||
		head.Unit < 1 || head.Unit > maxTime || head.Length < 0 || head.Length > 2*maxTime {
		return head, nil, errIndex
	}
	r := indexReader{b: head.Blocks}
	var blocks []block
	for first := 0; first < head.Count; first += blockPackets {
		b := block{at: end, first: first, packets: min(blockPackets, head.Count-first)}
		b.size = int(r.uint(math.MaxInt32))
		b.time = time.Duration(r.between(0, int64(maxTime/head.Unit))) * head.Unit
		b.pos = r.between(0, t.Size)
		if r.bad {
			return head, nil, errIndex
		}
		end += int64(b.size)
		blocks = append(blocks, b)
	}
	if len(r.b) != 0 {
		return head, nil, errIndex
	}
	return head, blocks, nil
}

// appendPackets appends the packets of a block, whose bytes are given, to dst.
func (b block) appendPackets(dst []Packet, bytes []byte, head *indexHead) ([]Packet, error) {
	bytes, ok := unsum(bytes)
	if !ok {
		return dst, fmt.Errorf("%w: the checksum of packet %d and those after it does not fit", errIndex, b.first)
	}
	r := indexReader{b: bytes}
	last := Packet{Time: b.time, Pos: b.pos}
	for range b.packets {
		p := r.packet(last, head.Unit, head.Track.Size)
		if r.bad {
			return dst, errIndex
		}
		dst = append(dst, p)
		last = p
	}
	if len(r.b) != 0 {
		return dst, errIndex
	}
	return dst, nil
}

// indexReader reads varints off the front of b. After a mistake it is bad and yields zeros.
type indexReader struct {
	b   []byte
	bad bool
}

// packet reads one packet that comes after last. All its bytes lie before end.
func (r *indexReader) packet(last Packet, unit time.Duration, end int64) Packet {
	flags := r.byte()
	if flags&packetUnknown != 0 {
		r.bad = true
	}
	units := int64(maxTime / unit)
	p := Packet{Key: flags&packetKey != 0, Duration: last.Duration}
	t := int64(last.Time / unit)
	p.Time = time.Duration(t+r.between(-t, units-t)) * unit
	p.Need = p.Time
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
	if flags&packetReordered != 0 {
		p.Need -= time.Duration(r.uint(uint64(p.Time/unit))) * unit
	}
	if flags&packetSplit != 0 {
		const least = 2 // bytes of a span
		n := r.uint(min(maxRest, uint64(len(r.b)/least)))
		for ; n > 0 && !r.bad; n-- {
			span := Span{Pos: int64(r.uint(uint64(end))), Size: int(r.uint(MaxPacketSize))}
			if span.Pos+int64(span.Size) > end {
				r.bad = true
			}
			p.Rest = append(p.Rest, span)
		}
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
