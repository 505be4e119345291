package fidelity

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

const (
	sampleRate = 48000
	hop        = sampleRate / 1000 // samples between two measurements of a level
	hops       = 10                // in a window; tones that are 100 Hz apart are orthogonal in 10 ms
)

// eachSamples decodes the audio at 48 kHz with all its channels and calls do with blocks of interleaved samples.
func eachSamples(tb testing.TB, path string, do func([]float32), filter ...string) {
	tb.Helper()
	pipe := fixture.Decode(tb, path, append(append([]string{"-map", "0:a:0"}, filter...), "-ar", "48000", "-f", "f32le", "-")...)
	defer pipe.Close(tb)
	block := make([]byte, 4*hop*2*100)
	samples := make([]float32, len(block)/4)
	for {
		n, err := io.ReadFull(pipe, block)
		for i := range n / 4 {
			samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(block[4*i:]))
		}
		do(samples[:n/4])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// A follower measures the level of one tone every millisecond. It multiplies by the tone and averages 10 ms.
type follower struct {
	cos, sin [sampleRate / 100]float64
	sums     [hops][2]float64 // of the last hops
	levels   []float32        // levels[i] is that of the 10 ms that end at i+1 ms
}

func newFollower(tone float64) *follower {
	f := &follower{}
	for i := range f.cos {
		f.sin[i], f.cos[i] = math.Sincos(2 * math.Pi * tone * float64(i) / sampleRate)
	}
	return f
}

// add takes the next samples: a multiple of hop, except at the end.
func (f *follower) add(samples []float32) {
	for ; len(samples) >= hop; samples = samples[hop:] {
		n := len(f.levels)
		phase := n % hops * hop
		var re, im float64
		for i, x := range samples[:hop] {
			re += float64(x) * f.cos[phase+i]
			im += float64(x) * f.sin[phase+i]
		}
		f.sums[n%hops] = [2]float64{re, im}
		re, im = 0, 0
		for _, s := range f.sums {
			re, im = re+s[0], im+s[1]
		}
		f.levels = append(f.levels, float32(math.Hypot(re, im)*2/(hop*hops)))
	}
}

// bursts returns when the tone is on: from where its level passes half its usual level to where it falls below it.
func (f *follower) bursts() []fixture.Span {
	const half = toneLevel / 2
	at := func(i int) time.Duration { // where the level passes half, between i-1 and i
		before, after := float64(f.levels[i-1]), float64(f.levels[i])
		passed := float64(i-1) + (half-before)/(after-before)
		return time.Duration((passed + 1 - hops/2) * float64(time.Millisecond))
	}
	var spans []fixture.Span
	for i := 1; i < len(f.levels); i++ {
		switch before, after := f.levels[i-1], f.levels[i]; {
		case before < half && after >= half:
			spans = append(spans, fixture.Span{Start: at(i), End: time.Duration(len(f.levels)) * time.Millisecond})
		case before >= half && after < half && len(spans) > 0:
			spans[len(spans)-1].End = at(i)
		}
	}
	return spans
}

// bursts measures when each of the tones is on in a film or another file.
func bursts(tb testing.TB, path string, tones ...float64) [][]fixture.Span {
	tb.Helper()
	followers := make([]*follower, len(tones))
	for i, tone := range tones {
		followers[i] = newFollower(tone)
	}
	eachSamples(tb, path, func(samples []float32) {
		for _, f := range followers {
			f.add(samples)
		}
	}, "-ac", "1")
	result := make([][]fixture.Span, len(tones))
	for i, f := range followers {
		result[i] = f.bursts()
	}
	return result
}
