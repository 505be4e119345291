package matroska

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
	"roomreel/internal/media/bitstream"
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

// encoded reads the packets of a recording as a track that is to be written.
func encoded(t testing.TB, b []byte, track media.OutputTrack, length uint32) media.OutputTrack {
	t.Helper()
	x := index(t, b, "")
	r := media.NewPacketReader(x, bytes.NewReader(b))
	var payload []byte
	for i, p := range x.Packets {
		data, err := r.Read(i)
		if err != nil {
			t.Fatal(err)
		}
		payload = append(payload, data...)
		track.Samples = append(track.Samples, media.OutputSample{Size: uint32(len(data)), Len: length, Key: p.Key})
	}
	track.Codec = x.Codec
	if !x.Video {
		track.Private = x.Private
	}
	track.Width, track.Height, track.Rate, track.Channels = x.Width, x.Height, x.Rate, x.Channels
	track.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
	return track
}

func videoVP8(t testing.TB, n int, num, den int64, gop int) media.OutputTrack {
	t.Helper()
	b := ffmpeg(t, args(lavfi(fmt.Sprintf("testsrc2=size=160x120:rate=%d/%d", num, den)),
		fmt.Sprintf("-frames:v %d -c:v libvpx -deadline realtime -b:v 100k -auto-alt-ref 0 -g %d -keyint_min %d vp8.mkv", n, gop, gop))...)
	return encoded(t, b, media.OutputTrack{TickNum: den, TickDen: num, Length: int64(n)}, 1)
}

// audioOpus encodes n samples of an expression of t in seconds.
func audioOpus(t testing.TB, expression string, n int64) media.OutputTrack {
	t.Helper()
	b := ffmpeg(t, append(args(lavfi("aevalsrc="+expression+":s=48000")), args(fmt.Sprintf("-af atrim=end_sample=%d -ac 2 -c:a libopus audio.mka", n))...)...)
	track := encoded(t, b, media.OutputTrack{TickNum: 1, TickDen: 48000, Length: n}, 960)
	head, ok := bitstream.ParseOpusHead(track.Private)
	if !ok {
		t.Fatal("no OpusHead")
	}
	track.Delay = int64(head.PreSkip)
	return track
}

func writeWebM(t testing.TB, tracks ...media.OutputTrack) (path string, film []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := (WebM{}).Write(&b, tracks); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "film.webm")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, b.Bytes()
}

func TestWriteWebM_PlaysFromZeroForExactlyItsLength(t *testing.T) {
	tests := map[string]struct {
		frames   int
		num, den int64
		samples  int64
	}{
		"25":    {150, 25, 1, 288000},
		"29.97": {153, 30000, 1001, 245000},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			video := videoVP8(t, test.frames, test.num, test.den, 50)
			audio := audioOpus(t, "sin(2*PI*440*t)", test.samples)
			path, b := writeWebM(t, video, audio)

			var p struct {
				Streams []struct {
					Type    string `json:"codec_type"`
					Start   string `json:"start_time"`
					Packets string `json:"nb_read_packets"`
				}
				Format struct{ Duration string }
			}
			if err := json.Unmarshal(run(t, "ffprobe", "-v", "warning", "-count_packets", "-show_streams", "-show_format", "-of", "json", path), &p); err != nil {
				t.Fatal(err)
			}
			// Audio begins 312 samples early and players skip those: what is heard begins at 0.
			starts := []string{p.Streams[0].Start, p.Streams[1].Start}
			if d := cmp.Diff([]string{"0.000000", "-0.007000"}, starts); d != "" {
				t.Error(d)
			}
			if p.Streams[0].Packets != fmt.Sprint(test.frames) || p.Streams[1].Packets != fmt.Sprint(len(audio.Samples)) {
				t.Errorf("%+v", p.Streams)
			}
			seconds := max(float64(test.samples)/48000, float64(int64(test.frames)*test.den)/float64(test.num))
			if want := fmt.Sprintf("%.6f", seconds); p.Format.Duration != want && p.Format.Duration != fmt.Sprintf("%.3f000", seconds) {
				t.Errorf("duration %s, want %s", p.Format.Duration, want)
			}
			run(t, "ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "null", "-")

			v, a := index(t, b, "video"), index(t, b, "audio")
			for i, k := range v.Packets {
				exact := time.Duration(i) * time.Second * time.Duration(test.den) / time.Duration(test.num)
				if d := k.Time - exact; d < -time.Millisecond/2 || d > time.Millisecond/2 {
					t.Fatalf("frame %d is at %v, want %v", i, k.Time, exact)
				}
			}
			if v.Truncated || a.Truncated {
				t.Error("whole film counts as truncated")
			}
			if got := a.Length() - a.CodecDelay - media.Samples(test.samples, 48000); got.Abs() > time.Millisecond/2 {
				t.Errorf("audio lasts %v too long", got)
			}
		})
	}
}

func TestWriteWebM_SaysWhatItsColoursMean(t *testing.T) {
	for want, colour := range map[string]media.Colour{
		"tv,smpte170m,smpte170m,smpte170m": media.BT601,
		"pc,bt709,bt709,bt709":             {Primaries: 1, Transfer: 1, Matrix: 1, Full: true},
		"unknown,unknown,unknown,unknown":  {},
	} {
		video := videoVP8(t, 5, 25, 1, 50)
		video.Colour = colour
		path, film := writeWebM(t, video)
		if read := index(t, film, "video").Colour; read != colour {
			t.Errorf("%+v is read as %+v", colour, read)
		}
		got := run(t, "ffprobe", "-v", "error", "-show_entries", "stream=color_range,color_space,color_transfer,color_primaries", "-of", "csv=p=0", path)
		if strings.TrimSpace(string(got)) != want {
			t.Errorf("%+v is read as %s, want %s", colour, got, want)
		}
	}
}

