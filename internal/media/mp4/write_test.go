package mp4

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/media"
)

// run runs a program, and fails the test when it fails or complains.
func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	c := exec.Command(name, args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return out
}

func write(t testing.TB, tracks ...media.OutputTrack) string {
	t.Helper()
	var b bytes.Buffer
	if err := (Faststart{}).Write(&b, tracks); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// videoH264 encodes n frames with B-frames at num/den frames a second.
func videoH264(t testing.TB, n int, num, den int64) media.OutputTrack {
	t.Helper()
	dir := t.TempDir()
	made, stream := filepath.Join(dir, "made.mp4"), filepath.Join(dir, "made.h264")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=160x120:rate=%d/%d", num, den),
		"-frames:v", fmt.Sprint(n), "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "50", "-pix_fmt", "yuv420p",
		"-video_track_timescale", fmt.Sprint(num), made)
	run(t, "ffmpeg", "-v", "error", "-i", made, "-c", "copy", "-bsf:v", "h264_mp4toannexb,h264_metadata=aud=insert", stream)
	b, err := os.ReadFile(stream)
	if err != nil {
		t.Fatal(err)
	}
	track := media.OutputTrack{Codec: "h264", Width: 160, Height: 120, TickNum: den, TickDen: num, Length: int64(n), Open: opener(b)}
	var probed struct {
		Packets []struct {
			PTS, DTS int64
			Flags    string
		}
	}
	if err := json.Unmarshal(run(t, "ffprobe", "-v", "error", "-show_packets", "-of", "json", made), &probed); err != nil {
		t.Fatal(err)
	}
	const delimiterType, spsType, ppsType = 9, 7, 8
	delimiter := []byte{0, 0, 0, 1, delimiterType}
	units := bytes.Split(b, delimiter)[1:]
	if len(units) != n || len(probed.Packets) != n {
		t.Fatalf("%d access units, %d packets, want %d", len(units), len(probed.Packets), n)
	}
	reordered := false
	for i, p := range probed.Packets {
		shift := (p.PTS - probed.Packets[0].DTS) / den
		reordered = reordered || p.PTS != p.DTS
		track.Samples = append(track.Samples, media.OutputSample{
			Size: uint32(len(delimiter) + len(units[i])), Len: 1, Shift: int32(shift - int64(i)), Key: p.Flags[0] == 'K',
		})
	}
	if !reordered {
		t.Fatal("the encoder made no B-frames")
	}
	for _, nal := range bytes.Split(units[0][1:], []byte{0, 0, 1}) {
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 && (nal[0]&0x1f == spsType || nal[0]&0x1f == ppsType) {
			track.Private = append(append(track.Private, 0, 0, 0, 1), nal...)
		}
	}
	return track
}

// audioAAC encodes an expression of t in seconds, n samples of it, in stereo.
func audioAAC(t testing.TB, expression string, n int64) media.OutputTrack {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audio.aac")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "aevalsrc="+expression+":s=48000", "-af", fmt.Sprintf("atrim=end_sample=%d", n),
		"-ac", "2", "-c:a", "aac", "-b:a", "128k", path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	track := media.OutputTrack{Codec: "aac", Rate: 48000, Channels: 2, TickNum: 1, TickDen: 48000, Delay: 1024, Length: n}
	var payload []byte
	for len(b) > 0 {
		h := b[:7]
		size := int(h[3]&3)<<11 | int(h[4])<<3 | int(h[5])>>5
		if track.Private == nil {
			object, frequency, channels := h[2]>>6+1, h[2]>>2&15, h[2]&1<<2|h[3]>>6
			track.Private = []byte{object<<3 | frequency>>1, frequency<<7 | channels<<3}
		}
		track.Samples = append(track.Samples, media.OutputSample{Size: uint32(size - 7), Len: 1024, Key: true})
		payload = append(payload, b[7:size]...)
		b = b[size:]
	}
	track.Open = opener(payload)
	return track
}

type stream struct {
	Type     string `json:"codec_type"`
	Start    string `json:"start_time"`
	Duration string `json:"duration"`
	Packets  string `json:"nb_read_packets"`
	Frames   string `json:"nb_read_frames"`
	BFrames  int    `json:"has_b_frames"`
	Rate     string `json:"avg_frame_rate"`
}

func probe(t testing.TB, path string) []stream {
	t.Helper()
	var p struct{ Streams []stream }
	if err := json.Unmarshal(run(t, "ffprobe", "-v", "warning", "-count_packets", "-count_frames", "-show_streams", "-of", "json", path), &p); err != nil {
		t.Fatal(err)
	}
	return p.Streams
}

