package picture

import (
	"slices"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/render"
)

// shown is a decoded picture. Serial counts a source's pictures from 1, so that a canvas can remember what it holds
// without holding it.
type shown struct {
	picture *codec.Picture
	serial  int64
}

// maxQueue bounds the decoded pictures of a source that wait for their instant, and maxQueuePixels their size in all.
// A stream needs more than a few only when its packets come far ahead of their time, which is the file's mistake; the
// oldest are then shown early.
const (
	maxQueue       = 64
	maxQueuePixels = 6 * codec.MaxPixels
)

// source is one track: its decoder, the picture it shows, and those that come next.
type source struct {
	track   render.Track
	decoder *codec.VideoDecoder // nil before the first packet, and for good when it cannot be opened
	refused bool
	shown   shown   // serial 0: nothing yet
	queue   []shown // ascending by time, all after shown
	free    []*codec.Picture
	spare   *codec.Picture  // where the next picture is received
	owed    []time.Duration // times of packets whose pictures the decoder may hold back, ascending
	serial  int64
	width   int
	height  int
	facts   render.TrackStats
}

func newSource(t render.Track) *source { return &source{track: t} }

// decode gives the decoder a packet and takes what comes out. What a decoder refuses is counted, and changes nothing
// that is shown: the last good picture stays.
func (s *source) decode(p render.Packet) {
	s.facts.Packets++
	if s.decoder == nil && !s.refused {
		decoder, err := codec.OpenVideoDecoder(s.track.Codec, s.track.Private)
		s.decoder, s.refused = decoder, err != nil
	}
	if s.refused || len(p.Data) == 0 {
		s.facts.Errors++
		return
	}
	if err := s.decoder.Send(p.Data, int64(p.Time)); err != nil {
		s.facts.Errors++
		s.receive()
		return
	}
	i, _ := slices.BinarySearch(s.owed, p.Time)
	s.owed = slices.Insert(s.owed, i, p.Time)
	s.receive()
	if s.decoder.Delay() == 0 || len(s.owed) > maxQueue {
		s.owed = s.owed[:0] // what has not come out by now never will
	}
}

// drain takes what the decoder still holds when no more packets come.
func (s *source) drain() {
	if s.decoder == nil {
		return
	}
	if err := s.decoder.Send(nil, 0); err == nil {
		s.receive()
	}
	s.owed = s.owed[:0]
}

func (s *source) receive() {
	for errors := 0; errors < maxQueue; {
		if s.spare == nil {
			s.spare = s.unused()
		}
		ok, err := s.decoder.Receive(s.spare)
		if err != nil {
			s.facts.Errors++
			errors++
			continue
		}
		if !ok {
			return
		}
		s.facts.Decoded++
		s.enqueue()
	}
}

// enqueue puts the picture just received in its place, by time.
func (s *source) enqueue() {
	p := s.spare
	s.spare = nil
	if p.Width != s.width || p.Height != s.height {
		if s.width != 0 {
			s.facts.Sizes++
		}
		s.width, s.height = p.Width, p.Height
	}
	at := time.Duration(p.PTS)
	s.owed = slices.DeleteFunc(s.owed, func(t time.Duration) bool { return t <= at })
	if s.shown.picture != nil && p.PTS < s.shown.picture.PTS {
		p.Unref()
		s.free = append(s.free, p) // too late: a newer one has been shown
		return
	}
	s.serial++
	next := shown{picture: p, serial: s.serial}
	i := len(s.queue)
	for i > 0 && s.queue[i-1].picture.PTS > p.PTS {
		i--
	}
	s.queue = slices.Insert(s.queue, i, next)
	if len(s.queue) > maxQueue || len(s.queue)*p.Width*p.Height > maxQueuePixels {
		s.take()
	}
}

// owes reports whether the decoder may still hand out a picture for the given instant.
func (s *source) owes(at time.Duration) bool { return len(s.owed) > 0 && s.owed[0] <= at }

// advance shows the newest picture that is due at the given instant.
func (s *source) advance(at time.Duration) {
	for len(s.queue) > 0 && time.Duration(s.queue[0].picture.PTS) <= at {
		s.take()
	}
}

// take shows the first picture of the queue.
func (s *source) take() {
	if s.shown.picture != nil {
		s.shown.picture.Unref()
		s.free = append(s.free, s.shown.picture)
	}
	s.shown = s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
}

func (s *source) unused() *codec.Picture {
	if n := len(s.free); n > 0 {
		p := s.free[n-1]
		s.free = s.free[:n-1]
		return p
	}
	return codec.NewPicture()
}

func (s *source) close() {
	if s.decoder != nil {
		s.decoder.Close()
	}
	for _, p := range append(s.free, s.spare, s.shown.picture) {
		if p != nil {
			p.Close()
		}
	}
	for _, q := range s.queue {
		q.picture.Close()
	}
}
