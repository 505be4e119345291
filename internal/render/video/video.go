// Package video is the child's side of a film's video. It decodes every source's packets, puts the newest frame of each
// into its cell of a canvas, and encodes the canvases chunk by chunk.
//
// Packets drive it. They arrive in the order in which output frames need them, so when one arrives that is needed after
// a frame's time, that frame can be composed. The plan decides everything: the package knows no rooms, containers or
// files. A source that stalls, changes its frame size or is damaged changes only what its cell shows. One goroutine
// decodes and draws, another encodes. Start with [Run].
package video

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Conn is the connection with the parent, as *protocol.Conn is. One goroutine calls Next and WorkingOn while another calls the
// rest.
type Conn interface {
	Next() (protocol.Packet, error) // io.EOF after the last
	WorkingOn(track int)            // -1 for none
	Header(protocol.Header) error
	Packet(protocol.Packet) error
	ChunkDone(protocol.ChunkDone) error
	Progress(done int64) error
}

// Run carries out the plan. An error means that the film would be wrong: the plan is impossible, the encoder failed or the
// connection broke. Damaged sources are no error; the stats count them.
func Run(plan protocol.VideoPlan, conn Conn) (protocol.Stats, error) {
	if err := checkPlan(plan); err != nil {
		return protocol.Stats{}, fmt.Errorf("video plan: %w", err)
	}
	if plan.Encoder.Codec == protocol.Unencoded {
		return runStill(plan, conn)
	}
	c := &composer{plan: plan, conn: conn, tracks: make([]*source, len(plan.Tracks))}
	c.begin(plan.Chunks[0].From)
	for i, t := range plan.Tracks {
		c.tracks[i] = newSource(t)
	}
	defer func() {
		for _, s := range c.tracks {
			s.close()
		}
	}()
	w, err := newWriter(plan, conn)
	if err != nil {
		return protocol.Stats{}, err
	}
	c.out = w
	err = c.run()
	if cause := w.wait(); cause != nil {
		return protocol.Stats{}, cause // then run's error only says that the writer stopped
	}
	if err != nil {
		return protocol.Stats{}, err
	}
	return protocol.Stats{Frames: w.done, Tracks: c.stats()}, nil
}

// checkPlan refuses plans that would draw outside the canvas or never end.
func checkPlan(p protocol.VideoPlan) error {
	if err := codec.CheckSize(p.Width, p.Height); err != nil {
		return err
	}
	if p.FPS < 1 {
		return fmt.Errorf("%d frames per second", p.FPS)
	}
	if len(p.Chunks) == 0 {
		return errors.New("no chunks")
	}
	for i, c := range p.Chunks {
		if c.From < 0 || c.To <= c.From || i > 0 && p.Chunks[i-1].To != c.From {
			return fmt.Errorf("chunk %d covers frames %d to %d", i, c.From, c.To)
		}
	}
	if len(p.Scenes) == 0 || p.Scenes[0].From > p.Chunks[0].From {
		return errors.New("no scene for the first frame")
	}
	for i, s := range p.Scenes {
		if i > 0 && s.From <= p.Scenes[i-1].From {
			return fmt.Errorf("scene %d is out of order", i)
		}
		for _, cell := range s.Cells {
			if cell.Track < 0 || cell.Track >= len(p.Tracks) {
				return fmt.Errorf("scene %d shows track %d of %d", i, cell.Track, len(p.Tracks))
			}
			if (cell.X|cell.Y|cell.W|cell.H)&1 != 0 || cell.X < 0 || cell.Y < 0 || cell.W < 2 || cell.H < 2 ||
				cell.X > p.Width-cell.W || cell.Y > p.Height-cell.H {
				return fmt.Errorf("scene %d: cell %dx%d at %d,%d is odd or leaves the canvas", i, cell.W, cell.H, cell.X, cell.Y)
			}
		}
	}
	return nil
}

// composer takes packets and composes output frames. Its goroutine decodes and draws.
type composer struct {
	plan   protocol.VideoPlan
	conn   Conn
	tracks []*source
	out    *writer

	next    int           // the frame to compose next
	at      time.Duration // its time
	chunk   int           // the plan's chunk that it belongs to
	scene   int           // the plan's scene that it belongs to
	current *canvas       // the canvas of the frame before it; nil at first
}

// reorderWait is for how much output time a frame waits for a decoder that holds frames back to put them in order. Streams
// with B-frames send the next packet within 1/10 s. A stream that ends must not hold up the film.
const reorderWait = 500 * time.Millisecond

