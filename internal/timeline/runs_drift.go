package timeline

import (
	"slices"
	"time"
)

// A line is a range of packets without a gap in which lateness changes along a straight line.
type line struct {
	first, last int           // packets [first, last)
	from, to    time.Duration // when it should begin and end, counted from the track's first packet
	steady      bool          // lateness does not change: to is not set, and the line lasts as long as the decoded audio
}

// run makes a run of the line. It begins no earlier than sample end, where the previous run ends.
func (l line) run(packets []AudioPacket, end int64) Run {
	run := Run{First: l.first, Packets: l.last - l.first}
	var decoded time.Duration // added up before it is rounded: an AAC packet at 44.1 kHz lasts 1114.56 samples
	for _, packet := range packets[l.first:l.last] {
		decoded += max(packet.Duration, 0)
	}
	run.Decoded = Samples(decoded)
	at := max(Samples(l.from), end)
	run.At = SampleTime(at)
	run.Length = run.Decoded
	if want := Samples(l.to) - at; !l.steady && want != run.Decoded {
		if difference := max(want-run.Decoded, run.Decoded-want); difference > run.Decoded/maxSpeedChange {
			run.Refused = true
		} else {
			run.Length = want
		}
	}
	return run
}

// knot is the median lateness of the packets around one point.
type knot struct {
	packet  int           // index of the packet at the middle
	decoded time.Duration // audio decoded before that packet
	late    time.Duration
}

// splitAtDrift splits the packets [first, last), which have no gap, into the fewest lines that stay close to the median
// lateness.
func splitAtDrift(packets []AudioPacket, late []time.Duration, first, last int) []line {
	begin := packets[first].Time - late[first] // audio decoded before the first packet
	knots := knotsOf(packets, late, first, last, knotEvery, knotPackets)
	if len(knots) < 3 { // a short range is measured more finely
		knots = knotsOf(packets, late, first, last, knotEvery*2/5, knotPackets*2/5)
	}
	low, high := knots[0].late, knots[0].late
	for _, k := range knots {
		low, high = min(low, k.late), max(high, k.late)
	}
	drift := high - low
	if drift < rounding || drift <= maxDrift && drift <= clearDrift*noise(late[first:last]) {
		at := begin + median(late[first:last])
		if own := packets[first].Time; max(own-at, at-own) <= rounding {
			at = own
		}
		return []line{{first: first, last: last, from: at, steady: true}}
	}

	kept := bends(knots, 0, len(knots)-1, min(knotTolerance, drift/4), []int{0})
	end := begin
	for _, p := range packets[first:last] {
		end += max(p.Duration, 0)
	}
	var lines []line
	for i := 1; i < len(kept); i++ {
		a, b := knots[kept[i-1]], knots[kept[i]]
		l := line{first: a.packet, last: b.packet, from: a.decoded + a.late, to: b.decoded + b.late}
		if i == 1 { // the first line is extended to the first packet, the last line to the last one
			l.first, l.from = first, along(a, b, begin)
		}
		if i == len(kept)-1 {
			l.last, l.to = last, along(a, b, end)
		}
		lines = append(lines, l)
	}
	return lines
}

// knotsOf returns the knots of the packets [first, last), at least one. Each covers at least every of decoded audio and
// count packets.
func knotsOf(packets []AudioPacket, late []time.Duration, first, last int, every time.Duration, count int) []knot {
	var knots []knot
	begin := packets[first].Time - late[first]
	decoded, since := begin, begin
	from := first
	for i := first; i < last; i++ {
		decoded += max(packets[i].Duration, 0)
		enough := decoded-since >= every && i+1-from >= count
		if !enough && i+1 < last {
			continue
		}
		if !enough && len(knots) > 0 && i+1-from < count/2 {
			break // too few packets are left for a median
		}
		middle := (from + i + 1) / 2
		knots = append(knots, knot{middle, packets[middle].Time - late[middle], median(late[from : i+1])})
		from, since = i+1, decoded
	}
	return knots
}

// bends appends to kept the indexes of the knots in (a, b] at which a line from a to b must bend, so that it misses none by more
// than the tolerance. It is the Ramer-Douglas-Peucker algorithm.
func bends(knots []knot, a, b int, tolerance time.Duration, kept []int) []int {
	farthest, worst := 0, tolerance
	for i := a + 1; i < b; i++ {
		off := along(knots[a], knots[b], knots[i].decoded) - knots[i].decoded - knots[i].late
		if off = max(off, -off); off > worst {
			farthest, worst = i, off
		}
	}
	if farthest == 0 {
		return append(kept, b)
	}
	return bends(knots, farthest, b, tolerance, bends(knots, a, farthest, tolerance, kept))
}

// along returns when the audio that follows decoded is due, on the line through two knots.
func along(a, b knot, decoded time.Duration) time.Duration {
	if a.decoded == b.decoded {
		return decoded + a.late
	}
	slope := float64(b.late-a.late) / float64(b.decoded-a.decoded)
	return decoded + a.late + time.Duration(slope*float64(decoded-a.decoded))
}

// noise is the usual change of lateness from one packet to the next.
func noise(late []time.Duration) time.Duration {
	if len(late) < 2 {
		return 0
	}
	steps := make([]time.Duration, len(late)-1)
	for i := range steps {
		steps[i] = (late[i+1] - late[i]).Abs()
	}
	return median(steps)
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
