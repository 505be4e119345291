package media

import (
	"slices"
	"sort"
	"time"
)

// Repair is a correction of damaged timestamps.
type Repair struct {
	Kind    RepairKind
	At      time.Duration // where in the recording, corrected
	By      time.Duration // how far the timestamps were off, or how long the gap was; not negative
	Packets int           // that were corrected or left out
}

// RepairKind says what was wrong.
type RepairKind string

// The kinds of damage.
const (
	Misstamped RepairKind = "timestamps" // a few timestamps were off: their packets are between their neighbours now
	Leap       RepairKind = "leap"       // a gap that a recording cannot have, or that the few packets after it do not bear out: it is cut
	StepBack   RepairKind = "step_back"  // the clock went back: of audio, what overlapped is left out
	Restart    RepairKind = "restart"    // the clock began anew: what follows is directly after what was before
)

// maxRepairs bounds Index.Repairs.
const maxRepairs = 16

const (
	// Timestamps jitter by slack without being wrong.
	slack = 40 * time.Millisecond

	// A few packets, at most loneStamps, that are off while the next one is in its place again are damaged, however small
	// the error is. More than that are damaged when they are off by more than shortStep and last at most leapMemory.
	loneStamps = 3
	leapMemory = time.Minute

	// A step back by more than shortStep means that the recorder began anew. A shorter one corrects the clock.
	// Frames that are reordered go back by up to reordering: 16 frames, the most that H.264 has, at 8 frames a second.
	shortStep  = time.Second
	reordering = 2 * time.Second

	// Gaps longer than longAudio or longVideo near the end of a file must be borne out: by a second of packets for each hour,
	// a tenth of the packets, or two earlier gaps that are half as long. Screens that do not change have long gaps.
	longAudio = 10 * time.Second
	longVideo = 10 * time.Minute
	borneOut  = 3600
	endWithin = 2000 // packets; more at the end of a file bear out every gap

	maxGap = 12 * time.Hour
	maxEnd = 24 * time.Hour // Twilio rooms end after 24 h: no gap leads past it
)

// clock turns the timestamps of a file into times from its first packet, and corrects what recorders get wrong:
//
//   - The first packet is at 0, whatever its timestamp is. No packet is earlier.
//   - A few damaged timestamps, after which the file goes on where it was, are replaced. No other packet moves.
//   - A leap ahead that is longer than a recording has gaps, or that the end of the file does not bear out, is cut.
//   - Where the clock steps back by up to shortStep, later timestamps are right: the audio that overlaps is left out, and
//     video frames wait for their place.
//   - Where it steps back further, the recorder was restarted: what follows comes directly after the last packet. Where a
//     segment of the file begins, any step back by more than slack means that. Readers of containers have put the clocks of
//     segments one after another already (Joiner).
type clock struct {
	packets   []Packet // with the timestamps of the file, later the times
	video     bool
	reordered bool   // frames are stored in another order than they are shown in
	restarts  []int  // indexes of packets with which a segment of the file begins; ascending
	crossings []int  // half-open ranges of packets whose frames are reordered across a gap: see findCrossings
	marks     []*int // indexes of packets, ascending, that change when packets are left out

	kept    int              // packets that have their time
	shift   time.Duration    // added to the file's clock
	high    time.Duration    // latest time so far
	end     time.Duration    // and where its audio ends
	step    time.Duration    // the last packet's duration, or the last ordinary distance
	gaps    [2]time.Duration // the longest two
	repairs []Repair         // the first maxRepairs
	count   int              // of all repairs
}

// piece is a range of packets in which the clock neither steps back nor leaps by more than shortStep.
type piece struct {
	first, end int
	at, high   time.Duration // first and latest timestamp
	span       time.Duration // how long its packets last
	restart    bool          // a segment of the file begins with it
}

// correct returns the packets with their times, and without those that are left out.
func (c *clock) correct() []Packet {
	if len(c.packets) == 0 {
		return c.packets
	}
	c.step = 20 * time.Millisecond
	if c.video {
		c.step = c.distance()
	}
	c.findCrossings()
	c.replaceLoneStamps()
	b := c.piece(0)
	c.shift = -b.at
	for first := true; b.first < len(c.packets); first = false {
		after := c.piece(b.end)
		if first {
			c.place(b)
		} else {
			c.join(b, after)
		}
		b = after
	}
	c.mark(len(c.packets))
	return c.packets[:c.kept]
}

// mark moves the marks at or before packet i to the packet that is kept next.
func (c *clock) mark(i int) {
	for ; len(c.marks) > 0 && *c.marks[0] <= i; c.marks = c.marks[1:] {
		*c.marks[0] = c.kept
	}
}

