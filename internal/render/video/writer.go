package video

import (
	"bytes"
	"errors"
	"fmt"

	"roomreel/internal/codec"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
	"roomreel/internal/render/protocol"
)

// ringSize is how many canvases there are: one is encoded, one is drawn on and compared with that of the frame before, and one waits.
const ringSize = 4

// errStopped tells the composer that the writer has failed. writer.err says why.
var errStopped = errors.New("encoder stopped")

// step is one thing for the writer to do with a canvas: encode it as the next frame, or release it.
type step struct {
	canvas  *canvas
	same    bool // the frame before shows the same
	release bool
	stats   []protocol.TrackStats // with the last frame of a chunk
}

// repeats is how many frames in a row show the same as frame number of before.
type repeats struct{ of, count int }

// writer encodes canvases in its own goroutine, chunk by chunk, and sends what comes out.
type writer struct {
	plan    protocol.VideoPlan
	conn    Conn
	steps   chan step
	free    chan *canvas
	stopped chan struct{} // closed when the goroutine has ended
	ring    []*canvas

	// Owned by the goroutine until stopped is closed.
	encoder *codec.VideoEncoder
	header  []byte
	chunk   int
	in, out int // frames of this chunk that came in, and packets that went out
	delay   int // by which decoding order runs ahead, the same in all chunks

	repeater  *h264.Repeater // of this chunk; nil where the encoder encodes every frame
	waiting   *canvas        // of the newest frame, until it is known whether the next one repeats it
	resumes   bool           // that one follows repeated frames
	repeating bool           // the newest frame repeats another
	key       int            // the newest frame that had to be a keyframe
	repeated  []repeats      // what follows frames that have not come out yet

	done int // frames encoded
	err  error
}

func newWriter(plan protocol.VideoPlan, conn Conn) (*writer, error) {
	w := &writer{
		plan:    plan,
		conn:    conn,
		steps:   make(chan step, 2*ringSize),
		free:    make(chan *canvas, ringSize),
		stopped: make(chan struct{}),
	}
	for range ringSize {
		pixels, err := codec.NewCanvas(plan.Width, plan.Height)
		if err != nil {
			w.close()
			return nil, err
		}
		pixels.SetColour(codec.Colour(plan.Colour))
		c := &canvas{pixels: pixels, scene: -1}
		w.ring = append(w.ring, c)
		w.free <- c
	}
	go w.run()
	return w, nil
}

// blank waits for a canvas to draw on. It still shows what it showed last.
func (w *writer) blank() (*canvas, error) {
	select {
	case c := <-w.free:
		return c, nil
	case <-w.stopped:
		return nil, errStopped
	}
}

// encode makes the canvas the film's next frame. It may be encoded again, but not drawn on; it is then the same as the frame
// before. stats come with the last frame of a chunk.
func (w *writer) encode(c *canvas, same bool, stats []protocol.TrackStats) error {
	return w.send(step{canvas: c, same: same, stats: stats})
}

// release gives a canvas back after its frames are encoded, for blank to return.
func (w *writer) release(c *canvas) error { return w.send(step{canvas: c, release: true}) }

func (w *writer) send(s step) error {
	select {
	case w.steps <- s:
		return nil
	case <-w.stopped:
		return errStopped
	}
}

// end says that there are no more frames. wait then waits for the goroutine, frees everything and returns its error.
func (w *writer) end() { close(w.steps) }

func (w *writer) wait() error {
	<-w.stopped
	w.close()
	return w.err
}

func (w *writer) close() {
	for _, c := range w.ring {
		c.pixels.Close()
	}
	if w.encoder != nil {
		w.encoder.Close()
	}
}

func (w *writer) run() {
	defer close(w.stopped)
	for s := range w.steps {
		if s.release {
			if s.canvas == w.waiting {
				if w.err = w.flush(codec.AnyFrame); w.err != nil {
					return
				}
			}
			w.free <- s.canvas // never blocks: it has room for all canvases
			continue
		}
		if w.err = w.frame(s); w.err != nil {
			return
		}
	}
}

// frame encodes one frame, and ends the chunk after its last.
func (w *writer) frame(s step) error {
	chunk := w.plan.Chunks[w.chunk]
	if w.encoder == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	var err error
	if s.same && w.repeatable() {
		err = w.repeat()
	} else if err = w.flush(codec.AnyFrame); err == nil {
		w.waiting = s.canvas
		w.resumes, w.repeating = w.repeating, false
		w.in++
	}
	if err != nil || w.in < chunk.To-chunk.From {
		return err
	}
	if err := w.flush(codec.AnyFrame); err != nil {
		return err
	}
	if err := w.encoder.End(); err != nil {
		return err
	}
	if err := w.receive(); err != nil {
		return err
	}
	if err := w.packets(w.in); err != nil {
		return err
	}
	if w.out != w.in {
		return fmt.Errorf("encode chunk %d: %d packets came out for %d frames", w.chunk, w.out, w.in)
	}
	w.encoder.Close()
	w.encoder = nil
	w.in, w.out, w.key, w.repeated, w.repeating, w.resumes = 0, 0, 0, nil, false, false
	err = w.conn.ChunkDone(protocol.ChunkDone{Chunk: w.chunk, Tracks: s.stats})
	w.chunk++
	return err
}

