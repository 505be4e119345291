// Package timeline lays a room's recordings on one line of time and cuts from it what nobody published.
//
// There are two clocks: room time, in which a recording's offset is given, and output time, which starts at the first
// instant with media and, with trim, leaves out every later gap. A [Map] turns one into the other; picture and sound use
// the same one. All arithmetic is in integer nanoseconds, and nothing is ever placed by adding up durations.
package timeline

import "time"

// Span is when a recording is there, in room time: [Start, End).
type Span struct{ Start, End time.Duration }

// Interval is a piece of room time that the film shows, and where it begins in output time.
type Interval struct {
	Room   Span
	Output time.Duration // output time of Room.Start
}
