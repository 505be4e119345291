package fidelity

import (
	"fmt"
	"math"
	"testing"

	"roomreel"
	"roomreel/e2e/fixture"
)

// speech is a source filter of harmonics whose level changes like syllables do. Its peak is about 0.6 of the level.
func speech(level, pitch, seconds float64) string {
	return fmt.Sprintf("aevalsrc='%g*(0.4+0.3*sin(2*PI*4*t))*(sin(2*PI*%[2]g*t)+sin(4*PI*%[2]g*t)/2+sin(6*PI*%[2]g*t)/3+sin(14*PI*%[2]g*t)/5)':s=48000:d=%[3]g",
		level, pitch, seconds)
}

// makeSpeakers writes a room of speakers who begin at the same time, and returns its manifest.
func makeSpeakers(t *testing.T, dir string, level, seconds float64, count int) string {
	t.Helper()
	const files = 4 // several speakers may have the same
	var room fixture.Room
	for i := range count {
		file := fmt.Sprintf("speaker%d.mka", i%files)
		if i < files {
			fixture.FFmpeg(t, append(append([]string{"-f", "lavfi", "-i", speech(level, 140+30*float64(i), seconds)}, codecs["opus"].encoder...), "-b:a", "64k", dir+"/"+file)...)
		}
		name := fmt.Sprintf("speaker%d", i)
		room.Recordings = append(room.Recordings, fixture.Recording{File: file, Name: name, Participant: name, Kind: roomreel.Audio})
	}
	return room.WriteManifest(t, dir)
}

// A level is what was measured of the samples of a file, without its first and last half second.
type level struct {
	rms  float64 // dB of full scale
	peak float64 // 1 is full scale
	flat int     // samples in a row at the peak, as clipping leaves them
}

func levelOf(t *testing.T, path string) level {
	t.Helper()
	var all []float32
	eachSamples(t, path, func(block []float32) { all = append(all, block...) }, "-af", "pan=mono|c0=c0")
	l := level{}
	var sum float64
	inner := all[sampleRate/2 : len(all)-sampleRate/2]
	for _, x := range inner {
		sum += float64(x) * float64(x)
	}
	for _, x := range all {
		l.peak = max(l.peak, math.Abs(float64(x)))
	}
	run := 0
	for i, x := range all {
		if i > 0 && x == all[i-1] && math.Abs(float64(x)) > 0.5 {
			run++
		} else {
			run = 1
		}
		l.flat = max(l.flat, run)
	}
	l.rms = 10 * math.Log10(sum/float64(len(inner)))
	return l
}

func TestLoudness(t *testing.T) {
	t.Parallel()
	seconds := sized(6.0, 60)
	for _, format := range []string{"mp4", "webm"} {
		dir := t.TempDir()
		film, _ := compose(t, makeSpeakers(t, dir, 0.3, seconds, 1), dir+"/film."+format, noVideo(t, dir)...)
		off := levelOf(t, film.Path).rms - levelOf(t, dir+"/speaker0.mka").rms
		crowd := t.TempDir()
		film, run := compose(t, makeSpeakers(t, crowd, 0.9, seconds, 20), crowd+"/film."+format, noVideo(t, crowd)...)
		all := levelOf(t, film.Path)
		record(t, "loudness", "%s: one speaker %+.3f dB; 20 at once have a decoded peak of %.3f, and %d equal samples in a row at most", format, off, all.peak, all.flat)
		if math.Abs(off) > 0.1 {
			t.Errorf("%s: one speaker is %v dB off", format, off)
		}
		if all.peak >= 1 || all.flat > 3 || run.line.Frames != 0 {
			t.Errorf("%s: 20 speakers have a peak of %v, and %d equal samples in a row", format, all.peak, all.flat)
		}
	}
}
