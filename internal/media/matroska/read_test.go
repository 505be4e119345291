package matroska

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/h264"
)

// ffmpeg runs ffmpeg with the given arguments, the last of which is a file name in a directory of the test, and returns
// the file's bytes.
func ffmpeg(t testing.TB, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), args[len(args)-1])
	args = append([]string{"-v", "error", "-y"}, append(args[:len(args)-1:len(args)-1], path)...)
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lavfi(source string) []string { return []string{"-f", "lavfi", "-i", source} }

func args(parts ...any) []string {
	var list []string
	for _, p := range parts {
		switch p := p.(type) {
		case []string:
			list = append(list, p...)
		case string:
			list = append(list, strings.Fields(p)...)
		}
	}
	return list
}

var (
	bars = lavfi("testsrc2=size=160x120:rate=25:duration=3")
	tone = lavfi("sine=frequency=440:sample_rate=48000:duration=3")
)

// fixtures are small recordings of each kind, as ffmpeg writes them.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	made.Do(func() { made.files = makeFixtures(t) })
	return made.files
}

// made holds the fixtures once a test has asked for them: encoding takes longer than all tests of them.
var made struct {
	sync.Once
	files map[string][]byte
}

func makeFixtures(t testing.TB) map[string][]byte {
	t.Helper()
	list := map[string][]string{
		"vp8":      args(bars, "-c:v libvpx -deadline realtime -b:v 100k -g 25 vp8.mkv"),
		"vp9":      args(bars, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 vp9.webm"),
		"h264":     args(bars, "-c:v libx264 -preset ultrafast -bf 2 -g 25 h264.mkv"),
		"opus":     args(tone, "-c:a libopus -frame_duration 20 opus.mka"),
		"opus2":    args(tone, "-c:a libopus -ac 2 -frame_duration 60 opus.webm"),
		"pcmu":     args(tone, "-ar 8000 -c:a pcm_mulaw pcmu.mka"),
		"pcma":     args(tone, "-ar 8000 -c:a pcm_alaw pcma.mka"),
		"live":     args(tone, "-c:a libopus -f webm -live 1 live.webm"),
		"together": args(bars, tone, "-c:v libvpx -deadline realtime -c:a libopus together.webm"),
	}
	out := map[string][]byte{}
	for name, a := range list {
		out[name] = ffmpeg(t, a...)
	}
	return out
}

func index(t testing.TB, b []byte, kind roomreel.TrackKind) *media.Index {
	t.Helper()
	x, _, err := read(bytes.NewReader(b), kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// probe asks ffprobe for the packets of a stream: time in ms, size, flags.
func probe(t testing.TB, b []byte, stream string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe.mkv")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts,size,flags", "-of", "csv=p=0", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v\n%s", err, out)
	}
	return strings.Fields(strings.TrimSpace(string(out)))
}

func TestReadIndex_AgreesWithFFprobe(t *testing.T) {
	for name, b := range fixtures(t) {
		kinds := []roomreel.TrackKind{""}
		if name == "together" {
			kinds = []roomreel.TrackKind{roomreel.Audio, roomreel.Video}
		}
		for _, kind := range kinds {
			t.Run(name+string(kind), func(t *testing.T) {
				x := index(t, b, kind)
				stream := "a:0"
				if x.Video {
					stream = "v:0"
				}
				var got, want []string
				for _, p := range x.Packets {
					flags := "__"
					if p.Key {
						flags = "K_"
					}
					got = append(got, fmt.Sprintf("%d,%d,%s", p.Time.Milliseconds(), p.Size, flags))
				}
				zero := 0
				for i, line := range probe(t, b, stream) {
					var pts, size int
					var flags string
					line = strings.ReplaceAll(strings.TrimSuffix(line, ","), ",", " ")
					if _, err := fmt.Sscan(line, &pts, &size, &flags); err != nil {
						t.Fatalf("%q: %v", line, err)
					}
					if i == 0 {
						zero = pts
					}
					want = append(want, fmt.Sprintf("%d,%d,%s", pts-zero, size, flags[:2]))
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
				if x.Truncated {
					t.Error("whole file counts as truncated")
				}
				if x.Size != int64(len(b)) {
					t.Errorf("size %d, want %d", x.Size, len(b))
				}
				if p := x.Packets[0]; x.Video && (p.Width != 160 || p.Height != 120) {
					t.Errorf("the first keyframe is %dx%d", p.Width, p.Height)
				}
				if d := x.Length() - 3*time.Second; d < -time.Millisecond || d > 61*time.Millisecond {
					t.Errorf("lasts %v", x.Length())
				}
			})
		}
	}
}

func TestReadIndex_RecoversEveryWholeBlockOfATruncatedFile(t *testing.T) {
	for name, b := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			whole := index(t, b, "")
			last := 0
			for cut := 0; cut < len(b); cut += 1 + len(b)/400 {
				x, _, err := read(bytes.NewReader(b[:cut]), "", 0)
				if err != nil {
					if roomreel.CodeOf(err) != roomreel.Invalid {
						t.Fatalf("cut at %d: %v", cut, err)
					}
					if last > 0 {
						t.Fatalf("cut at %d: %v, but a shorter file held %d packets", cut, err, last)
					}
					continue
				}
				want := sort.Search(len(whole.Packets), func(i int) bool {
					p := whole.Packets[i]
					return p.Pos+int64(p.Size) > int64(cut)
				})
				if len(x.Packets) != want {
					t.Fatalf("cut at %d: %d packets, want %d", cut, len(x.Packets), want)
				}
				for i, p := range x.Packets {
					q := whole.Packets[i]
					q.Duration, p.Duration = 0, 0 // how much of the last is padding may be cut off
					if !cmp.Equal(p, q) {
						t.Fatalf("cut at %d: packet %d is %+v, want %+v", cut, i, p, q)
					}
				}
				if x.Size != int64(cut) {
					t.Fatalf("cut at %d: size %d", cut, x.Size)
				}
				last = want
			}
		})
	}
}

