package matroska

import (
	"encoding/binary"
	"io"
	"time"

	"roomreel/internal/media"
)

const (
	blockKey   = 0x80 // of a SimpleBlock's flags
	laceMask   = 0x06
	laceXiph   = 0x02
	laceFixed  = 0x04
	laceEBML   = 0x06
	laceHeader = 16 << 10 // bytes looked at; 256 sizes of up to 15 KiB in Xiph's unary form
)

// block reads the body of a SimpleBlock or Block. Its packets are kept when the whole block is there.
func (s *scanner) block(size int64, simple bool) error {
	if s.track == nil {
		return s.discard(size)
	}
	s.group = len(s.build.Index.Packets)
	head, err := s.peek(int(min(size, laceHeader)))
	if err != nil {
		return err
	}
	if int64(len(head)) < min(size, laceHeader) {
		return s.lose(size)
	}
	number, n := parseVint(head)
	if n == 0 || len(head) < n+3 {
		return s.discard(size)
	}
	at := s.ticks(s.cluster + int64(int16(binary.BigEndian.Uint16(head[n:]))))
	if early, known := s.early[number]; known {
		at, s.last = s.joiner.At(number, at, early), number
	}
	if s.starts[number] == unknownStart {
		s.starts[number] = at
	}
	if number != s.track.number || s.skip {
		return s.discard(size)
	}
	flags := head[n+2]
	head = head[n+3:]
	sizes, used := laces(head, size-int64(n)-3, flags)
	if sizes == nil {
		return s.discard(size) // a lace that does not add up: the block is whole, its packets cannot be told apart
	}
	if err := s.discard(int64(n + 3 + used)); err != nil {
		return err
	}
	for _, length := range sizes {
		d, err := s.packet(at, length, !simple || flags&blockKey != 0)
		if err != nil {
			s.build.Unadd(s.group)
			return err
		}
		at += d
	}
	return nil
}

// lose steps over the part of a block that the file still holds.
func (s *scanner) lose(size int64) error {
	err := s.discard(size)
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// packet reads one packet of the wanted track and returns how long it lasts, as far as that is known.
func (s *scanner) packet(at time.Duration, size int64, key bool) (time.Duration, error) {
	front, err := s.peek(int(min(size, int64(s.build.Front()))))
	if err != nil {
		return 0, err
	}
	p := media.Packet{Time: at, Duration: s.track.spacing, Pos: s.pos, Size: int(size), Key: key}
	if s.build.Index.Video {
		p.Duration = 0
	}
	before := len(s.build.Index.Packets)
	if err := s.build.Add(p, front); err != nil {
		return 0, err
	}
	if err := s.discard(size); err != nil {
		return 0, err // the caller removes the packet
	}
	if all := s.build.Index.Packets; len(all) > before && !s.build.Index.Video {
		return all[len(all)-1].Duration, nil
	}
	return s.track.spacing, nil
}

// laces returns the sizes of the packets in a block, and how many bytes of head, which follows the block's flags, say
// so. total is what is left of the block. It returns nil when the sizes do not add up.
func laces(head []byte, total int64, flags byte) (sizes []int64, used int) {
	if flags&laceMask == 0 {
		return []int64{total}, 0
	}
	if len(head) == 0 {
		return nil, 0
	}
	n := int(head[0]) + 1
	used = 1
	sizes = make([]int64, 0, n)
	left := total - 1
	add := func(size int64) bool {
		left -= size
		sizes = append(sizes, size)
		return size >= 0 && left >= 0
	}
	switch flags & laceMask {
	case laceFixed:
		if left%int64(n) != 0 {
			return nil, 0
		}
		each := left / int64(n)
		for range n {
			add(each)
		}
		return sizes, used
	case laceXiph:
		for range n - 1 {
			size := int64(0)
			for {
				if used >= len(head) {
					return nil, 0
				}
				c := head[used]
				used++
				left--
				size += int64(c)
				if c < 255 {
					break
				}
			}
			if !add(size) {
				return nil, 0
			}
		}
	case laceEBML:
		size := int64(0)
		for i := range n - 1 {
			v, m := parseVint(head[used:])
			if m == 0 {
				return nil, 0
			}
			used += m
			left -= int64(m)
			if i == 0 {
				size = int64(v)
			} else {
				size += int64(v) - (1<<(7*m-1) - 1)
			}
			if !add(size) {
				return nil, 0
			}
		}
	}
	if !add(left) {
		return nil, 0
	}
	return sizes, used
}
