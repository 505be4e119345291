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

// Read returns packet i of the index. See ReadPacket.
func (p *PacketReader) Read(i int) ([]byte, error) {
	data, err := p.ReadPacket(i, p.x.Packets[i])
	if err != nil {
		return nil, fmt.Errorf("read packet %d: %w", i, err)
	}
	return data, nil
}

// ReadPacket returns packet number i of the recording, which is k, with what header stripping took off put back. The slice is
// the caller's.
func (p *PacketReader) ReadPacket(i int, k Packet) ([]byte, error) {
	prefix := p.x.Prefix
	if part := p.x.Part(i); part > 0 {
		prefix = p.x.Parts[part-1].Prefix
	}
	size := len(prefix) + k.Size
	for _, span := range k.Rest {
		size += span.Size
	}
	data := make([]byte, 0, size)
	data = append(data, prefix...)
	data, err := p.appendSpan(data, Span{k.Pos, k.Size})
	for i := 0; i < len(k.Rest) && err == nil; i++ {
		data, err = p.appendSpan(data, k.Rest[i])
	}
	return data, err
}

func (p *PacketReader) appendSpan(data []byte, s Span) ([]byte, error) {
	if s.Pos < p.at || s.Pos+int64(s.Size) > p.at+int64(len(p.buf)) {
		if err := p.fill(s); err != nil {
			return nil, err
		}
	}
	at := int(s.Pos - p.at)
	return append(data, p.buf[at:at+s.Size]...), nil
}

// fill makes the buffer begin with the span.
func (p *PacketReader) fill(s Span) error {
	n := max(readAhead, s.Size)
	if cap(p.buf) < n {
		p.buf = make([]byte, n)
	}
	p.buf = p.buf[:n]
	got, err := p.r.ReadAt(p.buf, s.Pos)
	p.buf, p.at = p.buf[:got], s.Pos
	if got >= s.Size {
		return nil // an error past this span is reported when the span it affects is read
	}
	p.buf = p.buf[:0]
	if err == io.EOF {
		return fmt.Errorf("the recording ends before byte %d: %w", s.Pos+int64(s.Size), io.ErrUnexpectedEOF)
	}
	return err
}
