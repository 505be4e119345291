package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/matroska"
)

// opus20 is an Opus packet of 20 ms.
func opus20(n byte) []byte { return []byte{0xF8, 0xFF, n} }

// opusHead is an identification header of mono with a pre-skip of 312 samples.
func opusHead() []byte {
	return append(append([]byte("OpusHead\x01\x01"), 312&0xff, 312>>8), 0x80, 0xbb, 0, 0, 0, 0, 0)
}

// writer makes pages of one stream.
type writer struct {
	serial, sequence uint32
	out              []byte
}

// page appends a page with the given packets, each of which ends in it.
func (w *writer) page(flags byte, granule int64, packets ...[]byte) *writer {
	var segments, body []byte
	for _, p := range packets {
		for n := len(p); ; n -= 255 {
			segments = append(segments, byte(min(n, 255)))
			if n < 255 {
				break
			}
		}
		body = append(body, p...)
	}
	return w.raw(flags, granule, segments, body)
}

func (w *writer) raw(flags byte, granule int64, segments, body []byte) *writer {
	b := append([]byte("OggS\x00"), flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(granule))
	b = binary.LittleEndian.AppendUint32(b, w.serial)
	b = binary.LittleEndian.AppendUint32(b, w.sequence)
	b = append(b, 0, 0, 0, 0, byte(len(segments)))
	b = append(append(b, segments...), body...)
	binary.LittleEndian.PutUint32(b[22:], checksum(b))
	w.sequence++
	w.out = append(w.out, b...)
	return w
}

// recording begins a stream with its headers.
func recording(serial uint32) *writer {
	w := &writer{serial: serial}
	return w.page(streamStart, 0, opusHead()).page(0, 0, append(bytes.Clone(tags), make([]byte, 8)...))
}

func index(t testing.TB, b []byte) *media.Index {
	t.Helper()
	x, container, err := ReadIndex(bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		t.Fatal(err)
	}
	if container != media.Ogg {
		t.Errorf("container %q", container)
	}
	check(t, x, b)
	return x
}

// check fails when an index breaks what its readers rely on.
func check(t testing.TB, x *media.Index, file []byte) {
	t.Helper()
	r := media.NewPacketReader(x, bytes.NewReader(file))
	for i, p := range x.Packets {
		if p.Time < 0 || p.Duration < 0 || i > 0 && p.Time < x.Packets[i-1].Time {
			t.Fatalf("packet %d: %+v", i, p)
		}
		if _, err := r.Read(i); err != nil {
			t.Fatal(err)
		}
	}
	if x.Packets[0].Time != 0 {
		t.Fatalf("the first packet is at %v", x.Packets[0].Time)
	}
	b, err := x.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	f, err := media.OpenIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("the stored index cannot be opened: %v", err)
	}
	_ = f
}

// heard returns the last byte, time and duration in ms of every packet.
func audible(t testing.TB, x *media.Index, file []byte) [][3]int64 {
	t.Helper()
	r := media.NewPacketReader(x, bytes.NewReader(file))
	var list [][3]int64
	for i, p := range x.Packets {
		data, err := r.Read(i)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, [3]int64{int64(data[len(data)-1]), p.Time.Milliseconds(), p.Duration.Milliseconds()})
	}
	return list
}

