package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Info is what a film says about itself, checked against its bytes as far as the tables go.
type Info struct {
	Duration  time.Duration // of the movie header
	FastStart bool          // moov comes before mdat
	Tracks    []TrackInfo
}

// TrackInfo is one track of a film.
type TrackInfo struct {
	Video          bool
	Codec          string // h264, aac, or the sample entry's four letters
	Width, Height  int
	Rate, Channels int
	Samples        int
	Keys           int           // samples that decoding may begin at
	Media          time.Duration // sum of all samples' durations
	Start          time.Duration // where in the media the edit list begins
	Length         time.Duration // how long the edit list plays
	End            int64         // file position after the last byte of any sample
}

// maxMoov bounds the tables that are read. 24 h of pictures and sound take 60 MB.
const maxMoov = 256 << 20

// errFilm is wrapped by every error that is about the film and not about reading it.
var errFilm = errors.New("film is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errFilm, fmt.Sprintf(format, args...))
}

// ReadInfo reads the headers of the film that r holds in size bytes. It fails when boxes do not fit into each other,
// when tables contradict each other, or when a sample lies outside the film's mdat. Payload is not looked at.
func ReadInfo(r io.ReaderAt, size int64) (Info, error) {
	var info Info
	var moov []byte
	var payload []span
	for at := int64(0); at < size; {
		head := make([]byte, 16)
		n, err := r.ReadAt(head[:min(16, size-at)], at)
		if n < 8 {
			return info, damaged("a box header is cut off at byte %d", at)
		}
		if err != nil && err != io.EOF {
			return info, fmt.Errorf("read film: %w", err)
		}
		length, header := int64(binary.BigEndian.Uint32(head)), int64(8)
		switch {
		case length == 0:
			length = size - at
		case length == 1 && n == 16:
			length, header = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if length < header || length > size-at {
			return info, damaged("box %q at byte %d does not fit into the file's %d bytes", head[4:8], at, size)
		}
		switch string(head[4:8]) {
		case "moov":
			if moov != nil {
				return info, damaged("it has two movie headers")
			}
			if length > maxMoov {
				return info, damaged("its movie header has %d bytes", length)
			}
			info.FastStart = len(payload) == 0
			moov = make([]byte, length-header)
			if _, err := io.ReadFull(io.NewSectionReader(r, at+header, length-header), moov); err != nil {
				return info, fmt.Errorf("read film: %w", err)
			}
		case "mdat":
			payload = append(payload, span{at + header, at + length})
		}
		at += length
	}
	if moov == nil {
		return info, damaged("it has no movie header")
	}
	return info, info.movie(moov, payload)
}

// span is a half-open range of bytes of the file.
type span struct{ from, to int64 }

func (f *Info) movie(moov []byte, payload []span) error {
	b, err := boxes(moov)
	if err != nil {
		return err
	}
	scale, units, err := scaleAndDuration(b.first("mvhd"))
	if err != nil {
		return err
	}
	f.Duration = inTime(units, scale)
	for _, trak := range b["trak"] {
		t, err := parseTrak(trak, scale, payload)
		if err != nil {
			return fmt.Errorf("track %d: %w", len(f.Tracks)+1, err)
		}
		f.Tracks = append(f.Tracks, t)
	}
	return nil
}

// children are a box's children by type.
type children map[string][][]byte

func (c children) first(kind string) []byte {
	if len(c[kind]) == 0 {
		return nil
	}
	return c[kind][0]
}

func boxes(b []byte) (children, error) {
	c := children{}
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, damaged("a box header is cut off")
		}
		n := int(binary.BigEndian.Uint32(b))
		if n < 8 || n > len(b) {
			return nil, damaged("box %q does not fit into its parent", b[4:8])
		}
		kind := string(b[4:8])
		c[kind] = append(c[kind], b[8:n])
		b = b[n:]
	}
	return c, nil
}

