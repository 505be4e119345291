package fidelity

import (
	"bufio"
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

	"roomreel"
	"roomreel/e2e/fixture"
)

const borderChunk = 2 * time.Second

var borderSize = image.Pt(320, 240)

// steadyTone is a source filter of audio in which nothing changes, so that every click is an error.
func steadyTone(length time.Duration) string {
	return fmt.Sprintf("aevalsrc='%g*sin(2*PI*500*t)':s=48000:d=%g", toneLevel, length.Seconds())
}

// loudestClick returns the highest level above 4 kHz of a film in 5 ms, in dB of full scale, and where it is. The tone of the
// film has 500 Hz. The first and the last 100 ms do not count, because the tone begins and ends there.
func loudestClick(tb testing.TB, path string) (decibels float64, at time.Duration) {
	tb.Helper()
	const size = sampleRate / 200
	var levels []float64
	eachSamples(tb, path, func(block []float32) {
		for ; len(block) >= size; block = block[size:] {
			sum := 0.0
			for _, x := range block[:size] {
				sum += float64(x) * float64(x)
			}
			levels = append(levels, sum/size)
		}
	}, "-af", "highpass=f=4000,highpass=f=4000,highpass=f=4000,highpass=f=4000", "-ac", "1")
	const edges = 20
	inner := levels[edges : len(levels)-edges]
	most := slices.Max(inner)
	return 10 * math.Log10(most+1e-20), time.Duration(slices.Index(inner, most)+edges) * 5 * time.Millisecond
}

// qualities returns the PSNR of luma of each frame of a film, compared with the recording that it shows unscaled.
func qualities(tb testing.TB, film, recording string) (list []float64) {
	tb.Helper()
	stats := film + ".psnr"
	out, err := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-i", film, "-i", recording,
		"-lavfi", "[0:v]setpts=N/25/TB[a];[1:v]setpts=N/25/TB[b];[a][b]psnr=shortest=1:stats_file="+stats, "-f", "null", "-").CombinedOutput()
	if err != nil {
		tb.Fatalf("psnr: %v\n%s", err, out)
	}
	file, err := os.Open(stats)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		_, after, _ := strings.Cut(lines.Text(), "psnr_y:")
		value := 0.0
		if _, err := fmt.Sscan(after, &value); err != nil {
			tb.Fatalf("psnr printed %q", lines.Text())
		}
		list = append(list, min(value, 100))
	}
	return list
}

// atBorders separates the frames beside a chunk's border from the others.
func atBorders(list []float64, chunk int) (beside, elsewhere []float64) {
	for n, q := range list {
		if n >= chunk/2 && (n%chunk == 0 || n%chunk == chunk-1) {
			beside = append(beside, q)
		} else {
			elsewhere = append(elsewhere, q)
		}
	}
	return beside, elsewhere
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// makeSteady writes a room of numbered frames and a steady tone, and returns its manifest.
func makeSteady(t *testing.T, dir string, length time.Duration) string {
	t.Helper()
	frames := int(length.Seconds() * 25)
	fixture.FFmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", numbered(borderSize, 25, 0, frames)}, codecs["vp8"].encoder, []string{"-b:v", "2M", dir + "/camera.mkv"})...)
	fixture.FFmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", steadyTone(length)}, codecs["opus"].encoder, []string{"-b:a", "64k", "-frames:a", fmt.Sprint(int(length/packetStep) - 1), dir + "/microphone.mka"})...)
	return fixture.Room{Recordings: []fixture.Recording{
		{File: "camera.mkv", Name: "camera", Participant: "a", Kind: roomreel.Video},
		{File: "microphone.mka", Name: "microphone", Participant: "a", Kind: roomreel.Audio},
	}}.WriteManifest(t, dir)
}

func TestBorders(t *testing.T) {
	t.Parallel()
	length := sized(10*time.Second, 120*time.Second)
	frames := int(length.Seconds() * 25)
	dir := t.TempDir()
	manifest := makeSteady(t, dir, length)
	for _, format := range []string{"mp4", "webm"} {
		out := filepath.Join(dir, "film."+format)
		film, _ := compose(t, manifest, out, "--resolution", fmt.Sprintf("%dx%d", borderSize.X, borderSize.Y), "--set", "compose.chunk="+borderChunk.String())
		wrong := wrongNumbers(t, film, frames, func(int) image.Rectangle { return image.Rectangle{Max: borderSize} })
		beside, elsewhere := atBorders(qualities(t, out, dir+"/camera.mkv"), int(borderChunk.Seconds()*25))
		click, at := loudestClick(t, out)
		record(t, "chunk borders", "%s: %d borders, %d repeated or missing frames, PSNR %.2f dB beside borders and %.2f dB elsewhere (least %.2f and %.2f), loudest click %.1f dB",
			format, len(beside)/2, len(wrong), mean(beside), mean(elsewhere), slices.Min(beside), slices.Min(elsewhere), click)
		if len(wrong) > 0 {
			t.Errorf("%s: %d frames are wrong: %v", format, len(wrong), wrong[:min(len(wrong), 10)])
		}
		if len(beside) == 0 || mean(beside) < mean(elsewhere)-1 || slices.Min(beside) < slices.Min(elsewhere)-1 {
			t.Errorf("%s: PSNR is %.2f dB beside borders and %.2f dB elsewhere", format, mean(beside), mean(elsewhere))
		}
		if click > clickLimit {
			t.Errorf("%s: there is a click of %.1f dB at %v", format, click, at)
		}
	}
	if long {
		checkAudioTasks(t)
	}
}

// clickLimit is above what lossy codecs add to a steady tone, and below what is audible beside it.
const clickLimit = -60.0

// checkAudioTasks looks for clicks in audio that several tasks mixed.
func checkAudioTasks(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	fixture.FFmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", steadyTone(35 * time.Minute)}, codecs["opus"].encoder, []string{"-b:a", "64k", dir + "/microphone.mka"})...)
	manifest := fixture.Room{Recordings: []fixture.Recording{{File: "microphone.mka", Name: "microphone", Participant: "a", Kind: roomreel.Audio}}}.WriteManifest(t, dir)
	for _, format := range []string{"mp4", "webm"} {
		film, _ := compose(t, manifest, dir+"/film."+format, noVideo(t, dir)...)
		click, at := loudestClick(t, film.Path)
		record(t, "chunk borders", "%s: loudest click %.1f dB in %v of audio from several tasks", format, click, film.Duration.Round(time.Second))
		if click > clickLimit {
			t.Errorf("%s: there is a click of %.1f dB at %v", format, click, at)
		}
	}
}
