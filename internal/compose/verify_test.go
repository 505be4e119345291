package compose

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/blob/blobtest"
	"roomreel/internal/blob/dir"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
)

// filmPackets are the packets of a film that fits the plan of checkedFilm, as a container in milliseconds has them.
type filmPackets struct {
	film         media.Film
	video, audio []media.FilmPacket
	again        []media.FilmPacket // of a third track
}

var checkedFilm = plan.Summary{
	Format: roomreel.WebM, Canvas: layout.Size{W: 64, H: 48}, FPS: 30, Frames: 90, Samples: 144000,
	VideoEncoder: protocol.Encoder{Codec: "vp8", GOP: 40}, AudioEncoder: protocol.Encoder{Codec: "opus"},
}

func goodFilm() *filmPackets {
	f := &filmPackets{film: media.Film{Duration: 3 * time.Second, Front: true, Tracks: []*media.FilmTrack{
		{Video: true, Codec: "vp8", Width: 64, Height: 48, Scale: 1000},
		{Codec: "opus", Rate: 48000, Channels: 2, Scale: 1000, Delay: 312},
	}}}
	for n := range int64(90) {
		at := (2*n*1000 + 30) / 60
		f.video = append(f.video, media.FilmPacket{Decode: at, Shown: at, Key: n%40 == 0})
	}
	for n := range int64(151) {
		f.audio = append(f.audio, media.FilmPacket{Decode: 20 * n, Samples: 960, Key: true})
	}
	f.audio[150].Samples = 312
	return f
}

func (f *filmPackets) check() (Checks, error) {
	c := newCheck(&checkedFilm)
	for i, packets := range [][]media.FilmPacket{f.video, f.audio, f.again} {
		for _, p := range packets {
			if err := c.packet(f.film.Tracks[i], p); err != nil {
				return c.Checks, err
			}
		}
	}
	return c.Checks, c.finish(f.film)
}

