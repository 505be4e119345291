package fidelity

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/e2e/fixture"
)

const sizesFPS = 25

var sizesCanvas = image.Pt(640, 480)

// makeSizes writes a camera whose size changes count times, after perSize frames each, and returns its sizes.
func makeSizes(t *testing.T, dir, encoder string, count, perSize int) []image.Point {
	t.Helper()
	random := rand.New(rand.NewPCG(8, 200))
	sizes := []image.Point{{16, 16}, {1920, 1080}, {321, 241}, {640, 360}}
	for len(sizes) <= count {
		size := image.Pt(16+random.IntN(1905), 16+random.IntN(1065))
		if shown := contained(size, sizesCanvas); min(shown.Dx(), shown.Dy()) >= 64 { // large enough for a number
			sizes = append(sizes, size)
		}
	}
	if encoder == "h264" { // x264 does not encode odd sizes
		for i := range sizes {
			sizes[i] = image.Pt(sizes[i].X&^1, sizes[i].Y&^1)
		}
	}
	var list strings.Builder
	for i, size := range sizes {
		makeNumbered(t, dir, fmt.Sprintf("%d.mkv", i), encoder, size, i*perSize, perSize)
		fmt.Fprintf(&list, "file '%d.mkv'\nduration %f\n", i, float64(perSize)/sizesFPS)
	}
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	fixture.FFmpeg(t, "-f", "concat", "-i", dir+"/list", "-c", "copy", dir+"/camera.mkv")
	return sizes
}

func makeNumbered(t *testing.T, dir, file, encoder string, size image.Point, first, count int) {
	t.Helper()
	arguments := []string{"-b:v", "4M"}
	if encoder == "h264" {
		arguments = []string{"-qp", "20", "-x264-params", "repeat-headers=1"} // each size has its parameter sets in band
	}
	fixture.FFmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", numbered(size, sizesFPS, first, count)}, codecs[encoder].encoder,
		arguments, []string{filepath.Join(dir, file)})...)
}

// contained is the rectangle of a frame that is scaled into a canvas, in the middle.
func contained(size, canvas image.Point) image.Rectangle {
	scale := min(float64(canvas.X)/float64(size.X), float64(canvas.Y)/float64(size.Y))
	w, h := int(math.Round(float64(size.X)*scale)), int(math.Round(float64(size.Y)*scale))
	at := image.Pt((canvas.X-w)/2, (canvas.Y-h)/2)
	return image.Rectangle{at, at.Add(image.Pt(w, h))}
}

func oneCamera(t *testing.T, dir, file string) string {
	t.Helper()
	return fixture.Room{Recordings: []fixture.Recording{{File: file, Name: "camera", Participant: "a", Kind: roomreel.Video}}}.WriteManifest(t, dir)
}

func TestSizeChanges(t *testing.T) {
	t.Parallel()
	perSize := sized(4, 10)
	for _, encoder := range []string{"vp8", "vp9", "h264"} {
		dir := t.TempDir()
		sizes := makeSizes(t, dir, encoder, sized(12, 200), perSize)
		frames := len(sizes) * perSize
		film, _ := compose(t, oneCamera(t, dir, "camera.mkv"), dir+"/film.mp4", "--resolution", "640x480")
		wrong := wrongNumbers(t, film, frames, func(n int) image.Rectangle { return contained(sizes[n/perSize], sizesCanvas) })
		said := fmt.Sprintf("%s: %d of %d frames shown in %d changes", encoder, frames-len(wrong), frames, len(sizes)-1)
		if len(wrong) > 0 {
			t.Errorf("%s: %d frames are wrong: %v", encoder, len(wrong), wrong[:min(len(wrong), 10)])
		}
		if long && encoder == "vp8" {
			said += fmt.Sprintf(", %.2f times the processor time of the unchanged track", timesUnchanged(t, dir, encoder, sizes, frames))
		}
		record(t, "200 size changes", "%s", said)
	}
}

// timesUnchanged composes the track alternately with one of a single size that has as many pixels in all, and returns the
// ratio of the medians of their processor times, which other programs on the machine hardly change.
func timesUnchanged(t *testing.T, dir, encoder string, sizes []image.Point, frames int) float64 {
	t.Helper()
	pixels := 0
	for _, s := range sizes {
		pixels += s.X * s.Y
	}
	height := int(math.Sqrt(float64(pixels) / float64(len(sizes)) * 9 / 16))
	makeNumbered(t, dir, "unchanged.mkv", encoder, image.Pt(height*16/9, height), 0, frames)
	times := map[string][]time.Duration{}
	for range 3 {
		for _, file := range []string{"camera.mkv", "unchanged.mkv"} {
			_, r := compose(t, oneCamera(t, dir, file), dir+"/timed.mp4", "--resolution", "640x480")
			times[file] = append(times[file], r.cpu)
		}
	}
	for _, list := range times {
		slices.Sort(list)
	}
	t.Logf("%s: %v", encoder, times)
	ratio := float64(times["camera.mkv"][1]) / float64(times["unchanged.mkv"][1])
	if ratio > 1.2 {
		t.Errorf("%s: size changes take %.2f times the processor time of the unchanged track", encoder, ratio)
	}
	return ratio
}