func TestReadIndex_TakesEveryShape(t *testing.T) {
	large := append(opus20(0), make([]byte, 600)...)
	large[len(large)-1] = 7
	flip := func(b []byte, at int) []byte { b[at] ^= 1; return b }
	afterHeaders := len(recording(1).out)
	tests := map[string]struct {
		file      []byte
		want      [][3]int64
		truncated bool
	}{
		"one_packet_a_page": {recording(1).page(0, 960, opus20(1)).page(streamEnd, 1920, opus20(2)).out, [][3]int64{{1, 0, 20}, {2, 20, 20}}, false},
		"packets_share_a_page": {
			recording(1).page(streamEnd, 2880, opus20(1), opus20(2), opus20(3)).out,
			[][3]int64{{1, 0, 20}, {2, 20, 20}, {3, 40, 20}},
			false,
		},
		"live_stream_begins_late": {recording(1).page(0, 4800960, opus20(1)).page(0, 4801920, opus20(2)).out, [][3]int64{{1, 0, 20}, {2, 20, 20}}, false},
		// Pion's oggwriter counts to the beginning of a packet, from 1.
		"granules_of_beginnings": {recording(1).page(0, 1, opus20(1)).page(0, 961, opus20(2)).page(0, 48961, opus20(3)).out, [][3]int64{{1, 0, 20}, {2, 20, 20}, {3, 1020, 20}}, false},
		"muted_for_a_second":     {recording(1).page(0, 960, opus20(1)).page(0, 960+48000, opus20(2)).out, [][3]int64{{1, 0, 20}, {2, 1000, 20}}, false},
		"end_is_trimmed":         {recording(1).page(0, 960, opus20(1)).page(streamEnd, 960+480, opus20(2), opus20(3)).out, [][3]int64{{1, 0, 20}, {2, 20, 10}, {3, 40, 0}}, false},
		"page_is_damaged": {
			flip(recording(1).page(0, 960, opus20(1)).page(0, 1920, opus20(2)).page(0, 2880, opus20(3)).out, afterHeaders+31+30),
			[][3]int64{{1, 0, 20}, {3, 40, 20}},
			false,
		},
		"garbage_between": {
			append(append(recording(1).page(0, 960, opus20(1)).out, "OggS junk that is not a page, but long enough to be looked at"...), (&writer{serial: 1, sequence: 3}).page(0, 1920, opus20(2)).out...),
			[][3]int64{{1, 0, 20}, {2, 20, 20}},
			false,
		},
		"packet_spans_pages": {
			recording(1).page(0, 960, opus20(1)).raw(0, -1, []byte{255}, large[:255]).raw(continued, 1920, []byte{255, 93}, large[255:]).page(0, 2880, opus20(2)).out,
			[][3]int64{{1, 0, 20}, {7, 20, 20}, {2, 40, 20}},
			false,
		},
		"rest_of_a_packet_is_lost": {
			recording(1).page(0, 960, opus20(1)).raw(0, -1, []byte{255}, large[:255]).page(0, 2880, opus20(2)).out,
			[][3]int64{{1, 0, 20}, {2, 40, 20}},
			false,
		},
		"beginning_of_a_packet_is_lost": {
			recording(1).page(0, 960, opus20(1)).raw(continued, 2880, []byte{255, 93, 3}, append(bytes.Clone(large[255:]), opus20(2)...)).out,
			[][3]int64{{1, 0, 20}, {2, 40, 20}},
			false,
		},
		"chained": {
			append(recording(1).page(streamEnd, 960, opus20(1)).out, recording(2).page(streamEnd, 960, opus20(2)).out...),
			[][3]int64{{1, 0, 20}, {2, 13, 20}}, // its first 6.5 ms are not heard
			false,
		},
		"another_stream_beside": {
			func() []byte {
				a, b := &writer{serial: 1}, &writer{serial: 2}
				a.page(streamStart, 0, opusHead())
				b.page(streamStart, 0, opusHead())
				head := append(a.out, b.out...)
				a.out, b.out = nil, nil
				b.page(0, 960, opus20(9))
				a.page(0, 960, opus20(1))
				return append(append(head, b.out...), a.out...)
			}(),
			[][3]int64{{1, 0, 20}},
			false,
		},
		"cut_in_a_page": {
			func() []byte {
				b := recording(1).page(0, 960, opus20(1)).page(0, 2880, opus20(2), opus20(3)).out
				return b[:len(b)-1]
			}(),
			[][3]int64{{1, 0, 20}, {2, 40, 20}},
			true,
		},
		"cut_in_a_header": {recording(1).page(0, 960, opus20(1)).raw(0, 0, nil, nil).out[:afterHeaders+31+9], [][3]int64{{1, 0, 20}}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x := index(t, test.file)
			if d := cmp.Diff(test.want, audible(t, x, test.file)); d != "" {
				t.Error(d)
			}
			if x.Truncated != test.truncated || x.Codec != "opus" || x.Rate != 48000 || x.Channels != 1 || x.CodecDelay != 6500*time.Microsecond {
				t.Errorf("%+v", x)
			}
		})
	}
}

