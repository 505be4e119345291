package audio

import (
	"math"
	"slices"
	"testing"

	"roomreel/internal/timeline"
)

func resample(in, out int64, stereo []float32, piece int) []float32 {
	r := newResampler(in, out, 0, 2)
	var result []float32
	for part := range slices.Chunk(stereo, 2*piece) {
		result = append(result, r.push(part)...)
	}
	return append(result, r.end()...)
}

// wave is a sine of the given number of periods per sample.
func wave(samples int, perSample float64) []float32 {
	stereo := make([]float32, 2*samples)
	for i := range samples {
		v := float32(0.5 * math.Sin(2*math.Pi*perSample*float64(i)))
		stereo[2*i], stereo[2*i+1] = v, -v
	}
	return stereo
}

func TestResampler_PutsEverySampleWhereItBelongs(t *testing.T) {
	for _, test := range []struct {
		name     string
		in, out  int64
		wave     float64 // periods per input sample
		decibels float64 // error below the wave
	}{
		{"telephone_1kHz", 8000, 48000, 1.0 / 8, 70},
		{"telephone_3kHz", 8000, 48000, 3.0 / 8, 60},
		{"drift_1kHz", 1_000_000, 1_000_731, 1.0 / 48, 70},
		{"drift_10kHz", 1_000_731, 1_000_000, 10.0 / 48, 60},
		{"five_percent", 100, 105, 5.0 / 48, 60},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := resample(test.in, test.out, wave(8000, test.wave), 960)
			var fault, power float64
			for k := 200; k < len(got)/2-200; k++ {
				want := 0.5 * math.Sin(2*math.Pi*test.wave*float64(k)*float64(test.in)/float64(test.out))
				fault += (float64(got[2*k]) - want) * (float64(got[2*k]) - want)
				power += want * want
			}
			if d := 10 * math.Log10(power/fault); d < test.decibels {
				t.Errorf("the error is %.1f dB below the wave, want %g", d, test.decibels)
			}
		})
	}
}

func TestResampler_PassesThroughToTheBit(t *testing.T) {
	in := noise(5000, 1)
	if !slices.Equal(resample(48000*77, 48000*77, in, 960), in) {
		t.Error("samples were changed")
	}
}

func TestResampler_DoesNotDependOnHowItIsFed(t *testing.T) {
	in := noise(20000, 1)
	want := resample(8000*1000, 48000*1001, in, len(in))
	for _, piece := range []int{1, 33, 160, 8000} {
		if !slices.Equal(resample(8000*1000, 48000*1001, in, piece), want) {
			t.Errorf("pieces of %d make a difference", piece)
		}
	}
}

// What comes out from the middle on is, to the bit, what comes out there of the whole.
func TestResampler_BeginsInTheMiddle(t *testing.T) {
	in := noise(20000, 1)
	for _, rates := range [][2]int64{{8000, 48000}, {44100, 48000}, {8000 * 1000, 48000 * 1001}, {96000, 48000}, {1_000_731, 1_000_000}, {7, 7}} {
		whole := resample(rates[0], rates[1], in, len(in))
		for _, start := range []int64{1, 15, 16, 17, 1000, 7777, 19990, 20000} {
			r := newResampler(rates[0], rates[1], start, 2)
			first := r.next
			got := slices.Clone(r.push(in[2*start:]))
			got = append(got, r.end()...)
			want := whole[min(2*first, int64(len(whole))):]
			if !slices.Equal(got, want) {
				t.Errorf("%d to %d from %d on: %d samples from %d on, want %d or others", rates[0], rates[1], start, len(got)/2, first, len(want)/2)
			}
			// Nothing earlier could be made: its taps begin before start.
			if whole := (first - 1) * rates[0] / rates[1]; rates[0] != rates[1] && whole-halfTaps+1 >= start {
				t.Errorf("%d to %d from %d on: sample %d could have been made", rates[0], rates[1], start, first-1)
			}
		}
	}
}

func TestResampler_IsExactAfterADay(t *testing.T) {
	const day = 86400 * timeline.SampleRate
	r := newResampler(day+1, day, 0, 2) // one sample too many in a day
	r.next, r.base = day-halfTaps, day-3*halfTaps
	for c := range r.history {
		r.history[c] = make([]float32, 4*halfTaps)
		r.history[c][2*halfTaps+1] = 1 // input sample day-halfTaps+1
	}
	got := r.push(make([]float32, 2*halfTaps))
	if len(got) == 0 || got[0] < 0.9 {
		t.Errorf("the impulse is not there: %v", got[:min(len(got), 8)])
	}
}

func BenchmarkResampler(b *testing.B) {
	for name, rates := range map[string][2]int64{"drift": {1_000_000, 1_000_731}, "telephone": {8000, 48000}} {
		b.Run(name, func(b *testing.B) {
			in := noise(int(timeline.SampleRate*rates[0]/rates[1]), 1)
			r := newResampler(rates[0], rates[1], 0, 2)
			b.ReportAllocs()
			for b.Loop() {
				r.push(in)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
		})
	}
}
