package compose

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/media/matroska"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/audio"
	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
	"roomreel/internal/render/video"
)

// TestMain makes this test binary its own render child: a child has neither arguments nor an environment.
func TestMain(m *testing.M) {
	if len(os.Args) == 1 && len(os.Environ()) <= 1 { // a binary built with -cover keeps GOCOVERDIR
		render.Main(func(p protocol.Plan, conn *protocol.Conn) (protocol.Stats, error) {
			if p.Video != nil {
				return video.Run(*p.Video, &crashing{Conn: conn, tracks: p.Video.Tracks})
			}
			return audio.Run(*p.Audio, conn)
		}, video.Encoders)
	}
	os.Exit(m.Run())
}

// crashing is a connection on which a track of codec "crash" ends the child once a chunk is done, and one of codec "crash at once"
// ends any child.
type crashing struct {
	*protocol.Conn
	tracks []protocol.Track
	done   atomic.Bool // a chunk
}

func (c *crashing) ChunkDone(done protocol.ChunkDone) error {
	err := c.Conn.ChunkDone(done)
	c.done.Store(true)
	return err
}

func (c *crashing) WorkingOn(track int) {
	c.Conn.WorkingOn(track)
	if track >= 0 && (c.tracks[track].Codec == "crash" && c.done.Load() || c.tracks[track].Codec == "crash at once") {
		panic("this decoder crashes")
	}
}

// ffmpeg runs ffmpeg and returns what it prints.
func ffmpeg(t testing.TB, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("ROOMREEL_TEST_REQUIRE") != "" {
			t.Fatal("ffmpeg is required")
		}
		t.Skip("no ffmpeg")
	}
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error", "-y"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v: %s", args, err, errs.String())
	}
	return out
}

// testRoom is recordings on disk, with their indexes.
type testRoom struct {
	tracks  []plan.Track
	files   []string
	indexes Recordings // with the indexes of whole files, when these were changed
}

func (r *testRoom) add(t testing.TB, kind roomreel.TrackKind, offset time.Duration, file string) {
	t.Helper()
	x := readIndex(t, file, kind)
	r.tracks = append(r.tracks, plan.Track{Name: filepath.Base(file), Kind: kind, Offset: offset, Length: x.Length()})
	r.files = append(r.files, file)
}

func readIndex(t testing.TB, path string, kind roomreel.TrackKind) *media.Index {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	x, _, err := matroska.ReadIndex(f, info.Size(), kind)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// open opens the recordings until the end of the test.
func (r *testRoom) open(t testing.TB) Recordings {
	t.Helper()
	if r.indexes != nil {
		return r.indexes
	}
	var all []Recording
	for i, path := range r.files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		index, err := readIndex(t, path, r.tracks[i].Kind).File()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Recording{index, f})
	}
	return func(track int) (Recording, error) { return all[track], nil }
}

func (r *testRoom) plan(t testing.TB, format roomreel.Format, change func(*plan.Options)) *plan.Plan {
	t.Helper()
	return r.planAt(t, layout.Size{W: 320, H: 240}, format, change)
}

func (r *testRoom) planAt(t testing.TB, size layout.Size, format roomreel.Format, change func(*plan.Options)) *plan.Plan {
	t.Helper()
	req, indexes, opts := r.request(t, size, format, change)
	p, err := plan.New(req, r.tracks, indexes, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request is what a film of the room is planned by.
func (r *testRoom) request(t testing.TB, size layout.Size, format roomreel.Format, change func(*plan.Options)) (plan.Request, plan.Indexes, plan.Options) {
	t.Helper()
	req := plan.Request{Layout: layout.Default(size), AudioSources: []string{"*"}, Size: size, Format: format}
	opts := plan.Options{FPS: 25, Chunk: 2 * time.Second, Parallel: 2, Encoder: plan.Draft}
	if change != nil {
		change(&opts)
	}
	recordings := r.open(t)
	return req, func(i int) (*media.IndexFile, error) {
		recording, err := recordings(i)
		return recording.Index, err
	}, opts
}

func (r *testRoom) compose(t *testing.T, p *plan.Plan) (string, LocalResult) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "film."+string(p.Format))
	result, err := r.local(t, p, out)
	if err != nil {
		t.Fatal(err)
	}
	return out, result
}