func TestWriteWebM_CuesComeFirstAndPointAtKeyframes(t *testing.T) {
	_, b := writeWebM(t, videoVP8(t, 300, 25, 1, 60), audioOpus(t, "sin(2*PI*440*t)", 576000))
	cues, first := bytes.Index(b, []byte{0x1C, 0x53, 0xBB, 0x6B}), bytes.Index(b, []byte{0x1F, 0x43, 0xB6, 0x75})
	// The seek head names the cues before they come.
	if again := bytes.Index(b[cues+4:first], []byte{0x1C, 0x53, 0xBB, 0x6B}); again < 0 {
		t.Fatal("no cues before the first cluster")
	}
	var segment []byte
	children(b, func(id uint32, data []byte) {
		if id == idSegment {
			segment = data
		}
	})
	var got []int64
	children(segment, func(id uint32, data []byte) {
		if id != idCues {
			return
		}
		children(data, func(_ uint32, data []byte) {
			var at, time int64
			children(data, func(id uint32, data []byte) {
				if id == idCueTime {
					time = int64(uintOf(data))
					return
				}
				children(data, func(id uint32, data []byte) {
					if id == idCueClusterPosition {
						at = int64(uintOf(data))
					}
				})
			})
			got = append(got, time)
			if id, _ := parseID(segment[at:]); id != idCluster {
				t.Errorf("cue at %d ms points at %x", time, id)
			}
		})
	})
	if d := cmp.Diff([]int64{0, 2400, 4800, 7200, 9600}, got); d != "" {
		t.Error(d)
	}
}

func TestWriteWebM_AudioIsSampleExact(t *testing.T) {
	const click, n = 60000, 96123
	path, _ := writeWebM(t, audioOpus(t, fmt.Sprintf("'0.9*sin(2*PI*1000*(t-1.25))*between(t*48000,%d,%d)'", click, click+960), n))
	decode := func(path string) []byte {
		return run(t, "ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "f32le", "-ac", "1", "-c:a", "pcm_f32le", "-")
	}
	pcm := decode(path)
	if got := len(pcm) / 4; got != n {
		t.Errorf("%d samples are heard, want %d", got, n)
	}
	// The position at which the decoded audio agrees best with what was encoded.
	best, bestAt := 0.0, 0
	for at := click - 20; at <= click+20; at++ {
		sum := 0.0
		for i := range 960 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(pcm[4*(at+i):]))
			sum += float64(v) * math.Sin(2*math.Pi*1000*float64(i)/48000)
		}
		if sum > best {
			best, bestAt = sum, at
		}
	}
	if bestAt < click-1 || bestAt > click+1 {
		t.Errorf("the click is at sample %d, want %d", bestAt, click)
	}
}

func TestWriteWebM_RefusesWhatItCannotExpress(t *testing.T) {
	good := audioOpus(t, "sin(2*PI*440*t)", 9600)
	tests := map[string]struct {
		change func(t *media.OutputTrack)
		want   string
	}{
		"codec": {func(t *media.OutputTrack) { t.Codec = "aac" }, "WebM films hold vp8, av1 and opus"},
		"empty": {func(t *media.OutputTrack) { t.Samples = nil }, "no samples"},
		"short": {func(t *media.OutputTrack) { t.Length = 1e6 }, "less than delay"},
		"early": {func(t *media.OutputTrack) {
			t.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
		}, "ends early"},
		"no_tick": {func(t *media.OutputTrack) { t.TickDen = 0 }, "tick"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			track := good
			test.change(&track)
			err := WebM{}.Write(io.Discard, []media.OutputTrack{track})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestWriteWebM_IsAsLongAsItSays(t *testing.T) {
	_, b := writeWebM(t, videoVP8(t, 50, 25, 1, 25), audioOpus(t, "sin(2*PI*440*t)", 96000))
	file := 0
	children(b, func(id uint32, data []byte) {
		header := 5
		if id == idSegment {
			header = 12
			inside := 0
			children(data, func(id uint32, child []byte) { inside += len(element(id, child)) })
			if inside != len(data) {
				t.Errorf("elements fill %d of the segment's %d bytes", inside, len(data))
			}
		}
		file += header + len(data)
	})
	if file != len(b) {
		t.Errorf("elements fill %d of the file's %d bytes", file, len(b))
	}
}

func TestWriteWebM_TracksBeginLate(t *testing.T) {
	video, audio := videoVP8(t, 75, 25, 1, 30), audioOpus(t, "sin(2*PI*440*t)", 144000)
	for _, test := range []struct{ video, audio int64 }{{6, 0}, {0, 9600}} {
		video.Start, audio.Start = test.video, test.audio
		path, b := writeWebM(t, video, audio)
		film, packets, err := readFilm(b)
		if err != nil {
			t.Fatal(err)
		}
		start := max(media.Samples(test.video, 25), media.Samples(test.audio, 48000))
		if film.Duration != 3*time.Second+start {
			t.Errorf("it lasts %v", film.Duration)
		}
		for i, want := range []int64{test.video * 40, test.audio / 48} {
			if got := packets[film.Tracks[i]][0].Shown; got != want {
				t.Errorf("track %d begins at %d ms, want %d", i, got, want)
			}
		}
		run(t, "ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "null", "-")
	}
}
