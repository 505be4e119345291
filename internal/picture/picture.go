// Package picture is the child's side of a film's pictures: it decodes every source's packets, puts the newest picture
// of each into its cell of a canvas, and encodes the canvases chunk by chunk.
//
// It is driven by packets: they arrive in the order in which pictures need them, so when one arrives that is needed
// after a picture's instant, that picture can be composed. It knows no rooms, no containers and no files; the plan
// decides everything, and what a source does (stall, change size, send rubbish) changes only what its cell shows.
// Decoding and drawing run in one goroutine, encoding in another. Start with [Run].
package picture

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/render"
)

// Conn is the connection with the parent, as *render.Conn is. Next and Serving are called from one goroutine and the
// rest from another, at the same time.
type Conn interface {
	Next() (render.Packet, error) // io.EOF after the last
	Serving(track int)            // -1 for none
	Header(render.Header) error
	Packet(render.Packet) error
	ChunkDone(i int) error
	Progress(done int64) error
}

// Run carries out the plan. The facts count what was done; an error means that the film would be wrong: the plan is
// impossible, the encoder failed or the connection broke. Damaged sources are no error.
func Run(plan render.VideoPlan, conn Conn) (render.Stats, error) {
	if err := check(plan); err != nil {
		return render.Stats{}, fmt.Errorf("picture plan: %w", err)
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
		return render.Stats{}, err
	}
	c.out = w
	err = c.run()
	if cause := w.wait(); cause != nil {
		return render.Stats{}, cause // then run's error only says that the writer stopped
	}
	if err != nil {
		return render.Stats{}, err
	}
	facts := render.Stats{Pictures: w.done}
	for _, s := range c.tracks {
		facts.Tracks = append(facts.Tracks, s.facts)
	}
	return facts, nil
}

// check refuses plans that a parent never makes, before anything is drawn where it does not belong.
func check(p render.VideoPlan) error {
	if err := codec.CheckSize(p.Width, p.Height); err != nil {
		return err
	}
	if p.FPSNum < 1 || p.FPSDen < 1 {
		return fmt.Errorf("%d/%d pictures per second", p.FPSNum, p.FPSDen)
	}
	if len(p.Chunks) == 0 {
		return errors.New("no chunks")
	}
	for i, c := range p.Chunks {
		if c.From < 0 || c.To <= c.From || i > 0 && p.Chunks[i-1].To != c.From {
			return fmt.Errorf("chunk %d covers pictures %d to %d", i, c.From, c.To)
		}
	}
	if len(p.Scenes) == 0 || p.Scenes[0].From > p.Chunks[0].From {
		return errors.New("no scene for the first picture")
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

// instant returns when picture n is shown, rounded down: a source's picture at time t is due when t <= instant(n),
// exactly, since t is whole.
func instant(n, fpsNum, fpsDen int) time.Duration {
	hi, lo := bits.Mul64(uint64(n)*uint64(fpsDen), uint64(time.Second))
	quotient, _ := bits.Div64(hi, lo, uint64(fpsNum))
	return time.Duration(quotient)
}

// composer takes packets and composes pictures. Its goroutine decodes and draws.
type composer struct {
	plan   render.VideoPlan
	conn   Conn
	tracks []*source
	out    *writer

	next    int           // the picture to compose next
	at      time.Duration // its instant
	scene   int           // the plan's scene that it belongs to
	current *canvas       // what the picture before it was shown on; nil at first
}

// patience is for how long a picture waits for a decoder that puts pictures in order and holds some back. Streams with
// B-frames send the next packet within 1/10 s; one that falls silent must not hold up the film.
const patience = 500 * time.Millisecond

// begin makes n the picture to compose next.
func (c *composer) begin(n int) { c.next, c.at = n, instant(n, c.plan.FPSNum, c.plan.FPSDen) }

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
		c.conn.Serving(i)
		s.drain()
	}
	c.conn.Serving(-1)
	for c.next < end {
		if err := c.compose(); err != nil {
			return err
		}
	}
	return nil
}

// ready reports whether the next picture can be composed, given that a packet has come which is needed at the given
// time: everything due before has been decoded, and no decoder that matters holds back what is due.
func (c *composer) ready(need time.Duration) bool {
	if need <= c.at {
		return false
	}
	if need > c.at+patience {
		return true
	}
	for _, cell := range c.cells() {
		if c.tracks[cell.Track].owes(c.at) {
			return false
		}
	}
	return true
}

func (c *composer) decode(p render.Packet) {
	c.conn.Serving(p.Track)
	c.tracks[p.Track].decode(p)
	c.conn.Serving(-1)
	c.tracks[p.Track].advance(c.at) // nothing older than what the next picture shows is kept
}

// cells returns what the next picture shows.
func (c *composer) cells() []render.Cell {
	for c.scene+1 < len(c.plan.Scenes) && c.plan.Scenes[c.scene+1].From <= c.next {
		c.scene++
	}
	return c.plan.Scenes[c.scene].Cells
}

// compose hands the next picture to the encoder: the canvas of the one before when nothing changed, else another one.
func (c *composer) compose() error {
	cells := c.cells()
	for _, s := range c.tracks {
		s.advance(c.at)
	}
	if c.current == nil || !c.current.shows(c.scene, cells, c.tracks) {
		if c.current != nil {
			if err := c.out.release(c.current); err != nil {
				return err
			}
		}
		canvas, err := c.out.blank()
		if err != nil {
			return err
		}
		c.current = canvas
		if err := canvas.draw(c.scene, cells, c.tracks, c.conn.Serving); err != nil {
			return err
		}
	}
	for i, s := range c.tracks {
		if s.shown.serial != 0 && shows(cells, i) {
			s.facts.Shown++
		}
	}
	c.begin(c.next + 1)
	return c.out.encode(c.current)
}

func shows(cells []render.Cell, track int) bool {
	for _, cell := range cells {
		if cell.Track == track {
			return true
		}
	}
	return false
}
