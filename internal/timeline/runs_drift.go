package timeline

import (
	"slices"
	"time"
)

// piece is a part of a stretch without gaps in which lateness changes along a straight line.
type piece struct {
	first, last int           // packets [first, last)
	from, to    time.Duration // when it should begin and end, from the track's first packet
	steady      bool          // lateness does not change: to is from plus what is decoded
}

// place makes a run of the piece. It begins no sooner than sample end, where the previous run ends.
func (p piece) place(packets []Heard, end int64) Run {
	run := Run{First: p.first, Packets: p.last - p.first}
	for _, heard := range packets[p.first:p.last] {
		run.Decoded += max(Samples(heard.Duration), 0)
	}
	at := max(Samples(p.from), end)
	run.At = duration(at)
	run.Length = run.Decoded
	if want := Samples(p.to) - at; !p.steady && want != run.Decoded {
		if difference := max(want-run.Decoded, run.Decoded-want); difference > run.Decoded/maxStretch {
			run.Refused = true
		} else {
			run.Length = want
		}
	}
	return run
}

// duration is the inverse of Samples: Samples(duration(n)) == n.
func duration(samples int64) time.Duration {
	whole, rest := samples/48000, samples%48000
	return time.Duration(whole)*time.Second + time.Duration(rest*int64(time.Second)/48000)
}

// knot is the median lateness of the packets around one point of a stretch.
type knot struct {
	packet  int           // index of the packet at which the knot lies
	decoded time.Duration // sound decoded before that packet
	late    time.Duration
}

// follow splits the packets [first, last), among which there is no gap, into the fewest pieces whose straight lines
// stay close to the median lateness.
func follow(packets []Heard, late []time.Duration, first, last int) []piece {
	begin := packets[first].Time - late[first] // sound decoded before the stretch
	knots := measure(packets, late, first, last, knotEvery, knotPackets)
	if len(knots) < 3 { // a short stretch is measured more finely
		knots = measure(packets, late, first, last, knotEvery*2/5, knotPackets*2/5)
	}
	low, high := knots[0].late, knots[0].late
	for _, k := range knots {
		low, high = min(low, k.late), max(high, k.late)
	}
	if high-low <= maxDrift {
		at := begin + median(late[first:last])
		if own := packets[first].Time; max(own-at, at-own) <= rounding {
			at = own
		}
		return []piece{{first: first, last: last, from: at, steady: true}}
	}

	kept := bend(knots, 0, len(knots)-1, []int{0})
	ends := begin
	for _, p := range packets[first:last] {
		ends += max(p.Duration, 0)
	}
	var pieces []piece
	for i := 1; i < len(kept); i++ {
		a, b := knots[kept[i-1]], knots[kept[i]]
		p := piece{first: a.packet, last: b.packet, from: a.decoded + a.late, to: b.decoded + b.late}
		if i == 1 { // the line goes on to the stretch's own ends
			p.first, p.from = first, along(a, b, begin)
		}
		if i == len(kept)-1 {
			p.last, p.to = last, along(a, b, ends)
		}
		pieces = append(pieces, p)
	}
	return pieces
}

// measure returns the knots of a stretch, one for each so much decoded sound of so many packets; at least one.
func measure(packets []Heard, late []time.Duration, first, last int, every time.Duration, count int) []knot {
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
			break // the rest at the end says too little
		}
		middle := (from + i + 1) / 2
		knots = append(knots, knot{middle, packets[middle].Time - late[middle], median(late[from : i+1])})
		from, since = i+1, decoded
	}
	return knots
}

// bend appends to kept the indexes of the knots in (a, b] at which a line from a to b must bend.
func bend(knots []knot, a, b int, kept []int) []int {
	farthest, worst := 0, knotSlack
	for i := a + 1; i < b; i++ {
		off := along(knots[a], knots[b], knots[i].decoded) - knots[i].decoded - knots[i].late
		if off = max(off, -off); off > worst {
			farthest, worst = i, off
		}
	}
	if farthest == 0 {
		return append(kept, b)
	}
	return bend(knots, farthest, b, bend(knots, a, farthest, kept))
}

// along returns when the sound that follows decoded is heard, on the line through two knots.
func along(a, b knot, decoded time.Duration) time.Duration {
	if a.decoded == b.decoded {
		return decoded + a.late
	}
	slope := float64(b.late-a.late) / float64(b.decoded-a.decoded)
	return decoded + a.late + time.Duration(slope*float64(decoded-a.decoded))
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
