package audio

import (
	"math"
	"math/bits"
	"sync"
)

const (
	halfTaps = 16  // input samples on each side from which an output sample is made
	phases   = 256 // of the kernel's table: places between two input samples. Between them, the kernel is interpolated
)

// kernel is a sinc with a Kaiser window, by phase. Its cutoff is 0.95 of half the input rate. Images are 80 dB below.
var kernel = sync.OnceValue(func() *[phases + 1][2 * halfTaps]float32 {
	const cutoff, beta = 0.95, 8.0
	table := new([phases + 1][2 * halfTaps]float32)
	for p := range table {
		var taps [2 * halfTaps]float64
		sum := 0.0
		for t := range taps {
			x := float64(t-halfTaps+1) - float64(p)/phases // from the output sample to the input sample
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

// resampler turns every `in` stereo samples into `out`, evenly: output sample k lies exactly at input sample k*in/out.
// There is silence before input sample 0 and after the end. When in equals out, it passes samples through to the bit.
type resampler struct {
	in, out int64
	history []float32 // input from sample `base` on, interleaved
	base    int64
	next    int64 // output sample to make next
}

// newResampler makes a resampler whose input begins with input sample start. With start > 0 its output begins with the
// first sample that needs no earlier input. in and out are positive and at most 2^58, start is at most 2^43.
func newResampler(in, out, start int64) *resampler {
	divisor := gcd(in, out)
	r := &resampler{in: in / divisor, out: out / divisor, base: start}
	switch {
	case start == 0:
		r.base = -halfTaps
		r.history = make([]float32, 2*halfTaps)
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

// push takes more input, and appends to dst the output whose taps are all known.
func (r *resampler) push(dst, stereo []float32) []float32 {
	if r.in == r.out {
		return append(dst, stereo...)
	}
	r.history = append(r.history, stereo...)
	table := kernel()
	for {
		hi, lo := bits.Mul64(uint64(r.next), uint64(r.in)) // position next*in/out, exactly
		if hi >= uint64(r.out) {
			return dst // beyond any input
		}
		quotient, rest := bits.Div64(hi, lo, uint64(r.out))
		whole, fraction := int64(min(quotient, math.MaxInt64/4)), float64(rest)/float64(r.out)
		first := whole - halfTaps + 1 - r.base
		if 2*(first+2*halfTaps) > int64(len(r.history)) {
			r.forget(whole)
			return dst
		}
		phase := fraction * phases
		p := int(phase)
		blend := float32(phase - float64(p))
		a, b := &table[p], &table[p+1]
		window := r.history[2*first : 2*(first+2*halfTaps)]
		var left, right float32
		for t := range a {
			w := a[t] + (b[t]-a[t])*blend
			left += w * window[2*t]
			right += w * window[2*t+1]
		}
		dst = append(dst, left, right)
		r.next++
	}
}

// forget drops input that no output needs any more.
func (r *resampler) forget(whole int64) {
	drop := whole - halfTaps - r.base
	if drop < 1024 {
		return
	}
	drop = min(drop, int64(len(r.history)/2))
	r.history = r.history[:copy(r.history, r.history[2*drop:])]
	r.base += drop
}

// end appends to dst the rest of the output, whose taps reach into the silence after the input.
func (r *resampler) end(dst []float32) []float32 {
	if r.in == r.out {
		return dst
	}
	return r.push(dst, make([]float32, 2*halfTaps))
}
