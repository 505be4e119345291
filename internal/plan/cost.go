package plan

import (
	"time"

	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// What parts of a film cost, in seconds of one core of the machine that they were measured on. Only their ratio matters: progress
// compares what is done with what is left.
const (
	decodeCost      = 0.013 / (0.640 * 0.480 * 30) // per million pixels decoded
	encodeCost      = 0.10                         // per second of 1280x720 drawn and encoded, 25 frames each
	audioTrackCost  = 0.005                        // per second of a track decoded and placed
	audioEncodeCost = 0.012                        // per second mixed and encoded

	encodedAt = 1280 * 720 * 25 // pixels per second of encodeCost
)

// coreTime is a cost as time of one core, at least some: what costs nothing would be no part of a film.
func coreTime(seconds float64) time.Duration {
	return max(time.Millisecond, time.Duration(seconds*float64(time.Second)))
}

// Costs returns what each chunk of the task costs.
func (t *VideoTask) Costs() []time.Duration {
	costs := make([]time.Duration, len(t.Chunks))
	for i, chunk := range t.Chunks {
		costs[i] = coreTime(t.cost(chunk.From, chunk.To))
	}
	return costs
}

// Spent returns what the first frames of the task cost, counted from chunk number from of the film.
func (t *VideoTask) Spent(from, frames int) (spent time.Duration) {
	for _, chunk := range t.Chunks[from-t.First:] {
		n := min(frames, chunk.To-chunk.From)
		if n <= 0 {
			break
		}
		spent += coreTime(t.cost(chunk.From, chunk.From+n))
		frames -= n
	}
	return spent
}

// cost returns what the frames [from, to) cost: those of the canvas, and the packets that are decoded for them.
func (t *VideoTask) cost(from, to int) float64 {
	cost := float64((to-from)*t.Canvas.W*t.Canvas.H) / encodedAt * encodeCost
	for _, track := range t.Tracks {
		decoded := 0
		for _, r := range track.Ranges {
			packets := max(r.End-max(r.Start, decoded), 0)
			decoded = max(decoded, r.End)
			shown := max(min(r.To, to)-max(r.From, from), 0)
			cost += float64(packets*track.Media.MaxW*track.Media.MaxH) / 1e6 * decodeCost * float64(shown) / float64(r.To-r.From)
		}
	}
	return cost
}

// Cost returns what the task costs.
func (t *AudioTask) Cost() time.Duration { return t.Spent(t.To - t.From) }

// Spent returns what the first samples of the task cost.
func (t *AudioTask) Spent(samples int64) time.Duration {
	to := t.From + samples
	cost := 0.0
	for _, track := range t.Tracks {
		for _, run := range track.Runs {
			cost += timeline.SampleTime(max(min(run.At+run.Length, to)-max(run.At, t.From), 0)).Seconds() * audioTrackCost
		}
	}
	if t.Encoder.Codec != protocol.Lossless {
		cost += timeline.SampleTime(samples).Seconds() * audioEncodeCost
	}
	return coreTime(cost)
}

// EncodeCost returns what the encoding of the film's audio costs that several tasks left.
func (s *Summary) EncodeCost() time.Duration { return s.Encoded(s.Samples) }

// Encoded returns what the encoding of the first samples costs.
func (s *Summary) Encoded(samples int64) time.Duration {
	return coreTime(timeline.SampleTime(samples).Seconds() * audioEncodeCost)
}
