package render

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Command says which program is the child and what it may use.
type Command struct {
	Path         string        // the roomreel-render binary
	Mode         Mode          // how much of the sandbox must hold; "" means Auto
	MemoryLimit  int64         // bytes the child may allocate; 0 means DefaultMemoryLimit
	Timeout      time.Duration // of the whole run; 0 means none but the context's
	StallTimeout time.Duration // without any progress; 0 means DefaultStallTimeout

	probe bool // try to break out instead of serving
}

const (
	// DefaultMemoryLimit is several times what the reference room needs (107 MB).
	DefaultMemoryLimit = 2 << 30

	// DefaultStallTimeout is far above the slowest single picture: one call of a codec counts as one step.
	DefaultStallTimeout = 60 * time.Second
)

func (c Command) withDefaults() Command {
	if c.Mode == "" {
		c.Mode = Auto
	}
	if c.MemoryLimit <= 0 {
		c.MemoryLimit = DefaultMemoryLimit
	}
	if c.StallTimeout <= 0 {
		c.StallTimeout = DefaultStallTimeout
	}
	return c
}

// Handler receives what the child answers, in its order, on one goroutine. An error stops the child and is what [Do]
// returns. While a handler runs, the child fills its pipe and then waits: that is the back-pressure.
type Handler interface {
	Header(Header) error
	Packet(Packet) error // the data is the handler's
	ChunkDone(i int) error
	Progress(done int64) error // pictures or samples
}

// Do has a child carry out plan. It feeds the packets that next returns, until io.EOF, and hands the answers to h.
//
// Memory is bounded by the pipes: next is not called while the child has no room for more. next runs on one goroutine
// that Do waits for: it must return soon once ctx is done. The child is gone when Do returns, whatever happened.
//
// The error is h's or next's own when they failed, the context's cause when that ended, and otherwise an [*ExitError]
// which says how the child died and for which track. A child that exits well without facts, or with facts that do
// not match what it was asked for and what it sent, has failed too.
func Do(ctx context.Context, cmd Command, plan Plan, next func() (Packet, error), h Handler) (Stats, error) {
	cmd = cmd.withDefaults()
	outer := ctx
	if cmd.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cmd.Timeout, errTimeout)
		defer cancel()
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	child, err := start(ctx, cmd)
	if err != nil {
		if outer.Err() != nil {
			return Stats{}, context.Cause(outer)
		}
		return Stats{}, fmt.Errorf("start render child: %w", err)
	}
	defer child.release()
	r := newRun(child, plan, next, h, stop)

	var group sync.WaitGroup
	group.Go(r.feed)
	group.Go(func() { r.watch(ctx, cmd.StallTimeout) })
	if err := r.read(); err != nil {
		stop(err) // the first cause wins: a context that ended, or a stall, stays the reason
	}
	child.out.Close()
	exit := child.wait()
	cause := context.Cause(ctx) // before our own stop below becomes one
	stop(nil)
	child.in.Close() // unblocks feed when the child left something unread
	group.Wait()
	return r.verdict(outer, cause, exit)
}

// Causes for which a child is stopped. Errors of the caller's own functions are wrapped so that they can be told from
// the child's.
var (
	errTimeout = errors.New("it took longer than it may")
	errStalled = errors.New("it made no progress for too long")
	errNoFacts = errors.New("it ended before it sent its facts")
)

type callerError struct{ error }

// run is the state of one call of Do.
type run struct {
	child   *process
	plan    Plan
	next    func() (Packet, error)
	handler Handler
	stop    context.CancelCauseFunc

	waiting  atomic.Int32 // how many of next and the handlers run just now: the child may be waiting for us
	received atomic.Int64 // frames from the child

	sent   []atomic.Int64 // by track, for the facts
	tally  tally
	facts  Stats
	finish bool // facts came
}

func newRun(child *process, plan Plan, next func() (Packet, error), h Handler, stop context.CancelCauseFunc) *run {
	r := &run{child: child, plan: plan, next: next, handler: h, stop: stop}
	if plan.Picture != nil {
		r.sent = make([]atomic.Int64, len(plan.Picture.Tracks))
		r.tally.chunks = plan.Picture.Chunks
	}
	if plan.Sound != nil {
		r.sent = make([]atomic.Int64, len(plan.Sound.Tracks))
	}
	return r
}

// feed writes the plan and then all packets. Write errors are not reported: they mean that the child is gone, and its
// exit says why.
func (r *run) feed() {
	w := bufio.NewWriterSize(r.child.in, bufferSize)
	body, err := json.Marshal(r.plan)
	if err != nil {
		r.stop(callerError{fmt.Errorf("encode plan: %w", err)})
		return
	}
	if err := writeFrame(w, framePlan, body, nil); err != nil {
		if !isWriteError(err) {
			r.stop(callerError{err})
		}
		return
	}
	for {
		if w.Buffered() > 0 && r.child.starving() && w.Flush() != nil {
			return
		}
		r.waiting.Add(1)
		p, err := r.next()
		r.waiting.Add(-1)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.stop(callerError{err})
			return
		}
		if p.Track < 0 || p.Track >= len(r.sent) {
			r.stop(callerError{fmt.Errorf("packet of track %d, the plan has %d", p.Track, len(r.sent))})
			return
		}
		if len(p.Data) > MaxData {
			r.stop(callerError{fmt.Errorf("packet of %d bytes of track %d, at most %d are allowed", len(p.Data), p.Track, MaxData)})
			return
		}
		r.sent[p.Track].Add(1)
		if writePacket(w, p) != nil {
			return
		}
	}
	if writeFrame(w, frameEnd, nil, nil) == nil {
		w.Flush()
	}
}
