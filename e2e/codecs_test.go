package e2e

import (
	"image"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	vocabulary "roomreel"
	"roomreel/e2e/fixture"
)

// codecPeople were recorded with the codecs of newer browsers and of telephones, in every container that holds them.
var codecPeople = []struct {
	name, video, audio, camera, microphone string
	sizes                                  []image.Point
	cell                                   image.Rectangle
}{
	{"alice", "av1", "vorbis", "mkv", "mka", []image.Point{{320, 240}, {95, 53}, {16, 16}, {640, 360}}, image.Rect(0, 0, 320, 240)},
	{"bob", "hevc", "g722", "mkv", "mka", []image.Point{{320, 240}, {142, 96}, {640, 480}}, image.Rect(320, 0, 640, 240)},
	{"carol", "av1_10", "vorbis", "mp4", "ogg", nil, image.Rect(0, 240, 320, 480)},
	{"dave", "hevc_10", "pcm", "hvc1.mp4", "mka", nil, image.Rect(320, 240, 640, 480)},
	{"erin", "hevc_10", "vorbis", "hev1.mp4", "webm", nil, image.Rect(640, 0, 960, 240)},
	{"frank", "av1", "pcma", "webm", "mka", nil, image.Rect(640, 240, 960, 480)},
}

// makeCodecRoom writes the recordings and returns the path of the manifest.
func makeCodecRoom(t *testing.T, dir string, length time.Duration) string {
	t.Helper()
	var room fixture.Room
	for i, p := range codecPeople {
		pair := fixture.Pair(p.name, fixture.People[i], time.Duration(i)*120*ms, length)
		pair[0].Codec, pair[0].Sizes, pair[1].Codec = p.video, p.sizes, p.audio
		room.Recordings = append(room.Recordings, pair...)
	}
	manifest := room.Make(t, dir)
	for _, p := range codecPeople {
		// The name of a file does not say what it holds.
		repack := func(name, ending string) {
			old := map[string][]string{
				"mp4": {"-f", "mp4"}, "webm": {"-f", "webm", "-live", "1"}, "ogg": {"-f", "ogg"},
				"hvc1.mp4": {"-f", "mp4", "-tag:v", "hvc1", "-movflags", "empty_moov+delay_moov+default_base_moof", "-frag_duration", "700000"},
				"hev1.mp4": {"-f", "mp4", "-tag:v", "hev1", "-bsf:v", "hevc_mp4toannexb"},
			}[ending]
			if old == nil {
				return
			}
			path := filepath.Join(dir, name)
			fixture.FFmpeg(t, append(append([]string{"-i", path, "-c", "copy"}, old...), path+".new")...)
			must(t, 0, os.Rename(path+".new", path))
		}
		repack(p.name+"-camera.mkv", p.camera)
		repack(p.name+"-microphone.mka", p.microphone)
	}
	return manifest
}

const codecLayout = `{
	"a": {"video_sources": ["alice-camera"], "width": 320, "height": 240, "max_columns": 1},
	"b": {"video_sources": ["bob-camera"], "x_pos": 320, "width": 320, "height": 240, "max_columns": 1},
	"c": {"video_sources": ["carol-camera"], "y_pos": 240, "width": 320, "height": 240, "max_columns": 1},
	"d": {"video_sources": ["dave-camera"], "x_pos": 320, "y_pos": 240, "width": 320, "height": 240, "max_columns": 1},
	"e": {"video_sources": ["erin-camera"], "x_pos": 640, "width": 320, "height": 240, "max_columns": 1},
	"f": {"video_sources": ["frank-camera"], "x_pos": 640, "y_pos": 240, "width": 320, "height": 240, "max_columns": 1}
}`

func TestCompose_TakesEveryCodecInSync(t *testing.T) {
	dir := t.TempDir()
	manifest := makeCodecRoom(t, dir, 6*time.Second)
	layout, out := filepath.Join(dir, "layout.json"), filepath.Join(dir, "film.mp4")
	must(t, 0, os.WriteFile(layout, []byte(codecLayout), 0o644))
	// With short chunks, chunk borders lie within every recording, and within their groups of frames.
	r := roomreel(t, "compose", "--room", manifest, "--layout", layout, "--resolution", "960x480", "--set", "compose.chunk=1s", "-o", out)
	if len(r.Warnings) > 0 {
		t.Errorf("warnings %v", r.Warnings)
	}
	film := fixture.Open(t, out)
	samples := film.Samples(t)
	for i, p := range codecPeople {
		t.Run(p.name, func(t *testing.T) {
			checkPersonInSync(t, film, samples, p.cell, fixture.People[i], time.Duration(i)*120*ms, 6)
			for n, frame := range film.Sample(t, 1850*ms, 3850*ms, 5850*ms) {
				if who := fixture.Who(frame, p.cell, fixture.People); who != i {
					t.Errorf("sample %d shows %d, want %d", n, who, i)
				}
			}
		})
	}
}

// damages are what happens to files.
var damages = map[string]func([]byte) []byte{
	"cut": func(b []byte) []byte { return b[:len(b)*2/3] },
	"flipped": func(b []byte) []byte {
		random := rand.New(rand.NewPCG(3, 4))
		for at := 2000; at < len(b); at += 200 + random.IntN(400) {
			b[at] ^= 1 << random.IntN(8)
		}
		return b
	},
}

// Damaged recordings show and play what they hold: the person's own colours, and nothing else.
func TestCompose_ShowsNoColourThatWasNotRecorded(t *testing.T) {
	dir := t.TempDir()
	for i, codec := range []string{"av1", "hevc", "hevc_10"} {
		person := fixture.People[i]
		room := fixture.Room{Recordings: []fixture.Recording{{
			Participant: "a", Name: codec, Kind: vocabulary.Video, Codec: codec, Length: 4 * time.Second, Person: person,
		}}}
		manifest := room.Make(t, dir)
		path := filepath.Join(dir, codec+".mkv")
		whole, err := os.ReadFile(path)
		must(t, whole, err)
		for name, damage := range damages {
			if name == "flipped" && codec != "av1" {
				continue // HEVC does not tell that the bits of a slice are others
			}
			t.Run(codec+"_"+name, func(t *testing.T) {
				must(t, 0, os.WriteFile(path, damage(append([]byte(nil), whole...)), 0o644))
				out := filepath.Join(t.TempDir(), "film.mp4")
				roomreel(t, "compose", "--room", manifest, "--resolution", "320x240", "-o", out)
				film := fixture.Open(t, out)
				shown := 0
				film.Each(t, func(at time.Duration, frame *image.RGBA) {
					switch who := fixture.Who(frame, image.Rect(0, 0, 320, 240), fixture.People); who {
					case i, fixture.Flashing:
						shown++
					case fixture.Empty:
					default:
						t.Errorf("at %v it shows %v", at, fixture.Colour(frame, image.Rect(0, 0, 320, 240)))
					}
				})
				if shown < 25 {
					t.Errorf("%d frames show the recording", shown)
				}
			})
		}
	}
}
