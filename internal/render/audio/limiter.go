package audio

import (
	"math"

	"roomreel/internal/timeline"
)

const (
	// ahead is the attack time in samples, 5 ms: too short to be heard as a fade, long enough not to click.
	ahead = 240

	// release is the time constant of the release in samples, 250 ms: slower than syllables, so that speech does not pump.
	release = timeline.SampleRate / 4
)

// ceilingOf returns the ceiling for an encoder: the largest sample that passes unchanged. Louder sums are turned down to it. It
// leaves room for what the encoder adds: when 20 people speak at once, decoded peaks are up to 0.7 dB above the ceiling with Opus
// at 64 kbit/s, and up to 0.2 dB with AAC at 96 kbit/s (TestLoudness of e2e/fidelity).
func ceilingOf(codec string) float32 {
	if codec == "opus" {
		return 0.85
	}
	return 0.93
}

// limiter keeps samples within the ceiling. It looks ahead: before a louder sample, the gain of all channels falls along a
// smooth curve that reaches the needed value at that sample, and then rises slowly. Samples within the ceiling, with none
// louder near, pass unchanged to the bit. The output has as many samples as the input, at the same places.
type limiter struct {
	out      sink
	channels int
	ceiling  float32

	held   []float32 // the last `ahead` samples, which are not written yet: a ring of interleaved samples
	gains  []float64 // gain with release after each of the last `ahead` samples: a ring. Their mean is applied
	minima minima    // lowest gain needed in the last `ahead` samples
	gain   float64   // newest entry of gains
	sum    float64   // of gains
	active int       // entries of gains that are not 1
	at     int       // ring position
	seen   int64     // samples so far
	quiet  int64     // samples since the last one above the ceiling
	decay  float64
	block  []float32
}

func newLimiter(out sink, channels int, ceiling float32) *limiter {
	l := &limiter{
		out: out, channels: channels, ceiling: ceiling, held: make([]float32, channels*ahead), gains: make([]float64, ahead),
		minima: newMinima(ahead), gain: 1, sum: ahead, decay: 1 - math.Exp(-1.0/release),
	}
	for i := range l.gains {
		l.gains[i] = 1
	}
	return l
}

// write takes interleaved samples, all of them finite, and writes those that came `ahead` samples earlier. loudest is the largest
// absolute value.
func (l *limiter) write(samples []float32, loudest float32) error {
	if loudest <= l.ceiling {
		l.within(samples)
		return l.flush()
	}
	for len(samples) > 0 {
		near := samples[:min(len(samples), l.channels*ahead)]
		samples = samples[len(near):]
		if largest(near) <= l.ceiling {
			l.within(near)
			continue
		}
		for ; len(near) > 0; near = near[l.channels:] {
			l.step(near[:l.channels])
		}
	}
	return l.flush()
}

// within has the effect of step on samples within the ceiling, and is quicker the longer ago the last louder one was.
func (l *limiter) within(samples []float32) {
	for ; len(samples) > 0 && l.quiet <= ahead; samples = samples[l.channels:] {
		l.step(samples[:l.channels])
	}
	for ; len(samples) > 0 && l.gain < 1; samples = samples[l.channels:] {
		l.rise(samples[:l.channels])
	}
	for ; len(samples) > 0 && l.active > 0; samples = samples[l.channels:] {
		l.step(samples[:l.channels])
	}
	l.pass(samples)
}

// pass delays samples. It is step while no gain in the ring is less than 1.
func (l *limiter) pass(samples []float32) {
	oldest := l.channels * l.at
	n := min(len(samples), len(l.held)-oldest)
	for len(samples) > 0 {
		l.block = append(l.block, l.held[oldest:oldest+n]...)
		copy(l.held[oldest:], samples[:n])
		samples = samples[n:]
		l.seen += int64(n / l.channels)
		oldest = (oldest + n) % len(l.held)
		n = min(len(samples), len(l.held)-oldest)
	}
	l.at = oldest / l.channels
}

