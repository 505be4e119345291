package render

import "sync/atomic"

// shared is a page of memory that parent and child both see. The child writes it without system calls, so that it
// outlives even the worst death; the parent only ever reads what the child may have written as numbers to be judged.
type shared struct {
	serving atomic.Int64 // track + 1 for which the child works; 0 for none
	steps   atomic.Int64 // grows with whatever the child gets done
}

func (s *shared) step() { s.steps.Add(1) }

func (s *shared) serve(track int) {
	s.serving.Store(int64(track) + 1)
	s.steps.Add(1)
}

// suspect returns the track served last, -1 when there is none.
func (s *shared) suspect() int {
	track := s.serving.Load() - 1
	if track < 0 || track > maxTracks {
		return -1
	}
	return int(track)
}
