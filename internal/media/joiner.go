package media

import "time"

// Joiner puts the clocks of a file's segments one after another, alike for all tracks: a track that begins late in its segment,
// or ends early, keeps its distance from the others. A segment whose clock does not go back goes on with the clock before.
type Joiner struct {
	base   time.Duration // added to the clock of the current segment
	border bool          // a segment begins with the next packet
	began  time.Duration // when the current segment begins, on the joined clock
	ended  time.Duration // when the segments before the last border end, on the joined clock
	tails  map[uint64]*tail
}

// tail is what is known of a track's end.
type tail struct {
	last   time.Duration    // the latest time
	doubt  time.Duration    // a time far from last, which the next packet must bear out
	before time.Duration    // of the packet before
	steps  [4]time.Duration // distances of the last packets, when they are below a second
	count  int
	early  time.Duration // how much earlier than a packet its audio is heard
}

const (
	maxJoined = maxTime / 2
	farOff    = 10 * time.Second       // a single packet that is so far from the one before is damaged
	interlace = 150 * time.Millisecond // by which tracks are written in another order than that of time
)

// clamp bounds a time, so that sums do not overflow.
func clamp(at time.Duration) time.Duration { return min(max(at, -maxJoined), maxJoined) }

// Border says that a segment of the file begins.
func (j *Joiner) Border() {
	if j.border {
		return
	}
	j.border = true
	for _, t := range j.tails {
		j.ended = max(j.ended, t.end())
	}
	clear(j.tails)
}

// Extend says that the current segment lasts at least so long, by its own clock.
func (j *Joiner) Extend(length time.Duration) {
	j.ended = max(j.ended, clamp(j.base+length))
}

// Begin says that the first packet of a segment would be at the given time. It is needed where packets tell otherwise.
func (j *Joiner) Begin(at time.Duration) {
	at = clamp(at)
	if j.border && (at+j.base < j.ended-interlace || at+j.base <= j.began) {
		j.base = clamp(j.ended - at)
	}
	if j.border || j.tails == nil {
		j.began = at + j.base
	}
	j.border = false
}

// Join returns the time on the joined clock without noting it.
func (j *Joiner) Join(at time.Duration) time.Duration {
	return clamp(at) + j.base
}

// At notes a packet of a track at a time of its segment's clock, and returns its time on the joined clock. early is how much
// earlier than its time the audio of a packet is heard. Only packets of audio and video count; the caller bounds the tracks.
func (j *Joiner) At(track uint64, at, early time.Duration) time.Duration {
	j.Begin(at)
	at = j.Join(at)
	if j.tails == nil {
		j.tails = map[uint64]*tail{}
	}
	t := j.tails[track]
	if t == nil {
		t = &tail{last: at, doubt: at, before: at}
		j.tails[track] = t
	}
	t.early = early
	if (at-t.last).Abs() > farOff && (at-t.doubt).Abs() > farOff {
		t.doubt = at
		return at
	}
	if step := (at - t.before).Abs(); step > 0 && step < time.Second {
		t.steps[t.count%len(t.steps)] = step
		t.count++
	}
	if at > t.last || at < t.last-farOff {
		t.last = at
	}
	t.before, t.doubt = at, at
	return at
}

// Trim says that the last packet of a track ends early.
func (j *Joiner) Trim(track uint64, by time.Duration) {
	if t := j.tails[track]; t != nil {
		t.early += min(max(by, 0), time.Second)
	}
}

// end returns when the track ends. Of its last distances the shortest counts, because frames may be reordered.
func (t *tail) end() time.Duration {
	step := 20 * time.Millisecond
	for i, s := range t.steps[:min(t.count, len(t.steps))] {
		if i == 0 || s < step {
			step = s
		}
	}
	return t.last + step - t.early
}
