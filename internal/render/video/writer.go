package video

import (
	"bytes"
	"errors"
	"fmt"

	"roomreel/internal/codec"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/render/protocol"
)

// ringSize is how many canvases there are: one is encoded, one is drawn on, one waits between the two.
const ringSize = 3

// errStopped tells the composer that the writer has failed. writer.err says why.
var errStopped = errors.New("encoder stopped")

// step is one thing for the writer to do with a canvas: encode it as the next frame, or release it.
type step struct {
	canvas  *canvas
	release bool
	stats   []protocol.TrackStats // with the last frame of a chunk
}

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
	in, out int // frames of this chunk that were sent to the encoder, and packets that came out
	delay   int // by which decoding order runs ahead, the same in all chunks
	done    int // frames encoded
	err     error
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

// encode makes the canvas the film's next frame. It may be encoded again, but not drawn on. stats come with the last frame of
// a chunk.
func (w *writer) encode(c *canvas, stats []protocol.TrackStats) error {
	return w.send(step{canvas: c, stats: stats})
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
	if err := w.encoder.Send(s.canvas.pixels, int64(w.in)); err != nil {
		return err
	}
	w.in++
	if err := w.receive(); err != nil {
		return err
	}
	if w.in < chunk.To-chunk.From {
		return nil
	}
	if err := w.encoder.End(); err != nil {
		return err
	}
	if err := w.receive(); err != nil {
		return err
	}
	if w.out != w.in {
		return fmt.Errorf("encode chunk %d: %d packets came out for %d frames", w.chunk, w.out, w.in)
	}
	w.encoder.Close()
	w.encoder = nil
	w.in, w.out = 0, 0
	err := w.conn.ChunkDone(protocol.ChunkDone{Chunk: w.chunk, Tracks: s.stats})
	w.chunk++
	return err
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
	if w.chunk == 0 {
		w.header, w.delay = header, delay
		return w.conn.Header(protocol.Header{Private: header})
	}
	if !bytes.Equal(header, w.header) || delay != w.delay {
		return fmt.Errorf("encode chunk %d: its header differs from the first chunk's", w.chunk)
	}
	return nil
}

// receive sends on what the encoder has ready. Packets come at even steps of decoding time. In every chunk it begins as
// many frames before 0 as the encoder's delay, so that chunks can follow each other.
func (w *writer) receive() error {
	for {
		e, ok, err := w.encoder.Receive()
		if err != nil || !ok {
			return err
		}
		dts := int64(w.out - w.delay)
		if e.PTS < dts {
			return fmt.Errorf("encode chunk %d: frame %d comes after its decoding time", w.chunk, e.PTS)
		}
		if w.out == 0 && !e.Key {
			return fmt.Errorf("encode chunk %d: it does not begin with a keyframe", w.chunk)
		}
		if w.plan.Encoder.Codec == "av1" {
			e.Data = bitstream.TrimDelimiter(e.Data)
		}
		if err := w.conn.Packet(protocol.Packet{PTS: e.PTS, Len: 1, Key: e.Key, Data: e.Data}); err != nil {
			return err
		}
		w.out++
		w.done++
		if w.done%w.plan.FPS == 0 || w.done%25 == 0 {
			if err := w.conn.Progress(int64(w.done)); err != nil {
				return err
			}
		}
	}
}