// step takes one sample of all channels.
func (l *limiter) step(sample []float32) {
	need := 1.0
	if loudest := largest(sample); loudest > l.ceiling {
		need = float64(l.ceiling) / float64(loudest)
		l.quiet = -1
	}
	l.quiet++
	lowest := l.minima.push(need)
	if lowest < l.gain {
		l.gain = lowest
	} else if l.gain < 1 {
		l.gain = min(l.release(), lowest)
	}
	l.shift(sample)
}

// rise is step for a sample within the ceiling after more than `ahead` of them: only the release is left to do.
func (l *limiter) rise(sample []float32) {
	l.quiet++
	l.gain = l.release()
	l.shift(sample)
}

// shift puts a sample and its gain into the rings, and turns down the sample that they take the place of.
func (l *limiter) shift(sample []float32) {
	gain := l.mean()
	held := l.held[l.channels*l.at:][:l.channels]
	if l.seen >= ahead {
		l.block = l.turn(l.block, held, gain)
	}
	copy(held, sample)
	l.seen++
	if l.at++; l.at == ahead {
		l.at = 0
	}
}

// release returns the next gain where none is needed.
func (l *limiter) release() float64 {
	if gain := l.gain + (1-l.gain)*l.decay; gain <= 1-1e-6 {
		return gain
	}
	return 1
}

// mean puts the newest gain into the ring and returns the mean of all in it.
func (l *limiter) mean() float64 {
	old := l.gains[l.at]
	l.gains[l.at] = l.gain
	l.sum += l.gain - old
	if old != 1 {
		l.active--
	}
	if l.gain != 1 {
		l.active++
	}
	if l.active == 0 {
		l.sum = ahead
		return 1
	}
	return l.sum / ahead
}

// turn appends samples to dst, turned down by a gain. It removes what rounding puts above the ceiling.
func (l *limiter) turn(dst, samples []float32, gain float64) []float32 {
	if gain == 1 {
		return append(dst, samples...)
	}
	for _, v := range samples {
		v = float32(float64(v) * gain)
		if v > l.ceiling {
			v = l.ceiling
		} else if v < -l.ceiling {
			v = -l.ceiling
		}
		dst = append(dst, v)
	}
	return dst
}

// largest returns the largest absolute value of numbers.
func largest(samples []float32) float32 {
	loudest := uint32(0) // absolute values are ordered as their bits are
	for _, v := range samples {
		loudest = max(loudest, math.Float32bits(v)&^(1<<31))
	}
	return math.Float32frombits(loudest)
}

// end writes the samples that are held.
func (l *limiter) end() error {
	held := min(l.seen, ahead)
	l.seen = max(l.seen, ahead)
	// With fewer than `ahead` samples in all, the ring's unused part comes out first.
	skip := ahead - int(held)
	if skip > 0 {
		l.at = int(held)
	}
	silence := make([]float32, l.channels)
	for range ahead {
		l.step(silence)
	}
	l.block = l.block[l.channels*skip:]
	if err := l.flush(); err != nil {
		return err
	}
	return l.out.end()
}

// flush hands on what came out.
func (l *limiter) flush() error {
	if len(l.block) == 0 {
		return nil
	}
	err := l.out.write(l.block, l.ceiling)
	l.block = l.block[:0]
	return err
}

// minima finds the smallest of the last n values, in constant time per value on average. It is a queue of the values that
// are smaller than all later ones.
type minima struct {
	n      int
	count  int64
	values []float64
	places []int64
	head   int
}

func newMinima(n int) minima { return minima{n: n} }

func (m *minima) push(v float64) float64 {
	for len(m.values) > m.head && m.values[len(m.values)-1] >= v {
		m.values, m.places = m.values[:len(m.values)-1], m.places[:len(m.places)-1]
	}
	m.values, m.places = append(m.values, v), append(m.places, m.count)
	if m.places[m.head] <= m.count-int64(m.n)-1 {
		m.head++
	}
	m.count++
	if m.head > m.n { // free the part before head
		m.values = m.values[:copy(m.values, m.values[m.head:])]
		m.places = m.places[:copy(m.places, m.places[m.head:])]
		m.head = 0
	}
	return m.values[m.head]
}
