package mp4

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/media"
)

// Files built box by box, in the shapes that recorders write and in shapes that no recorder should write.

// avcC is a decoder configuration of 16x16 pixels.
var avcC = newBox("avcC", []byte{1, 0x42, 0xc0, 0x0a, 0xff, 0xe1, 0, 8, 0x67, 0x42, 0xc0, 0x0a, 0xda, 0x1e, 0xc0, 0x44, 1, 0, 2, 0x68, 0xce})

func visual(kind string, config ...[]byte) []byte {
	return newBox(kind, append([][]byte{make([]byte, 24), u16(16, 16), make([]byte, 50)}, config...)...)
}

func audible(kind string, rate uint32, config ...[]byte) []byte {
	return newBox(kind, append([][]byte{make([]byte, 16), u16(2, 16), u32(0, rate<<16)}, config...)...)
}

func esds(config ...byte) []byte {
	return newFullBox("esds", 0, 0, descriptor(3, u16(0), u8(0),
		descriptor(4, u8(0x40, 0x15, 0, 0, 0), u32(0, 0), descriptor(5, config)), descriptor(6, u8(2))))
}

func dOps(preSkip uint16) []byte {
	return newBox("dOps", u8(0, 1), u16(preSkip), u32(48000), u16(0), u8(0))
}

// trak is a track of the given kind, vide or soun.
func trak(id, scale uint32, kind string, edits []byte, entry []byte, tables ...[]byte) []byte {
	stbl := newBox("stbl", append([][]byte{newFullBox("stsd", 0, 0, u32(1), entry)}, tables...)...)
	parts := [][]byte{newFullBox("tkhd", 0, 3, u32(0, 0, id, 0, 0, 0, 0), make([]byte, 8), matrix, u32(16<<16, 16<<16))}
	if edits != nil {
		parts = append(parts, newBox("edts", edits))
	}
	return newBox("trak", append(parts, newBox("mdia", newFullBox("mdhd", 0, 0, u32(0, 0, scale, 0), u16(undetermined, 0)),
		newFullBox("hdlr", 0, 0, u32(0), []byte(kind), make([]byte, 13)), newBox("minf", stbl)))...)
}

func moov(parts ...[]byte) []byte {
	header := newFullBox("mvhd", 0, 0, u32(0, 0, 1000, 0), make([]byte, 80))
	return newBox("moov", append([][]byte{header}, parts...)...)
}

func edit(rows ...uint32) []byte {
	return newFullBox("elst", 0, 0, u32(uint32(len(rows)/3)), u32(rows...))
}

func stts(rows ...uint32) []byte {
	return newFullBox("stts", 0, 0, u32(uint32(len(rows)/2)), u32(rows...))
}

func stsz(sizes ...uint32) []byte {
	return newFullBox("stsz", 0, 0, u32(0, uint32(len(sizes))), u32(sizes...))
}

func stsc(rows ...uint32) []byte {
	return newFullBox("stsc", 0, 0, u32(uint32(len(rows)/3)), u32(rows...))
}

func stco(offsets ...uint32) []byte {
	return newFullBox("stco", 0, 0, u32(uint32(len(offsets))), u32(offsets...))
}

// idr and slice are packets of H.264 behind lengths.
func idr(n byte) []byte   { return []byte{0, 0, 0, 2, 0x65, n} }
func slice(n byte) []byte { return []byte{0, 0, 0, 2, 0x41, n} }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// contents returns the last byte and the time in ms of every packet.
func contents(t testing.TB, x *media.Index, file []byte) [][2]int64 {
	t.Helper()
	r := media.NewPacketReader(x, bytes.NewReader(file))
	var list [][2]int64
	for i, p := range x.Packets {
		data, err := r.Read(i)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, [2]int64{int64(data[len(data)-1]), p.Time.Milliseconds()})
	}
	return list
}

