package audio

import (
	"math"
	"math/bits"
	"slices"
	"sync"

	"roomreel/internal/codec"
)

// halfTaps is how many input samples on each side an output sample is made of.
const halfTaps = codec.KernelTaps / 2

// kernel is a sinc with a Kaiser window, by phase. Its cutoff is 0.95 of half the input rate. Images are 80 dB below.
var kernel = sync.OnceValue(func() *codec.Kernel {
	const cutoff, beta = 0.95, 8.0
	table := new(codec.Kernel)
	for p := range table {
		var taps [2 * halfTaps]float64
		sum := 0.0
		for t := range taps {
			x := float64(t-halfTaps+1) - float64(p)/codec.KernelPhases // from the output sample to the input sample
			window := 0.0
			if r := x / halfTaps; r > -1 && r < 1 {
				window = bessel(beta*math.Sqrt(1-r*r)) / bessel(beta)
			}
			taps[t] = cutoff * sinc(cutoff*x) * window
			sum += taps[t]
		}
		for t := range taps {
			table[p][t] = float32(taps[t] / sum) // steady input passes unchanged at every phase
		}
	}
	return table
})

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel is the modified Bessel function of the first kind, order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

// resampler turns every `in` samples into `out`, evenly: output sample k lies exactly at input sample k*in/out.
// There is silence before input sample 0 and after the end. When in equals out, it passes samples through to the bit.
type resampler struct {
	in, out int64
	history [][]float32 // by channel, input from sample `base` on
	base    int64
	next    int64 // output sample to make next
	made    []float32
}

// newResampler makes a resampler whose input begins with input sample start. With start > 0 its output begins with the
// first sample that needs no earlier input. in and out are positive and at most 2^58, start is at most 2^43.
func newResampler(in, out, start int64, channels int) *resampler {
	divisor := gcd(in, out)
	r := &resampler{in: in / divisor, out: out / divisor, base: start, history: make([][]float32, channels)}
	switch {
	case start == 0:
		r.base = -halfTaps
		for c := range r.history {
			r.history[c] = make([]float32, halfTaps)
		}
	case r.in == r.out:
		r.next = start
	default:
		// The first tap of output sample k is input sample floor(k*in/out) - halfTaps + 1.
		r.next = r.outputAt(start + halfTaps - 1)
	}
	return r
}

// outputAt returns the first output sample at or after input sample i.
func (r *resampler) outputAt(i int64) int64 {
	hi, lo := bits.Mul64(uint64(i), uint64(r.out))
	if hi >= uint64(r.in) {
		return math.MaxInt64 / 2
	}
	quotient, rest := bits.Div64(hi, lo, uint64(r.in))
	if rest > 0 {
		quotient++
	}
	return int64(min(quotient, math.MaxInt64/2))
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// push takes more interleaved input, and returns the output whose taps are all known. That is the input itself when nothing has to be
// changed, else it is valid until the next push.
func (r *resampler) push(samples []float32) []float32 {
	if r.in == r.out {
		return samples
	}
	channels := len(r.history)
	for c := range r.history {
		h := slices.Grow(r.history[c], len(samples)/channels)
		for i := c; i < len(samples); i += channels {
			h = append(h, samples[i])
		}
		r.history[c] = h
	}
	end := r.base + int64(len(r.history[0])) - halfTaps // an output sample before this input sample has all its taps
	count := r.outputAt(max(end, 0)) - r.next
	if count <= 0 {
		return nil
	}
	hi, lo := bits.Mul64(uint64(r.next), uint64(r.in)) // position next*in/out, exactly
	if hi >= uint64(r.out) {
		return nil // beyond any input
	}
	whole, rest := bits.Div64(hi, lo, uint64(r.out))
	first := int64(whole) - halfTaps + 1 - r.base
	r.made = slices.Grow(r.made[:0], channels*int(count))[:channels*int(count)]
	for c, h := range r.history {
		kernel().Resample(r.made[c:], channels, h[first:], int64(rest), r.in, r.out)
	}
	r.next += count
	r.forget(int64(whole))
	return r.made
}

// forget drops input that no output after input sample whole needs any more.
func (r *resampler) forget(whole int64) {
	drop := min(whole-halfTaps-r.base, int64(len(r.history[0])))
	if drop < 1024 {
		return
	}
	for c, h := range r.history {
		r.history[c] = h[:copy(h, h[drop:])]
	}
	r.base += drop
}

// end returns the rest of the output, whose taps reach into the silence after the input.
func (r *resampler) end() []float32 {
	if r.in == r.out {
		return nil
	}
	return r.push(make([]float32, len(r.history)*halfTaps))
}
