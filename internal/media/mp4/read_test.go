package mp4

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/media"
)

// made lets ffmpeg write a file.
func made(t testing.TB, name, args string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	run(t, "ffmpeg", append(strings.Fields("-v error -bitexact "+args), path)...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	testVideo = "-f lavfi -i testsrc2=size=160x120:rate=25:d=3 "
	testAudio = "-f lavfi -i sine=frequency=440:sample_rate=48000:d=3 "
	x264      = "-c:v libx264 -preset veryfast -g 25 -pix_fmt yuv420p "
)

// variants are the ways in which recorders lay out MP4 files, each with how ffmpeg is told to do likewise.
var variants = map[string]string{
	"moov_last":       x264 + "-bf 2 -c:a aac",
	"moov_first":      x264 + "-bf 2 -c:a aac -movflags faststart",
	"empty_moov":      x264 + "-bf 2 -c:a aac -movflags frag_keyframe+empty_moov",
	"default_base":    x264 + "-c:a aac -movflags frag_keyframe+empty_moov+default_base_moof",
	"no_tfhd_offset":  x264 + "-c:a aac -movflags frag_keyframe+empty_moov+omit_tfhd_offset",
	"moov_and_frags":  x264 + "-c:a aac -movflags frag_keyframe",
	"negative_cts":    x264 + "-bf 2 -c:a aac -movflags frag_keyframe+empty_moov+negative_cts_offsets+default_base_moof",
	"cmaf":            x264 + "-bf 2 -c:a aac -movflags cmaf+frag_keyframe",
	"dash":            x264 + "-c:a aac -movflags dash+frag_keyframe+global_sidx",
	"fragment_each":   x264 + "-c:a aac -movflags frag_every_frame+empty_moov+default_base_moof",
	"separate_moofs":  x264 + "-c:a aac -movflags frag_keyframe+empty_moov+separate_moof",
	"wide_tracks":     x264 + "-c:a aac -video_track_timescale 90000 -movie_timescale 44100",
	"no_edits":        x264 + "-bf 2 -c:a aac -use_editlist 0",
	"opus":            x264 + "-c:a libopus",
	"opus_fragments":  "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 -c:a libopus -movflags frag_keyframe+empty_moov+default_base_moof",
	"quicktime":       x264 + "-c:a aac -f mov",
	"annexb_in_avc3":  x264 + "-c:a aac -tag:v avc3 -movflags faststart",
	"data_stream":     x264 + "-c:a aac -metadata:s:v rotate=90 -metadata title=t -movflags use_metadata_tags",
	"three_gpp":       x264 + "-c:a aac -f 3gp",
	"delayed_video":   "-itsoffset 0.4 " + testVideo + "-vsync passthrough " + x264 + "-c:a aac",
	"aac_441_mono":    x264 + "-c:a aac -ar 44100 -ac 1",
	"chunk_per_track": x264 + "-c:a aac -max_interleave_delta 0",
}

var makeVariants = sync.OnceValue(func() func(t testing.TB) map[string][]byte {
	var files map[string][]byte
	return func(t testing.TB) map[string][]byte {
		t.Helper()
		if files == nil {
			files = map[string][]byte{}
			for name, args := range variants {
				if strings.HasPrefix(args, "-itsoffset") {
					args = testAudio + args
				} else {
					args = testVideo + testAudio + args
				}
				files[name] = made(t, name+".mp4", args)
			}
		}
		return files
	}
})

func index(t testing.TB, b []byte, kind roomreel.TrackKind) *media.Index {
	t.Helper()
	x, container, err := ReadIndex(bytes.NewReader(b), int64(len(b)), kind)
	if err != nil {
		t.Fatal(err)
	}
	if container != media.MP4 {
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
		if p.Time < 0 || p.Duration < 0 || p.Size <= 0 || !x.Video && i > 0 && p.Time < x.Packets[i-1].Time {
			t.Fatalf("packet %d: %+v", i, p)
		}
		if _, err := r.Read(i); err != nil {
			t.Fatal(err)
		}
	}
	if len(x.Packets) == 0 || x.Packets[0].Time != 0 || x.Start < 0 {
		t.Fatalf("%d packets from %v", len(x.Packets), x.Start)
	}
	b, err := x.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := media.OpenIndex(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatalf("the stored index cannot be opened: %v", err)
	}
}

type probed struct {
	PTS   string `json:"pts_time"`
	Pos   string
	Size  string
	Flags string
}

func packets(t testing.TB, path, stream string) []probed {
	t.Helper()
	var p struct{ Packets []probed }
	out := run(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_packets", "-of", "json", path)
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return p.Packets
}

func TestReadIndex_AgreesWithFFprobe(t *testing.T) {
	for name, b := range makeVariants()(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "made")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for stream, kind := range map[string]roomreel.TrackKind{"v": roomreel.Video, "a": roomreel.Audio} {
				x := index(t, b, kind)
				want := packets(t, path, stream)
				if len(x.Packets) != len(want) {
					t.Fatalf("%s: %d packets, want %d", kind, len(x.Packets), len(want))
				}
				first, err := strconv.ParseFloat(want[0].PTS, 64)
				if err != nil {
					t.Fatal(err)
				}
				for i, p := range x.Packets {
					pts, err := strconv.ParseFloat(want[i].PTS, 64)
					if err != nil {
						t.Fatal(err)
					}
					off := p.Time.Seconds() - (pts - first)
					if fmt.Sprint(p.Pos) != want[i].Pos || fmt.Sprint(p.Size) != want[i].Size || off > 1e-5 || off < -1e-5 || p.Key != (want[i].Flags[0] == 'K') {
						t.Fatalf("%s packet %d: %+v, want %+v", kind, i, p, want[i])
					}
				}
				if x.Truncated || kind == roomreel.Video && (x.Width != 160 || x.Height != 120) || kind == roomreel.Audio && x.Rate != 48000 && x.Rate != 44100 {
					t.Errorf("%s: %+v", kind, x)
				}
				length := x.Length() - x.CodecDelay
				// Without edit lists, ffmpeg leaves a gap of 60 ms after the first packet of audio.
				if d := length - 3*time.Second; d.Abs() > 85*time.Millisecond {
					t.Errorf("%s lasts %v", kind, length)
				}
			}
		})
	}
}

