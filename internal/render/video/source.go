package video

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/render/protocol"
)

// numbered is a decoded frame. A source numbers its frames from 1, so that a canvas can remember which frame it shows
// without keeping the frame.
type numbered struct {
	frame   *codec.Frame
	serial  int64
	display protocol.Display
}

// maxQueue bounds how many decoded frames of a source wait for their time, and maxQueuePixels their pixels in all. More
// than a few wait only when a damaged file's packets come far ahead of their time. The oldest are then shown early.
const (
	maxQueue       = 64
	maxQueuePixels = 6 * codec.MaxPixels
)

// source is one track: its decoder, the frame it shows, and those that come next.
type source struct {
	track   protocol.Track      // with all its parts
	part    int                 // of the last packet
	decoder *codec.VideoDecoder // nil before the first packet, and for good when it cannot be opened
	refused error               // why it cannot be opened
	shown   numbered            // serial 0: nothing yet
	queue   []numbered          // ascending by time, all after shown
	free    []*codec.Frame
	spare   *codec.Frame    // where the next frame is received
	held    []time.Duration // times of packets whose frames the decoder may hold back, ascending
	serial  int64
	width   int
	height  int
	stats   protocol.TrackStats
}

func newSource(t protocol.Track) *source { return &source{track: t} }

// decode gives the decoder a packet and takes what comes out. A packet that the decoder refuses is counted; the last good
// frame stays.
func (s *source) decode(p protocol.Packet) {
	s.stats.Packets++
	if p.Part != s.part {
		s.begin(p.Part)
	}
	if s.decoder == nil && s.refused == nil {
		if part, ok := s.track.Part(s.part); ok {
			s.decoder, s.refused = codec.OpenVideoDecoder(part.Codec, part.Private)
		} else {
			s.refused = fmt.Errorf("the track has no part %d", s.part)
		}
	}
	if s.refused != nil {
		s.stats.Refuse(s.refused)
		return
	}
	if len(p.Data) == 0 {
		s.stats.Refuse(errors.New("the packet is empty"))
		return
	}
	if err := s.decoder.Send(p.Data, int64(p.Time)); err != nil {
		s.stats.Refuse(err)
		s.receive()
		return
	}
	i, _ := slices.BinarySearch(s.held, p.Time)
	s.held = slices.Insert(s.held, i, p.Time)
	s.receive()
	if s.decoder.Delay() == 0 || len(s.held) > maxQueue {
		s.held = s.held[:0] // what has not come out by now never comes
	}
}

// begin ends the decoder of a part, whose frames stay, so that the next packet opens that of another.
func (s *source) begin(part int) {
	s.drain()
	if s.decoder != nil {
		s.decoder.Close()
	}
	s.decoder, s.refused, s.part = nil, nil, part
}

// drain takes what the decoder still holds when no more packets come.
func (s *source) drain() {
	if s.decoder == nil {
		return
	}
	if err := s.decoder.Send(nil, 0); err == nil {
		s.receive()
	}
	s.held = s.held[:0]
}

func (s *source) receive() {
	for refused := 0; refused < maxQueue; {
		if s.spare == nil {
			s.spare = s.unused()
		}
		ok, err := s.decoder.Receive(s.spare)
		if err != nil {
			s.stats.Refuse(err)
			refused++
			continue
		}
		if !ok {
			return
		}
		s.stats.Decoded++
		s.enqueue()
	}
}

// enqueue puts the frame just received in its place, by time.
func (s *source) enqueue() {
	f := s.spare
	s.spare = nil
	if f.Width != s.width || f.Height != s.height {
		if s.width != 0 {
			s.stats.Sizes++
		}
		s.width, s.height = f.Width, f.Height
	}
	at := time.Duration(f.PTS)
	s.held = slices.DeleteFunc(s.held, func(t time.Duration) bool { return t <= at })
	if s.shown.frame != nil && f.PTS < s.shown.frame.PTS {
		f.Unref()
		s.free = append(s.free, f) // too late: a newer one has been shown
		return
	}
	s.serial++
	part, _ := s.track.Part(s.part)
	next := numbered{frame: f, serial: s.serial, display: part.Display}
	i := len(s.queue)
	for i > 0 && s.queue[i-1].frame.PTS > f.PTS {
		i--
	}
	s.queue = slices.Insert(s.queue, i, next)
	if len(s.queue) > maxQueue || len(s.queue)*f.Width*f.Height > maxQueuePixels {
		s.take()
	}
}

// holdsBack reports whether the decoder may still hand out a frame that is due at the given time.
func (s *source) holdsBack(at time.Duration) bool { return len(s.held) > 0 && s.held[0] <= at }

// advance shows the newest frame that is due at the given time.
func (s *source) advance(at time.Duration) {
	for len(s.queue) > 0 && time.Duration(s.queue[0].frame.PTS) <= at {
		s.take()
	}
}

// take shows the first frame of the queue.
func (s *source) take() {
	if s.shown.frame != nil {
		s.shown.frame.Unref()
		s.free = append(s.free, s.shown.frame)
	}
	s.shown = s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
}

func (s *source) unused() *codec.Frame {
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		return f
	}
	return codec.NewFrame()
}

func (s *source) close() {
	if s.decoder != nil {
		s.decoder.Close()
	}
	for _, f := range append(s.free, s.spare, s.shown.frame) {
		if f != nil {
			f.Close()
		}
	}
	for _, q := range s.queue {
		q.frame.Close()
	}
}
