package mp4

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"roomreel/internal/media"
)

// Faststart is the muxer of films of H.264 or AV1 video and AAC audio with all tables in front. It writes in one pass, with memory for
// tables only.
//
// H.264 payloads are read twice: their start codes become lengths, so sizes are known only when all have been seen. Every
// track is shown from film time 0 for exactly Length ticks. Chunk offsets are 64 bits wide when the file needs it.
type Faststart struct{}

var _ media.Muxer = Faststart{}

// Write implements media.Muxer.
func (Faststart) Write(w io.Writer, tracks []media.OutputTrack) error {
	f, err := plan(tracks)
	if err != nil {
		return fmt.Errorf("write mp4: %w", err)
	}
	out := bufio.NewWriterSize(w, 256<<10)
	if _, err := out.Write(f.head()); err != nil {
		return fmt.Errorf("write mp4: %w", err)
	}
	if err := f.writePayload(out); err != nil {
		return fmt.Errorf("write mp4: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write mp4: %w", err)
	}
	return nil
}

// head returns all that comes before the payload.
func (w *writer) head() []byte {
	brand := "avc1"
	if slices.ContainsFunc(w.tracks, func(t writerTrack) bool { return t.Codec == "av1" }) {
		brand = "av01"
	}
	ftyp := newBox("ftyp", []byte("isom"), u32(0x200), []byte("isomiso2"+brand+"mp41"))
	// A moov's size does not depend on the offsets in it, so it is made twice, or thrice when they need 64 bits.
	const mdat = 16 // bytes of the longest mdat header
	size := int64(len(ftyp)+len(w.moov())+mdat) + w.bytes
	if size > math.MaxUint32 {
		w.wide = true
	}
	header := append(u32(uint32(w.bytes+8)), "mdat"...)
	if w.bytes+8 > math.MaxUint32 {
		header = binary.BigEndian.AppendUint64(append(u32(1), "mdat"...), uint64(w.bytes+mdat))
	}
	w.place(int64(len(ftyp) + len(w.moov()) + len(header)))
	return append(append(ftyp, w.moov()...), header...)
}

func (w *writer) writePayload(out *bufio.Writer) error {
	readers := make([]*bufio.Reader, len(w.tracks))
	frames := make([]frameReader, len(w.tracks))
	for i := range w.tracks {
		t := &w.tracks[i]
		r, err := t.Open()
		if err != nil {
			return fmt.Errorf("track %d: open payload: %w", i+1, err)
		}
		defer r.Close()
		readers[i] = bufio.NewReaderSize(r, 64<<10)
		frames[i] = frameReader{t: t, r: readers[i]}
	}
	for _, c := range w.chunks {
		t := &w.tracks[c.track]
		for i := c.first; i < c.first+c.count; i++ {
			var err error
			if t.converted() {
				err = w.writeFrame(out, &frames[c.track], t.sizes[i])
			} else if _, err = io.CopyN(out, readers[c.track], int64(t.sizes[i])); err != nil {
				err = fmt.Errorf("sample %d: %w", i, unexpected(err))
			}
			if err != nil {
				return fmt.Errorf("track %d: %w", c.track+1, err)
			}
		}
	}
	return nil
}

func (w *writer) writeFrame(out *bufio.Writer, p *frameReader, size uint32) error {
	b, err := p.next()
	if err != nil {
		return err
	}
	if len(b) != int(size) {
		return fmt.Errorf("frame %d changed between two readings", p.i-1)
	}
	_, err = out.Write(b)
	return err
}
