package mp4

import (
	"encoding/binary"
	"math"

	"roomreel/internal/media"
)

// matrix is the transformation that changes nothing.
var matrix = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

// Language code "und", packed as 14496-12 has it.
const undetermined = 0x55C4

func (w *writer) moov() []byte {
	var longest uint64
	for i := range w.tracks {
		longest = max(longest, w.inMovie(&w.tracks[i], w.tracks[i].Start+w.tracks[i].Length))
	}
	version, times := timesAnd(u32(uint32(w.scale)), longest)
	parts := [][]byte{newFullBox("mvhd", version, 0, times,
		u32(0x10000), u16(0x100, 0), u32(0, 0), matrix, make([]byte, 24), u32(uint32(len(w.tracks)+1)))}
	for i := range w.tracks {
		parts = append(parts, w.trak(i))
	}
	if w.fragmented {
		var defaults [][]byte
		for i := range w.tracks {
			defaults = append(defaults, newFullBox("trex", 0, 0, u32(uint32(i+1), 1, 0, 0, 0)))
		}
		parts = append(parts, newBox("mvex", defaults...))
	}
	return newBox("moov", parts...)
}

// timesAnd returns creation and modification time (none), what stands between them and the duration, and the duration,
// with the version of the box that is wide enough for it.
func timesAnd(between []byte, duration uint64) (version byte, b []byte) {
	if duration > math.MaxUint32 {
		return 1, append(append(make([]byte, 16), between...), u64(duration)...)
	}
	return 0, append(append(make([]byte, 8), between...), u32(uint32(duration))...)
}

func (w *writer) trak(i int) []byte {
	t := &w.tracks[i]
	const enabledInMovie = 3
	version, times := timesAnd(u32(uint32(i+1), 0), w.inMovie(t, t.Start+t.Length))
	group, volume := uint16(0), uint16(0)
	if !t.Video() {
		group, volume = 1, 0x100
	}
	tkhd := newFullBox("tkhd", version, enabledInMovie, times, u32(0, 0), u16(0, group, volume, 0), matrix,
		u32(uint32(t.Width)<<16, uint32(t.Height)<<16))
	return newBox("trak", tkhd, newBox("edts", w.elst(t)), w.mdia(i))
}

// elst shows nothing for Start ticks, and then Length ticks, from the first that is seen or heard. Length 0 means all that fragments
// hold.
func (w *writer) elst(t *writerTrack) []byte {
	const empty = math.MaxUint64 // -1: nothing of the media
	edits := [][2]uint64{{w.inMovie(t, t.Length), uint64(t.start * t.tick)}}
	if t.Start > 0 {
		edits = append([][2]uint64{{w.inMovie(t, t.Start), empty}}, edits...)
	}
	version, rows := byte(0), []byte(nil)
	for _, edit := range edits {
		if edit[0] > math.MaxUint32 || edit[1] > math.MaxInt32 && edit[1] != empty {
			version = 1
		}
	}
	for _, edit := range edits {
		if version == 1 {
			rows = append(rows, u64(edit[0], edit[1])...)
		} else {
			rows = append(rows, u32(uint32(edit[0]), uint32(edit[1]))...)
		}
		rows = append(rows, u16(1, 0)...)
	}
	return newFullBox("elst", version, 0, u32(uint32(len(edits))), rows)
}

func (w *writer) mdia(i int) []byte {
	t := &w.tracks[i]
	version, times := timesAnd(u32(uint32(t.scale)), uint64(t.total*t.tick))
	mdhd := newFullBox("mdhd", version, 0, times, u16(undetermined, 0))
	kind, name, header := "soun", "Sound\x00", newFullBox("smhd", 0, 0, u16(0, 0))
	if t.Video() {
		kind, name, header = "vide", "Pictures\x00", newFullBox("vmhd", 0, 1, u16(0, 0, 0, 0))
	}
	hdlr := newFullBox("hdlr", 0, 0, u32(0), []byte(kind), u32(0, 0, 0), []byte(name))
	const selfContained = 1
	dinf := newBox("dinf", newFullBox("dref", 0, 0, u32(1), newFullBox("url ", 0, selfContained)))
	return newBox("mdia", mdhd, hdlr, newBox("minf", header, dinf, w.stbl(i)))
}