func (c *clock) back() time.Duration {
	if c.reordered {
		return reordering
	}
	return shortStep
}

// reorderedFrames is how many frames H.264 stores before one that is shown earlier, at most.
const reorderedFrames = 16

// findCrossings finds where a frame that is shown after a gap is stored before frames that are shown before it: of the frames that
// follow, some go on where the track was, and some where that frame is. Their timestamps are right.
func (c *clock) findCrossings() {
	if !c.reordered {
		return
	}
	high := c.packets[0].Time
	for i := 0; i < len(c.packets); i++ {
		t := c.packets[i].Time
		if t > high+shortStep && t <= high+longVideo {
			back, goesOn := 0, false
			for j := i + 1; j < min(i+1+reorderedFrames, len(c.packets)); j++ {
				at := c.packets[j].Time
				if at <= high+shortStep && at >= high-reordering {
					back = j
				}
				goesOn = goesOn || (at-t).Abs() <= reordering
			}
			if back > 0 && goesOn {
				c.crossings = append(c.crossings, i, back+1)
				i = back
			}
		}
		high = max(high, t)
	}
}

// crosses reports whether packet i is in a crossing.
func (c *clock) crosses(i int) bool {
	n := sort.SearchInts(c.crossings, i+1)
	return n%2 == 1
}

func (c *clock) isRestart(i int) bool {
	_, found := slices.BinarySearch(c.restarts, i)
	return found
}

// replaceLoneStamps corrects up to loneStamps damaged timestamps in a row.
func (c *clock) replaceLoneStamps() {
	jitter := slack
	if c.reordered {
		jitter = reordering
	}
	for i := 1; i < len(c.packets); i++ {
		good := c.packets[i-1]
		off := c.packets[i].Time - good.Time
		if off.Abs() <= good.Duration+jitter || c.isRestart(i) || c.crosses(i) || c.crosses(i-1) {
			continue
		}
		line := good.Time + good.Duration // where the packet after those in question belongs
		lowest, highest := c.packets[i].Time, c.packets[i].Time
		for j := i + 1; j <= i+loneStamps && j < len(c.packets) && !c.isRestart(j); j++ {
			lowest, highest = min(lowest, c.packets[j-1].Time), max(highest, c.packets[j-1].Time)
			line += c.packets[j-1].Duration
			next := c.packets[j].Time
			returned := next >= good.Time && (highest < good.Time || lowest > next+slack) && (j == i+1 || next <= line+shortStep)
			if j+1 == len(c.packets) { // the last packet alone is weak evidence
				returned = returned && off.Abs() > shortStep && next <= line+jitter
			} else if lowest > next { // the packet after next decides which of the two was off
				after := c.packets[j+1].Time
				directly := highest + c.length(j-1) + c.length(j)
				returned = returned && (after-next <= c.length(j)+jitter || (after-directly).Abs() > jitter)
			}
			if c.reordered {
				returned = returned && (highest < good.Time-jitter || lowest > next+jitter)
			}
			if returned {
				c.replace(i, j, off)
				break
			}
		}
	}
}

// length is how long a packet lasts: of video, the usual distance.
func (c *clock) length(i int) time.Duration {
	if c.video {
		return c.step
	}
	return c.packets[i].Duration
}

