package protocol

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Conn is a child's connection with its parent. One goroutine may call Next and WorkingOn while another calls the rest.
type Conn struct {
	in   *bufio.Reader
	mu   sync.Mutex // for out
	out  *bufio.Writer
	page *Page
	end  bool
}

// Serve reads the plan from in, has do carry it out, and sends the stats to out. page is where the parent looks for
// activity; nil when there is none.
func Serve(in io.Reader, out io.Writer, page *Page, do func(Plan, *Conn) (Stats, error)) error {
	if page == nil {
		page = new(Page)
	}
	c := &Conn{in: bufio.NewReaderSize(in, BufferSize), out: bufio.NewWriterSize(out, BufferSize), page: page}
	kind, body, err := readMessage(c.in)
	if err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	if kind != kindPlan {
		return fmt.Errorf("read plan: message %q came first", kind)
	}
	var plan Plan
	if err := json.Unmarshal(body, &plan); err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	if (plan.Video == nil) == (plan.Audio == nil) {
		return errors.New("read plan: it must ask for either video or audio")
	}
	stats, err := do(plan, c)
	if err != nil {
		return err
	}
	c.WorkingOn(-1)
	if err := writeJSON(c.out, kindStats, stats); err != nil {
		return fmt.Errorf("send stats: %w", err)
	}
	if err := c.out.Flush(); err != nil {
		return fmt.Errorf("send stats: %w", err)
	}
	return nil
}

// Next returns the next packet in the order in which the parent sent them, and io.EOF after the last. The data is the
// caller's. Before it waits for the parent, it flushes what the parent waits for.
func (c *Conn) Next() (Packet, error) {
	if c.end {
		return Packet{}, io.EOF
	}
	if c.in.Buffered() == 0 {
		if err := c.Flush(); err != nil {
			return Packet{}, fmt.Errorf("write to parent: %w", err)
		}
	}
	kind, body, err := readMessage(c.in)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the parent sends an end; without it the parent died
	}
	if err != nil {
		return Packet{}, fmt.Errorf("read from parent: %w", err)
	}
	c.page.Step()
	switch kind {
	case kindPacket:
		return parsePacket(body)
	case kindEnd:
		c.end = true
		return Packet{}, io.EOF
	}
	return Packet{}, fmt.Errorf("read from parent: message %q where a packet belongs", kind)
}

// Flush writes to the parent what waits in the buffer.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Flush()
}

// Header sends what a container needs to know of the encoder. It comes once, before the first packet.
func (c *Conn) Header(h Header) error {
	c.page.Step()
	c.mu.Lock()
	defer c.mu.Unlock()
	return writeHeader(c.out, h)
}

// Packet sends one encoded packet. The data may be reused afterwards.
func (c *Conn) Packet(p Packet) error {
	c.page.Step()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p.Data) > MaxData {
		return fmt.Errorf("packet of %d bytes, at most %d are allowed", len(p.Data), MaxData)
	}
	return writePacket(c.out, p)
}

// ChunkDone says that all packets of a chunk have been sent. It flushes.
func (c *Conn) ChunkDone(done ChunkDone) error {
	c.page.Step()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := writeJSON(c.out, kindChunk, done); err != nil {
		return err
	}
	return c.out.Flush()
}

// Progress says how many frames or samples are done. It does not flush: the parent learns it with the next packets, at
// the latest when the child waits for input. Call it a few times a second at most.
func (c *Conn) Progress(done int64) error {
	c.page.Step()
	c.mu.Lock()
	defer c.mu.Unlock()
	return writeNumber(c.out, kindProgress, done)
}

// WorkingOn notes in shared memory which of the plan's tracks the process works on, -1 for none. The parent reads it
// after the process died. It is one store, cheap enough to surround every call of a decoder.
func (c *Conn) WorkingOn(track int) { c.page.workingOn(track) }
