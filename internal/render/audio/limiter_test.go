package audio

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"roomreel/internal/timeline"
)

// collector keeps what is written to it.
type collector struct {
	stereo []float32
	ended  bool
}

func (c *collector) write(stereo []float32, _ float32) error {
	c.stereo = append(c.stereo, stereo...)
	return nil
}

func (c *collector) end() error {
	c.ended = true
	return nil
}

const ceiling float32 = 0.98

// limit passes stereo through a limiter in pieces of the given number of samples.
func limit(t testing.TB, stereo []float32, piece int) []float32 {
	t.Helper()
	var out collector
	l := newLimiter(&out, 2, ceiling)
	for part := range slices.Chunk(stereo, 2*piece) {
		if err := l.write(part, largest(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if len(out.stereo) != len(stereo) || !out.ended {
		t.Fatalf("%d values came out for %d, ended: %v", len(out.stereo), len(stereo), out.ended)
	}
	return out.stereo
}

func noise(samples int, loudest float32) []float32 {
	random := rand.New(rand.NewPCG(7, 7))
	stereo := make([]float32, 2*samples)
	for i := range stereo {
		stereo[i] = loudest * (2*random.Float32() - 1)
	}
	return stereo
}

func sine(samples int, hertz, loudest float64) []float32 {
	stereo := make([]float32, 2*samples)
	for i := range samples {
		v := float32(loudest * math.Sin(2*math.Pi*hertz*float64(i)/timeline.SampleRate))
		stereo[2*i], stereo[2*i+1] = v, v
	}
	return stereo
}

func TestLimiter_ChangesNothingWithinTheCeiling(t *testing.T) {
	for _, samples := range []int{1, 10, ahead - 1, ahead, ahead + 1, 3 * timeline.SampleRate} {
		in := noise(samples, ceiling)
		for _, piece := range []int{1, 7, 4096} {
			if !slices.Equal(limit(t, in, piece), in) {
				t.Errorf("%d samples in pieces of %d were changed", samples, piece)
			}
		}
	}
}

func TestLimiter_NeverExceedsTheCeiling(t *testing.T) {
	for _, loudest := range []float32{0.99, 1.5, 8, 1e6, math.MaxFloat32} {
		in := noise(timeline.SampleRate, loudest)
		for i, v := range limit(t, in, 960) {
			if !(v <= ceiling && v >= -ceiling) {
				t.Fatalf("loudest %g: value %d is %g", loudest, i, v)
			}
		}
	}
}

func TestLimiter_TurnsDownSmoothlyAndJustEnough(t *testing.T) {
	in := sine(2*timeline.SampleRate, 440, 0.5)
	for i := 2 * timeline.SampleRate; i < 2*(timeline.SampleRate+480); i++ { // 10 ms of shouting
		in[i] *= 4
	}
	out := limit(t, in, 4096)
	last, lowest := 1.0, 1.0
	for i := range in {
		if math.Abs(float64(in[i])) < 0.01 {
			continue
		}
		gain := float64(out[i] / in[i])
		if math.Abs(gain-last) > 0.05 {
			t.Fatalf("value %d: the gain jumps from %g to %g", i, last, gain)
		}
		last, lowest = gain, min(lowest, gain)
	}
	if want := float64(ceiling) / 2; math.Abs(lowest-want) > 0.01 {
		t.Errorf("the gain goes down to %g, want %g", lowest, want)
	}
	if !slices.Equal(out[:2*(timeline.SampleRate-ahead)], in[:2*(timeline.SampleRate-ahead)]) {
		t.Error("it is turned down too early")
	}
	if last < 0.98 {
		t.Errorf("a second later the gain is still %g", last)
	}
}

func TestLimiter_HoldsSteadyUnderASteadyTone(t *testing.T) {
	in := sine(2*timeline.SampleRate, 220, 2)
	out := limit(t, in, 4096)
	lowest, highest := 1.0, 0.0
	for i := timeline.SampleRate; i < len(in)-2*ahead; i++ {
		if math.Abs(float64(in[i])) > 0.1 {
			gain := float64(out[i] / in[i])
			lowest, highest = min(lowest, gain), max(highest, gain)
		}
	}
	if decibel := 20 * math.Log10(highest/lowest); decibel > 0.1 {
		t.Errorf("the gain moves by %g dB", decibel)
	}
}

func TestMixer_DropsWhatIsNoNumber(t *testing.T) {
	in := make([]float32, 2*timeline.SampleRate)
	in[1000], in[2001], in[3000] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))
	var out collector
	m := newMixer(2, 0, timeline.SampleRate, &out)
	if err := m.add(0, in, 2); err != nil {
		t.Fatal(err)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	for i, v := range out.stereo {
		if v != 0 {
			t.Fatalf("value %d is %g", i, v)
		}
	}
	if m.peak != 0 {
		t.Errorf("peak %g", m.peak)
	}
}

// discard takes samples and keeps none.
type discard struct{}

func (discard) write([]float32, float32) error { return nil }
func (discard) end() error                     { return nil }

func BenchmarkLimiter(b *testing.B) {
	for name, loudest := range map[string]float32{"resting": 0.5, "working": 2} {
		b.Run(name, func(b *testing.B) {
			in := noise(timeline.SampleRate, loudest)
			l := newLimiter(discard{}, 2, ceiling)
			b.ReportAllocs()
			for b.Loop() {
				l.write(in, loudest)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
		})
	}
}
