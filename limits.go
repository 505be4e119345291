package roomreel

import "time"

// FilmLimits bound what one composition may ask for. Without them, two recordings whose offsets lie years apart would make
// a film of billions of frames.
type FilmLimits struct {
	FilmLength   time.Duration // of the film
	OffsetSpread time.Duration // from the earliest start to the latest end of the recordings, gaps that trimming removes included
	Frames       int           // video frames of the film
	Tracks       int           // recordings of one room that a composition reads
}

// WithDefaults returns the limits with the default in place of each that is zero.
func (l FilmLimits) WithDefaults() FilmLimits {
	const day = 24 * time.Hour
	if l.FilmLength == 0 {
		l.FilmLength = day
	}
	if l.OffsetSpread == 0 {
		l.OffsetSpread = 365 * day // a room may be used for months; an offset in a wrong unit is still refused
	}
	if l.Frames == 0 {
		l.Frames = 24 * 60 * 60 * 60 // a day at 60 frames per second
	}
	if l.Tracks == 0 {
		l.Tracks = 1000
	}
	return l
}
