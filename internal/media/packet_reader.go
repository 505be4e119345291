package media

import (
	"fmt"
	"io"
)

// readAhead is how much of a file a PacketReader fetches at once. Packets of one track lie close together; a store far
// away answers few large requests sooner than many small ones.
const readAhead = 256 << 10

// PacketReader fetches packets of an indexed recording. It is quickest when they are asked for in order.
type PacketReader struct {
	x   *Index
	r   io.ReaderAt
	buf []byte
	at  int64 // where buf begins in the file
}

// NewPacketReader reads x's packets from r, which holds the file that x was made of.
func NewPacketReader(x *Index, r io.ReaderAt) *PacketReader {
	return &PacketReader{x: x, r: r}
}

// Read returns packet i, with what header stripping took off put back. The slice is the caller's.
func (p *PacketReader) Read(i int) ([]byte, error) {
	k := p.x.Packets[i]
	if k.Pos < p.at || k.Pos+int64(k.Size) > p.at+int64(len(p.buf)) {
		if err := p.fill(k); err != nil {
			return nil, fmt.Errorf("read packet %d: %w", i, err)
		}
	}
	at := int(k.Pos - p.at)
	data := make([]byte, 0, len(p.x.Prefix)+k.Size)
	data = append(data, p.x.Prefix...)
	return append(data, p.buf[at:at+k.Size]...), nil
}

// fill makes the buffer begin with packet k.
func (p *PacketReader) fill(k Packet) error {
	n := max(readAhead, k.Size)
	if cap(p.buf) < n {
		p.buf = make([]byte, n)
	}
	p.buf = p.buf[:n]
	got, err := p.r.ReadAt(p.buf, k.Pos)
	p.buf, p.at = p.buf[:got], k.Pos
	if got >= k.Size {
		return nil // an error past this packet shows when it is in the way
	}
	p.buf = p.buf[:0]
	if err == io.EOF {
		return fmt.Errorf("the recording ends before byte %d: %w", k.Pos+int64(k.Size), io.ErrUnexpectedEOF)
	}
	return err
}