// distance is the usual distance between frames: the median of those at the beginning that are below a second.
func (c *clock) distance() time.Duration {
	const enough = 500
	list := make([]time.Duration, 0, enough)
	for i := 1; i < len(c.packets) && len(list) < enough; i++ {
		if d := c.packets[i].Time - c.packets[i-1].Time; d > 0 && d < time.Second {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return time.Second / 30
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// replace puts the packets [i, j) between their neighbours.
func (c *clock) replace(i, j int, off time.Duration) {
	good, next := c.packets[i-1], c.packets[j].Time
	step := (next - good.Time) / time.Duration(j-i+1)
	if step > time.Second {
		step = c.step
	}
	at := good.Time
	for k := i; k < j; k++ {
		if c.video {
			at += step
		} else {
			at += c.packets[k-1].Duration
		}
		c.packets[k].Time = min(at, next)
	}
	c.note(Repair{Misstamped, good.Time - c.packets[0].Time, max(off, -off), j - i})
}

// piece returns the piece that begins with packet first.
func (c *clock) piece(first int) piece {
	b := piece{first: first, end: first}
	if first == len(c.packets) {
		return b
	}
	b.at = c.packets[first].Time
	b.high, b.restart = b.at, c.isRestart(first)
	step := c.step
	for i := first; i < len(c.packets); i++ {
		t := c.packets[i].Time
		if (t > b.high+shortStep || t < b.high-c.back()) && !c.crosses(i) || i > first && t < b.high && c.isRestart(i) {
			break
		}
		if t > b.high {
			step = t - b.high
		}
		b.high, b.end = max(b.high, t), i+1
		b.span += c.packets[i].Duration
	}
	if c.video {
		b.span = b.high - b.at + step
	}
	return b
}

// join places b, before which the clock steps or leaps. after is the piece after b; it may be empty.
func (c *clock) join(b, after piece) {
	leap := b.at + c.shift - c.high
	goesOn := after.end-after.first > loneStamps || after.end-after.first >= b.end-b.first
	if goesOn && b.span <= leapMemory && !b.restart && !after.restart {
		returns := after.at + c.shift - c.high // on the clock of the packets before b
		fits := (returns - b.span).Abs() <= shortStep+c.step
		ahead := leap > 0 && after.at < b.high-c.back() && returns >= -c.back() && (fits || leap > longAudio)
		if ahead || leap < -c.back() && fits {
			c.squeeze(b, max(returns, 0))
			return
		}
	}
	switch {
	case b.restart && leap < -slack:
		c.follow(b)
	case leap < -c.back():
		c.note(Repair{Restart, c.high, -leap, 0})
		c.follow(b)
	case leap > maxGap, leap > 0 && c.high+leap > maxEnd, !c.believed(b, leap):
		c.note(Repair{Leap, c.high, leap, 0})
		c.follow(b)
	case leap > c.gaps[0]:
		c.gaps = [2]time.Duration{leap, c.gaps[0]}
	default:
		c.gaps[1] = max(c.gaps[1], leap)
	}
	c.place(b)
}

// believed reports whether what follows a leap bears it out.
func (c *clock) believed(b piece, leap time.Duration) bool {
	long := longAudio
	if c.video {
		long = longVideo
	}
	rest := len(c.packets) - b.first
	if leap <= long || leap <= 2*c.gaps[1] || rest*10 >= b.first || rest > endWithin {
		return true
	}
	var span time.Duration
	for b.first < b.end {
		span += b.span
		b = c.piece(b.end)
	}
	return span >= leap/borneOut
}

// squeeze places b, whose timestamps are damaged, between the packets before it and those after it, which begin at most room after
// the last.
func (c *clock) squeeze(b piece, room time.Duration) {
	limit := c.high + room
	from := c.high + c.step
	c.note(Repair{Misstamped, c.high, (b.at + c.shift - c.high).Abs(), b.end - b.first})
	for i := b.first; i < b.end; i++ {
		c.mark(i)
		p := c.packets[i]
		p.Time = min(from+max(p.Time-b.at, 0), limit)
		c.keep(p)
	}
}

// follow sets the clock so that b comes directly after the last packet.
func (c *clock) follow(b piece) { c.shift = c.high + c.step - b.at }

// place gives the packets of b their times.
func (c *clock) place(b piece) {
	var resume time.Duration // where audio goes on after a step back
	for i := b.first; i < b.end; i++ {
		c.mark(i)
		p := c.packets[i]
		p.Time = max(p.Time+c.shift, 0)
		if early := c.high - p.Time; early > slack && !c.reordered && p.Time >= resume && c.lasts(i, b.end, early) {
			resume = c.end
			c.note(Repair{StepBack, c.end, early, 0})
		}
		if p.Time+p.Duration/2 < resume && !c.video {
			if c.count == len(c.repairs) {
				c.repairs[c.count-1].Packets++
			}
			continue
		}
		if !c.reordered {
			p.Time = max(p.Time, c.high)
		}
		c.keep(p)
	}
}

// lasts reports whether packets after i are early as well: the clock stepped back.
func (c *clock) lasts(i, end int, early time.Duration) bool {
	const packets = 10
	line := c.packets[i].Time + early/2
	for k := i + 1; k < min(i+packets, end); k++ {
		if !c.video {
			line += c.packets[k-1].Duration
		} else {
			line += c.step
		}
		if c.packets[k].Time > line {
			return false
		}
	}
	return i+loneStamps < end
}

func (c *clock) note(r Repair) {
	c.count++
	if len(c.repairs) < maxRepairs {
		c.repairs = append(c.repairs, r)
	}
}

func (c *clock) keep(p Packet) {
	if p.Duration > 0 {
		c.step = p.Duration
	} else if gap := p.Time - c.high; gap > 0 && gap < time.Second {
		c.step = gap
	}
	c.high = max(c.high, p.Time)
	c.end = max(c.end, p.Time+p.Duration)
	c.packets[c.kept] = p
	c.kept++
}