func TestReadIndex_SkipsPrimingAndNotesWhenTracksBegin(t *testing.T) {
	const aac = 1024 * time.Second / 48000
	tests := map[string]struct {
		delay, video, audio time.Duration
	}{
		"moov_last":      {delay: aac},
		"moov_first":     {delay: aac},
		"opus":           {delay: 6500 * time.Microsecond},
		"opus_fragments": {delay: 0}, // no edit list
		"aac_441_mono":   {delay: 1024 * time.Second / 44100},
		"delayed_video":  {delay: aac, video: 400 * time.Millisecond},
	}
	files := makeVariants()(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v, a := index(t, files[name], roomreel.Video), index(t, files[name], roomreel.Audio)
			if a.CodecDelay != test.delay || v.CodecDelay != 0 {
				t.Errorf("the delay of audio is %v, of video %v", a.CodecDelay, v.CodecDelay)
			}
			if (v.Start-test.video).Abs() > time.Millisecond || (a.Start-test.audio).Abs() > time.Millisecond {
				t.Errorf("video begins at %v, audio at %v", v.Start, a.Start)
			}
		})
	}
}

func TestReadIndex_ReadsWhatATruncatedFileHolds(t *testing.T) {
	files := makeVariants()(t)
	for _, name := range []string{"moov_first", "default_base", "fragment_each", "moov_and_frags"} {
		t.Run(name, func(t *testing.T) {
			b := files[name]
			whole := index(t, b, roomreel.Video)
			last := 0
			for cut := 0; cut < len(b); cut += 97 {
				x, _, err := ReadIndex(bytes.NewReader(b[:cut]), int64(cut), roomreel.Video)
				if err != nil {
					if roomreel.CodeOf(err) != roomreel.Invalid {
						t.Fatal(err)
					}
					if last > 0 {
						t.Fatalf("cut at %d: %v", cut, err)
					}
					continue
				}
				check(t, x, b[:cut])
				fits := 0
				for _, p := range whole.Packets {
					if p.Pos+int64(p.Size) <= int64(cut) {
						fits++
					}
				}
				if len(x.Packets) < last || len(x.Packets) > fits || !x.Truncated && fits < len(whole.Packets) && name == "moov_first" {
					t.Fatalf("cut at %d: %d of %d packets, after %d", cut, len(x.Packets), fits, last)
				}
				last = len(x.Packets)
			}
			if last < len(whole.Packets)-1 {
				t.Errorf("the last cut holds %d of %d packets", last, len(whole.Packets))
			}
		})
	}
}