// scaleAndDuration reads an mvhd or mdhd box.
func scaleAndDuration(b []byte) (scale, duration uint64, err error) {
	switch {
	case len(b) >= 32 && b[0] == 1:
		scale, duration = uint64(binary.BigEndian.Uint32(b[20:])), binary.BigEndian.Uint64(b[24:])
	case len(b) >= 20 && b[0] == 0:
		scale, duration = uint64(binary.BigEndian.Uint32(b[12:])), uint64(binary.BigEndian.Uint32(b[16:]))
	}
	if scale == 0 {
		return 0, 0, damaged("a movie or media header has no timescale")
	}
	return scale, duration, nil
}

// inTime converts units of 1/scale second to the nearest nanosecond, at most a century.
func inTime(units, scale uint64) time.Duration {
	const century = 100 * 366 * 24 * 3600
	whole := min(units/scale, century)
	return time.Duration(whole)*time.Second + time.Duration((units%scale*uint64(time.Second)+scale/2)/scale)
}

func parseTrak(trak []byte, movieScale uint64, payload []span) (TrackInfo, error) {
	var t TrackInfo
	b, err := boxes(trak)
	if err != nil {
		return t, err
	}
	if edts := b.first("edts"); edts != nil {
		e, err := boxes(edts)
		if err != nil {
			return t, err
		}
		b["elst"] = e["elst"]
	}
	for _, kind := range []string{"mdia", "minf", "stbl"} {
		inner, err := boxes(b.first(kind))
		if err != nil {
			return t, err
		}
		for k, v := range inner {
			b[k] = v
		}
	}
	scale, _, err := scaleAndDuration(b.first("mdhd"))
	if err != nil {
		return t, err
	}
	if hdlr := b.first("hdlr"); len(hdlr) >= 12 {
		t.Video = string(hdlr[8:12]) == "vide"
	}
	if err := t.entry(b.first("stsd")); err != nil {
		return t, err
	}
	if err := t.edit(b.first("elst"), movieScale, scale); err != nil {
		return t, err
	}
	return t, t.samples(b, scale, payload)
}

// edit reads the edit list, which must be one entry at normal speed.
func (t *TrackInfo) edit(b []byte, movieScale, scale uint64) error {
	if b == nil {
		return nil
	}
	if len(b) < 8 || binary.BigEndian.Uint32(b[4:]) != 1 {
		return damaged("its edit list has not exactly one entry")
	}
	switch {
	case b[0] == 0 && len(b) >= 20:
		t.Length = inTime(uint64(binary.BigEndian.Uint32(b[8:])), movieScale)
		t.Start = inTime(uint64(binary.BigEndian.Uint32(b[12:])), scale)
	case b[0] == 1 && len(b) >= 28:
		t.Length = inTime(binary.BigEndian.Uint64(b[8:]), movieScale)
		t.Start = inTime(binary.BigEndian.Uint64(b[16:]), scale)
	default:
		return damaged("its edit list is cut off")
	}
	return nil
}

func (t *TrackInfo) entry(stsd []byte) error {
	if len(stsd) < 8 {
		return damaged("it has no sample description")
	}
	entries, err := boxes(stsd[8:])
	if err != nil {
		return err
	}
	if len(entries) != 1 {
		return damaged("it has %d kinds of sample descriptions, not one", len(entries))
	}
	for kind, list := range entries {
		b := list[0]
		t.Codec = kind
		switch kind {
		case "avc1":
			if len(b) < 28 {
				return damaged("its sample description is cut off")
			}
			t.Codec = "h264"
			t.Width, t.Height = int(binary.BigEndian.Uint16(b[24:])), int(binary.BigEndian.Uint16(b[26:]))
		case "mp4a":
			if len(b) < 28 {
				return damaged("its sample description is cut off")
			}
			t.Codec = "aac"
			t.Channels, t.Rate = int(binary.BigEndian.Uint16(b[16:])), int(binary.BigEndian.Uint32(b[24:])>>16)
		}
	}
	return nil
}
