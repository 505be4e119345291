package timeline

import (
	"slices"
	"time"
)

// AudioPacket is one packet of an audio track.
type AudioPacket struct {
	Time     time.Duration // its timestamp, counted from the track's first packet
	Duration time.Duration // of the audio that it decodes to
}

// Run is a sequence of packets that play one right after the other.
type Run struct {
	First   int           // index of its first packet
	Packets int           // number of packets
	At      time.Duration // when it begins, counted from the track's first packet; below 0 when that packet itself was late
	Decoded int64         // samples at 48 kHz that its packets decode to
	Length  int64         // samples that the run fills in the output; differs from Decoded when the sender's clock drifted
	Refused bool          // the timestamps ask for a larger change of speed than 5 %; Length is Decoded
}

// Limits for the interpretation of timestamps.
const (
	// settle is how long, in decoded audio, packets must stay late before the lateness counts as a gap. After a network
	// stall the delayed packets arrive all at once, and the timestamps after them are as late as before the stall.
	settle = 2 * time.Second

	// recent is how much decoded audio before a gap is compared with the audio after it. It is short, so that drift of
	// up to 5 % does not look like a step. It usually spans several packets, so that one late packet does not hide a step.
	recent = 80 * time.Millisecond

	// fewPackets: when fewer packets than this remain in the track, a gap must be twice as clear.
	fewPackets = 8

	// A step of less than half a packet is no gap, within these bounds. The lower bound is above the error of two
	// timestamps in Matroska, which are rounded to 1 ms. The upper bound makes gaps between long packets detectable.
	minStep = 4 * time.Millisecond
	maxStep = 10 * time.Millisecond

	// rounding is the largest error of a timestamp that comes from the container's clock alone.
	rounding = 2 * time.Millisecond

	// Drift in a run is corrected when it is larger than maxDrift. A smaller one is corrected when it can be told from jitter: it
	// is not smaller than rounding, and more than clearDrift times the usual change of lateness from packet to packet.
	maxDrift   = 20 * time.Millisecond
	clearDrift = 8

	// maxSpeedChange is the largest change of speed that a drifting clock can explain, as 1/maxSpeedChange: 5 %.
	maxSpeedChange = 20

	// Drift is measured at knots: the median lateness of every knotEvery of decoded audio and at least knotPackets
	// packets. A straight line may miss a knot by knotTolerance, or a quarter of a smaller drift, before it is split in two lines.
	knotEvery     = 5 * time.Second
	knotPackets   = 250
	knotTolerance = 8 * time.Millisecond
)

// Runs groups an audio track's packets into runs, in order. Every packet is in exactly one run.
//
// The grouping depends on a packet's lateness: its timestamp minus the duration of the audio decoded before it. Lateness
// is constant in a track without gaps. It rises for good at a gap (mute, loss, silence for which Opus sent no packets).
// It rises and falls back when the network stalls. It jitters when timestamps are arrival times. It drifts when the
// sender's clock runs faster or slower than ours.
//
// So a new run begins where all packets of the following 2 s are later than all packets of the preceding 80 ms, by more
// than half a packet and by more than the local jitter. Each run is placed by the median lateness of its packets, not by
// a single timestamp. A run whose lateness drifts by more than 20 ms is played slower or faster to follow the drift, and so is
// one that drifts by less if the drift is clear. It is split into several touching runs if one straight line does not fit. The
// change of speed is at most 5 %; a run that needs more is left unchanged and marked Refused.
//
// Runs never overlap: positions are counted in samples, and a run starts no earlier than the end of the previous run.
// Place a run at Samples(start of the track) + Samples(At): then rounding cannot make runs overlap either.
// The time needed is linear in the number of packets, except that medians sort a few hundred of them at a time.
func Runs(packets []AudioPacket) []Run {
	if len(packets) == 0 {
		return nil
	}
	late := lateness(packets)
	bounds := gaps(packets, late)
	var runs []Run
	end := int64(-1 << 62)
	for i, first := range bounds {
		last := len(packets)
		if i+1 < len(bounds) {
			last = bounds[i+1]
		}
		for _, p := range splitAtDrift(packets, late, first, last) {
			run := p.run(packets, end)
			end = Samples(run.At) + run.Length
			runs = append(runs, run)
		}
	}
	return runs
}

