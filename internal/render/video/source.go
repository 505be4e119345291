package video

import (
	"errors"
	"slices"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/render/protocol"
)

// numbered is a decoded frame. A source numbers its frames from 1, so that a canvas can remember which frame it shows
// without keeping the frame.
type numbered struct {
	frame  *codec.Frame
	serial int64
}

// maxQueue bounds how many decoded frames of a source wait for their time, and maxQueuePixels their pixels in all. More
// than a few wait only when a damaged file's packets come far ahead of their time. The oldest are then shown early.
const (
	maxQueue       = 64
	maxQueuePixels = 6 * codec.MaxPixels
)

// source is one track: its decoder, the frame it shows, and those that come next.
type source struct {
	track   protocol.Track
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

	last     time.Duration // of the packet that the decoder took last
	broken   bool          // no frame has come since a packet was refused, and
	brokenAt time.Duration // the time of the first of these
}

func newSource(t protocol.Track) *source { return &source{track: t} }

// decode gives the decoder a packet and takes what comes out. A packet that the decoder refuses is counted; the last good
// frame stays.
func (s *source) decode(p protocol.Packet) {
	counted := s.counted(p.Time)
	if counted {
		s.stats.Packets++
	}
	refuse := func(err error) {
		if counted {
			s.stats.Refuse(err)
			s.conceal(p.Time)
		}
	}
	if s.decoder == nil && s.refused == nil {
		s.decoder, s.refused = codec.OpenVideoDecoder(s.track.Codec, s.track.Private)
	}
	if s.refused != nil {
		refuse(s.refused)
		return
	}
	if len(p.Data) == 0 {
		refuse(errors.New("the packet is empty"))
		return
	}
	if err := s.decoder.Send(p.Data, int64(p.Time)); err != nil {
		refuse(err)
		s.receive()
		return
	}
	s.last = p.Time
	i, _ := slices.BinarySearch(s.held, p.Time)
	s.held = slices.Insert(s.held, i, p.Time)
	s.receive()
	if s.decoder.Delay() == 0 || len(s.held) > maxQueue {
		s.held = s.held[:0] // what has not come out by now never comes
	}
}

// counted reports whether a packet or frame of this time is in this child's stats.
func (s *source) counted(at time.Duration) bool {
	return s.track.Counted == 0 || at >= s.track.Counted
}

// conceal notes that from this time on the last good frame is held.
func (s *source) conceal(at time.Duration) {
	if !s.broken {
		s.broken, s.brokenAt = true, at
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
	s.held = s.held[:0]
}

func (s *source) receive() {
	for refused := 0; refused < maxQueue; {
		if s.spare == nil {
			s.spare = s.unused()
		}
		ok, err := s.decoder.Receive(s.spare)
		if err != nil {
			if s.counted(s.last) {
				s.stats.Refuse(err)
				s.conceal(s.last)
			}
			refused++
			continue
		}
		if !ok {
			return
		}
		s.enqueue()
	}
}

// enqueue puts the frame just received in its place, by time.
func (s *source) enqueue() {
	f := s.spare
	s.spare = nil
	at := time.Duration(f.PTS)
	if s.counted(at) {
		s.stats.Decoded++
	}
	if f.Width != s.width || f.Height != s.height {
		if s.width != 0 && s.counted(at) {
			s.stats.Sizes++
		}
		s.width, s.height = f.Width, f.Height
		if len(s.stats.Seen) < protocol.MaxSeen {
			s.stats.Seen = append(s.stats.Seen, protocol.FrameSize{At: at, Width: f.Width, Height: f.Height})
		}
	}
	if s.broken && at > s.brokenAt {
		s.broken = false
		s.stats.Concealed += at - s.brokenAt
	}
	s.held = slices.DeleteFunc(s.held, func(t time.Duration) bool { return t <= at })
	if s.shown.frame != nil && f.PTS < s.shown.frame.PTS {
		f.Unref()
		s.free = append(s.free, f) // too late: a newer one has been shown
		return
	}
	s.serial++
	next := numbered{frame: f, serial: s.serial}
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