var ftyp = newBox("ftyp", []byte("isom"), u32(0), []byte("isomiso5"))

// safari is a file in the shape of Safari's MediaRecorder: AAC and H.264 in fragments that start with the audio, priming in an
// edit list, video that begins a little later.
func safari() []byte {
	head := join(newBox("ftyp", []byte("iso5"), u32(1), []byte("isomiso5hlsf")), moov(
		trak(1, 44100, "soun", edit(0, 2112, 0x10000), audible("mp4a", 44100, esds(0x12, 0x10)), stts(), stsc(), stsz(), stco()),
		trak(2, 600, "vide", edit(0, 0, 0x10000), visual("avc1", avcC), stts(), stsc(), stsz(), stco()),
		newBox("mvex", newFullBox("trex", 0, 0, u32(1, 1, 0, 0, 0)), newFullBox("trex", 0, 0, u32(2, 1, 0, 0, 0)))))
	for n := range uint32(2) {
		payload := join([]byte{0x21, byte(10 * n)}, []byte{0x21, byte(10*n + 1)}, idr(byte(10*n+2)), slice(byte(10*n+3)))
		fragment := func(data uint32) []byte {
			return newBox("moof", newFullBox("mfhd", 0, 0, u32(n+1)),
				newBox("traf", newFullBox("tfhd", 0, 0x20008, u32(1, 1024)), newFullBox("tfdt", 1, 0, u64(uint64(n)*2048)),
					newFullBox("trun", 0, 0x201, u32(2, data), u32(2, 2))),
				newBox("traf", newFullBox("tfhd", 0, 0x20028, u32(2, 20, 0x1010000)), newFullBox("tfdt", 1, 0, u64(60+uint64(n)*40)),
					newFullBox("trun", 0, 0x205, u32(2, data+4, 0x2000000), u32(6, 6))))
		}
		size := uint32(len(fragment(0)))
		head = join(head, fragment(size+8), newBox("mdat", payload))
	}
	return head
}