// lateness returns every packet's timestamp minus the duration of the audio decoded before it.
func lateness(packets []AudioPacket) []time.Duration {
	late := make([]time.Duration, len(packets))
	var decoded time.Duration
	for i, p := range packets {
		late[i] = p.Time - decoded
		decoded += max(p.Duration, 0)
	}
	return late
}

// gaps returns the index of the first packet, and of every packet before which there is a gap.
func gaps(packets []AudioPacket, late []time.Duration) []int {
	ahead := leastAhead(packets, late)
	jitter := localJitter(late)
	bounds := []int{0}
	for i := 1; i < len(packets); i++ {
		first := bounds[len(bounds)-1]
		step := min(packets[i-1].Duration, packets[i].Duration) / 2
		step = max(min(max(step, minStep), maxStep), 3*jitter[i/jitterBlock])
		if len(packets)-i < fewPackets {
			step = max(step, 6*jitter[i/jitterBlock])
		}
		if ahead[i]-leastBefore(packets, late, first, i) > step {
			bounds = append(bounds, i)
		}
	}
	return bounds
}

// leastBefore returns the least lateness among the last packets of [first, i) that make up recent.
func leastBefore(packets []AudioPacket, late []time.Duration, first, i int) time.Duration {
	least := late[i-1]
	var decoded time.Duration
	for j := i - 1; j >= max(first, i-jitterBlock) && decoded < recent; j-- {
		least = min(least, late[j])
		decoded += max(packets[j].Duration, 0)
	}
	return least
}

// leastAhead returns, for every packet, the least lateness among it and the packets of the next settle of decoded audio.
// It is a sliding window minimum, computed from the back.
func leastAhead(packets []AudioPacket, late []time.Duration) []time.Duration {
	least := make([]time.Duration, len(late))
	type entry struct {
		late, ahead time.Duration // ahead: decoded audio from the packet to the end of the track
	}
	var queue []entry // from front to back, lateness falls and ahead rises: the first entry in the window is the least
	head := 0
	var ahead time.Duration
	for i := len(late) - 1; i >= 0; i-- {
		ahead += max(packets[i].Duration, 0)
		for len(queue) > head && queue[len(queue)-1].late >= late[i] {
			queue = queue[:len(queue)-1]
		}
		queue = append(queue, entry{late[i], ahead})
		for queue[head].ahead < ahead-settle {
			head++
		}
		least[i] = queue[head].late
	}
	return least
}

const (
	jitterBlock = 128 // packets over which jitter is measured
	jitterLag   = 8   // packets: two neighbours alone cannot come closer than one packet's duration
)

// localJitter returns the jitter of the timestamps in every block of packets: the upper quartile of how much closer a
// packet comes to an earlier one than the audio between them lasts. A gap never makes packets come closer, so
// unsent silence does not count. Packets that a stall delayed do not count either, unless they are a quarter of the
// block. Each block gets the largest value of itself and its two neighbours.
func localJitter(late []time.Duration) []time.Duration {
	blocks := make([]time.Duration, (len(late)+jitterBlock-1)/jitterBlock)
	closer := make([]time.Duration, 0, jitterBlock)
	for b := range blocks {
		closer = closer[:0]
		for i := max(jitterLag, b*jitterBlock); i < min(len(late), (b+1)*jitterBlock); i++ {
			closer = append(closer, max(0, late[i-jitterLag]-late[i]))
		}
		if len(closer) > 0 {
			slices.Sort(closer)
			if w := closer[len(closer)*3/4]; w > rounding {
				blocks[b] = w
			}
		}
	}
	smoothed := make([]time.Duration, len(blocks))
	for b := range blocks {
		smoothed[b] = slices.Max(blocks[max(0, b-1):min(len(blocks), b+2)])
	}
	return smoothed
}
