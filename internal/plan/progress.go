package plan

import "time"

// Work is what a film costs, or what is left of it, in time of one core.
type Work struct{ Video, Audio time.Duration }

// Add adds the work of a task.
func (w *Work) Add(audio bool, cost time.Duration) {
	if audio {
		w.Audio += cost
	} else {
		w.Video += cost
	}
}

// How many cores a task can use: a video child decodes and encodes at the same time.
const (
	videoCores = 1.5
	audioCores = 1
)

// wall returns how long the work takes on so many cores, in seconds: video and audio at the same time, then the rest of one of them.
func (w Work) wall(cores, parallel int) float64 {
	video, audio := videoCores*float64(max(parallel, 1)), float64(audioCores)
	share := min(1, float64(max(cores, 1))/(video+audio)) // of the cores that both could use
	video, audio = min(video, float64(max(cores, 1))), min(audio, float64(max(cores, 1)))
	v, a := w.Video.Seconds(), w.Audio.Seconds()
	both := min(v/(video*share), a/(audio*share))
	return both + max(0, v-both*video*share)/video + max(0, a-both*audio*share)/audio
}

// Progress says how far a film is.
type Progress struct {
	Share float64       // of the time that it takes, 0 to 1
	Left  time.Duration // until it is made
}

// EstimateProgress returns how far a film is when left is left of all its work after it was worked on for so long. parallel is how
// many video tasks run at a time.
//
// What is left takes as long as what was done, in proportion. At the beginning, that is not known: the first quarter of a second is taken
// from the costs themselves.
func EstimateProgress(all, left Work, worked time.Duration, cores, parallel int) Progress {
	const known = 0.25 // seconds
	total, rest := all.wall(cores, parallel), left.wall(cores, parallel)
	if total <= 0 {
		return Progress{}
	}
	done := max(0, total-rest)
	speed := (worked.Seconds() + known) / (done + known)
	return Progress{Share: min(1, done/total), Left: time.Duration(rest * speed * float64(time.Second))}
}
