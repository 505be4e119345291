package audio

import "roomreel/internal/timeline"

// maxWindow bounds how far ahead of the first unsettled sample anything is mixed, in samples: 64 s, 25 MB. Only a file
// whose time stamps contradict its sample counts by more than that meets the bound. What lies before is then settled, and
// a track that adds to it later is not heard there.
const maxWindow = 64 * timeline.SampleRate

// blockSize is how many samples are settled at a time.
const blockSize = 4096

// mixer adds tracks up, linearly, in a window that moves over the output as its samples settle.
type mixer struct {
	from, end int64 // the samples [from, end) are mixed
	first     int64 // the window's first sample: all before it are settled
	window    []float32
	out       sink
	peak      float64
	silence   []float32 // one block
}

func newMixer(from, end int64, out sink) *mixer {
	return &mixer{from: from, end: end, first: from, out: out, silence: make([]float32, 2*blockSize)}
}

// add adds interleaved stereo samples from output sample at on. What lies outside the output or before the window is
// dropped.
func (m *mixer) add(at int64, stereo []float32) error {
	n := int64(len(stereo) / 2)
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
	stereo = stereo[2*(from-at) : 2*(to-at)]
	start, end := int(2*(from-m.first)), int(2*(to-m.first))
	for len(m.window) < end {
		m.window = append(m.window, m.silence[:min(len(m.silence), end-len(m.window))]...)
	}
	window := m.window[start:end]
	for i, v := range stereo {
		window[i] += v
	}
	return nil
}

// settle hands on all samples before the given one: nothing is added to them any more. What no decoder should have made,
// infinity and what is not a number, becomes silence.
func (m *mixer) settle(to int64) error {
	to = min(to, m.end)
	done := 0
	for m.first < to {
		n := min(int(to-m.first), blockSize)
		block := m.silence[:2*n]
		if left := len(m.window) - done; left > 0 {
			n = min(n, left/2)
			block = m.window[done : done+2*n]
			done += 2 * n
		}
		for i, v := range block {
			if v-v != 0 {
				block[i] = 0
				continue
			}
			m.peak = max(m.peak, float64(max(v, -v)))
		}
		if err := m.out.write(block); err != nil {
			return err
		}
		m.first += int64(n)
	}
	rest := copy(m.window, m.window[done:])
	m.window = m.window[:rest]
	return nil
}

// close settles the rest of the output.
func (m *mixer) close() error {
	if err := m.settle(m.end); err != nil {
		return err
	}
	return m.out.end()
}
