package video

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/media/bitstream"
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
	all     protocol.Track      // with all its parts
	part    int                 // of the last packet:
	track   protocol.Track      // describes it
	decoder *codec.VideoDecoder // nil before the first packet, and for good when it cannot be opened
	refused error               // why it cannot be opened
	shown   numbered            // serial 0: nothing yet
	queue   []numbered          // ascending by time, all after shown
	free    []*codec.Frame
	spare   *codec.Frame    // where the next frame is received
	held    []time.Duration // times of packets whose frames the decoder may hold back, ascending
	keyed   bool            // a keyframe came
	broken  bool            // a frame is missing that those that come next need
	since   time.Duration   // time of the packet with which that began
	whole   time.Duration   // time of the keyframe with which it ended
	spoilt  []time.Duration // times of the last packets that needed it
	serial  int64
	width   int
	height  int
	stats   protocol.TrackStats

	last       time.Duration // of the packet that the decoder took last
	concealing bool          // no frame has come since a packet was refused, and
	concealed  time.Duration // the time of the first of these
}

func newSource(t protocol.Track) *source { return &source{all: t} }

// decode gives the decoder a packet and takes what comes out. A packet that the decoder refuses is counted; the last good
// frame stays.
func (s *source) decode(p protocol.Packet) {
	if s.counted(p.Time) {
		s.stats.Packets++
	}
	if p.Part != s.part {
		s.begin(p.Part)
	}
	if s.decoder == nil && s.refused == nil {
		if part, ok := s.all.Part(s.part); ok {
			s.track = part
			if s.decoder, s.refused = codec.OpenVideoDecoder(part.Codec, part.Private); s.decoder != nil {
				s.decoder.Colour = codec.Colour(part.Colour)
			}
		} else {
			s.refused = fmt.Errorf("the track has no part %d", s.part)
		}
	}
	if s.refused != nil {
		s.refuse(p.Time, s.refused)
		return
	}
	if len(p.Data) == 0 {
		s.refuse(p.Time, errors.New("the packet is empty"))
		return
	}
	if s.all.ShownFrom != 0 {
		s.decoder.SkipUnreferenced(p.Time < s.all.ShownFrom)
	}
	parts := [][]byte{p.Data}
	if s.track.Codec == "av1" {
		parts = bitstream.SplitLayers(p.Data)
	}
	for _, part := range parts {
		err := s.decoder.Send(part, int64(p.Time))
		s.follow(p, err)
		if err != nil {
			s.refuse(p.Time, err)
			s.receive()
			return
		}
		s.last = p.Time
		s.hold(p.Time)
		s.receive()
	}
	if s.decoder.Delay() == 0 || len(s.held) > maxQueue {
		s.held = s.held[:0] // what has not come out by now never comes
	}
}

// counted reports whether a packet or frame of this time is in this child's stats.
func (s *source) counted(at time.Duration) bool { return s.all.Counted == 0 || at >= s.all.Counted }

// refuse counts what cannot be decoded. From its time on the last good frame is held.
func (s *source) refuse(at time.Duration, err error) {
	if !s.counted(at) {
		return
	}
	s.stats.Refuse(err)
	if !s.concealing {
		s.concealing, s.concealed = true, at
	}
}

// countDecoded counts a frame that was decoded.
func (s *source) countDecoded(at time.Duration) {
	if s.counted(at) {
		s.stats.Decoded++
	}
	if s.concealing && at > s.concealed {
		s.concealing = false
		s.stats.Concealed += at - s.concealed
	}
}

// hold notes that the decoder may hold back the frame of a time.
func (s *source) hold(at time.Duration) {
	if i, found := slices.BinarySearch(s.held, at); !found {
		s.held = slices.Insert(s.held, i, at)
	}
}

// maxBroken is for how long frames are left out that need a missing one, until a keyframe comes. A recording whose next keyframe is
// an hour away shows something sooner.
const maxBroken = 10 * time.Second

// follow notes whether the packet that was just sent needs a frame that is missing. The decoders of AV1 and HEVC conceal
// nothing: what they make of such packets is grey, or of colours that were not recorded.
func (s *source) follow(p protocol.Packet, err error) {
	lost := s.decoder.Lost()
	switch {
	case p.Key && err == nil:
		if s.broken {
			s.whole = p.Time // frames of an open GOP are shown before their keyframe, and need earlier ones
		}
		s.keyed, s.broken = true, false
	case s.broken && s.keyed && p.Time > s.since+maxBroken:
		s.broken = false
	case !s.broken && p.Time >= s.whole && (lost || err != nil && s.track.Codec == "av1"):
		s.broken, s.since = true, p.Time
	}
	if s.broken || p.Time < s.whole {
		if s.spoilt = append(s.spoilt, p.Time); len(s.spoilt) > maxQueue {
			s.spoilt = slices.Delete(s.spoilt, 0, 1)
		}
	}
}

// begin ends the decoder of a part, whose frames stay, so that the next packet opens that of another.
func (s *source) begin(part int) {
	s.drain()
	if s.decoder != nil {
		s.decoder.Close()
	}
	s.decoder, s.refused, s.part = nil, nil, part
	s.keyed, s.broken, s.whole, s.spoilt = false, false, 0, nil
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
			s.refuse(s.last, err)
			refused++
			continue
		}
		if !ok {
			return
		}
		s.enqueue()
	}
}

// errLost is why a frame is left out that needs one that is missing.
var errLost = errors.New("a frame before it is missing")

func (s *source) recycle(f *codec.Frame) {
	f.Unref()
	s.free = append(s.free, f)
}

// enqueue puts the frame just received in its place, by time. It replaces one of the same time, which is a smaller layer of it.
func (s *source) enqueue() {
	f := s.spare
	s.spare = nil
	at := time.Duration(f.PTS)
	s.held = slices.DeleteFunc(s.held, func(t time.Duration) bool { return t <= at })
	if slices.Contains(s.spoilt, at) {
		s.refuse(at, errLost)
		s.recycle(f)
		return
	}
	if s.shown.frame != nil && f.PTS < s.shown.frame.PTS {
		s.countDecoded(at)
		s.recycle(f) // too late: a newer one has been shown
		return
	}
	s.serial++
	next := numbered{frame: f, serial: s.serial, display: s.track.Display}
	i := len(s.queue)
	for i > 0 && s.queue[i-1].frame.PTS > f.PTS {
		i--
	}
	if i > 0 && s.queue[i-1].frame.PTS == f.PTS {
		s.recycle(s.queue[i-1].frame)
		s.queue[i-1] = next
		return
	}
	s.countDecoded(at)
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

// countSize notes a change of the size of frames that are shown.
func (s *source) countSize() {
	f := s.shown.frame
	if f == nil || f.Width == s.width && f.Height == s.height {
		return
	}
	if s.width != 0 {
		s.stats.Sizes++
	}
	s.width, s.height = f.Width, f.Height
	if len(s.stats.Seen) < protocol.MaxSeen {
		s.stats.Seen = append(s.stats.Seen, protocol.FrameSize{At: time.Duration(f.PTS), Width: f.Width, Height: f.Height})
	}
}

// take shows the first frame of the queue.
func (s *source) take() {
	if s.shown.frame != nil {
		s.recycle(s.shown.frame)
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
