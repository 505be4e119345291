package timeline

import "time"

// Heard is one packet of an audio track: when it is heard, counted from the track's first packet, and how long it
// sounds once decoded.
type Heard struct{ Time, Duration time.Duration }

// Run is a stretch of packets without a real gap.
type Run struct {
	First   int           // index of its first packet
	Packets int           // how many there are
	At      time.Duration // when it begins, from the track's first packet
	Decoded int64         // samples at 48 kHz that its packets decode to
	Length  int64         // samples that they fill; differs from Decoded when the sender's clock drifted
	Refused bool          // the stamps ask for a stretch that cannot be clock drift; Length is Decoded
}

// Runs groups an audio track's packets into runs, in order.
func Runs(packets []Heard) []Run {
	var runs []Run
	for i, p := range packets {
		n := Samples(p.Duration)
		if len(runs) > 0 {
			last := &runs[len(runs)-1]
			end := last.At + time.Duration(last.Length*62500/3)
			if p.Time-end < p.Duration/2 {
				last.Packets++
				last.Decoded += n
				last.Length += n
				continue
			}
		}
		runs = append(runs, Run{First: i, Packets: 1, At: p.Time, Decoded: n, Length: n})
	}
	return runs
}
