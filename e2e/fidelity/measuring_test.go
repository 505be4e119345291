package fidelity

import (
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

// The tests of this file put a known fault into a room or a film. Each measurement must report it.

func TestMeasuring_FindsAudioThatIsShifted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := participant{
		"a",
		track{name: "a-camera", codec: "vp8", ending: "mkv", cycles: 2, event: 5 * frameStep},
		track{name: "a-microphone", codec: "opus", ending: "mka", cycles: 2, event: 5 * frameStep, tone: 1000, offset: 25 * time.Millisecond},
	}
	manifest := makeRoom(t, dir, &p.camera, &p.sender)
	arguments, cells := grid(t, dir, p.camera.name)
	film, _ := compose(t, manifest, dir+"/film.mp4", arguments...)
	p.sender.offset = 0 // the measurement believes that the room is in sync
	for _, e := range measureSync(t, film, []participant{p}, cells, 25)["a"] {
		if math.Abs(e.audio-25) > 1 || math.Abs(e.between-25) > 1 || e.frame != 0 {
			t.Errorf("audio is %v ms off, want 25, and video %v frames", e.audio, e.frame)
		}
	}
}

func TestMeasuring_FindsFaultsOfFilms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const length = 6 * time.Second
	manifest := makeSteady(t, dir, length)
	film, _ := compose(t, manifest, dir+"/film.mp4", "--resolution", fmt.Sprintf("%dx%d", borderSize.X, borderSize.Y), "--set", "compose.chunk="+borderChunk.String())
	frames := int(length.Seconds() * 25)
	whole := func(int) image.Rectangle { return image.Rectangle{Max: borderSize} }
	video := func(name, filter string) string {
		out := filepath.Join(dir, name+".mkv")
		fixture.FFmpeg(t, "-i", film.Path, "-an", "-vf", filter+",setpts=N/25/TB", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "2", out)
		return out
	}
	audio := func(name, filter string) string {
		out := filepath.Join(dir, name+".mka")
		fixture.FFmpeg(t, "-i", film.Path, "-vn", "-af", filter, "-c:a", "pcm_f32le", out)
		return out
	}
	if wrong := wrongNumbers(t, film, frames, whole); len(wrong) > 0 {
		t.Errorf("without a fault: %v", wrong)
	}
	for name, filter := range map[string]string{"dropped": "select='not(eq(n,50))'", "repeated": "loop=loop=1:size=1:start=50"} {
		if wrong := wrongNumbers(t, fixture.Open(t, video(name, filter)), frames, whole); len(wrong) < frames-51 {
			t.Errorf("%s frame: %d frames are reported, want all from 50 on", name, len(wrong))
		}
	}
	beside, elsewhere := atBorders(qualities(t, video("blurred", "boxblur=2:enable='eq(n,50)'"), dir+"/camera.mkv"), 50)
	if slices.Min(beside) > slices.Min(elsewhere)-1 {
		t.Errorf("a blurred frame at a border has a PSNR of %v, others %v", slices.Min(beside), slices.Min(elsewhere))
	}
	clicking := audio("click", "aeval='val(0)+0.02*between(t,4,4.0001)':c=same")
	if click, at := loudestClick(t, clicking); click < clickLimit || (at-4*time.Second).Abs() > 10*time.Millisecond {
		t.Errorf("a click at 4 s is reported at %v with %v dB", at, click)
	}
	if gain := levelOf(t, audio("gain", "volume=0.2dB")).rms - levelOf(t, film.Path).rms; math.Abs(gain-0.2) > 0.01 {
		t.Errorf("a gain of 0.2 dB is reported as %v dB", gain)
	}
	if clipped := levelOf(t, audio("clipped", "volume=15dB,aformat=s16,aformat=flt")); clipped.flat <= 3 {
		t.Errorf("clipped audio is reported with %d samples in a row at a peak of %v", clipped.flat, clipped.peak)
	}
}

func TestMeasuring_FindsTheWrongMatrix(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := colouring{"h264", "709", false, 8, image.Pt(640, 360)}
	right, wrong := filepath.Join(dir, "right.mkv"), filepath.Join(dir, "wrong.mkv")
	c.make(t, right)
	fixture.FFmpeg(t, "-i", right, "-c", "copy", "-bsf:v", "h264_metadata=matrix_coefficients=6", wrong)
	want, _ := shownColours(t, right, false)
	for i, p := range patches {
		for c := range 3 {
			if math.Abs(want[i][c]-float64(p[c])) > 3 {
				t.Errorf("patch %v is read as %.1f", p, want[i])
			}
		}
	}
	got, _ := shownColours(t, wrong, false)
	if off, _ := differ(got, want); off < 10 {
		t.Errorf("BT.709 that is read as BT.601 is only %v off", off)
	}
}

func TestMeasuring_CountsTheMemoryOfChildren(t *testing.T) {
	t.Parallel()
	command := exec.Command("sh", "-c", "head -c 100000000 /dev/zero | tail | (sleep 1; cat)")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var most int64
	for ended := time.Now().Add(5 * time.Second); most < 90e6 && time.Now().Before(ended); time.Sleep(20 * time.Millisecond) {
		most = max(most, residents(command.Process.Pid))
	}
	command.Process.Kill()
	command.Wait()
	if most < 90e6 || most > 400e6 {
		t.Errorf("%d bytes are reported, want at least those that tail keeps", most)
	}
}

func TestMeasuring_FindsAChildThatDies(t *testing.T) {
	t.Parallel()
	dying := filepath.Join(t.TempDir(), "dying")
	if err := os.WriteFile(dying, []byte("#!/bin/sh\necho 'panic: test' >&2\nexit 2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := newRoom(t, t.TempDir()).try(t, nil, "--set", "render.binary="+dying, "--set", "render.sandbox=off")
	if err == nil || !strings.Contains(err.Error(), "compose ended with") {
		t.Errorf("the death of every child is reported as %v", err)
	}
}
