package timeline

import (
	"slices"
	"time"
)

// Heard is one packet of an audio track: when it is heard, counted from the track's first packet, and how long it
// sounds once decoded.
type Heard struct{ Time, Duration time.Duration }

// Run is a stretch of packets that are heard one right after the other.
type Run struct {
	First   int           // index of its first packet
	Packets int           // how many there are
	At      time.Duration // when it begins, from the track's first packet; below 0 when that packet itself came late
	Decoded int64         // samples at 48 kHz that its packets decode to
	Length  int64         // samples that they fill; differs from Decoded when the sender's clock drifted
	Refused bool          // the stamps ask for a change of speed that no clock explains; Length is Decoded
}

// Limits of what is read from stamps.
const (
	// settle is how long, in decoded sound, packets must stay late before the lateness is a gap. A network stall is
	// followed by the packets it held back, all at once, and after them the stamps are where they were before.
	settle = 2 * time.Second

	// recent is how much decoded sound before a gap is compared with what comes after it: little, so that drift of
	// even 5 % does not look like a step, and usually several packets, so that a single late one does not hide a step.
	recent = 80 * time.Millisecond

	// few is how many packets at the end of a track are too few to tell a gap from wavering stamps by.
	few = 8

	// A step smaller than half a packet is no gap, within these bounds. The lower one is above what Matroska's
	// rounding to 1 ms does to two stamps; the upper one keeps a gap between long packets from going unseen.
	minStep = 4 * time.Millisecond
	maxStep = 10 * time.Millisecond

	// rounding is how far a packet's stamp may be off for no other reason than the container's clock.
	rounding = 2 * time.Millisecond

	// Drift up to maxDrift in a run is left alone: it cannot be heard, and less cannot be told from jitter.
	maxDrift = 20 * time.Millisecond

	// maxStretch is the largest change of speed that is still believed to be a clock's, as 1/maxStretch: 5 %.
	maxStretch = 20

	// A run's drift is followed through the median lateness of every knotEvery of decoded sound. A straight line
	// through them may miss one by knotSlack before the run is taken in two.
	// Where packets are long it takes more sound, for a median of enough of them.
	knotEvery   = 5 * time.Second
	knotPackets = 250
	knotSlack   = 8 * time.Millisecond
)

// Runs groups an audio track's packets into runs, in order; every packet is in exactly one.
//
// What counts is a packet's lateness: its stamp less the sound decoded before it. In a track without gaps it stays the
// same. It rises for good at a gap (mute, loss, silence that Opus did not send), it rises and falls back when the
// network stalls, it wavers when stamps are times of arrival, and it creeps when the sender's clock is not ours. So a
// new run begins where all packets of the following 2 s are later than all of the few before, by more than half a
// packet and by more than the stamps waver there. Each run is then placed by the median lateness of its packets, not by
// any single stamp. A run whose lateness creeps by more than 20 ms is stretched or squeezed to follow it, in several
// runs that touch when one straight line does not fit; no more than 5 %, else it is left as it is and marked Refused.
//
// Runs never overlap: positions are counted in samples, and a run that would begin before the previous one ends begins
// where that ends. Place one at Samples(start of the track) + Samples(At), and rounding cannot make them overlap either.
// The time taken is linear in the number of packets, but for sorting a few hundred at a time.
func Runs(packets []Heard) []Run {
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
		for _, p := range follow(packets, late, first, last) {
			run := p.place(packets, end)
			end = Samples(run.At) + run.Length
			runs = append(runs, run)
		}
	}
	return runs
}

// lateness returns every packet's stamp less the sound decoded before it.
func lateness(packets []Heard) []time.Duration {
	late := make([]time.Duration, len(packets))
	var decoded time.Duration
	for i, p := range packets {
		late[i] = p.Time - decoded
		decoded += max(p.Duration, 0)
	}
	return late
}

// gaps returns the index of the first packet of every stretch without a gap.
func gaps(packets []Heard, late []time.Duration) []int {
	ahead := soonest(packets, late)
	waver := wavering(late)
	bounds := []int{0}
	for i := 1; i < len(packets); i++ {
		first := bounds[len(bounds)-1]
		step := min(packets[i-1].Duration, packets[i].Duration) / 2
		step = max(min(max(step, minStep), maxStep), 3*waver[i/waverBlock])
		if len(packets)-i < few {
			step = max(step, 6*waver[i/waverBlock])
		}
		if ahead[i]-before(packets, late, first, i) > step {
			bounds = append(bounds, i)
		}
	}
	return bounds
}

// before returns the least lateness in the last of the packets [first, i): as many as make up recent.
func before(packets []Heard, late []time.Duration, first, i int) time.Duration {
	least := late[i-1]
	var decoded time.Duration
	for j := i - 1; j >= max(first, i-waverBlock) && decoded < recent; j-- {
		least = min(least, late[j])
		decoded += max(packets[j].Duration, 0)
	}
	return least
}

// soonest returns, for every packet, the least lateness among it and the packets of the next settle of decoded sound:
// a sliding minimum, from the back.
func soonest(packets []Heard, late []time.Duration) []time.Duration {
	least := make([]time.Duration, len(late))
	type entry struct {
		late, ahead time.Duration // ahead: decoded sound from the packet to the end of the track
	}
	var queue []entry // ahead rises to the back, and so does lateness fall: the first one in reach is the least
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
	waverBlock = 128 // packets over which the wavering of stamps is measured
	waverLag   = 8   // packets: neighbours alone cannot come closer than one packet's duration
)

// wavering returns, for every block of packets, how much their stamps waver: what a quarter of the packets come closer
// to those before them than they should. Gaps never make packets come closer, so silence that was not sent does not
// count, and what a stall held back does not either, unless it is a quarter of the block. Neighbouring blocks share the
// largest value.
func wavering(late []time.Duration) []time.Duration {
	blocks := make([]time.Duration, (len(late)+waverBlock-1)/waverBlock)
	closer := make([]time.Duration, 0, waverBlock)
	for b := range blocks {
		closer = closer[:0]
		for i := max(waverLag, b*waverBlock); i < min(len(late), (b+1)*waverBlock); i++ {
			closer = append(closer, max(0, late[i-waverLag]-late[i]))
		}
		if len(closer) > 0 {
			slices.Sort(closer)
			if w := closer[len(closer)*3/4]; w > rounding {
				blocks[b] = w
			}
		}
	}
	shared := make([]time.Duration, len(blocks))
	for b := range blocks {
		shared[b] = slices.Max(blocks[max(0, b-1):min(len(blocks), b+2)])
	}
	return shared
}
