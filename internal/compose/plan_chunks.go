package compose

import (
	"slices"
	"sort"

	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Stretch is a row of chunks that one child renders.
type Stretch struct {
	First  int // number of its first chunk in the film
	Chunks []protocol.Chunk
}

// The costs that decide how many stretches there are, in core-seconds on the machine they were measured on; only their
// ratio matters. Decoding is per million pixels, encoding per second of 1280x720.
const (
	decodeCost = 0.013 / (0.640 * 0.480 * 30) // per megapixel decoded
	encodeCost = 0.13                         // per second of 0.92 megapixels encoded
)

// stretches cuts the film into chunks, and the row of chunks into as many stretches as are worth rendering at once.
//
// A stretch that begins between the keyframes of its sources decodes them from the keyframe before, for nothing. So the
// borders of stretches are moved to where that costs least, and a cut that does not make the film finish at least a tenth
// earlier is not made.
func (p *Plan) stretches(opts Options) []Stretch {
	perChunk := max(1, timeline.FrameAt(opts.Chunk, p.FPS))
	best := p.cut([]int{0}, perChunk)
	quickest := p.slowest(best)
	for count := 2; count <= opts.Parallel; count++ {
		borders := []int{0}
		for i := 1; i < count; i++ {
			border := p.cheapestBorder(p.Pictures*i/count, perChunk/2)
			if border-borders[len(borders)-1] >= perChunk/2 && p.Pictures-border >= perChunk/2 {
				borders = append(borders, border)
			}
		}
		if len(borders) < count {
			break
		}
		candidate := p.cut(borders, perChunk)
		if wall := p.slowest(candidate); wall < 0.9*quickest {
			best, quickest = candidate, wall
		}
	}
	return best
}

// cut makes stretches that begin at the given pictures, each of chunks of about perChunk pictures, the last one at least
// half as long unless the stretch is shorter.
func (p *Plan) cut(borders []int, perChunk int) []Stretch {
	var result []Stretch
	number := 0
	for i, from := range borders {
		end := p.Pictures
		if i+1 < len(borders) {
			end = borders[i+1]
		}
		stretch := Stretch{First: number}
		for from < end {
			to := min(from+perChunk, end)
			if end-to < perChunk/2 {
				to = end
			}
			stretch.Chunks = append(stretch.Chunks, protocol.Chunk{From: from, To: to})
			from = to
		}
		number += len(stretch.Chunks)
		result = append(result, stretch)
	}
	return result
}

// slowest estimates how long the longest of the stretches takes.
func (p *Plan) slowest(stretches []Stretch) float64 {
	longest := 0.0
	pixels := float64(p.Canvas.W*p.Canvas.H) / (1280 * 720)
	for _, s := range stretches {
		from, to := s.Chunks[0].From, s.Chunks[len(s.Chunks)-1].To
		cost := p.prerollCost(from) + float64(to-from)/float64(p.FPS)*encodeCost*pixels
		longest = max(longest, cost)
	}
	return longest
}

// cheapestBorder returns the picture within reach of near at which the least has to be decoded for nothing.
func (p *Plan) cheapestBorder(near, reach int) int {
	candidates := []int{near}
	from, to := timeline.FrameTime(max(near-reach, 0), p.FPS), timeline.FrameTime(min(near+reach, p.Pictures-1), p.FPS)
	for _, t := range p.visibleAt(near) {
		track := p.Tracks[t]
		packets := track.Index.Packets
		start := sort.Search(len(packets), func(i int) bool { return packets[i].Time+track.Shift >= from })
		for _, packet := range packets[start:] {
			if packet.Time+track.Shift > to {
				break
			}
			if packet.Key {
				candidates = append(candidates, timeline.FrameAt(packet.Time+track.Shift, p.FPS))
			}
		}
	}
	slices.Sort(candidates)
	best, least := near, p.prerollCost(near)
	for _, c := range slices.Compact(candidates) {
		if cost := p.prerollCost(c); cost < least {
			best, least = c, cost
		}
	}
	return best
}

// prerollCost is what decoding up to picture n costs before anything is shown.
func (p *Plan) prerollCost(n int) float64 {
	at := timeline.FrameTime(n, p.FPS)
	cost := 0.0
	for _, t := range p.visibleAt(n) {
		track := p.Tracks[t]
		packets := track.Index.Packets
		now := sort.Search(len(packets), func(i int) bool { return packets[i].Time+track.Shift > at })
		key := lastKeyframe(packets, now-1)
		megapixels := float64(track.Index.Width*track.Index.Height) / 1e6
		cost += float64(max(0, now-1-key)) * megapixels * decodeCost
	}
	return cost
}

// visibleAt returns the tracks that picture n shows.
func (p *Plan) visibleAt(n int) []int {
	i := sort.Search(len(p.Scenes), func(i int) bool { return p.Scenes[i].From > n }) - 1
	if i < 0 {
		return nil
	}
	var tracks []int
	for _, cell := range p.Scenes[i].Cells {
		if !slices.Contains(tracks, cell.Track) {
			tracks = append(tracks, cell.Track)
		}
	}
	return tracks
}

// Chunks returns how many chunks the film's picture has.
func (p *Plan) Chunks() int {
	n := 0
	for _, s := range p.Stretches {
		n += len(s.Chunks)
	}
	return n
}