func TestPacketReader_ReadsWhatWasRecorded(t *testing.T) {
	for name, b := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			x := index(t, b, "")
			r := media.NewPacketReader(x, bytes.NewReader(b))
			for _, i := range []int{len(x.Packets) - 1, 0, len(x.Packets) / 2} {
				got, err := r.Read(i)
				if err != nil {
					t.Fatal(err)
				}
				p := x.Packets[i]
				if want := append(bytes.Clone(x.Prefix), b[p.Pos:p.Pos+int64(p.Size)]...); !bytes.Equal(got, want) {
					t.Errorf("packet %d differs", i)
				}
			}
		})
	}
}

func TestIndex_SurvivesMarshal(t *testing.T) {
	for name, b := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			x := index(t, b, "")
			data, err := x.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var y media.Index
			if err := y.UnmarshalBinary(data); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(x, &y, cmpopts.IgnoreFields(media.Packet{}, "Need")); d != "" {
				t.Error(d)
			}
			for i := range data {
				bad := bytes.Clone(data)
				bad[i] ^= 0x10
				if y.UnmarshalBinary(bad) == nil || y.UnmarshalBinary(data[:i]) == nil {
					t.Fatalf("a change or cut at byte %d goes unnoticed", i)
				}
			}
		})
	}
}

func TestReadIndex_FindsH264SizesInEveryForm(t *testing.T) {
	tests := map[string]struct {
		args          string
		width, height int
	}{
		"cropped":    {"-s 162x122 -pix_fmt yuv420p", 162, 122},
		"baseline":   {"-s 160x90 -pix_fmt yuv420p -profile:v baseline", 160, 90},
		"interlaced": {"-s 160x124 -pix_fmt yuv420p -flags +ildct", 160, 124},
		"444":        {"-s 161x91 -pix_fmt yuv444p", 161, 91},
		"422":        {"-s 162x91 -pix_fmt yuv422p", 162, 91},
		"matrices":   {"-s 162x122 -pix_fmt yuv420p -x264-params cqm=jvt", 162, 122},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := ffmpeg(t, args(lavfi("testsrc2=rate=25"), "-frames:v 3 -c:v libx264 -preset ultrafast "+test.args+" h264.mkv")...)
			x := index(t, b, "video")
			if p := x.Packets[0]; p.Width != test.width || p.Height != test.height || !p.Key {
				t.Errorf("lengths: %+v", p)
			}
			// The same packet behind start codes, without private data.
			first, err := media.NewPacketReader(x, bytes.NewReader(b)).Read(0)
			if err != nil {
				t.Fatal(err)
			}
			var stream []byte
			sps := x.Private[8 : 8+int(x.Private[6])<<8+int(x.Private[7])]
			stream = append(append(stream, 0, 0, 0, 1), sps...)
			for len(first) > 0 {
				n := 4 + binary.BigEndian.Uint32(first)
				stream = append(append(stream, 0, 0, 1), first[4:n]...)
				first = first[n:]
			}
			if p := h264.ParsePrivate(nil).Inspect(stream); !p.Key || p.Width != test.width || p.Height != test.height {
				t.Errorf("start codes: %+v", p)
			}
		})
	}
}