func TestWrite_BothTracksBeginAtZeroAndLastExactly(t *testing.T) {
	tests := map[string]struct {
		frames   int
		num, den int64
		samples  int64
		want     []stream
	}{
		"25": {77, 25, 1, 147840, []stream{
			{"video", "0.000000", "3.080000", "77", "77", 2, "25/1"},
			{"audio", "0.000000", "3.080000", "146", "145", 0, "0/0"},
		}},
		"29.97": {90, 30000, 1001, 144001, []stream{
			{"video", "0.000000", "3.003000", "90", "90", 2, "30000/1001"},
			{"audio", "0.000000", "3.000021", "142", "141", 0, "0/0"},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := write(t, videoH264(t, test.frames, test.num, test.den), audioAAC(t, "sin(2*PI*440*t)", test.samples))
			got := probe(t, path)
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
			run(t, "ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "null", "-")
		})
	}
}

func TestWrite_SaysWhatItsColoursMean(t *testing.T) {
	for want, colour := range map[string]media.Colour{
		"tv,smpte170m,smpte170m,smpte170m": media.BT601,
		"pc,bt709,bt709,bt709":             {Primaries: 1, Transfer: 1, Matrix: 1, Full: true},
		"unknown,unknown,unknown,unknown":  {},
	} {
		video := videoH264(t, 5, 25, 1)
		video.Colour = colour
		path := filepath.Join(t.TempDir(), "film.mp4")
		var film bytes.Buffer
		if err := (Faststart{}).Write(&film, []media.OutputTrack{video}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, film.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got := run(t, "ffprobe", "-v", "error", "-show_entries", "stream=color_range,color_space,color_transfer,color_primaries", "-of", "csv=p=0", path)
		if strings.TrimSpace(string(got)) != want {
			t.Errorf("%+v is read as %s, want %s", colour, got, want)
		}
	}
}

func TestWrite_FramesAreThoseOfTheStream(t *testing.T) {
	track := videoH264(t, 60, 25, 1)
	path := write(t, track)
	r, _ := track.Open()
	b, _ := io.ReadAll(r)
	raw := filepath.Join(t.TempDir(), "raw.h264")
	if err := os.WriteFile(raw, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := func(path string) string {
		return string(run(t, "ffmpeg", "-v", "error", "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-c:v", "rawvideo", "-f", "md5", "-"))
	}
	if a, b := sum(raw), sum(path); a != b {
		t.Errorf("frames differ: %s %s", a, b)
	}
}

func TestWrite_AudioIsSampleExact(t *testing.T) {
	const click, n = 60000, 96123
	path := write(t, audioAAC(t, fmt.Sprintf("'0.9*between(t*48000,%d,%d)'", click, click+200), n))
	pcm := run(t, "ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "f32le", "-ac", "1", "-")
	// ffmpeg 5.1 ends a film at the end of an AAC frame, whatever edit list and durations say.
	if got := len(pcm) / 4; got < n || got >= n+1024 {
		t.Errorf("%d samples are heard, want %d", got, n)
	}
	at := -1
	for i := 0; i < len(pcm); i += 4 {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(pcm[i:])); v > 0.45 {
			at = i / 4
			break
		}
	}
	if at < click-1 || at > click+1 {
		t.Errorf("the click is at sample %d, want %d", at, click)
	}
}

// readFilm reads a film back and lists its packets.
func readFilm(r io.ReaderAt, size int64) (media.Film, map[*media.FilmTrack][]media.FilmPacket, error) {
	packets := map[*media.FilmTrack][]media.FilmPacket{}
	film, err := ReadFilm(r, size, func(track *media.FilmTrack, p media.FilmPacket) error {
		packets[track] = append(packets[track], p)
		return nil
	})
	return film, packets, err
}

func TestReadFilm_SaysWhatWasWritten(t *testing.T) {
	path := write(t, videoH264(t, 77, 25, 1), audioAAC(t, "sin(2*PI*440*t)", 147840))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	film, packets, err := readFilm(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := media.Film{Duration: 3080 * time.Millisecond, Front: true, Tracks: []*media.FilmTrack{
		{Video: true, Codec: "h264", Width: 160, Height: 120, Scale: 48000, Length: 147840},
		{Codec: "aac", Rate: 48000, Channels: 2, Scale: 48000, Delay: 1024, Length: 147840},
	}}
	if d := cmp.Diff(want, film); d != "" {
		t.Fatal(d)
	}
	var last int64
	keys, samples := 0, int64(0)
	for track, list := range packets {
		for _, p := range list {
			last = max(last, p.Pos+p.Size)
			samples += p.Samples
			if track.Video && p.Key {
				keys++
			}
		}
	}
	if last != int64(len(b)) || keys != 2 || samples != 1024+147840 {
		t.Errorf("packets end at %d of %d bytes, %d keyframes, %d samples", last, len(b), keys, samples)
	}
	video := packets[film.Tracks[0]]
	if first := video[0]; len(video) != 77 || first.Decode != 0 || first.Shown != 0 || first.Length != 1920 || !first.Key {
		t.Errorf("%d frames, the first is %+v", len(video), first)
	}
	for cut := range len(b) {
		if _, err := ReadFilm(bytes.NewReader(b[:cut]), int64(cut), nil); err == nil {
			t.Fatalf("a film cut at byte %d of %d passes", cut, len(b))
		}
	}
}

// Each number of a header that says how long something lasts is compared with the packets, and so is each flag of a keyframe.
func TestReadFilm_RefusesHeadersThatContradictThePackets(t *testing.T) {
	whole, err := os.ReadFile(write(t, videoH264(t, 77, 25, 1), audioAAC(t, "sin(2*PI*440*t)", 147840)))
	if err != nil {
		t.Fatal(err)
	}
	film, packets, err := readFilm(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	var keyframe media.FilmPacket // not the first, which has the encoder's SEI in front
	for _, p := range packets[film.Tracks[0]] {
		if p.Key {
			keyframe = p
		}
	}
	// at is where the nth box of a kind has the number: so many bytes after its four letters.
	at := func(kind string, n, distance int) int {
		from := 0
		for range n {
			from += bytes.Index(whole[from:], []byte(kind)) + 4
		}
		return from + distance
	}
	for name, test := range map[string]struct {
		at   int
		want string
	}{
		"mvhd":       {at("mvhd", 1, 4+12+3), "its header says that it lasts"},
		"video tkhd": {at("tkhd", 1, 4+16+3), "its track header says"},
		"audio tkhd": {at("tkhd", 2, 4+16+3), "its track header says"},
		"video mdhd": {at("mdhd", 1, 4+12+3), "its media header says"},
		"audio mdhd": {at("mdhd", 2, 4+12+3), "its media header says"},
		"stss":       {at("stss", 1, 8+4+3), "is flagged as a keyframe and is none"},
		"video stsz": {at("stsz", 1, 12+3), ""},
		"video stco": {at("stco", 1, 8), "outside the payload"},
		"audio stts": {at("stts", 2, 8+4+2), "its media header says"},
		"payload":    {int(keyframe.Pos) + 4, "is flagged as a keyframe and is none"},
	} {
		b := bytes.Clone(whole)
		if b[test.at]++; name == "payload" {
			b[test.at] = 0x61 // a slice of another kind of frame, after the length of the NAL unit
		}
		if _, err := ReadFilm(bytes.NewReader(b), int64(len(b)), nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestWrite_InterleavesBySeconds(t *testing.T) {
	f, err := plan([]media.OutputTrack{videoH264(t, 77, 25, 1), audioAAC(t, "sin(2*PI*440*t)", 147840)})
	if err != nil {
		t.Fatal(err)
	}
	f.place(1000)
	var got [][2]int
	at := int64(1000)
	for _, c := range f.chunks {
		if c.offset != at {
			t.Fatalf("a chunk lies at %d, want %d", c.offset, at)
		}
		for _, n := range f.tracks[c.track].sizes[c.first : c.first+c.count] {
			at += int64(n)
		}
		got = append(got, [2]int{c.track, c.count})
	}
	// Two frames are decoded before film time 0, as are the 1024 samples of priming.
	want := [][2]int{{0, 27}, {1, 48}, {0, 25}, {1, 47}, {0, 25}, {1, 47}, {1, 4}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// zeros yields n zero bytes.
type zeros struct{ n int64 }

func (z *zeros) Read(b []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), z.n))
	clear(b[:n])
	z.n -= int64(n)
	return n, nil
}

// headWriter keeps the first bytes and counts the rest.
type headWriter struct {
	head []byte
	n    int64
}

func (w *headWriter) Write(b []byte) (int, error) {
	if room := 1<<20 - len(w.head); room > 0 {
		w.head = append(w.head, b[:min(room, len(b))]...)
	}
	w.n += int64(len(b))
	return len(b), nil
}

// ReadAt answers zeros past the head, as a sparse file would.
func (w *headWriter) ReadAt(b []byte, at int64) (int, error) {
	clear(b)
	if at < int64(len(w.head)) {
		copy(b, w.head[at:])
	}
	if left := w.n - at; left < int64(len(b)) {
		return int(left), io.EOF
	}
	return len(b), nil
}

func TestWrite_FilmsBeyond4GiBHaveWideOffsets(t *testing.T) {
	track := media.OutputTrack{Codec: "aac", Private: []byte{0x11, 0x90}, Rate: 48000, Channels: 2, TickNum: 1, TickDen: 48000}
	const count, size = 5000, 1 << 20
	for range count {
		track.Samples = append(track.Samples, media.OutputSample{Size: size, Len: 48000, Key: true})
		track.Length += 48000
	}
	track.Open = func() (io.ReadCloser, error) { return io.NopCloser(&zeros{count * size}), nil }
	var w headWriter
	if err := (Faststart{}).Write(&w, []media.OutputTrack{track}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(w.head, []byte("co64")) || bytes.Contains(w.head, []byte("stco")) {
		t.Error("offsets are not 64 bits wide")
	}
	film, packets, err := readFilm(&w, w.n)
	if err != nil {
		t.Fatal(err)
	}
	if list := packets[film.Tracks[0]]; len(list) != count || list[count-1].Pos+list[count-1].Size != w.n || !film.Front {
		t.Errorf("%d packets in %d bytes", len(list), w.n)
	}
}

func TestWrite_RefusesWhatItCannotExpress(t *testing.T) {
	good := audioAAC(t, "sin(2*PI*440*t)", 48000)
	tests := map[string]struct {
		change func(t *media.OutputTrack)
		want   string
	}{
		"codec":    {func(t *media.OutputTrack) { t.Codec = "opus" }, "mp4 films hold h264, av1 and aac"},
		"empty":    {func(t *media.OutputTrack) { t.Samples = nil }, "no samples"},
		"short":    {func(t *media.OutputTrack) { t.Length = 60000 }, "less than delay"},
		"early":    {func(t *media.OutputTrack) { t.Open = opener(nil) }, "unexpected EOF"},
		"no_asc":   {func(t *media.OutputTrack) { t.Private = nil }, "AudioSpecificConfig"},
		"h264_set": {func(t *media.OutputTrack) { t.Codec, t.Private = "h264", []byte{0, 0, 1, 9} }, "SPS"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			track := good
			test.change(&track)
			err := Faststart{}.Write(io.Discard, []media.OutputTrack{track})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzReadFilm(f *testing.F) {
	path := write(f, audioAAC(f, "sin(2*PI*440*t)", 4800))
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, packets, err := readFilm(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, list := range packets {
			for _, p := range list {
				if p.Pos+p.Size > int64(len(b)) {
					t.Errorf("a packet ends at %d, the file at %d", p.Pos+p.Size, len(b))
				}
			}
		}
	})
}

var sets = []byte{0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x0a, 0x11, 0, 0, 1, 0x68, 0xce}

func TestWrite_RefusesFramesThatDoNotFit(t *testing.T) {
	tests := map[string]struct {
		packet []byte
		want   string
	}{
		"other_sets": {[]byte{0, 0, 1, 0x67, 0x42, 0xc0, 0x0b, 0x11, 0, 0, 1, 0x65, 7}, "frame 0: its parameter sets differ"},
		"lengths":    {[]byte{0, 0, 0, 2, 0x65, 7}, "frame 0: it is not an Annex B byte stream"},
		"no_slice":   {sets, "frame 0: it holds no slice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := Faststart{}.Write(io.Discard, []media.OutputTrack{{
				Codec: "h264", Private: sets, Width: 16, Height: 16, TickNum: 1, TickDen: 25, Length: 1,
				Samples: []media.OutputSample{{Size: uint32(len(test.packet)), Len: 1, Key: true}}, Open: opener(test.packet),
			}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// A track that begins late has an edit before its own that shows nothing.
func TestWrite_TracksBeginLate(t *testing.T) {
	video, audio := videoH264(t, 75, 25, 1), audioAAC(t, "sin(2*PI*440*t)", 144000)
	for _, test := range []struct {
		video, audio int64 // ticks
		want         []string
	}{
		{6, 0, []string{"0.240000", "0.000000"}},
		{0, 9600, []string{"0.000000", "0.200000"}},
		{1, 24000 * 25 * 3600 * 24 / 1000, []string{"0.040000", "1080.000000"}},
	} {
		video.Start, audio.Start = test.video, test.audio
		path := write(t, video, audio)
		var got []string
		for _, s := range probe(t, path) {
			got = append(got, s.Start)
		}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Error(d)
		}
		run(t, "ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "null", "-")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		film, packets, err := readFilm(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if end := 3*time.Second + max(media.Samples(test.video, 25), media.Samples(test.audio, 48000)); film.Duration != end {
			t.Errorf("it lasts %v, want %v", film.Duration, end)
		}
		for i, start := range []int64{test.video * 1920, test.audio} {
			track := film.Tracks[i]
			if first := packets[track][0]; track.Start != start || first.Decode != start || track.Video && first.Shown != start {
				t.Errorf("track %d begins at %d, its first packet is %+v, want %d", i, track.Start, first, start)
			}
		}
	}
}
