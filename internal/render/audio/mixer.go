package audio

import (
	"math"

	"roomreel/internal/timeline"
)

// maxWindow bounds how far ahead of the first unsettled sample anything is mixed, in samples: 64 s, 25 MB of stereo. Only a file
// whose time stamps contradict its sample counts by more than that meets the bound. What lies before is then settled, and
// a track that adds to it later is not heard there.
const maxWindow = 64 * timeline.SampleRate

// blockSize is how many samples are settled at a time.
const blockSize = 4096

// mixer adds tracks up, linearly, in a window that moves over the output as its samples settle.
type mixer struct {
	channels  int   // of the output
	from, end int64 // the samples [from, end) are mixed
	first     int64 // the window's first sample: all before it are settled
	window    []float32
	out       sink
	peak      float64
	silence   []float32 // one block
}

func newMixer(channels int, from, end int64, out sink) *mixer {
	return &mixer{channels: channels, from: from, end: end, first: from, out: out, silence: make([]float32, channels*blockSize)}
}

// add adds interleaved samples of a track from output sample at on. A track has as many channels as the output, or one, which is
// added to all. What lies outside the output or before the window is dropped.
func (m *mixer) add(at int64, samples []float32, channels int) error {
	n := int64(len(samples) / channels)
	from, to := max(at, m.first), min(at+n, m.end)
	if from >= to {
		return nil
	}
	if to > m.first+maxWindow {
		if err := m.settle(to - maxWindow); err != nil {
			return err
		}
		from = max(from, m.first)
	}
	samples = samples[int64(channels)*(from-at) : int64(channels)*(to-at)]
	start, end := m.channels*int(from-m.first), m.channels*int(to-m.first)
	for len(m.window) < end {
		m.window = append(m.window, m.silence[:min(len(m.silence), end-len(m.window))]...)
	}
	window := m.window[start:end]
	if channels == m.channels {
		window = window[:len(samples)]
		for i, v := range samples {
			window[i] += v
		}
		return nil
	}
	for ; len(samples) > 0 && len(window) > 1; samples, window = samples[1:], window[2:] {
		window[0] += samples[0]
		window[1] += samples[0]
	}
	return nil
}

// settle hands on all samples before the given one: nothing is added to them any more.
func (m *mixer) settle(to int64) error {
	to = min(to, m.end)
	done := 0
	for m.first < to {
		n := min(int(to-m.first), blockSize)
		block := m.silence[:m.channels*n]
		if left := len(m.window) - done; left > 0 {
			n = min(n, left/m.channels)
			block = m.window[done : done+m.channels*n]
			done += m.channels * n
		}
		loudest := clean(block)
		m.peak = max(m.peak, float64(loudest))
		if err := m.out.write(block, loudest); err != nil {
			return err
		}
		m.first += int64(n)
	}
	rest := copy(m.window, m.window[done:])
	m.window = m.window[:rest]
	return nil
}

// clean makes silence of what no decoder should have made: infinity, and what is not a number. It returns the largest absolute value.
func clean(block []float32) float32 {
	const infinite = 0xff << 23 // absolute values are ordered as their bits are
	loudest := uint32(0)
	for i, v := range block {
		bits := math.Float32bits(v) &^ (1 << 31)
		if bits >= infinite {
			block[i] = 0
			continue
		}
		loudest = max(loudest, bits)
	}
	return math.Float32frombits(loudest)
}

// close settles the rest of the output.
func (m *mixer) close() error {
	if err := m.settle(m.end); err != nil {
		return err
	}
	return m.out.end()
}