// begin makes n the frame to compose next.
func (c *composer) begin(n int) { c.next, c.at = n, timeline.FrameTime(n, c.plan.FPS) }

func (c *composer) run() error {
	defer c.out.end()
	end := c.plan.Chunks[len(c.plan.Chunks)-1].To
	for {
		p, err := c.conn.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("next packet: %w", err)
		}
		if p.Track < 0 || p.Track >= len(c.tracks) {
			return fmt.Errorf("packet of track %d of %d", p.Track, len(c.tracks))
		}
		for c.next < end && c.ready(p.Need) {
			if err := c.compose(); err != nil {
				return err
			}
		}
		c.decode(p)
	}
	for i, s := range c.tracks {
		c.conn.WorkingOn(i)
		s.drain()
	}
	c.conn.WorkingOn(-1)
	for c.next < end {
		if err := c.compose(); err != nil {
			return err
		}
	}
	return nil
}

// ready reports whether the next frame can be composed once a packet has come that is needed at the given time: all
// packets that are due have been decoded, and no decoder of a visible track holds back a frame that is due.
func (c *composer) ready(need time.Duration) bool {
	if need <= c.at {
		return false
	}
	if need > c.at+reorderWait {
		return true
	}
	for _, cell := range c.cells() {
		if c.tracks[cell.Track].holdsBack(c.at) {
			return false
		}
	}
	return true
}

func (c *composer) decode(p protocol.Packet) {
	c.conn.WorkingOn(p.Track)
	c.tracks[p.Track].decode(p)
	if p.Last {
		c.tracks[p.Track].drain()
	}
	c.conn.WorkingOn(-1)
	c.tracks[p.Track].advance(c.at) // frees what is older than the next frame shows
}

// cells returns what the next frame shows.
func (c *composer) cells() []protocol.Cell {
	for c.scene+1 < len(c.plan.Scenes) && c.plan.Scenes[c.scene+1].From <= c.next {
		c.scene++
	}
	return c.plan.Scenes[c.scene].Cells
}

// compose hands the next frame to the encoder: the canvas of the frame before when nothing changed, else another one. What is
// the same is seen before anything is drawn, or by comparing.
func (c *composer) compose() error {
	cells := c.cells()
	for _, s := range c.tracks {
		s.advance(c.at)
		s.countSize()
	}
	same := c.current != nil && c.current.shows(c.scene, cells, c.tracks)
	if !same {
		var err error
		if same, err = c.draw(cells); err != nil {
			return err
		}
	}
	for i, s := range c.tracks {
		if s.shown.serial != 0 && shows(cells, i) {
			s.stats.Shown++
		}
	}
	c.begin(c.next + 1)
	var done []protocol.TrackStats
	if c.next == c.plan.Chunks[c.chunk].To {
		done = c.stats()
		c.chunk++
	}
	return c.out.encode(c.current, same, done)
}

// draw draws the next frame on another canvas, and keeps that of the frame before where the two are the same: a screen that stands still
// is sent again and again.
func (c *composer) draw(cells []protocol.Cell) (same bool, err error) {
	canvas, err := c.out.blank()
	if err != nil {
		return false, err
	}
	if err := canvas.draw(c.scene, cells, c.tracks, c.conn.WorkingOn); err != nil {
		return false, err
	}
	before := c.current
	if before == nil {
		c.current = canvas
		return false, nil
	}
	if canvas.pixels.Equal(before.pixels) {
		before.scene, before.drawn = canvas.scene, slices.Clone(canvas.drawn)
		return true, c.out.release(canvas)
	}
	c.current = canvas
	return false, c.out.release(before)
}

// stats returns what was counted of each track so far.
func (c *composer) stats() []protocol.TrackStats {
	stats := make([]protocol.TrackStats, len(c.tracks))
	for i, s := range c.tracks {
		stats[i] = s.stats.Clone()
	}
	return stats
}

func shows(cells []protocol.Cell, track int) bool {
	for _, cell := range cells {
		if cell.Track == track {
			return true
		}
	}
	return false
}

// Encoders returns the kinds of video encoders that this program has, with the device if it can be used. The error says why it cannot.
func Encoders(device *protocol.Device) ([]string, error) {
	kinds := codec.VideoEncoders()
	if device.Kind() == "" {
		return kinds, nil
	}
	return kinds, codec.OpenDevice(device.Kind(), device.Files()[0])
}