func TestReadIndex_TakesEveryShape(t *testing.T) {
	payload := join(idr(1), slice(2), slice(3))
	video := func(edits []byte, rest ...[]byte) []byte {
		at := uint32(len(ftyp) + 8)
		tables := append([][]byte{stts(3, 40), stsc(1, 3, 1), stsz(6, 6, 6), stco(at)}, rest...)
		return join(ftyp, newBox("mdat", payload), newBox("free", make([]byte, 3)), newBox("\xa9odd", u32(7)),
			moov(newBox("iods", u32(1)), trak(1, 1000, "vide", edits, visual("avc1", avcC), tables...)))
	}
	wide := func() []byte {
		head := join(ftyp, u32(1), []byte("mdat"), u64(uint64(16+len(payload))))
		at := uint64(len(head))
		return join(head, payload, moov(trak(1, 1000, "vide", nil, visual("avc1", avcC), stts(3, 40), stsc(1, 3, 1), stsz(6, 6, 6),
			newFullBox("co64", 0, 0, u32(1), u64(at)))))
	}
	opus := func() []byte {
		head := join(newBox("styp", []byte("msdh")), moov(trak(9, 48000, "soun", nil, audible("Opus", 48000, dOps(312))),
			newBox("mvex", newFullBox("trex", 0, 0, u32(9, 1, 960, 3, 0)))))
		for i := range uint32(3) { // the time between two fragments is that of three packets
			fragment := func(data uint32) []byte {
				return newBox("moof", newFullBox("mfhd", 0, 0, u32(i)), newBox("unkn", u32(1)),
					newBox("traf", newFullBox("tfhd", 0, 0, u32(9)), newFullBox("tfdt", 0, 0, u32(i*2880)), newFullBox("trun", 0, 1, u32(1, data))))
			}
			head = join(head, fragment(uint32(len(fragment(0))+8)), newBox("mdat", []byte{0xF8, 0xFF, byte(i)}))
		}
		return head
	}
	quicktime := func() []byte {
		entry := newBox("mp4a", make([]byte, 8), u16(1, 0), make([]byte, 4), u16(2, 16), u32(0, 48000<<16), make([]byte, 16),
			newBox("wave", newBox("frma", []byte("mp4a")), esds(0x11, 0x90), u32(8, 0)))
		head := join(newBox("wide"), newBox("mdat", []byte{0x21, 1, 0x21, 2}))
		return join(head, moov(trak(1, 48000, "soun", edit(20, 0xffffffff, 0x10000, 42, 1024, 0x10000), entry, stts(2, 1024), stsc(1, 2, 1), stsz(2, 2), stco(16))))
	}
	ctts := func(version byte, rows ...uint32) []byte {
		return newFullBox("ctts", version, 0, u32(uint32(len(rows)/2)), u32(rows...))
	}
	minus := func(n int32) uint32 { return uint32(-n) }
	tests := map[string]struct {
		file  []byte
		kind  roomreel.TrackKind
		want  [][2]int64
		delay time.Duration
		start time.Duration
	}{
		"moov_last":             {file: video(nil), want: [][2]int64{{1, 0}, {2, 40}, {3, 80}}},
		"64_bits":               {file: wide(), want: [][2]int64{{1, 0}, {2, 40}, {3, 80}}},
		"open_mdat":             {file: append(video(nil)[:0:0], openMdat(video(nil))...), want: [][2]int64{{1, 0}, {2, 40}, {3, 80}}},
		"reordered":             {file: video(edit(120, 40, 0x10000), ctts(0, 1, 40, 1, 80, 1, 0)), want: [][2]int64{{1, 0}, {2, 80}, {3, 40}}},
		"negative_composition":  {file: video(nil, ctts(1, 1, 0, 1, 40, 1, minus(40))), want: [][2]int64{{1, 0}, {2, 80}, {3, 40}}},
		"negative_in_version_0": {file: video(nil, ctts(0, 1, 0, 1, 40, 1, minus(40))), want: [][2]int64{{1, 0}, {2, 80}, {3, 40}}},
		"begins_in_the_middle":  {file: video(edit(40, 80, 0x10000), newFullBox("stss", 0, 0, u32(1, 1))), want: [][2]int64{{1, 0}, {2, 0}, {3, 0}}},
		"begins_at_a_keyframe":  {file: video(edit(40, 80, 0x10000), newFullBox("stss", 0, 0, u32(2, 1, 3))), want: [][2]int64{{3, 0}}},
		"absurd_edit":           {file: video(edit(40, 1<<30, 0x10000)), want: [][2]int64{{1, 0}, {2, 40}, {3, 80}}},
		"too_few_times":         {file: video(nil, newBox("free")), want: [][2]int64{{1, 0}, {2, 40}, {3, 80}}},
		"opus_fragments":        {file: opus(), want: [][2]int64{{0, 0}, {1, 60}, {2, 120}}}, // no edit list
		"quicktime_audio":       {file: quicktime(), want: [][2]int64{{1, 0}, {2, 21}}, delay: 1024 * time.Second / 48000},
		"safari_audio":          {file: safari(), kind: "audio", want: [][2]int64{{0, 0}, {1, 23}, {10, 46}, {11, 69}}, delay: 2112 * time.Second / 44100},
		"safari_video":          {file: safari(), kind: "video", want: [][2]int64{{2, 0}, {3, 33}, {12, 66}, {13, 100}}, start: 100 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x := index(t, test.file, test.kind)
			if d := cmp.Diff(test.want, contents(t, x, test.file)); d != "" {
				t.Error(d)
			}
			if x.CodecDelay != test.delay || x.Start != test.start || x.Truncated {
				t.Errorf("delay %v, start %v, truncated %v", x.CodecDelay, x.Start, x.Truncated)
			}
		})
	}
}