func TestReadIndex_SaysWhyAFileIsOfNoUse(t *testing.T) {
	start := func(body string) []byte { return (&writer{}).page(streamStart, 0, []byte(body)).out }
	tests := map[string]struct {
		file []byte
		kind roomreel.TrackKind
		want string
	}{
		"vorbis":     {start("\x01vorbis"), "", "the file ends before its Vorbis headers do"},
		"no_setup":   {(&writer{}).page(streamStart, 0, []byte("\x01vorbis")).page(0, 0, []byte("\x05vorbis")).page(0, 64, []byte{0}).out, "", "the audio track holds no packets"},
		"theora":     {start("\x80theora"), "video", `codec "Theora" is not supported`},
		"no_video":   {recording(1).page(0, 960, opus20(1)).out, "video", "the file has no video track"},
		"no_packets": {recording(1).out, "", "the audio track holds no packets"},
		"nothing":    {[]byte("OggS"), "", "no audio or video track"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := ReadIndex(bytes.NewReader(test.file), int64(len(test.file)), test.kind)
			var e *roomreel.Error
			if !errors.As(err, &e) || e.Code != roomreel.Invalid || e.Param != "Media" || !strings.Contains(e.Detail, test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	broken := errors.New("connection lost")
	if _, err := read(io.MultiReader(bytes.NewReader(recording(1).out), iotest.ErrReader(broken)), "", 0); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// made lets ffmpeg write a file.
func made(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("ffmpeg", append(append([]string{"-v", "error", "-bitexact"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// It compares a file of ffmpeg with what ffmpeg itself reads from it.
func TestReadIndex_AgreesWithFFmpeg(t *testing.T) {
	tests := map[string][]string{
		"ms20":  {"-frame_duration", "20"},
		"ms60":  {"-frame_duration", "60", "-page_duration", "40000"},
		"large": {"-b:a", "510k", "-page_duration", "3000000"},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"-f", "lavfi", "-i", "aevalsrc='0.5*sin(880*t)|0.5*random(0)':d=3.2:s=48000", "-c:a", "libopus"}, options...)
			b := made(t, "a.ogg", args...)
			x := index(t, b)
			const want = 3200*time.Millisecond + 6500*time.Microsecond
			if d := x.Length() - want; d.Abs() > time.Millisecond {
				t.Errorf("lasts %v, want %v", x.Length(), want)
			}
			path := filepath.Join(t.TempDir(), "a.ogg")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			copied := made(t, "a.mka", "-i", path, "-c", "copy")
			y, _, err := matroska.ReadIndex(bytes.NewReader(copied), int64(len(copied)), "")
			if err != nil {
				t.Fatal(err)
			}
			if len(x.Packets) != len(y.Packets) {
				t.Fatalf("%d packets, %d in Matroska", len(x.Packets), len(y.Packets))
			}
			rx, ry := media.NewPacketReader(x, bytes.NewReader(b)), media.NewPacketReader(y, bytes.NewReader(copied))
			for i := range x.Packets {
				p, q := x.Packets[i], y.Packets[i]
				a, err := rx.Read(i)
				if err != nil {
					t.Fatal(err)
				}
				b, err := ry.Read(i)
				if err != nil {
					t.Fatal(err)
				}
				if (p.Time-q.Time).Abs() > time.Millisecond || (p.Duration-q.Duration).Abs() > time.Millisecond || !bytes.Equal(a, b) {
					t.Fatalf("packet %d: %+v, in Matroska %+v", i, p, q)
				}
			}
		})
	}
}

func TestReadIndex_TakesLinearTimeForGarbage(t *testing.T) {
	false255 := append([]byte("OggS\x00\x00"), make([]byte, 20)...)
	false255 = append(false255, 255)
	for name, pattern := range map[string][]byte{"magic": []byte("OggS"), "false_pages": append(false255, bytes.Repeat([]byte{255}, 13)...), "zeros": make([]byte, 64)} {
		t.Run(name, func(t *testing.T) {
			file := append(recording(1).page(0, 960, opus20(1)).out, bytes.Repeat(pattern, (4<<20)/len(pattern))...)
			start := time.Now()
			if x := index(t, file); len(x.Packets) != 1 || x.Size != int64(len(file)) {
				t.Errorf("%d packets in %d of %d bytes", len(x.Packets), x.Size, len(file))
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("4 MiB take %v", d)
			}
		})
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add(recording(1).page(0, 960, opus20(1)).page(streamEnd, 1440, opus20(2)).out)
	f.Add(append(recording(1).page(streamEnd, 960, opus20(1)).out, recording(2).page(streamEnd, 960, opus20(2)).out...))
	f.Add(recording(1).raw(0, -1, []byte{255}, make([]byte, 255)).raw(continued, 960, []byte{3}, opus20(1)).out)
	f.Fuzz(func(t *testing.T, b []byte) {
		fix(b)
		x, _, err := ReadIndex(bytes.NewReader(b), int64(len(b)), "")
		if err != nil {
			if roomreel.CodeOf(err) != roomreel.Invalid {
				t.Fatal(err)
			}
			return
		}
		check(t, x, b)
	})
}

// fix sets the checksums of whole pages, which a fuzzer does not find by itself.
func fix(b []byte) {
	for at := 0; at+headerSize <= len(b); {
		i := bytes.Index(b[at:], magic)
		if i < 0 || at+i+headerSize > len(b) {
			return
		}
		p := b[at+i:]
		size := headerSize + int(p[26])
		if size > len(p) {
			return
		}
		for _, n := range p[headerSize:size] {
			size += int(n)
		}
		if size > len(p) {
			return
		}
		binary.LittleEndian.PutUint32(p[22:], checksum(p[:size]))
		at += i + size
	}
}

// Two streams that begin together, and two more chained to them: the second of each group is one track.
func TestReadTrack_ChoosesAStreamOfEveryGroup(t *testing.T) {
	var file []byte
	for group := range uint32(2) {
		a, b := &writer{serial: 10 * group}, &writer{serial: 10*group + 1}
		a.page(streamStart, 0, opusHead())
		b.page(streamStart, 0, opusHead())
		file = append(append(file, a.out...), b.out...)
		a.out, b.out = nil, nil
		n := byte(4 * group)
		file = append(file, a.page(0, 0, append([]byte("OpusTags"), make([]byte, 8)...)).page(0, 1920, opus20(n), opus20(n+1)).out...)
		file = append(file, b.page(0, 0, append([]byte("OpusTags"), make([]byte, 8)...)).page(0, 1920, opus20(n+2), opus20(n+3)).out...)
	}
	for number, want := range map[int][][3]int64{
		1: {{0, 0, 20}, {1, 20, 20}, {4, 33, 20}, {5, 53, 20}},
		2: {{2, 0, 20}, {3, 20, 20}, {6, 33, 20}, {7, 53, 20}},
	} {
		x, _, err := ReadTrack(bytes.NewReader(file), int64(len(file)), "audio", number)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, audible(t, x, file)); d != "" {
			t.Errorf("track %d: %s", number, d)
		}
		if len(x.Tracks) != 2 || x.Track != number {
			t.Errorf("track %d of %v", x.Track, x.Tracks)
		}
	}
}

// Chained streams have headers of their own. One of another codec is left out and named.
func TestReadIndex_ReadsChainedHeaders(t *testing.T) {
	stereo := opusHead()
	stereo[9], stereo[10], stereo[11] = 2, 120, 0
	a, b, c, d := recording(1), &writer{serial: 2}, &writer{serial: 3}, recording(4)
	a.page(streamEnd, 1920, opus20(1), opus20(2))
	b.page(streamStart, 0, stereo).page(0, 0, append([]byte("OpusTags"), make([]byte, 8)...)).page(streamEnd, 1920, opus20(3), opus20(4))
	c.page(streamStart, 0, append([]byte("Speex   "), make([]byte, 72)...)).page(streamEnd, 960, []byte{1, 2, 3})
	d.page(streamEnd, 960, opus20(5))
	file := append(append(append(a.out, b.out...), c.out...), d.out...)
	x := index(t, file)
	check(t, x, file)
	if len(x.Packets) != 5 || len(x.Parts) != 2 || x.Parts[0].First != 2 || x.Parts[0].Channels != 2 || x.Parts[0].CodecDelay != 2500*time.Microsecond ||
		x.Parts[1].First != 4 || x.Parts[1].Channels != 1 {
		t.Errorf("%d packets, parts %+v", len(x.Packets), x.Parts)
	}
	if len(x.Omitted) != 1 || !strings.Contains(x.Omitted[0].What, `codec "Speex"`) {
		t.Errorf("omitted %v", x.Omitted)
	}
	// What is heard of each stream begins where what is heard of the one before ends.
	if at := x.Parts[0].At; at != 33500*time.Microsecond {
		t.Errorf("the second stream is at %v", at)
	}
}