// repeatable reports whether the next frame can repeat the frame before: a chunk begins with a keyframe, and so does what is a GOP
// behind the last one.
func (w *writer) repeatable() bool {
	if w.repeater == nil || w.in == 0 || w.keyDue(w.in) {
		return false
	}
	n := len(w.repeated)
	return w.waiting != nil || n > 0 && w.repeated[n-1].count < w.repeater.Most
}

func (w *writer) keyDue(frame int) bool {
	return w.plan.Encoder.GOP > 0 && frame-w.key >= w.plan.Encoder.GOP
}

// repeat makes the next frame one that repeats the frame before. That one is no B-frame: other frames may refer to it, and it is of
// better quality.
func (w *writer) repeat() error {
	if w.waiting != nil {
		w.repeated = append(w.repeated, repeats{of: w.in - 1})
		if err := w.flush(codec.NoBFrame); err != nil {
			return err
		}
	}
	if n := len(w.repeated); n > 0 {
		w.repeated[n-1].count++
	}
	w.repeating = true
	w.in++
	return nil
}

// flush encodes the frame that waits.
func (w *writer) flush(t codec.FrameType) error {
	c, frame := w.waiting, w.in-1
	if c == nil {
		return nil
	}
	w.waiting = nil
	if w.resumes && t == codec.AnyFrame {
		t = codec.NoBFrame // B-frames weigh their two references by distances, which no repeated frame may change
	}
	if w.repeater != nil && w.keyDue(frame) {
		t, w.key = codec.KeyFrame, frame
	}
	if err := w.encoder.Send(c.pixels, int64(frame), t); err != nil {
		return err
	}
	return w.receive()
}

// open begins a chunk with an encoder of its own, so that nothing in it refers to another chunk. Chunks are joined later
// by copying packets, so all must have the first one's header.
func (w *writer) open() error {
	e := w.plan.Encoder
	encoder, err := codec.OpenVideoEncoder(codec.EncoderConfig{
		Codec: e.Codec, Options: e.Options, Bitrate: e.Bitrate, GOP: e.GOP, Threads: e.Threads,
		Colour: codec.Colour(w.plan.Colour),
	}, w.plan.Width, w.plan.Height, w.plan.FPS)
	if err != nil {
		return err
	}
	w.encoder = encoder
	header, delay := encoder.Header(), encoder.Delay()
	w.repeater = nil
	if e.Codec == "h264" && e.Repeat {
		if repeater, sets := h264.NewRepeater(header); repeater != nil {
			w.repeater, header = repeater, sets
		}
	}
	if w.chunk == 0 {
		w.header, w.delay = header, delay
		return w.conn.Header(protocol.Header{Private: header})
	}
	if !bytes.Equal(header, w.header) || delay != w.delay {
		return fmt.Errorf("encode chunk %d: its header differs from the first chunk's", w.chunk)
	}
	return nil
}

// receive sends on what the encoder has ready, and the frames that repeat others.
func (w *writer) receive() error {
	for {
		e, ok, err := w.encoder.Receive()
		if err != nil || !ok {
			return err
		}
		if w.plan.Encoder.Codec == "av1" {
			e.Data = bitstream.TrimDelimiter(e.Data)
		}
		if err := w.packets(int(e.PTS)); err != nil {
			return err
		}
		if w.repeater != nil {
			if e.Data, err = w.repeater.Pass(e.Data); err != nil {
				return fmt.Errorf("encode chunk %d: frame %d: %w", w.chunk, e.PTS, err)
			}
		}
		if err := w.packet(e); err != nil {
			return err
		}
	}
}

// packets sends the frames that repeat others and are shown before the given frame. All frames before them have been sent, since what is
// repeated is no B-frame.
func (w *writer) packets(before int) error {
	for len(w.repeated) > 0 && w.repeated[0].of < before {
		r := &w.repeated[0]
		if w.out != r.of+1 {
			return fmt.Errorf("encode chunk %d: frame %d comes before those that frame %d is shown after", w.chunk, before, r.of)
		}
		for ; r.count > 0; r.count-- {
			if err := w.packet(codec.Encoded{PTS: int64(w.out), Data: w.repeater.Repeat()}); err != nil {
				return err
			}
		}
		w.repeated = w.repeated[1:]
	}
	return nil
}

// packet sends a packet. Packets come at even steps of decoding time. In every chunk it begins as
// many frames before 0 as the encoder's delay, so that chunks can follow each other.
func (w *writer) packet(e codec.Encoded) error {
	dts := int64(w.out - w.delay)
	if e.PTS < dts {
		return fmt.Errorf("encode chunk %d: frame %d comes after its decoding time", w.chunk, e.PTS)
	}
	if w.out == 0 && !e.Key {
		return fmt.Errorf("encode chunk %d: it does not begin with a keyframe", w.chunk)
	}
	if err := w.conn.Packet(protocol.Packet{PTS: e.PTS, Len: 1, Key: e.Key, Data: e.Data}); err != nil {
		return err
	}
	w.out++
	w.done++
	if w.done%w.plan.FPS == 0 || w.done%25 == 0 {
		return w.conn.Progress(int64(w.done))
	}
	return nil
}
