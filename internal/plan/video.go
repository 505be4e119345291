package plan

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// videoPlanner cuts a film's video into tasks.
type videoPlanner struct {
	*Plan
	opts    Options
	indexes Indexes
	audio   float64          // what the film's audio costs
	scenes  []protocol.Scene // of the whole film; cells refer to Plan.Tracks
	each    []float64        // by scene: what one of its frames costs
	spent   []float64        // by scene: what the frames before it cost
	times   map[int]*trackTimes
}

// tasks returns the video tasks, with the packets that each needs.
//
// A task that begins between the keyframes of its sources decodes them from the keyframe before, and shows nothing of
// that. So tasks are cut where they end at the same time, with the audio beside them, or near there where it costs least; and a cut that
// does not make the film finish at least a tenth earlier is not made, unless a task would be longer than Options.VideoTask.
func (v *videoPlanner) tasks() ([]VideoTask, error) {
	perChunk := max(1, timeline.FrameAt(v.opts.Chunk, v.FPS))
	longest := v.opts.VideoTask
	if longest == 0 {
		longest = defaultVideoTask
	}
	most := max(perChunk, timeline.FrameAt(longest, v.FPS)) // frames of a task
	least := max(1, ceilDiv(v.Frames, most))
	parallel := max(1, v.opts.Parallel)
	v.addUp()
	var best []int
	var quickest float64
	for count := least; count <= max(least, parallel); count++ {
		beside := 0.0
		if count == parallel && count > 1 { // they all begin at once, and one of the workers makes the audio too
			beside = v.audio
		}
		even := v.evenBorders(count, most, beside)
		for _, borders := range [][]int{v.apart(even, perChunk), v.apart(v.moved(even, perChunk/2), perChunk)} {
			if wall := v.wallTime(borders, parallel); best == nil || wall < 0.9*quickest || len(borders) == len(best) && wall < quickest {
				best, quickest = borders, wall
			}
		}
	}
	return v.fill(v.cut(best, perChunk))
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// addUp fills in each and spent.
func (v *videoPlanner) addUp() {
	v.each, v.spent = make([]float64, len(v.scenes)), make([]float64, len(v.scenes))
	for i, scene := range v.scenes {
		v.each[i] = v.frameCost(scene)
		if i > 0 {
			v.spent[i] = v.spent[i-1] + float64(scene.From-v.scenes[i-1].From)*v.each[i-1]
		}
	}
}

// frameCost is what a frame of a scene costs.
func (v *videoPlanner) frameCost(scene protocol.Scene) float64 {
	cost := costOfFrames(v.VideoEncoder.Codec, v.Canvas, 1)
	for _, t := range tracksOf(scene) {
		cost += v.times[t].perSecond * v.times[t].megapixels * decoderCost(v.Tracks[t].Codec) / float64(v.FPS)
	}
	return cost
}

// spentUntil is what the frames before frame n cost.
func (v *videoPlanner) spentUntil(n int) float64 {
	i := sort.Search(len(v.scenes), func(i int) bool { return v.scenes[i].From > n }) - 1
	if i < 0 {
		return 0
	}
	return v.spent[i] + float64(n-v.scenes[i].From)*v.each[i]
}

// taskCost is what a task of the frames [from, to) costs.
func (v *videoPlanner) taskCost(from, to int) float64 {
	return v.prerollCost(from) + v.spentUntil(to) - v.spentUntil(from)
}

// evenBorders returns the first frames of at most count tasks of the same cost, none of them of more than most frames. The last costs
// less: its worker has beside to do, too.
func (v *videoPlanner) evenBorders(count, most int, beside float64) []int {
	cut := func(each float64) (borders []int, end int) {
		for i := range count {
			if i == count-1 {
				each -= beside
			}
			from := end
			until := each - v.prerollCost(from) + v.spentUntil(from)
			if end += sort.Search(min(most, v.Frames-from), func(n int) bool { return v.spentUntil(from+n+1) > until }); end > from {
				borders = append(borders, from)
			}
		}
		return borders, end
	}
	low, high := 0.0, v.taskCost(0, v.Frames)+v.prerollCost(v.Frames-1)+beside // more is never needed
	best, _ := cut(2 * high)
	for range 40 {
		middle := (low + high) / 2
		if borders, end := cut(middle); end >= v.Frames {
			best, high = borders, middle
		} else {
			low = middle
		}
	}
	return best
}

// moved moves borders to where it costs least, within reach.
func (v *videoPlanner) moved(borders []int, reach int) []int {
	moved := []int{0}
	for _, border := range borders[1:] {
		moved = append(moved, v.cheapestBorder(border, reach))
	}
	return moved
}

// apart leaves out borders that are less than half a chunk from another or from an end of the film.
func (v *videoPlanner) apart(borders []int, perChunk int) []int {
	kept := []int{0}
	for _, border := range borders[1:] {
		if border-kept[len(kept)-1] >= max(1, perChunk/2) && v.Frames-border >= max(1, perChunk/2) {
			kept = append(kept, border)
		}
	}
	return kept
}

// cut returns the chunks of tasks that begin at the given frames: each of about perChunk frames, the last one of a task at
// least half as long unless the task is shorter.
func (v *videoPlanner) cut(borders []int, perChunk int) [][]protocol.Chunk {
	var tasks [][]protocol.Chunk
	for i, from := range borders {
		end := v.Frames
		if i+1 < len(borders) {
			end = borders[i+1]
		}
		var chunks []protocol.Chunk
		for from < end {
			to := min(from+perChunk, end)
			if end-to < perChunk/2 {
				to = end
			}
			chunks = append(chunks, protocol.Chunk{From: from, To: to})
			from = to
		}
		tasks = append(tasks, chunks)
	}
	return tasks
}

// wallTime estimates how long the tasks that begin at the given frames take, with the audio, when so many run at once: the audio first,
// then the longest.
func (v *videoPlanner) wallTime(borders []int, parallel int) float64 {
	var costs []float64
	for i, from := range borders {
		to := v.Frames
		if i+1 < len(borders) {
			to = borders[i+1]
		}
		costs = append(costs, v.taskCost(from, to))
	}
	slices.SortFunc(costs, func(a, b float64) int { return cmp.Compare(b, a) })
	workers := make([]float64, parallel)
	workers[0] = v.audio
	for _, cost := range costs {
		next := slices.Index(workers, slices.Min(workers))
		workers[next] += cost
	}
	return slices.Max(workers)
}

// trackTimes says where a track can be entered, and when it sends nothing.
type trackTimes struct {
	keyframes  []time.Duration // output time of each, ascending
	gaps       []timeline.Span // output time from one packet to the next, or to the track's end: those longer than Options.Hold
	end        time.Duration   // of the last packet
	perSecond  float64         // packets, on average
	megapixels float64
}

// keyframeStep thins out keyframes that lie close together, so that a track of nothing else costs no memory.
const keyframeStep = 100 * time.Millisecond

// readTimes reads the indexes of the tracks that are placed.
func (v *videoPlanner) readTimes(placements []layout.Placement) error {
	v.times = map[int]*trackTimes{}
	for _, at := range placements {
		if v.times[at.Source] != nil {
			continue
		}
		k := &trackTimes{}
		v.times[at.Source] = k
		x, err := v.indexes(at.Source)
		if err != nil {
			return err
		}
		track := &v.Tracks[at.Source]
		track.Drift = track.Clock.Room - track.Clock.Own
		gaps := gapFinder{least: v.opts.Hold, latest: track.Start}
		for p, err := range x.Packets(0, x.Count()) {
			if err != nil {
				return err
			}
			k.end = track.Clock.In(p.Need) + track.Start
			at := track.Clock.In(p.Time) + track.Start
			if p.Key && (len(k.keyframes) == 0 || at >= k.keyframes[len(k.keyframes)-1]+keyframeStep) {
				k.keyframes = append(k.keyframes, at)
			}
			gaps.add(at, k.end)
		}
		gaps.flush()
		if !keepsLastFrame(track.Name, x.Count(), len(gaps.found)) {
			gaps.reach(track.Start + track.Length)
			k.gaps = gaps.found
		}
		recording := x.Track()
		for part := range len(recording.Parts) + 1 {
			h := recording.Headers(part)
			k.megapixels = max(k.megapixels, float64(h.Width*h.Height)/1e6)
		}
		if x.Length() > 0 {
			k.perSecond = float64(x.Count()) / x.Length().Seconds()
		}
	}
	return nil
}

// cheapestBorder returns the frame within reach of near at which the least has to be decoded without being shown.
func (v *videoPlanner) cheapestBorder(near, reach int) int {
	candidates := []int{near}
	from, to := timeline.FrameTime(max(near-reach, 0), v.FPS), timeline.FrameTime(min(near+reach, v.Frames-1), v.FPS)
	for _, t := range v.visibleAt(near) {
		times := v.times[t].keyframes
		start := sort.Search(len(times), func(i int) bool { return times[i] >= from })
		for ; start < len(times) && times[start] <= to; start++ {
			candidates = append(candidates, timeline.FrameAt(times[start], v.FPS))
		}
	}
	slices.Sort(candidates)
	best, least := near, v.prerollCost(near)
	for _, c := range slices.Compact(candidates) {
		if cost := v.prerollCost(c); cost < least {
			best, least = c, cost
		}
	}
	return best
}

// prerollCost is what decoding up to frame n costs before anything is shown.
func (v *videoPlanner) prerollCost(n int) float64 {
	if n == 0 {
		return 0
	}
	at := timeline.FrameTime(n, v.FPS)
	cost := 0.0
	for _, t := range v.visibleAt(n) {
		k := v.times[t]
		from := v.Tracks[t].Start // without a keyframe, decoding begins with the first packet
		if i := sort.Search(len(k.keyframes), func(i int) bool { return k.keyframes[i] > at }); i > 0 {
			from = k.keyframes[i-1]
		}
		cost += max(0, (min(at, k.end)-from).Seconds()) * k.perSecond * k.megapixels * decoderCost(v.Tracks[t].Codec)
	}
	return cost
}

// visibleAt returns the tracks that frame n shows.
func (v *videoPlanner) visibleAt(n int) []int {
	i := sort.Search(len(v.scenes), func(i int) bool { return v.scenes[i].From > n }) - 1
	if i < 0 {
		return nil
	}
	return tracksOf(v.scenes[i])
}

// tracksOf returns the tracks that a scene shows.
func tracksOf(scene protocol.Scene) (tracks []int) {
	for _, cell := range scene.Cells {
		if !slices.Contains(tracks, cell.Track) {
			tracks = append(tracks, cell.Track)
		}
	}
	return tracks
}

// fill makes tasks of rows of chunks: their scenes, their tracks, and the packets of each.
func (v *videoPlanner) fill(rows [][]protocol.Chunk) ([]VideoTask, error) {
	tasks := make([]VideoTask, len(rows))
	shown := map[int][]*Range{} // by track, ascending
	number := 0
	for i, chunks := range rows {
		task := &tasks[i]
		*task = VideoTask{First: number, Chunks: chunks, Canvas: v.Canvas, Colour: protocol.Colour(v.Colour), FPS: v.FPS, Encoder: v.VideoEncoder}
		number += len(chunks)
		var tracks []int
		for _, scene := range v.scenesIn(chunks) {
			for _, cell := range scene.Cells {
				if !slices.Contains(tracks, cell.Track) {
					tracks = append(tracks, cell.Track)
				}
			}
		}
		slices.Sort(tracks)
		for _, scene := range v.scenesIn(chunks) {
			cells := slices.Clone(scene.Cells)
			for c := range cells {
				cells[c].Track = slices.Index(tracks, cells[c].Track)
			}
			task.Scenes = append(task.Scenes, protocol.Scene{From: scene.From, Cells: cells})
		}
		for n, t := range tracks {
			ranges := visibleRanges(task.Scenes, n, chunks)
			task.Tracks = append(task.Tracks, VideoTrack{Track: t, Recording: v.Tracks[t].Recording, Shift: v.Tracks[t].Start, Clock: v.Tracks[t].Clock, Ranges: ranges})
			for r := range ranges {
				shown[t] = append(shown[t], &ranges[r])
			}
		}
	}
	described := map[int]media.Index{}
	for t, ranges := range shown {
		x, err := v.indexes(t)
		if err != nil {
			return nil, err
		}
		if v.Tracks[t].Gaps, err = findPackets(x, &v.Tracks[t], v.FPS, ranges); err != nil {
			return nil, err
		}
		described[t] = x.Track()
	}
	for i := range tasks {
		for n := range tasks[i].Tracks {
			t := &tasks[i].Tracks[n]
			t.Ranges = slices.DeleteFunc(t.Ranges, func(r Range) bool { return r.Start >= r.End })
			from, to := 0, 0
			if k := len(t.Ranges); k > 0 {
				from, to = t.Ranges[0].Start, t.Ranges[k-1].End
			}
			t.Media, t.Parts = describe(described[t.Track], from, to)
		}
	}
	return tasks, nil
}

// scenesIn returns the scenes that the given chunks show.
func (v *videoPlanner) scenesIn(chunks []protocol.Chunk) []protocol.Scene {
	from, to := chunks[0].From, chunks[len(chunks)-1].To
	first := max(0, sort.Search(len(v.scenes), func(i int) bool { return v.scenes[i].From > from })-1)
	last := sort.Search(len(v.scenes), func(i int) bool { return v.scenes[i].From >= to })
	return v.scenes[first:last]
}

// visibleRanges returns in which frames of the chunks a track is shown, without their packets.
func visibleRanges(scenes []protocol.Scene, track int, chunks []protocol.Chunk) []Range {
	var ranges []Range
	for _, chunk := range chunks {
		begin := len(ranges)
		i := max(0, sort.Search(len(scenes), func(i int) bool { return scenes[i].From > chunk.From })-1)
		for ; i < len(scenes) && scenes[i].From < chunk.To; i++ {
			from, to := max(scenes[i].From, chunk.From), chunk.To
			if i+1 < len(scenes) {
				to = min(to, scenes[i+1].From)
			}
			if from >= to || !slices.ContainsFunc(scenes[i].Cells, func(c protocol.Cell) bool { return c.Track == track }) {
				continue
			}
			if n := len(ranges); n > begin && ranges[n-1].To == from {
				ranges[n-1].To = to
			} else {
				ranges = append(ranges, Range{From: from, To: to})
			}
		}
	}
	return ranges
}

// entry is a keyframe: its packet and its output time.
type entry struct {
	packet int
	at     time.Duration
}

// maxEntries is how many keyframes are remembered of which it is not known yet whether they are shown in time. Frames of an open GOP
// come after their keyframe and are shown before it, but one keyframe at a time.
const maxEntries = 4

// findPackets finds the packets of ascending ranges: from the keyframe that is shown at or before each first frame to the last packet
// that each last frame may need. It reads the index once, and returns the gaps between the packets until then.
func findPackets(x *media.IndexFile, track *TrackSummary, fps int, ranges []*Range) (*Gaps, error) {
	gaps := &Gaps{}
	var last time.Duration // output time
	n := 0
	entries := []entry{{0, math.MinInt64}} // the last, in the order of packets; without a keyframe, decoding begins with the first packet
	start, end := 0, 0                     // ranges whose Start and End are known
	settle := func(until time.Duration) {
		for ; start < len(ranges) && until > timeline.FrameTime(ranges[start].From, fps); start++ {
			for i := len(entries) - 1; i >= 0; i-- {
				ranges[start].Start = entries[i].packet
				if entries[i].at <= timeline.FrameTime(ranges[start].From, fps) {
					break
				}
			}
		}
		for ; end < len(ranges) && until > timeline.FrameTime(ranges[end].To-1, fps); end++ {
			ranges[end].End = n
		}
	}
	for p, err := range x.Packets(0, x.Count()) {
		if err != nil {
			return nil, err
		}
		at := track.Clock.In(p.Need) + track.Start
		if settle(at); end == len(ranges) {
			return gaps, nil
		}
		if n > 0 && at-last > media.VideoGap {
			gaps.add(last, at-last)
		}
		last = at
		if p.Key {
			if len(entries) == maxEntries {
				entries = slices.Delete(entries, 0, 1)
			}
			entries = append(entries, entry{n, track.Clock.In(p.Time) + track.Start})
		}
		n++
	}
	settle(1<<63 - 1)
	return gaps, nil
}

// Part returns the part of the task that makes the chunks [from, to), counted in the film.
func (t *VideoTask) Part(from, to int) *VideoTask {
	part := *t
	part.First, part.Chunks = from, t.Chunks[from-t.First:to-t.First]
	end := part.Chunks[len(part.Chunks)-1].To
	part.Tracks = slices.Clone(t.Tracks)
	for i := range part.Tracks {
		track := &part.Tracks[i]
		n := sort.Search(len(track.Ranges), func(n int) bool { return track.Ranges[n].From >= end })
		track.Ranges = track.Ranges[:n]
	}
	return &part
}

// From returns which packets of the track a child needs that renders the task from the given chunk on: half-open ranges of
// packet numbers, ascending.
func (t VideoTrack) From(chunk protocol.Chunk) [][2]int {
	var packets [][2]int
	for _, r := range t.Ranges {
		if r.From < chunk.From {
			continue
		}
		if n := len(packets); n > 0 && r.Start <= packets[n-1][1] {
			packets[n-1][1] = max(packets[n-1][1], r.End)
		} else {
			packets = append(packets, [2]int{r.Start, r.End})
		}
	}
	return packets
}
