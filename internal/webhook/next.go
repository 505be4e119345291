package webhook

import (
	"hash/fnv"
	"strconv"
	"time"
)

const (
	// DefaultMaxAge is how long an event is offered to a receiver that does not take it.
	DefaultMaxAge = 24 * time.Hour

	firstDelay = 5 * time.Second
	maxDelay   = time.Hour
)

// Next says how long to wait after the given attempt (1 is the first) failed at now, or to give up. first is when the
// first attempt was made; maxAge, DefaultMaxAge when 0, is how long after it the last one may be made.
//
// Delays double from five seconds to an hour. Each is shortened by up to a half, by an amount that depends on id and
// attempt alone: events that failed together, because their receiver was down, do not all come back together. The last
// attempt is made when maxAge has passed, and after that Next gives up.
func Next(id string, attempt int, first, now time.Time, maxAge time.Duration) (delay time.Duration, giveUp bool) {
	if maxAge <= 0 {
		maxAge = DefaultMaxAge
	}
	left := first.Add(maxAge).Sub(now)
	if left <= 0 {
		return 0, true
	}
	delay = maxDelay
	if doublings := max(attempt, 1) - 1; doublings < 10 { // 5 s << 10 is more than an hour
		delay = min(firstDelay<<doublings, maxDelay)
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	h.Write([]byte(strconv.Itoa(attempt)))
	share := h.Sum64() * 0x9e3779b97f4a7c15 >> 44 // 20 well-mixed bits
	delay -= time.Duration(share) * (delay / 2) >> 20
	return min(delay, left), false
}
