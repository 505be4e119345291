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
	encodeCost      = 0.13                         // per second of 1280x720 drawn and encoded, 25 frames each
	audioTrackCost  = 0.006                        // per second of a track decoded and placed
	audioEncodeCost = 0.008                        // per second mixed and encoded

	encodedAt = 1280 * 720 * 25 // pixels per second of encodeCost
)

// coreTime is a cost as time of one core, at least some: what costs nothing would be no part of a film.
func coreTime(seconds float64) time.Duration {
	return max(time.Millisecond, time.Duration(seconds*float64(time.Second)))
}

// Costs returns what each chunk of the task costs: the frames of the canvas, and the packets that are decoded for them.
func (t *VideoTask) Costs() []time.Duration {
	costs := make([]float64, len(t.Chunks))
	for i, chunk := range t.Chunks {
		costs[i] = float64((chunk.To-chunk.From)*t.Canvas.W*t.Canvas.H) / encodedAt * encodeCost
	}
	for _, track := range t.Tracks {
		chunk, decoded := 0, 0
		for _, r := range track.Ranges {
			for chunk+1 < len(t.Chunks) && r.From >= t.Chunks[chunk].To {
				chunk++
			}
			packets := r.End - max(r.Start, decoded)
			decoded = max(decoded, r.End)
			costs[chunk] += float64(max(packets, 0)*track.Media.MaxW*track.Media.MaxH) / 1e6 * decodeCost
		}
	}
	result := make([]time.Duration, len(costs))
	for i, cost := range costs {
		result[i] = coreTime(cost)
	}
	return result
}

// Spent returns what the first frames of the task cost, counted from chunk number from of the film.
func (t *VideoTask) Spent(from, frames int) (spent time.Duration) {
	for i, cost := range t.Costs() {
		chunk := t.Chunks[i]
		if t.First+i < from {
			continue
		}
		spent += partOf(cost, min(frames, chunk.To-chunk.From), chunk.To-chunk.From)
		frames = max(0, frames-(chunk.To-chunk.From))
	}
	return spent
}

// partOf returns the cost of a part of something.
func partOf[N int | int64](cost time.Duration, part, whole N) time.Duration {
	return time.Duration(float64(cost) * float64(part) / float64(max(whole, 1)))
}

// Cost returns what the task costs.
func (t *AudioTask) Cost() time.Duration {
	seconds := 0.0
	for _, track := range t.Tracks {
		for _, run := range track.Runs {
			seconds += timeline.SampleTime(max(run.Decoded-run.Start, 0)).Seconds()
		}
	}
	cost := seconds * audioTrackCost
	if t.Encoder.Codec != protocol.Lossless {
		cost += timeline.SampleTime(t.To-t.From).Seconds() * audioEncodeCost
	}
	return coreTime(cost)
}

// Spent returns what the first samples of the task cost.
func (t *AudioTask) Spent(samples int64) time.Duration { return partOf(t.Cost(), samples, t.To-t.From) }

// EncodeCost returns what the encoding of the film's audio costs that several tasks left.
func (s *Summary) EncodeCost() time.Duration {
	return coreTime(timeline.SampleTime(s.Samples).Seconds() * audioEncodeCost)
}

// Encoded returns what the encoding of the first samples costs.
func (s *Summary) Encoded(samples int64) time.Duration {
	return partOf(s.EncodeCost(), samples, s.Samples)
}
