package render

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// bufferSize is what each end gathers before it writes to a pipe: many small Opus packets per system call.
const bufferSize = 64 << 10

// Serve speaks the child's side: it reads the plan from in, lets do carry it out, and sends the facts to out. It
// neither confines the process nor exits; [Main] does both and is what a real child calls.
func Serve(in io.Reader, out io.Writer, do func(Plan, *Conn) (Stats, error)) error {
	return serve(in, out, new(shared), do)
}

func serve(in io.Reader, out io.Writer, page *shared, do func(Plan, *Conn) (Stats, error)) error {
	c := &Conn{in: bufio.NewReaderSize(in, bufferSize), out: bufio.NewWriterSize(out, bufferSize), page: page}
	kind, body, err := readFrame(c.in)
	if err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	if kind != framePlan {
		return fmt.Errorf("read plan: frame %q came first", kind)
	}
	var plan Plan
	if err := json.Unmarshal(body, &plan); err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	if (plan.Picture == nil) == (plan.Sound == nil) {
		return errors.New("read plan: it must ask for either pictures or sound")
	}
	facts, err := do(plan, c)
	if err != nil {
		return err
	}
	c.Serving(-1)
	if err := writeJSON(c.out, frameFacts, facts); err != nil {
		return fmt.Errorf("send facts: %w", err)
	}
	if err := c.out.Flush(); err != nil {
		return fmt.Errorf("send facts: %w", err)
	}
	return nil
}

// Conn is the child's connection with its parent. One goroutine may call Next and Serving while another calls the rest.
type Conn struct {
	in   *bufio.Reader
	mu   sync.Mutex // guards out
	out  *bufio.Writer
	page *shared
	end  bool
}

// Next returns the next packet in the order in which the parent sent them, and io.EOF after the last. The data is the
// caller's. Before it waits for the parent it flushes what the parent waits for.
func (c *Conn) Next() (Packet, error) {
	if c.end {
		return Packet{}, io.EOF
	}
	if c.in.Buffered() == 0 {
		if err := c.flush(); err != nil {
			return Packet{}, fmt.Errorf("write to parent: %w", err)
		}
	}
	kind, body, err := readFrame(c.in)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the parent says when it is done; without that it died
	}
	if err != nil {
		return Packet{}, fmt.Errorf("read from parent: %w", err)
	}
	c.page.step()
	switch kind {
	case framePacket:
		return parsePacket(body)
	case frameEnd:
		c.end = true
		return Packet{}, io.EOF
	}
	return Packet{}, fmt.Errorf("read from parent: frame %q where a packet belongs", kind)
}

func (c *Conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Flush()
}

// Header sends what a container needs to know of the encoder. It comes once, before the first packet.
func (c *Conn) Header(h Header) error {
	c.page.step()
	c.mu.Lock()
	defer c.mu.Unlock()
	return writeHeader(c.out, h)
}

// Packet sends one encoded packet. The data may be reused afterwards.
func (c *Conn) Packet(p Packet) error {
	c.page.step()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p.Data) > MaxData {
		return fmt.Errorf("packet of %d bytes, at most %d are allowed", len(p.Data), MaxData)
	}
	return writePacket(c.out, p)
}

// ChunkDone says that all packets of the plan's chunk i have been sent. The parent learns it at once.
func (c *Conn) ChunkDone(i int) error {
	c.page.step()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := writeNumber(c.out, frameChunk, int64(i)); err != nil {
		return err
	}
	return c.out.Flush()
}

// Progress says how many pictures or samples are done. The parent learns it with the next packets, at the latest when
// the child waits for input; call it a few times a second at most.
func (c *Conn) Progress(done int64) error {
	c.page.step()
	c.mu.Lock()
	defer c.mu.Unlock()
	return writeNumber(c.out, frameProgress, done)
}

// Serving notes which of the plan's tracks the process works for, -1 for none, where the parent can read it after the
// process died. It is a store to shared memory, cheap enough to surround every call of a decoder.
func (c *Conn) Serving(track int) { c.page.serve(track) }
