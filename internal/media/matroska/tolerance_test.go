package matroska

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"roomreel"
	"roomreel/internal/media"
)

// The files of this test are built element by element, as recorders of all kinds build them.

// opus20 and opus60 are Opus packets of 20 and 60 ms; a third byte tells them apart.
func opus20(n byte) []byte { return []byte{0xF8, 0xFF, n} }
func opus60(n byte) []byte { return []byte{0x18, 0xFF, n} }

func header(docType string) []byte { return element(idEBML, textElement(idDocType, docType)) }

// unknown is an element of unknown size.
func unknown(id uint32, parts ...[]byte) []byte {
	b := append(appendID(nil, id), 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
	return append(b, bytes.Join(parts, nil)...)
}

func entry(number uint64, kind uint64, codec string, parts ...[]byte) []byte {
	return element(idTrackEntry, append([][]byte{uintElement(idTrackNumber, number), uintElement(idTrackType, kind), textElement(idCodecID, codec)}, parts...)...)
}

func opusTrack(parts ...[]byte) []byte { return element(idTracks, entry(1, 2, "A_OPUS", parts...)) }

func blockBody(track byte, relative int16, flags byte, payload ...[]byte) []byte {
	b := []byte{0x80 | track, 0, 0, flags}
	binary.BigEndian.PutUint16(b[1:], uint16(relative))
	return append(b, bytes.Join(payload, nil)...)
}

func simple(relative int16, payload ...[]byte) []byte {
	return element(idSimpleBlock, blockBody(1, relative, blockKey, payload...))
}

func at(ms uint64) []byte { return uintElement(idTimestamp, ms) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// times returns the packets' times in milliseconds.
func times(x *media.Index) []int64 {
	var list []int64
	for _, p := range x.Packets {
		list = append(list, p.Time.Milliseconds())
	}
	return list
}

// payloads returns the packets' bytes.
func contents(t testing.TB, x *media.Index, file []byte) [][]byte {
	t.Helper()
	r := media.NewPacketReader(x, bytes.NewReader(file))
	var list [][]byte
	for i := range x.Packets {
		b, err := r.Read(i)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

func TestReadIndex_TakesEveryShape(t *testing.T) {
	void := element(idVoid, make([]byte, 5))
	crc := element(idCRC32, make([]byte, 4))
	tags := element(idTags, make([]byte, 300))
	cluster := func(ms uint64, blocks ...[]byte) []byte {
		return element(idCluster, append([][]byte{crc, at(ms), void}, blocks...)...)
	}
	whole := [][]byte{opus20(0), opus20(1), opus20(2), opus20(3)}
	tests := map[string]struct {
		file      []byte
		times     []int64
		data      [][]byte
		truncated bool
	}{
		"known_sizes": {
			file:  join(header("matroska"), element(idSegment, void, opusTrack(), tags, cluster(1000, simple(0, whole[0]), simple(20, whole[1])), element(idCues, make([]byte, 9)), cluster(1040, simple(0, whole[2]), simple(20, whole[3])), tags)),
			times: []int64{0, 20, 40, 60}, data: whole,
		},
		"unknown_sizes": {
			file:  join(header("webm"), unknown(idSegment, opusTrack(), unknown(idCluster, at(0), simple(0, whole[0]), simple(20, whole[1])), unknown(idCluster, at(40), simple(0, whole[2]), simple(20, whole[3])))),
			times: []int64{0, 20, 40, 60}, data: whole,
		},
		"negative_relative_times": {
			file:  join(header("webm"), element(idSegment, opusTrack(), cluster(100, simple(-40, whole[0]), simple(-20, whole[1]), simple(0, whole[2]), simple(20, whole[3])))),
			times: []int64{0, 20, 40, 60}, data: whole,
		},
		"block_groups": {
			file: join(header("webm"), element(idSegment, opusTrack(), cluster(0,
				element(idBlockGroup, element(idBlock, blockBody(1, 0, 0, whole[0])), uintElement(idBlockDuration, 20)),
				element(idBlockGroup, element(idBlock, blockBody(1, 20, 0, whole[1])), element(idBlockAdditions, make([]byte, 3)))))),
			times: []int64{0, 20}, data: whole[:2],
		},
		"xiph_lacing": {
			file:  join(header("webm"), element(idSegment, opusTrack(), cluster(0, element(idSimpleBlock, blockBody(1, 0, laceXiph, []byte{3, 3, 3, 3}, join(whole...)))))),
			times: []int64{0, 20, 40, 60}, data: whole,
		},
		"long_xiph_lacing": {
			file:  join(header("webm"), element(idSegment, opusTrack(), cluster(0, element(idSimpleBlock, blockBody(1, 0, laceXiph, []byte{1, 255, 45}, append(opus20(0), make([]byte, 297)...), opus60(1)))))),
			times: []int64{0, 20}, data: [][]byte{append(opus20(0), make([]byte, 297)...), opus60(1)},
		},
		"ebml_lacing": {
			file:  join(header("webm"), element(idSegment, opusTrack(), cluster(0, element(idSimpleBlock, blockBody(1, 0, laceEBML, []byte{2, 0x83, 0xC1}, opus20(0), append(opus60(1), 9, 9), opus20(2)))))),
			times: []int64{0, 20, 80}, data: [][]byte{opus20(0), append(opus60(1), 9, 9), opus20(2)},
		},
		"fixed_lacing": {
			file:  join(header("webm"), element(idSegment, opusTrack(), cluster(0, element(idSimpleBlock, blockBody(1, 0, laceFixed, []byte{1}, opus60(0), opus60(1))), simple(120, whole[2])))),
			times: []int64{0, 60, 120}, data: [][]byte{opus60(0), opus60(1), whole[2]},
		},
		"finer_timestamps": {
			file:  join(header("webm"), element(idSegment, element(idInfo, uintElement(idTimestampScale, 100_000)), opusTrack(), cluster(5000, simple(0, whole[0]), simple(200, whole[1])))),
			times: []int64{0, 20}, data: whole[:2],
		},
		"header_stripping": {
			file: join(header("webm"), element(idSegment, opusTrack(element(idContentEncodings, element(idContentEncoding, element(idContentCompression, uintElement(idContentCompAlgo, 3), element(idContentCompSettings, []byte{0xF8}))))),
				cluster(0, simple(0, whole[0][1:]), simple(20, whole[1][1:])))),
			times: []int64{0, 20}, data: whole[:2],
		},
		"garbage_between_clusters": {
			file:  join(header("webm"), unknown(idSegment, opusTrack(), cluster(0, simple(0, whole[0])), []byte("\x00\x01 garbage \xA3\xFF\x1F\x43\xB6"), cluster(20, simple(0, whole[1])))),
			times: []int64{0, 20}, data: whole[:2],
		},
		"zeros_at_the_end": {
			file:  join(header("webm"), unknown(idSegment, opusTrack(), cluster(0, simple(0, whole[0])), make([]byte, 300_000))),
			times: []int64{0}, data: whole[:1], truncated: true,
		},
		"unknown_elements": {
			file:  join(header("webm"), unknown(idSegment, opusTrack(), cluster(0, simple(0, whole[0]), element(0x4FFE, make([]byte, 40)), simple(20, whole[1])))),
			times: []int64{0, 20}, data: whole[:2],
		},
		"absurd_size": {
			file:  join(header("webm"), unknown(idSegment, opusTrack(), cluster(0, simple(0, whole[0])), []byte{0xA3, 0x01, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, cluster(20, simple(0, whole[1])))),
			times: []int64{0, 20}, data: whole[:2],
		},
		"several_segments": {
			file: join(header("webm"), element(idSegment, opusTrack(), cluster(0, simple(0, whole[0]), simple(20, whole[1]))),
				header("webm"), element(idSegment, element(idTracks, entry(7, 1, "V_VP8"), entry(1, 2, "A_OPUS")), cluster(0, simple(0, whole[2]), simple(20, whole[3])))),
			times: []int64{0, 20, 40, 60}, data: whole,
		},
		"other_codec_in_a_later_segment": {
			file: join(header("webm"), element(idSegment, opusTrack(), cluster(0, simple(0, whole[0]))),
				header("webm"), element(idSegment, element(idTracks, entry(1, 2, "A_VORBIS")), cluster(0, simple(0, whole[2])))),
			times: []int64{0}, data: whole[:1],
		},
		"empty_packets": {
			file:  join(header("webm"), element(idSegment, opusTrack(), cluster(0, simple(0, whole[0]), simple(20), simple(40, whole[2])))),
			times: []int64{0, 40}, data: [][]byte{whole[0], whole[2]},
		},
		"lace_that_does_not_add_up": {
			file:  join(header("webm"), element(idSegment, opusTrack(), cluster(0, simple(0, whole[0]), element(idSimpleBlock, blockBody(1, 20, laceXiph, []byte{1, 200}, whole[1])), simple(40, whole[2])))),
			times: []int64{0, 40}, data: [][]byte{whole[0], whole[2]},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x, _, err := read(iotest.OneByteReader(bytes.NewReader(test.file)), "audio", 0)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.times, times(x)); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(test.data, contents(t, x, test.file)); d != "" {
				t.Error(d)
			}
			if x.Truncated != test.truncated {
				t.Errorf("truncated is %v", x.Truncated)
			}
			if x.Size != int64(len(test.file)) {
				t.Errorf("size %d of %d", x.Size, len(test.file))
			}
		})
	}
}

func TestReadIndex_SaysWhyAFileIsOfNoUse(t *testing.T) {
	segment := func(tracks []byte) []byte {
		return join(header("webm"), element(idSegment, tracks, element(idCluster, at(0), simple(0, opus20(0)))))
	}
	zlib := element(idContentEncodings, element(idContentEncoding, element(idContentCompression, uintElement(idContentCompAlgo, 0))))
	sealed := element(idContentEncodings, element(idContentEncoding, uintElement(idContentType, 1)))
	tests := map[string]struct {
		file []byte
		kind roomreel.TrackKind
		want string
	}{
		"header_only": {header("webm"), "", "the file ends before its track list"},
		"no_audio":    {segment(element(idTracks, entry(1, 1, "V_VP8"))), "audio", "the file has no audio track"},
		"no_video":    {segment(opusTrack()), "video", "the file has no video track"},
		"subtitles":   {segment(element(idTracks, entry(1, 17, "S_TEXT/UTF8"))), "", "the file has no audio or video track"},
		"mpeg2":       {segment(element(idTracks, entry(1, 1, "V_MPEG2"))), "", `codec "V_MPEG2" is not supported: recordings hold`},
		"acm":         {segment(element(idTracks, entry(1, 2, "A_MS/ACM", element(idCodecPrivate, make([]byte, 18))))), "", "A_MS/ACM with format tag 0"},
		"zlib":        {segment(opusTrack(zlib)), "", "its packets are compressed with zlib"},
		"encrypted":   {segment(opusTrack(sealed)), "", "its packets are encrypted"},
		"no_packets":  {join(header("webm"), element(idSegment, opusTrack())), "", "the audio track holds no packets"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(bytes.NewReader(test.file), test.kind, 0)
			var e *roomreel.Error
			if !errors.As(err, &e) || e.Code != roomreel.Invalid || e.Param != "Media" || !strings.Contains(e.Detail, test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Not all browsers play a file that is served as Matroska. So a file that holds only what WebM has is WebM.
func TestReadIndex_SaysWhatBrowsersPlay(t *testing.T) {
	body := join(unknown(idCluster, at(0), simple(0, opus20(1))))
	opus, vp9 := entry(1, 2, "A_OPUS"), entry(2, 1, "V_VP9")
	compressed := element(idContentEncodings, element(idContentEncoding, element(idContentCompression,
		uintElement(idContentCompAlgo, compHeaderStrip), element(idContentCompSettings, []byte{0xF8}))))
	for name, test := range map[string]struct {
		docType string
		tracks  [][]byte
		want    media.Container
	}{
		"webm":             {"webm", [][]byte{opus}, media.WebM},
		"audio":            {"matroska", [][]byte{opus}, media.WebM},
		"audio_and_video":  {"matroska", [][]byte{opus, vp9}, media.WebM},
		"vorbis_beside":    {"matroska", [][]byte{opus, entry(2, 2, "A_VORBIS")}, media.WebM},
		"av1_beside":       {"matroska", [][]byte{opus, entry(2, 1, "V_AV1")}, media.WebM},
		"h264_beside":      {"matroska", [][]byte{opus, entry(2, 1, "V_MPEG4/ISO/AVC")}, media.Matroska},
		"subtitles_beside": {"matroska", [][]byte{opus, entry(2, 17, "S_TEXT/UTF8")}, media.Matroska},
		"stripped":         {"matroska", [][]byte{entry(1, 2, "A_OPUS", compressed)}, media.Matroska},
		"opus_of_the_past": {"matroska", [][]byte{entry(1, 2, "A_OPUS/EXPERIMENTAL")}, media.Matroska},
		"pcm":              {"matroska", [][]byte{entry(1, 2, "A_MS/ACM", element(idCodecPrivate, []byte{7, 0, 1, 0, 0x40, 0x1F, 0, 0}))}, media.Matroska},
		"named_as_webm":    {"webm", [][]byte{opus, entry(2, 1, "V_MPEG4/ISO/AVC")}, media.WebM},
	} {
		t.Run(name, func(t *testing.T) {
			file := join(header(test.docType), unknown(idSegment, element(idTracks, test.tracks...), body))
			_, got, err := ReadIndex(bytes.NewReader(file), int64(len(file)), roomreel.Audio)
			if err != nil || got != test.want {
				t.Errorf("got %q %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestReadIndex_PassesOnReadErrors(t *testing.T) {
	broken := errors.New("connection lost")
	file := join(header("webm"), unknown(idSegment, opusTrack(), unknown(idCluster, at(0), simple(0, opus20(0)))))
	_, _, err := read(io.MultiReader(bytes.NewReader(file), iotest.ErrReader(broken)), "", 0)
	if !errors.Is(err, broken) || roomreel.CodeOf(err) != "" {
		t.Errorf("got %v", err)
	}
}

func TestReadIndex_SetsTimestampsRight(t *testing.T) {
	tests := map[string]struct {
		stamps []uint64 // of clusters with one packet of 20 ms each
		want   []int64
	}{
		"first_is_zero":      {[]uint64{1 << 40, 1<<40 + 20}, []int64{0, 20}},
		"gap":                {[]uint64{0, 20, 7_200_000, 7_200_020}, []int64{0, 20, 7_200_000, 7_200_020}},
		"slightly_back":      {[]uint64{0, 20, 60, 50, 80}, []int64{0, 20, 60, 60, 80}},
		"restarted":          {[]uint64{5000, 5020, 7000, 0, 20}, []int64{0, 20, 2000, 2020, 2040}},
		"absurdly_ahead":     {[]uint64{0, 20, 1 << 40, 1<<40 + 20}, []int64{0, 20, 40, 60}},
		"leap_and_back":      {[]uint64{0, 20, 1 << 20, 60, 80}, []int64{0, 20, 40, 60, 80}},
		"leap_two_and_back":  {[]uint64{0, 20, 1 << 20, 1<<20 + 20, 80}, []int64{0, 20, 40, 60, 80}},
		"beyond_all_clocks":  {[]uint64{0, 1<<64 - 1, 40}, []int64{0, 20, 40}},
		"gap_then_restarted": {[]uint64{10_000, 100_000, 170_000, 15_000}, []int64{0, 90_000, 160_000, 160_020}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := join(header("webm"), unknown(idSegment, opusTrack()))
			for i, ms := range test.stamps {
				file = append(file, unknown(idCluster, at(ms), simple(0, opus20(byte(i))))...)
			}
			if d := cmp.Diff(test.want, times(index(t, file, "audio"))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReadIndex_BelievesTheBitstreamAboutKeyframes(t *testing.T) {
	key := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00}
	small := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xa0, 0x00, 0x5a, 0x00}
	inter := []byte{0x11, 0, 0, 1}
	video := element(idTracks, entry(1, 1, "V_VP8", element(idVideo, uintElement(idPixelWidth, 16), uintElement(idPixelHeight, 16))))
	x := index(t, join(header("webm"), unknown(idSegment, video, unknown(idCluster, at(0),
		element(idSimpleBlock, blockBody(1, 0, 0, key)),
		element(idSimpleBlock, blockBody(1, 40, blockKey, inter)),
		element(idSimpleBlock, blockBody(1, 80, 0, small)),
		element(idBlockGroup, element(idBlock, blockBody(1, 120, 0, key)), uintElement(idReferenceBlock, 1))))), "")
	type flags struct {
		Key           bool
		Width, Height int
	}
	var got []flags
	for _, p := range x.Packets {
		got = append(got, flags{p.Key, p.Width, p.Height})
	}
	want := []flags{{true, 320, 240}, {false, 0, 0}, {true, 160, 90}, {true, 320, 240}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if x.Width != 320 || x.Height != 240 {
		t.Errorf("largest frame is %dx%d", x.Width, x.Height)
	}
}

func TestReadIndex_HoldsADayOfAudio(t *testing.T) {
	const packets = 24 * 3600 * 50
	head := join(header("webm"), unknown(idSegment, opusTrack()))
	var cluster []byte
	n := 0
	r := readerFunc(func(b []byte) (int, error) {
		if len(head) == 0 {
			if n == packets {
				return 0, io.EOF
			}
			cluster = append(cluster[:0], unknown(idCluster, at(uint64(n*20)))...)
			for i := range 1000 {
				cluster = append(cluster, simple(int16(i*20), opus20(0))...)
			}
			n += 1000
			head = cluster
		}
		c := copy(b, head)
		head = head[c:]
		return c, nil
	})
	x, _, err := read(r, "audio", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Packets) != packets || x.Length() != 24*time.Hour {
		t.Errorf("%d packets lasting %v", len(x.Packets), x.Length())
	}
	b, err := x.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if perHour := len(b) / 24; perHour > 1<<20 {
		t.Errorf("an hour's index takes %d bytes", perHour)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestReadIndex_TakesLinearTimeForGarbage(t *testing.T) {
	tests := map[string][]byte{
		"cluster_ids":      {0x1F, 0x43, 0xB6, 0x75, 0x81, 0x00},
		"blocks_too_large": {0x1F, 0x43, 0xB6, 0x75, 0x81, 0xA3, 0x20, 0xFF, 0x00},
		"unknown_elements": {0x1F, 0x43, 0xB6, 0x75, 0x81, 0x4F, 0xFE, 0x60, 0x00},
		"zeros":            {0, 0, 0, 0, 0, 0, 0, 0},
	}
	for name, pattern := range tests {
		t.Run(name, func(t *testing.T) {
			file := join(header("webm"), unknown(idSegment, opusTrack(), unknown(idCluster, at(0), simple(0, opus20(0)))))
			file = append(file, bytes.Repeat(pattern, (4<<20)/len(pattern))...)
			start := time.Now()
			if x := index(t, file, ""); len(x.Packets) != 1 || x.Size != int64(len(file)) {
				t.Errorf("%d packets in %d of %d bytes", len(x.Packets), x.Size, len(file))
			}
			// It takes 50 ms. A reader that moved its buffer at every step would take more than a minute.
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("4 MiB take %v", d)
			}
		})
	}
}

func TestReadIndex_BitFlipsCostLittle(t *testing.T) {
	for name, b := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			whole := index(t, b, "")
			r := rand.New(rand.NewPCG(1, uint64(len(b))))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			const flips = 300
			kept := 0
			for range flips {
				bad := bytes.Clone(b)
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
				x, _, err := read(bytes.NewReader(bad), "", 0)
				if err != nil {
					if roomreel.CodeOf(err) != roomreel.Invalid {
						t.Fatal(err)
					}
					continue
				}
				check(t, x, bad)
				kept += len(x.Packets)
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / flips; each > uint64(2*len(b))+1<<20 {
				t.Errorf("a damaged file of %d bytes takes %d bytes of memory", len(b), each)
			}
			if share := float64(kept) / float64(flips*len(whole.Packets)); share < 0.5 {
				t.Errorf("only %.0f %% of packets are kept", 100*share)
			}
		})
	}
}

// check fails when an index breaks its promises about file.
func check(t testing.TB, x *media.Index, file []byte) {
	t.Helper()
	if len(x.Packets) == 0 || x.Packets[0].Time != 0 || x.Size != int64(len(file)) || x.Length() < 0 {
		t.Fatalf("%d packets, size %d of %d, length %v", len(x.Packets), x.Size, len(file), x.Length())
	}
	var end int64
	for i, p := range x.Packets {
		if p.Pos < end || p.Size <= 0 || p.Pos+int64(p.Size) > x.Size || p.Time < 0 || p.Duration < 0 {
			t.Fatalf("packet %d: %+v", i, p)
		}
		if !x.Video && i > 0 && p.Time < x.Packets[i-1].Time {
			t.Fatalf("packet %d goes back", i)
		}
		end = p.Pos + int64(p.Size)
	}
	b, err := x.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var y media.Index
	if err := y.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(x, &y, cmpopts.IgnoreFields(media.Packet{}, "Need")); d != "" {
		t.Fatal(d)
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add(join(header("webm"), element(idSegment, opusTrack(), element(idCluster, at(0), simple(0, opus20(0)), simple(20, opus60(1))))))
	f.Add(join(header("webm"), unknown(idSegment, opusTrack(), unknown(idCluster, at(0), element(idSimpleBlock, blockBody(1, 0, laceEBML, []byte{2, 0x83, 0xC1}, opus20(0), opus60(1), opus20(2)))))))
	f.Add(join(header("webm"), unknown(idSegment, element(idTracks, entry(1, 1, "V_MPEG4/ISO/AVC")), unknown(idCluster, at(0), simple(0, []byte{0, 0, 0, 1, 0x67, 0x64, 0, 10, 0xac, 0xd9})))))
	f.Add(join(header("webm"), unknown(idSegment, element(idTracks, entry(1, 1, "V_VP9")), unknown(idCluster, at(0), simple(0, []byte{0x82, 0x49, 0x83, 0x42, 0, 9, 0xf0, 7, 0x70})))))
	f.Add(join(header("webm"), unknown(idSegment, element(idTracks, entry(1, 1, "V_AV1")), unknown(idCluster, at(0), simple(0, []byte{0x12, 0, 0x0a, 4, 0, 0, 0, 2, 0x32, 2, 0x10, 0})))))
	f.Add(join(header("matroska"), unknown(idSegment, element(idTracks, entry(1, 1, "V_MPEGH/ISO/HEVC")), unknown(idCluster, at(0), simple(0, []byte{0, 0, 0, 1, 0x42, 1, 1, 1, 0x60, 0, 0, 0, 1, 0x26, 1, 0xaf})))))
	f.Add(join(header("webm"), unknown(idSegment, element(idTracks, entry(1, 2, "A_VORBIS", element(idCodecPrivate, []byte("\x02\x1e\x00\x01vorbis\x00\x00\x00\x00\x02\x44\xac\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xb8\x01\x05vorbis\x40\x00\x00\x00\x00\x80")))), unknown(idCluster, at(0), simple(0, []byte{0}), simple(20, []byte{2})))))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, _, err := read(bytes.NewReader(b), "", 0)
		if err != nil {
			if roomreel.CodeOf(err) != roomreel.Invalid {
				t.Fatal(err)
			}
			return
		}
		check(t, x, b)
	})
}

// A file of two segments with two audio tracks, whose numbers are exchanged in the second segment. The second track goes on with
// the second track there. A track whose packets cannot be read is listed, but has no number.
func TestReadTrack_GoesOnInALaterSegment(t *testing.T) {
	packets := func(tracks ...byte) []byte {
		var b []byte
		for _, n := range tracks {
			b = append(b, element(idSimpleBlock, blockBody(n&15, int16(n>>4)*20, blockKey, opus20(n)))...)
		}
		return element(idCluster, at(0), b)
	}
	file := join(header("webm"),
		element(idSegment, element(idTracks, entry(3, 2, "A_VORBIS", textElement(idName, "radio")), entry(1, 2, "A_OPUS"), entry(2, 2, "A_OPUS")), packets(0x01, 0x12, 0x22)),
		header("webm"),
		element(idSegment, element(idTracks, entry(2, 2, "A_OPUS"), entry(1, 2, "A_OPUS")), packets(0x01, 0x02, 0x11)))
	x, _, err := ReadTrack(bytes.NewReader(file), int64(len(file)), "audio", 2)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, b := range contents(t, x, file) {
		got = append(got, b[2])
	}
	if want := []byte{0x12, 0x22, 0x01, 0x11}; !bytes.Equal(got, want) {
		t.Errorf("packets %x, want %x", got, want)
	}
	if d := cmp.Diff([]int64{0, 20, 40, 60}, times(x)); d != "" {
		t.Error(d)
	}
	if x.Start != 20*time.Millisecond || x.Track != 2 {
		t.Errorf("track %d begins at %v", x.Track, x.Start)
	}
	left := x.LeftOut(func(_ roomreel.TrackKind, number int) bool { return number == 2 })
	if d := cmp.Diff([]string{`audio track (vorbis, "radio", cannot be read)`, "audio track 1 (opus)"}, left); d != "" {
		t.Error(d)
	}
}
