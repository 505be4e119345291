package compose

import (
	"sync/atomic"

	"roomreel/internal/timeline"
)

// progress adds up what several children have done. Sound costs about a twentieth of what the picture does.
type progress struct {
	pictureCounts []atomic.Int64
	samples       atomic.Int64
	fps           int
	total         float64
	tell          func(float64)
}

const soundShare = 1.0 / 20

func newProgress(plan *Plan, stretches int, tell func(float64)) *progress {
	seconds := plan.Length.Seconds()
	total := 0.0
	if plan.Pictures > 0 {
		total += seconds
	}
	if plan.Samples > 0 {
		total += seconds * soundShare
	}
	p := &progress{pictureCounts: make([]atomic.Int64, stretches), fps: plan.FPS, total: total, tell: tell}
	if tell == nil {
		p.tell = func(float64) {}
	}
	return p
}

func (p *progress) report() {
	done := float64(p.samples.Load()) / timeline.SampleRate * soundShare
	for i := range p.pictureCounts {
		done += float64(p.pictureCounts[i].Load()) / float64(p.fps)
	}
	p.tell(min(1, done/p.total))
}

func (p *progress) sound(samples int64) {
	p.samples.Store(samples)
	p.report()
}

func (p *progress) pictures(stretch int) func(int) {
	return func(done int) {
		p.pictureCounts[stretch].Store(int64(done))
		p.report()
	}
}