// openMdat moves the mdat to the end of the file and lets it not say where it ends.
func openMdat(file []byte) []byte {
	at := bytes.Index(file, []byte("mdat")) - 4
	size := int(binary.BigEndian.Uint32(file[at:]))
	mdat := bytes.Clone(file[at : at+size])
	b := join(file[:at], file[at+size:])
	stco := bytes.Index(b, []byte("stco"))
	binary.BigEndian.PutUint32(b[stco+12:], uint32(len(b)+8))
	binary.BigEndian.PutUint32(mdat, 0)
	return append(b, mdat...)
}

func TestReadIndex_ChecksEverySize(t *testing.T) {
	one := func(tables ...[]byte) []byte {
		return join(ftyp, moov(trak(1, 1000, "vide", nil, visual("avc1", avcC), tables...)), newBox("mdat", idr(1)))
	}
	many := func(n int, offset uint32) []byte {
		var rows []byte
		for range n {
			rows = binary.BigEndian.AppendUint32(rows, offset)
		}
		return newFullBox("stco", 0, 0, u32(uint32(n)), rows)
	}
	fragment := func(samples int) []byte {
		return newBox("moof", newFullBox("mfhd", 0, 0, u32(1)),
			newBox("traf", newFullBox("tfhd", 0, 0x20000, u32(1)), newFullBox("trun", 0, 0x201, u32(uint32(samples), 8), make([]byte, 4*samples))))
	}
	var nested []byte
	for range 10000 {
		nested = join(u32(0x7fffff), []byte("moof"), u32(16), []byte("mfhd"), u32(0, 1))
	}
	tests := map[string][]byte{
		"4e9_samples_of_a_size":  one(stts(0xffffffff, 1), stsc(1, 0xffffffff, 1), newFullBox("stsz", 0, 0, u32(1, 0xffffffff)), stco(40)),
		"4e9_empty_samples":      one(stts(0xffffffff, 1), stsc(1, 0xffffffff, 1), newFullBox("stsz", 0, 0, u32(0, 0xffffffff)), stco(40)),
		"count_without_rows":     one(stts(1, 1), newFullBox("stsc", 0, 0, u32(0xffffffff)), stsz(6), stco(40)),
		"chunks_over_each_other": one(stts(0xffffffff, 1), stsc(1, 1000, 1), newFullBox("stsz", 0, 0, u32(1, 0xffffffff)), many(20000, 40)),
		"empty_fragments":        join(one(), bytes.Repeat(fragment(1000), 500)),
		"nested_fragments":       join(one(), nested),
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			x, _, err := ReadIndex(bytes.NewReader(file), int64(len(file)), "")
			if err == nil {
				check(t, x, file)
			} else if roomreel.CodeOf(err) != roomreel.Invalid {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20+100*uint64(len(file)) {
				t.Errorf("%d bytes of memory for a file of %d", used, len(file))
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%d bytes take %v", len(file), d)
			}
		})
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add(safari())
	f.Add(join(ftyp, newBox("mdat", idr(1)), moov(trak(1, 1000, "vide", edit(40, 0, 0x10000), visual("avc1", avcC), stts(1, 40), stsc(1, 1, 1), stsz(6), stco(32)))))
	f.Add(join(ftyp, newBox("mdat", []byte{0xF8, 0xFF, 1}), moov(trak(1, 48000, "soun", nil, audible("Opus", 48000, dOps(312)), stts(1, 960), stsc(1, 1, 1), stsz(3), stco(32)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range []roomreel.TrackKind{roomreel.Audio, roomreel.Video} {
			x, _, err := ReadIndex(bytes.NewReader(b), int64(len(b)), kind)
			if err == nil {
				check(t, x, b)
			} else if roomreel.CodeOf(err) != roomreel.Invalid || strings.Contains(err.Error(), "%!") {
				t.Fatal(err)
			}
		}
	})
}