func (r *testRoom) local(t *testing.T, p *plan.Plan, out string) (LocalResult, error) {
	t.Helper()
	return Local(t.Context(), LocalOptions{
		Plan: p, Recordings: r.open(t), Parallel: 2, Render: testChild(t), Out: out, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

// testChild is this test binary as a render child.
func testChild(t *testing.T) render.Command {
	t.Helper()
	child, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return render.Command{Path: child, Mode: sandbox.Off}
}

// audioOf decodes a file's audio to mono at 48 kHz.
func audioOf(t *testing.T, path string) []float64 {
	t.Helper()
	return valuesOf(t, 1, "-i", path)
}

// valuesOf decodes the audio of ffmpeg's input to interleaved samples at 48 kHz.
func valuesOf(t *testing.T, channels int, input ...string) []float64 {
	t.Helper()
	raw := ffmpeg(t, append(input, "-vn", "-f", "f32le", "-ac", fmt.Sprint(channels), "-ar", "48000", "-")...)
	samples := make([]float64, len(raw)/4)
	for i := range samples {
		samples[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	return samples
}

// audioRoom is five participants: Opus from a late start and with a mute in it, G.711 at 8 kHz, Opus whose clock drifts, Vorbis
// with blocks of both sizes, and G.722.
func audioRoom(t *testing.T) *testRoom {
	t.Helper()
	dir := t.TempDir()
	var room testRoom
	tone := func(expr string) string { return fmt.Sprintf("aevalsrc=%s:s=48000:d=31", expr) }
	a, b, c := filepath.Join(dir, "a.mka"), filepath.Join(dir, "b.mka"), filepath.Join(dir, "c.mka")
	ffmpeg(t, "-f", "lavfi", "-i", tone("0.2*sin(2*PI*(300+40*t)*t)*(0.6+0.4*sin(3*t))"), "-af", "aselect=not(between(t\\,11\\,14.3))", "-c:a", "libopus", a)
	ffmpeg(t, "-f", "lavfi", "-i", tone("0.2*sin(2*PI*700*t)"), "-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw", b)
	ffmpeg(t, "-f", "lavfi", "-i", tone("0.15*sin(2*PI*1100*t)*gt(mod(t\\,1)\\,0.3)"), "-c:a", "libopus", "-bsf:a", "setts=ts=TS*1.002", c)
	d, e := filepath.Join(dir, "d.mka"), filepath.Join(dir, "e.mka")
	ffmpeg(t, "-f", "lavfi", "-i", tone("0.1*sin(2*PI*1900*t)*lt(mod(t\\,0.2)\\,0.02)+0.1*sin(2*PI*500*t)"), "-ar", "44100", "-c:a", "libvorbis", d)
	ffmpeg(t, "-f", "lavfi", "-i", tone("0.1*sin(2*PI*2300*t)"), "-ar", "16000", "-c:a", "g722", e)
	room.add(t, roomreel.Audio, 0, a)
	room.add(t, roomreel.Audio, 2345*time.Millisecond, b)
	room.add(t, roomreel.Audio, 777*time.Millisecond, c)
	room.add(t, roomreel.Audio, 431*time.Millisecond, d)
	room.add(t, roomreel.Audio, 132*time.Millisecond, e)
	return &room
}

// The audio of a film does not depend on how many tasks made it: no click, no shift and no other level where they join.
func TestLocal_AudioInTasksIsTheAudioOfOne(t *testing.T) {
	room := audioRoom(t)
	for _, format := range []roomreel.Format{roomreel.MP4, roomreel.WebM} {
		whole := room.plan(t, format, nil)
		parts := room.plan(t, format, func(o *plan.Options) { o.AudioTask = 3 * time.Second })
		if len(whole.Audio) != 1 || len(parts.Audio) < 10 || parts.Samples != whole.Samples {
			t.Fatalf("%d and %d audio tasks, %d and %d samples", len(whole.Audio), len(parts.Audio), whole.Samples, parts.Samples)
		}
		one, _ := room.compose(t, whole)
		many, result := room.compose(t, parts)
		want, got := audioOf(t, one), audioOf(t, many)
		if len(want) != len(got) {
			t.Fatalf("%s: %d samples in one task, %d in many", format, len(want), len(got))
		}
		// Encoders are not linear: what differs by a hundred-thousandth before them may be rounded otherwise. A click or a
		// shift would be a hundred times larger.
		var worst, at float64
		for i := range want {
			if d := math.Abs(want[i] - got[i]); d > worst {
				worst, at = d, float64(i)/48000
			}
		}
		t.Logf("%s: largest difference %.1f dBFS, at %.3f s", format, 20*math.Log10(worst), at)
		if worst > 0.003 {
			t.Errorf("%s: samples differ by %.5f at %.3f s", format, worst, at)
		}
		for _, track := range result.Report.Tracks {
			if track.Audible < 27 || track.Audible > 31.5 || track.Errors > 0 {
				t.Errorf("%s: %+v", format, track)
			}
		}
	}
}

// framesOf returns a checksum of every frame of a film.
func framesOf(t *testing.T, path string) []string {
	t.Helper()
	var sums []string
	for line := range bytes.Lines(ffmpeg(t, "-i", path, "-an", "-f", "framemd5", "-")) {
		if !bytes.HasPrefix(line, []byte("#")) {
			fields := bytes.Split(bytes.TrimSpace(line), []byte(","))
			sums = append(sums, string(bytes.TrimSpace(fields[len(fields)-1])))
		}
	}
	return sums
}

// A film's frames do not depend on how many tasks made it, nor on the chunk that a task is resumed from.
func TestLocal_VideoInTasksIsTheVideoOfOne(t *testing.T) {
	dir := t.TempDir()
	var room testRoom
	a, b := filepath.Join(dir, "a.mkv"), filepath.Join(dir, "b.mkv")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=320x240:r=30:d=14", "-c:v", "libvpx", "-b:v", "300k", "-g", "900", a)
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=160x120:r=24:d=9", "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "100", b)
	room.add(t, roomreel.Video, 0, a)
	room.add(t, roomreel.Video, 3100*time.Millisecond, b)
	c, d := filepath.Join(dir, "c.mkv"), filepath.Join(dir, "d.mkv")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=13", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0:keyint=50:min-keyint=50:open-gop=1:bframes=3", c)
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=160x120:r=20:d=13", "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "70", d)
	room.add(t, roomreel.Video, 500*time.Millisecond, c)
	room.add(t, roomreel.Video, 300*time.Millisecond, d)
	one, _ := room.compose(t, room.plan(t, roomreel.MP4, func(o *plan.Options) { o.Parallel = 1 }))
	p := room.plan(t, roomreel.MP4, func(o *plan.Options) { o.VideoTask = 4 * time.Second })
	if len(p.Video) < 4 {
		t.Fatalf("%d video tasks", len(p.Video))
	}
	many, _ := room.compose(t, p)
	want, got := framesOf(t, one), framesOf(t, many)
	if len(want) != 350 || len(got) != 350 {
		t.Fatalf("%d and %d frames, want 350", len(want), len(got))
	}
	// Chunks begin elsewhere, so frames are encoded otherwise; what they show must be the same to the eye.
	psnr := ffmpeg(t, "-i", one, "-i", many, "-lavfi", "ssim=stats_file=-", "-f", "null", "-")
	low := 0
	for line := range bytes.Lines(psnr) {
		var n int
		var y, u, v, all float64
		if _, err := fmt.Sscanf(string(line), "n:%d Y:%f U:%f V:%f All:%f", &n, &y, &u, &v, &all); err == nil && all < 0.93 {
			low++
			t.Logf("frame %d: SSIM %.4f", n, all)
		}
	}
	if low > 0 {
		t.Errorf("%d frames differ", low)
	}
}
