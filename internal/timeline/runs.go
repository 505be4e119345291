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

	// recent is how many packets before a gap are compared with those after it: few, so that drift of even 5 % does
	// not look like a step, and more than one, so that a single late packet does not hide one.
	recent = 8

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
	knotEvery = 5 * time.Second
	knotSlack = 8 * time.Millisecond
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
		before := slices.Min(late[max(bounds[len(bounds)-1], i-recent):i])
		step := min(packets[i-1].Duration, packets[i].Duration) / 2
		step = max(min(max(step, minStep), maxStep), 3*waver[i/waverBlock])
		if ahead[i]-before > step {
			bounds = append(bounds, i)
		}
	}
	return bounds
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

// waverBlock is how many packets the wavering of stamps is measured over.
const waverBlock = 64

// wavering returns, for every block of packets, how much their stamps waver: what a quarter of the packets come closer
// to their predecessors than they should. Gaps never make packets come closer, so silence that was not sent does not
// count, and a stall of less than a quarter of the block does not either. Neighbouring blocks share the larger value.
func wavering(late []time.Duration) []time.Duration {
	blocks := make([]time.Duration, (len(late)+waverBlock-1)/waverBlock)
	closer := make([]time.Duration, 0, waverBlock)
	for b := range blocks {
		closer = closer[:0]
		for i := max(1, b*waverBlock); i < min(len(late), (b+1)*waverBlock); i++ {
			closer = append(closer, max(0, late[i-1]-late[i]))
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