func (w *writer) stbl(i int) []byte {
	t := &w.tracks[i]
	var stts, ctts runs
	var stss table
	shifted := false
	sizes := make([]byte, 0, 4*len(t.sizes))
	for n, s := range t.Samples {
		stts.add(s.Len * uint32(t.tick))
		ctts.add(uint32(s.Shift) * uint32(t.tick))
		shifted = shifted || s.Shift != 0
		if s.Key {
			stss.add(uint32(n + 1))
		}
		sizes = binary.BigEndian.AppendUint32(sizes, t.sizes[n])
	}
	parts := [][]byte{newFullBox("stsd", 0, 0, u32(1), t.sampleEntry()), stts.box("stts")}
	if shifted {
		parts = append(parts, ctts.box("ctts"))
	}
	if t.Video() && !w.fragmented {
		parts = append(parts, stss.box("stss"))
	}
	parts = append(parts, w.stsc(i), newFullBox("stsz", 0, 0, u32(0, uint32(len(t.sizes))), sizes), w.offsets(i))
	if !t.Video() && !w.fragmented {
		parts = append(parts, rollGroups(len(t.Samples))...)
	}
	return newBox("stbl", parts...)
}

// rollGroups say that AAC is right only one sample after decoding began.
func rollGroups(samples int) [][]byte {
	return [][]byte{
		newFullBox("sgpd", 1, 0, []byte("roll"), u32(2, 1), u16(0xFFFF)),
		newFullBox("sbgp", 0, 0, []byte("roll"), u32(1, uint32(samples), 1)),
	}
}

// stsc says how many samples each chunk has.
func (w *writer) stsc(track int) []byte {
	var t table
	number, last := uint32(0), -1
	for _, c := range w.chunks {
		if c.track != track {
			continue
		}
		number++
		if c.count != last {
			t.add(number, uint32(c.count), 1)
			last = c.count
		}
	}
	return t.box("stsc")
}

func (w *writer) offsets(track int) []byte {
	var rows []byte
	n := uint32(0)
	for _, c := range w.chunks {
		if c.track != track {
			continue
		}
		n++
		if w.wide {
			rows = binary.BigEndian.AppendUint64(rows, uint64(c.offset))
		} else {
			rows = binary.BigEndian.AppendUint32(rows, uint32(c.offset))
		}
	}
	if w.wide {
		return newFullBox("co64", 0, 0, u32(n), rows)
	}
	return newFullBox("stco", 0, 0, u32(n), rows)
}

func (t *writerTrack) sampleEntry() []byte {
	entry := append(make([]byte, 6), u16(1)...) // reserved, data reference
	if t.Video() {
		const dpi72 = 0x480000
		kind, config := "avc1", []byte(nil)
		if t.Codec == "av1" {
			kind, config = "av01", newBox("av1C", t.av1C)
		} else {
			config = newBox("avcC", t.avc.Record())
		}
		return newBox(kind, entry, make([]byte, 16), u16(uint16(t.Width), uint16(t.Height)), u32(dpi72, dpi72, 0),
			u16(1), make([]byte, 32), u16(24, 0xFFFF), config, t.colr())
	}
	return newBox("mp4a", entry, make([]byte, 8), u16(uint16(t.Channels), 16), u32(0), u32(uint32(t.Rate)<<16), t.esds())
}

// colr says what the track's samples mean. Source: ISO/IEC 14496-12, 12.1.5.
func (t *writerTrack) colr() []byte {
	c := t.Colour
	if c == (media.Colour{}) {
		return nil
	}
	full := byte(0)
	if c.Full {
		full = 0x80
	}
	return newBox("colr", []byte("nclx"), u16(uint16(c.Primaries), uint16(c.Transfer), uint16(c.Matrix)), u8(full))
}

// esds describes the AAC stream. Source: ISO/IEC 14496-1, 7.2.6.
func (t *writerTrack) esds() []byte {
	const (
		esDescriptor, decoderConfig, specificInfo, slConfig = 3, 4, 5, 6

		aac, audioStream, mp4File = 0x40, 0x15, 2
	)
	var bytes int64
	var largest uint32
	for _, n := range t.sizes {
		bytes += int64(n)
		largest = max(largest, n)
	}
	seconds := float64(t.total*t.TickNum) / float64(t.TickDen)
	rate := uint32(min(float64(bytes)*8/max(seconds, 1e-3), math.MaxUint32))
	config := descriptor(decoderConfig, u8(aac, audioStream), u32(largest)[1:], u32(rate, rate), descriptor(specificInfo, t.Private))
	return newFullBox("esds", 0, 0, descriptor(esDescriptor, u16(0), u8(0), config, descriptor(slConfig, u8(mp4File))))
}

// descriptor returns an MPEG-4 descriptor, its size in four bytes as most writers have it.
func descriptor(tag byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	n := len(body)
	return append([]byte{tag, 0x80 | byte(n>>21), 0x80 | byte(n>>14&0x7f), 0x80 | byte(n>>7&0x7f), byte(n & 0x7f)}, body...)
}