func TestReadIndex_FindsFragmentsAfterDamage(t *testing.T) {
	b := bytes.Clone(makeVariants()(t)["default_base"])
	whole := len(index(t, b, roomreel.Video).Packets)
	mdat := bytes.Index(b, []byte("mdat"))
	for name, size := range map[string][4]byte{"too_large": {0x7f, 0, 0, 0}, "larger": {0, 0, 0xff, 0}, "nothing": {0, 0, 0, 1}, "open": {0, 0, 0, 0}} {
		t.Run(name, func(t *testing.T) {
			copy(b[mdat-4:], size[:])
			if got := len(index(t, b, roomreel.Video).Packets); got != whole {
				t.Errorf("%d of %d packets", got, whole)
			}
		})
	}
}

func TestReadIndex_GoesOnInAnAppendedFile(t *testing.T) {
	b := makeVariants()(t)["default_base"]
	one, x := index(t, b, roomreel.Audio), index(t, append(bytes.Clone(b), b...), roomreel.Audio)
	if n := len(one.Packets); len(x.Packets) != 2*n || x.Packets[n].Time < one.Packets[n-1].Time {
		t.Errorf("%d packets, %d in one of the two files; the second begins at %v", len(x.Packets), n, x.Packets[len(x.Packets)/2].Time)
	}
	// The movie header alone, once more: its packets are known.
	b = makeVariants()(t)["moov_last"]
	one = index(t, b, roomreel.Video)
	moov := bytes.LastIndex(b, []byte("moov")) - 4
	if x := index(t, append(bytes.Clone(b), b[moov:]...), roomreel.Video); len(x.Packets) != len(one.Packets) {
		t.Errorf("%d packets, want %d", len(x.Packets), len(one.Packets))
	}
}

func TestReadIndex_SaysWhyAFileIsOfNoUse(t *testing.T) {
	files := makeVariants()(t)
	moovLast := files["moov_last"]
	tests := map[string]struct {
		file []byte
		kind roomreel.TrackKind
		want string
	}{
		"unfinished": {moovLast[:bytes.LastIndex(moovLast, []byte("moov"))-4], "", "no track list (moov)"},
		"no_video":   {made(t, "a.m4a", testAudio+"-c:a aac"), roomreel.Video, "the file has no video track"},
		"mp3":        {made(t, "a.mp4", testAudio+"-c:a libmp3lame"), "", `codec "mp4a with object type 0x6B" is not supported`},
		"mpeg4":      {made(t, "a.mp4", testVideo+"-c:v mpeg4"), "", `codec "mp4v" is not supported`},
		"encrypted": {
			made(t, "a.mp4", testVideo+x264+"-encryption_scheme cenc-aes-ctr -encryption_key 00112233445566778899aabbccddeeff -encryption_kid 00112233445566778899aabbccddeeff"),
			"", "its packets are encrypted",
		},
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
}

func TestReadIndex_BitFlipsCostLittle(t *testing.T) {
	for name, b := range makeVariants()(t) {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(len(b))))
			bad := bytes.Clone(b)
			for range 60 {
				at, bit := r.IntN(len(bad)), byte(1)<<r.IntN(8)
				bad[at] ^= bit
				x, _, err := ReadIndex(bytes.NewReader(bad), int64(len(bad)), "")
				if err == nil {
					check(t, x, bad)
				} else if roomreel.CodeOf(err) != roomreel.Invalid {
					t.Fatal(err)
				}
				bad[at] ^= bit
			}
		})
	}
}
