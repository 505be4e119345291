package timeline

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		length time.Duration
		fps    int
		want   int
	}{
		{0, 25, 0},
		{-1, 25, 0},
		{1, 25, 1},
		{40 * ms, 25, 1},
		{40*ms + 1, 25, 2},
		{time.Second, 25, 25},
		{time.Second, 30, 30},
		{33333333, 30, 1},
		{33333334, 30, 2},
		{1<<63 - 1, 60, 553402322212},
		{time.Second, 0, 0},
	} {
		if got := Frames(c.length, c.fps); got != c.want {
			t.Errorf("%v at %d fps is %d frames, want %d", c.length, c.fps, got, c.want)
		}
	}
}

func TestFrameTime(t *testing.T) {
	for _, c := range []struct {
		n, fps int
		want   time.Duration
	}{
		{0, 25, 0},
		{1, 30, 33333333},
		{30, 30, time.Second},
		{25 * 86400 * 3, 25, 72 * time.Hour},
		{60*200*365*86400 - 1, 60, 200*365*24*time.Hour - 16666667},
	} {
		if got := FrameTime(c.n, c.fps); got != c.want {
			t.Errorf("frame %d at %d fps is at %v, want %v", c.n, c.fps, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		fps := rapid.IntRange(1, 240).Draw(t, "fps")
		n := rapid.IntRange(0, fps*100*365*86400).Draw(t, "n")
		at := FrameTime(n, fps)
		if got := FrameAt(at, fps); got != n {
			t.Fatalf("frame %d is at %v, which has frame %d", n, at, got)
		}
		if got := FrameAt(at+1, fps); got != n+1 {
			t.Fatalf("the first frame after %v is %d, want %d", at, got, n+1)
		}
	})
}

func TestSamples(t *testing.T) {
	for length, want := range map[time.Duration]int64{0: 0, 20 * ms: 960, time.Second: 48000, 10416: 0, 10417: 1, -10417: -1, -20 * ms: -960, 1<<63 - 1: 442721857769029} {
		if got := Samples(length); got != want {
			t.Errorf("%v is %d samples, want %d", length, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if n := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "samples"); Samples(SampleTime(n)) != n {
			t.Fatalf("%d samples are %v, which are %d", n, SampleTime(n), Samples(SampleTime(n)))
		}
	})
}
