package timeline

import (
	"math/bits"
	"time"
)

// Ending compares how long a recording lasts by its own timestamps with how long it lasted in the room, as the recorder knows
// from its events.
type Ending string

const (
	EndsRight Ending = ""      // both agree, or nothing is known
	EndsDrift Ending = "drift" // they differ by as much as clocks drift
	EndsLate  Ending = "late"  // the recording lacks time, or nothing was sent at its end
	EndsEarly Ending = "early" // it has more time than the room
)

const (
	// sameEnd is how far a known end may be off: a packet of Opus.
	sameEnd = 20 * time.Millisecond

	// A clock drifts by at most one part in clockDrift: 500 ppm. In a short recording, a difference of up to smallEnd is spread
	// over all of it too, if it is at most one part in shortDrift. A larger part is the recorder's: its events are not that exact.
	clockDrift = 2000
	smallEnd   = 200 * time.Millisecond
	shortDrift = 100
)

// CompareEnds compares a recording's own length with the known one, which is 0 when it is not known.
func CompareEnds(length, known time.Duration) Ending {
	off := known - length
	switch {
	case known <= 0 || off.Abs() <= sameEnd:
		return EndsRight
	case off.Abs() <= max(length/clockDrift, min(smallEnd, length/shortDrift)):
		return EndsDrift
	case off.Abs() <= smallEnd:
		return EndsRight
	case off > 0:
		return EndsLate
	}
	return EndsEarly
}

// Lasts returns how long a recording lasts in the room. One that has more time than the room is not cut.
func Lasts(length, known time.Duration) time.Duration {
	if end := CompareEnds(length, known); end == EndsDrift || end == EndsLate {
		return known
	}
	return length
}

// Clock turns a recording's own times into room time, both counted from its first packet. The zero Clock changes nothing.
type Clock struct {
	// It drifts: Own by its own clock are Room in the room. Both are 0 when it does not.
	Own  time.Duration `json:",omitzero"`
	Room time.Duration `json:",omitzero"`

	// What is from StallAt on, by its own clock, is Stall later. Stall is 0 when there is none.
	StallAt time.Duration `json:",omitzero"`
	Stall   time.Duration `json:",omitzero"`
}

// Drifting is the clock of a recording whose known end differs from its own by EndsDrift; else it changes nothing.
func Drifting(length, known time.Duration) Clock {
	if CompareEnds(length, known) != EndsDrift {
		return Clock{}
	}
	return Clock{Own: length, Room: known}
}

// In returns the room time of a time by the recording's own clock. Times keep their order.
func (c Clock) In(own time.Duration) time.Duration {
	at := own
	if off := c.Room - c.Own; c.Own > 0 && off.Abs() < c.Own && own > 0 {
		high, low := bits.Mul64(uint64(own), uint64(off.Abs()))
		if high < uint64(c.Own) {
			part, _ := bits.Div64(high, low, uint64(c.Own))
			if off < 0 {
				at -= time.Duration(part)
			} else {
				at += time.Duration(part)
			}
		}
	}
	if c.Stall > 0 && own >= c.StallAt {
		at += c.Stall
	}
	return at
}