func TestCheck_PassesAFilmAsItIsPlanned(t *testing.T) {
	got, err := goodFilm().check()
	want := Checks{
		Frames: 90, Packets: 151, Samples: 144000, Monotone: true, Keyframes: 3, Distance: 40.0 / 30, DistanceMost: 40.0 / 30, Cues: true, Duration: 3,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestCheck_NamesWhatDoesNotFit(t *testing.T) {
	for want, change := range map[string]func(f *filmPackets){
		"it holds 89 of 90 frames":                   func(f *filmPackets) { f.video = f.video[:89] },
		"it holds 143998 of 144000 samples":          func(f *filmPackets) { f.audio[150].Samples -= 2 },
		"its header says that it lasts 3.001s":       func(f *filmPackets) { f.film.Duration += time.Millisecond },
		"the tables come after the media":            func(f *filmPackets) { f.film.Front = false },
		"its first frame is no keyframe":             func(f *filmPackets) { f.video[0].Key = false },
		"keyframes are up to 1.667 s apart":          func(f *filmPackets) { f.video[40].Key = false; f.video[50].Key = true },
		"keyframes are up to 1.633 s apart":          func(f *filmPackets) { f.video[80].Key = false; f.video[41].Key = true },
		"is shown at 35/1000 s, where no frame":      func(f *filmPackets) { f.video[1].Shown = 35 },
		"frame 1 is there twice":                     func(f *filmPackets) { f.video[2].Shown = f.video[1].Shown },
		"is shown as frame 90 of 90":                 func(f *filmPackets) { f.video[3].Shown = 3000 },
		"is shown as frame -1 of 90":                 func(f *filmPackets) { f.video[3].Shown = -33 },
		"packet 2 of the video is decoded at 33":     func(f *filmPackets) { f.video[2].Decode = 33 },
		"packet 2 of the audio is decoded at 20":     func(f *filmPackets) { f.audio[2].Decode = 20 },
		"packet 7 of the audio is at 141/1000 s":     func(f *filmPackets) { f.audio[7].Decode = 141 },
		"packet 9 of the audio holds no samples":     func(f *filmPackets) { f.audio[9].Samples = 0 },
		"packet 4 lasts 40/1000 s instead of 1/30 s": func(f *filmPackets) { f.video[4].Length = 40 },
		"its video is h264 instead of vp8":           func(f *filmPackets) { f.film.Tracks[0].Codec = "h264" },
		"have 48x64 pixels instead of 64x48":         func(f *filmPackets) { f.film.Tracks[0].Width, f.film.Tracks[0].Height = 48, 64 },
		"its audio has 1 channels":                   func(f *filmPackets) { f.film.Tracks[1].Channels = 1 },
		"its audio track has no packets":             func(f *filmPackets) { f.audio = nil },
		"it holds 144311 of 144000 samples":          func(f *filmPackets) { f.film.Tracks[1].Delay = 1 },
		"it has more than one audio track": func(f *filmPackets) {
			more := *f.film.Tracks[1]
			f.film.Tracks = append(f.film.Tracks, &more)
			f.again = f.audio[:1]
		},
		"says that the video lasts 2.9s": func(f *filmPackets) { f.film.Tracks[0].Length = 2900 },
	} {
		f := goodFilm()
		change(f)
		if _, err := f.check(); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCheck_StreamsEndTogether(t *testing.T) {
	film := checkedFilm
	film.Samples += 1601 // a frame lasts 1600
	c := newCheck(&film)
	f := goodFilm()
	f.audio = append(f.audio, media.FilmPacket{Decode: 3020, Samples: 144000 + 1601 + 312 - 151*960})
	f.audio[150].Samples = 960
	f.film.Duration = 3*time.Second + 1601*time.Second/48000
	for i, packets := range [][]media.FilmPacket{f.video, f.audio} {
		for _, p := range packets {
			if err := c.packet(f.film.Tracks[i], p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.finish(f.film); err == nil || !strings.Contains(err.Error(), "its audio and its video end 33.354") {
		t.Errorf("got %v", err)
	}
}

// damagingStore changes a byte of what it reads of some objects.
type damagingStore struct {
	blob.Store
	mu     sync.Mutex
	damage map[string]int // how often the object of a key is still damaged when it is read
	read   map[string]int // how often each was read from its beginning

	reading func() // before an object is read; may be nil
}

func (s *damagingStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if s.reading != nil {
		s.reading()
	}
	body, err := s.Store.Get(ctx, key, offset, length)
	if err != nil || offset != 0 {
		return body, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read[key]++
	if s.damage[key] == 0 {
		return body, nil
	}
	s.damage[key]--
	return blobtest.Damage(body)
}

// prepared makes a run of a room with a store that damages objects.
func (r *testRoom) prepared(t *testing.T, p *plan.Plan, damage map[string]int) (*local, *damagingStore) {
	t.Helper()
	child, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	store := &damagingStore{Store: folder, damage: damage, read: map[string]int{}}
	return newLocal(LocalOptions{
		Plan: p, Recordings: r.open(t), Parallel: 2, Render: render.Command{Path: child, Mode: sandbox.Off},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}, store), store
}

// damaged composes a room with a store that damages objects.
func (r *testRoom) damaged(t *testing.T, p *plan.Plan, damage map[string]int) (LocalResult, *damagingStore, error) {
	t.Helper()
	l, store := r.prepared(t, p, damage)
	path := filepath.Join(t.TempDir(), "film")
	result, err := l.make(t.Context(), path)
	if _, missing := os.Stat(path); (missing != nil) != (err != nil) {
		t.Errorf("the film's file: %v, after %v", missing, err)
	}
	return result, store, err
}

const forever = 1 << 20

func TestLocal_RendersDamagedSegmentsAgainOnce(t *testing.T) {
	var room testRoom
	folder := filepath.Join("testdata", "plan-v2")
	room.add(t, roomreel.Video, 0, filepath.Join(folder, "camera.mkv"))
	room.add(t, roomreel.Video, time.Second, filepath.Join(folder, "camera.mkv"))
	room.add(t, roomreel.Audio, 300*time.Millisecond, filepath.Join(folder, "microphone.mka"))
	for _, format := range []roomreel.Format{roomreel.MP4, roomreel.WebM} {
		p := room.plan(t, format, func(o *plan.Options) { o.AudioTask = 2 * time.Second })
		if p.Chunks < 3 || p.AudioTasks < 3 {
			t.Fatalf("%d chunks, %d audio tasks", p.Chunks, p.AudioTasks)
		}
		whole, _, err := room.damaged(t, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			damage map[string]int
			again  []string
			want   string
		}{
			"on its way":   {map[string]int{"chunk-00001": 1}, nil, ""},
			"a chunk":      {map[string]int{"chunk-00001": forever}, []string{"chunk-again-00001"}, ""},
			"two chunks":   {map[string]int{"chunk-00000": forever, "chunk-00002": forever}, []string{"chunk-again-00000", "chunk-again-00002"}, ""},
			"audio":        {map[string]int{"audio": 3}, []string{"audio"}, ""},
			"some samples": {map[string]int{"audio-00001": forever}, []string{"audio-again-00001"}, ""},
			"twice":        {map[string]int{"chunk-00001": forever, "chunk-again-00001": forever}, nil, "its payload was changed since it was stored"},
		} {
			t.Run(string(format)+" "+name, func(t *testing.T) {
				result, store, err := room.damaged(t, p, test.damage)
				if test.want != "" {
					if err == nil || !strings.Contains(err.Error(), test.want) {
						t.Fatalf("got %v, want %q", err, test.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if result.Film.Checks.SHA256 != whole.Film.Checks.SHA256 {
					t.Errorf("the film differs from one that nothing happened to")
				}
				if r := result.Report; r.Again != len(test.again) || len(r.Warnings) != min(1, r.Again) {
					t.Errorf("the report says that %d chunks were rendered again, want %d; warnings %q", r.Again, len(test.again), r.Warnings)
				}
				for key := range store.read {
					again := strings.Contains(key, "again")
					wanted := false
					for _, name := range test.again {
						wanted = wanted || key == name
					}
					if again && !wanted {
						t.Errorf("%s was made", key)
					}
				}
				for _, key := range test.again {
					if store.read[key] == 0 {
						t.Errorf("%s was not made", key)
					}
				}
			})
		}
	}
}

// A film whose file is not what was written is noticed, and joined once more.
func TestWriteFilm_ChecksWhatIsInTheFile(t *testing.T) {
	room := keptRoom(t, filepath.Join("testdata", "plan-v2"))
	for _, format := range []roomreel.Format{roomreel.MP4, roomreel.WebM} {
		p := room.plan(t, format, nil)
		for _, times := range []int{1, 2} {
			l, store := room.prepared(t, p, nil)
			path := filepath.Join(t.TempDir(), "film")
			damaged := 0 // files
			store.reading = func() {
				file, err := os.OpenFile(path, os.O_WRONLY, 0) // it is there while its segments are read
				if err != nil {
					return
				}
				defer file.Close()
				if info, err := file.Stat(); err == nil && info.Size() == 0 && damaged < times {
					damaged++
					file.WriteAt([]byte("damage"), 50<<20) // behind the end, where nothing writes over it
				}
			}
			_, err := l.make(t.Context(), path)
			if times == 1 && err != nil || times == 2 && !errors.Is(err, ErrMismatch) || damaged != times {
				t.Errorf("%s, damaged %d of %d times: %v", format, damaged, times, err)
			}
		}
	}
}

// A byte of the payload that changes after it was written breaks no rule of the container, and is noticed all the same.
func TestVerify_ComparesTheFileWithWhatWasWritten(t *testing.T) {
	room := keptRoom(t, filepath.Join("testdata", "plan-v2"))
	for _, format := range []roomreel.Format{roomreel.MP4, roomreel.WebM} {
		p := room.plan(t, format, nil)
		out, result := room.compose(t, p)
		film, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(&p.Summary, bytes.NewReader(film), int64(len(film)), result.Film.Checks.SHA256); err != nil {
			t.Error(err)
		}
		film[len(film)-1000] ^= 1
		_, err = verify(&p.Summary, bytes.NewReader(film), int64(len(film)), result.Film.Checks.SHA256)
		if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "its bytes changed after they were written") {
			t.Errorf("%s: %v", format, err)
		}
	}
}
