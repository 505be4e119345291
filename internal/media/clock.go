package media

import "time"

// clock turns the timestamps of a file into times from its first packet, and corrects what recorders get wrong:
//
//   - The first packet is at 0, whatever its timestamp is. No packet is earlier.
//   - Audio does not go back: a timestamp up to backAudio early counts as the one before it.
//   - Video frames may go back by as much as reordering does, backVideo; they keep their times.
//   - A timestamp further back means that the recorder was restarted: the packet follows the last one directly, and so do
//     all that come after it. Where a segment of the file begins, any step back means that.
//   - A timestamp more than maxJump ahead means the same: no room is silent for that long.
//   - A leap ahead that is taken back within leapMemory was a damaged timestamp: the packets in between are moved to
//     directly after the last good one.
type clock struct {
	video bool
	begun bool
	anew  bool          // a segment began since the last packet: any step back is a restart
	shift time.Duration // added to the file's clock
	high  time.Duration // latest time so far
	step  time.Duration // the last packet's duration, or the last ordinary distance

	leap     int           // index of the first packet after a leap ahead; 0 for none
	leapFrom time.Duration // high before it
	leapTo   time.Duration
}

const (
	backAudio  = time.Second
	backVideo  = 2 * time.Second // 16 frames of reordering, the most that H.264 has, at 8 frames a second
	maxJump    = 24 * time.Hour  // Twilio rooms end after 24 h
	minLeap    = 10 * time.Second
	leapMemory = time.Minute
)

// place returns the time of the next packet, whose timestamp is raw and which holds d of audio, if that is known.
// It may correct the times of the packets before it.
func (c *clock) place(packets []Packet, raw, d time.Duration) time.Duration {
	if !c.begun {
		c.begun, c.shift, c.step = true, -raw, d
		return 0
	}
	back := backVideo
	if !c.video {
		back = backAudio
	}
	if c.anew {
		back, c.anew = 0, false
	}
	t := raw + c.shift
	if c.leap > 0 && t > c.leapTo+leapMemory {
		c.leap = 0
	}
	switch {
	case t > c.high+maxJump:
		t = c.follow(raw)
	case t > c.high+minLeap:
		c.leap, c.leapFrom, c.leapTo = len(packets), c.high, t
	case t >= c.high-back:
	case c.leap > 0 && t >= c.leapFrom-back:
		c.undo(packets, t)
	default:
		t = c.follow(raw)
		c.leap = 0
	}
	if !c.video {
		t = max(t, c.high)
	}
	t = max(t, 0)
	if d > 0 {
		c.step = d
	} else if gap := t - c.high; gap > 0 && gap < time.Second {
		c.step = gap
	}
	c.high = max(c.high, t)
	return t
}

// follow resets the clock so that raw comes directly after the last packet.
func (c *clock) follow(raw time.Duration) time.Duration {
	t := c.high + c.step
	c.shift = t - raw
	return t
}

// undo moves the packets since the leap back to where it began, but not past next, the time of the packet after them.
func (c *clock) undo(packets []Packet, next time.Duration) {
	first := packets[c.leap].Time
	c.high = c.leapFrom
	limit := max(next, c.leapFrom)
	for i := c.leap; i < len(packets); i++ {
		p := &packets[i]
		p.Time = min(c.leapFrom+c.step+max(p.Time-first, 0), limit)
		c.high = max(c.high, p.Time)
	}
	c.leap = 0
}
