package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"time"
)

// IndexFile is a stored index, open for reading in slices. Its memory does not grow with the number of packets, but for
// some bytes for each thousand. It may be used concurrently.
type IndexFile struct {
	head   indexHead
	blocks []block
	r      io.ReaderAt
}

// headGuess is how much of an index is read at first: the head of a recording of some hours.
const headGuess = 16 << 10

// OpenIndex opens an index of size bytes that MarshalBinary made, of this version or of one before.
func OpenIndex(r io.ReaderAt, size int64) (*IndexFile, error) {
	const front = len(indexMagic) + 1 + 4
	b, err := readAt(r, 0, min(headGuess, size))
	if err != nil {
		return nil, err
	}
	if len(b) < front || string(b[:len(indexMagic)]) != indexMagic {
		return nil, fmt.Errorf("%w: it is no packet index", errIndex)
	}
	switch version := b[len(indexMagic)]; version {
	case indexVersion:
	case 1:
		return openV1(r, size)
	default:
		return nil, fmt.Errorf("packet index has version %d, this program reads versions 1 to %d", version, indexVersion)
	}
	n := int64(binary.BigEndian.Uint32(b[front-4:]))
	end := int64(front) + n + 4
	if n > maxHead || end > size {
		return nil, errIndex
	}
	if end > int64(len(b)) {
		if b, err = readAt(r, 0, end); err != nil {
			return nil, err
		}
	}
	text, ok := unsum(b[:end])
	if !ok {
		return nil, fmt.Errorf("%w: its checksum does not fit", errIndex)
	}
	head, blocks, err := parseHead(text[front:], end)
	if err != nil {
		return nil, err
	}
	if k := len(blocks); k > 0 && blocks[k-1].at+int64(blocks[k-1].size) != size || k == 0 && end != size {
		return nil, fmt.Errorf("%w: it has another size than it says", errIndex)
	}
	return &IndexFile{head, blocks, r}, nil
}

func readAt(r io.ReaderAt, at, n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, at, n), b); err != nil {
		return nil, fmt.Errorf("read packet index: %w", err)
	}
	return b, nil
}

// openV1 reads an index of version 1 whole and makes one of this version of it, in memory.
func openV1(r io.ReaderAt, size int64) (*IndexFile, error) {
	b, err := readAt(r, 0, size)
	if err != nil {
		return nil, err
	}
	var x Index
	if err := x.unmarshalV1(b); err != nil {
		return nil, err
	}
	return x.File()
}

// File returns the index as an open file in memory.
func (x *Index) File() (*IndexFile, error) {
	b, err := x.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return OpenIndex(bytes.NewReader(b), int64(len(b)))
}

// UnmarshalBinary reads a whole stored index. Memory is bounded by the length of b, and so is what x claims.
func (x *Index) UnmarshalBinary(b []byte) error {
	f, err := OpenIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	y := f.Track()
	for p, err := range f.Packets(0, f.Count()) {
		if err != nil {
			return err
		}
		y.Packets = append(y.Packets, p)
	}
	*x = y
	return nil
}

// Track returns what the index says of the track: all but its packets.
func (f *IndexFile) Track() Index { return f.head.Track }

// Count returns how many packets there are.
func (f *IndexFile) Count() int { return f.head.Count }

// Length is Index.Length.
func (f *IndexFile) Length() time.Duration { return f.head.Length }

// sliceSize is about how many bytes of an index are fetched at once: blocks of some ten thousand packets. A bucket answers
// few large requests sooner than many small ones.
const sliceSize = 128 << 10

// Packets yields the packets [from, to) in file order. After an error it ends.
func (f *IndexFile) Packets(from, to int) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		var packets []Packet
		for i := from / blockPackets; i < len(f.blocks) && f.blocks[i].first < to; {
			at, end := f.blocks[i].at, i
			for end < len(f.blocks) && f.blocks[end].first < to && f.blocks[end].at-at < sliceSize {
				end++
			}
			bytes, err := readAt(f.r, at, f.blocks[end-1].at+int64(f.blocks[end-1].size)-at)
			for ; i < end; i++ {
				b := f.blocks[i]
				if err == nil {
					packets, err = b.appendPackets(packets[:0], bytes[b.at-at:][:b.size], &f.head)
				}
				if err != nil {
					yield(Packet{}, err)
					return
				}
				for k := max(from-b.first, 0); k < min(to-b.first, len(packets)); k++ {
					if !yield(packets[k], nil) {
						return
					}
				}
			}
		}
	}
}

// Bits of a version 1 index's flag byte.
const (
	indexV1Video = 1 << iota
	indexV1Truncated
	indexV1Unknown = ^byte(indexV1Video | indexV1Truncated)
)

// unmarshalV1 reads an index of version 1: the track's properties as varints, then all packets, then a CRC-32 of all
// before. It has no blocks and can only be read whole.
func (x *Index) unmarshalV1(b []byte) error {
	n := len(b) - 4
	if n < 0 || crc32.ChecksumIEEE(b[:n]) != binary.BigEndian.Uint32(b[n:]) {
		return fmt.Errorf("%w: its checksum does not fit", errIndex)
	}
	r := indexReader{b: b[len(indexMagic)+1 : n]}
	var y Index
	flags := r.byte()
	y.Video, y.Truncated = flags&indexV1Video != 0, flags&indexV1Truncated != 0
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
	if r.bad || flags&indexV1Unknown != 0 || len(y.Prefix) > MaxPrefix {
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
