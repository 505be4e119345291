// Package render runs render children: processes that decode, compose and encode, one piece of work each, in a sandbox.
//
// [Run] is the parent's side. It starts the program of a [Command], sends it a plan and packets, hands its answers to a
// [Handler], and turns every kind of death into an [ExitError]. [Main] is the whole main function of a child, and
// [Probe] finds out which parts of the sandbox are in force. What the two say to each other is package protocol, what a
// child may do is package sandbox, and what a child does is packages video and audio. Start with [Run].
package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
)

// Command says which program is the child and what it may use.
type Command struct {
	Path         string          // the roomreel-render binary
	Mode         sandbox.Mode    // how much of the sandbox must be in force; "" means Auto
	MemoryLimit  int64           // bytes the child may allocate; 0 means DefaultMemoryLimit
	Timeout      time.Duration   // of the whole run; 0 means none but the context's
	StallTimeout time.Duration   // without any progress; 0 means DefaultStallTimeout
	Device       protocol.Device // hardware that the child may encode with; the zero value is none

	probe bool // try to break out instead of serving
}

const (
	// DefaultMemoryLimit is several times what the reference room needs (107 MB).
	DefaultMemoryLimit = 2 << 30

	// DefaultStallTimeout is far above the slowest single frame. Every call of a codec counts as progress.
	DefaultStallTimeout = 60 * time.Second
)

func (c Command) withDefaults() Command {
	if c.Mode == "" {
		c.Mode = sandbox.Auto
	}
	if c.MemoryLimit <= 0 {
		c.MemoryLimit = DefaultMemoryLimit
	}
	if c.StallTimeout <= 0 {
		c.StallTimeout = DefaultStallTimeout
	}
	return c
}

// Handler receives what the child answers, in its order, on one goroutine. An error stops the child, and [Run] returns
// it. While a handler runs, the child fills its pipe and then waits: that is the back-pressure.
type Handler interface {
	Header(protocol.Header) error
	Packet(protocol.Packet) error // the data is the handler's
	ChunkDone(protocol.ChunkDone) error
	Progress(done int64) error // frames or samples
}

// Run has a child carry out plan. It sends the packets that next returns, until io.EOF, and hands the answers to h.
//
// The pipes bound memory: next is not called while the child has no room for more. next runs on one goroutine that Run
// waits for, so it must return soon once ctx is done. When Run returns, the child is gone.
//
// The error is h's or next's own when they failed, the context's cause when it ended, and otherwise an [*ExitError] that
// says how the child died and on which track it worked. A child that exits with 0 but sent no stats, or stats that do
// not match the plan and what it sent, has failed too.
func Run(ctx context.Context, cmd Command, plan protocol.Plan, next func() (protocol.Packet, error), h Handler) (protocol.Stats, error) {
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
			return protocol.Stats{}, context.Cause(outer)
		}
		return protocol.Stats{}, fmt.Errorf("start render child: %w", err)
	}
	defer child.release()
	r := newRun(child, plan, next, h, stop)

	var group sync.WaitGroup
	group.Go(r.send)
	group.Go(func() { r.watch(ctx, cmd.StallTimeout) })
	if err := r.receive(); err != nil {
		stop(err) // the first cause wins: a context that ended, or a stall, stays the reason
	}
	child.out.Close()
	exit := child.wait()
	cause := context.Cause(ctx) // before our own stop below becomes one
	stop(nil)
	child.in.Close() // unblocks send when the child left something unread
	group.Wait()
	stats, err := r.result(outer, cause, exit)
	if exit != nil {
		stats.CPU = exit.UserTime() + exit.SystemTime()
	}
	return stats, err
}

// Causes for which a child is stopped.
var (
	errTimeout = errors.New("it took longer than it may")
	errStalled = errors.New("it made no progress for too long")
	errNoStats = errors.New("it ended before it sent its stats")
)

// callerError wraps an error of the caller's own functions, to tell it from the child's.
type callerError struct{ error }

// run is the state of one call of Run.
type run struct {
	child   *process
	plan    protocol.Plan
	next    func() (protocol.Packet, error)
	handler Handler
	stop    context.CancelCauseFunc

	waiting  atomic.Int32 // how many of next and the handlers run now: the child may be waiting for them
	received atomic.Int64 // messages from the child

	sent    []atomic.Int64 // packets by track
	answers answers
	stats   protocol.Stats
	done    bool // stats came
}

func newRun(child *process, plan protocol.Plan, next func() (protocol.Packet, error), h Handler, stop context.CancelCauseFunc) *run {
	r := &run{child: child, plan: plan, next: next, handler: h, stop: stop}
	if plan.Video != nil {
		r.sent = make([]atomic.Int64, len(plan.Video.Tracks))
		r.answers.plan = plan.Video.Chunks
	}
	if plan.Audio != nil {
		r.sent = make([]atomic.Int64, len(plan.Audio.Tracks))
	}
	return r
}

// worthSending is how many bytes are sent to a child that has nothing to do, before the buffer is full. To send a packet of audio
// costs a system call and a wake-up of the child, which together take longer than it takes to decode it.
const worthSending = 8 << 10

// send writes the plan and then all packets. Write errors are not reported: they mean that the child is gone, and its
// exit says why.
func (r *run) send() {
	s := protocol.NewSender(r.child.in)
	if err := s.Plan(r.plan); err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); !ok {
			r.stop(callerError{err})
		}
		return
	}
	asked := 0 // how many bytes waited when it was asked whether the child starves
	for {
		if n := s.Buffered(); n < asked {
			asked = 0
		} else if n-asked >= worthSending {
			if asked = n; r.child.starving() && s.Flush() != nil {
				return
			}
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
		if len(p.Data) > protocol.MaxData {
			r.stop(callerError{fmt.Errorf("packet of %d bytes of track %d, at most %d are allowed", len(p.Data), p.Track, protocol.MaxData)})
			return
		}
		r.sent[p.Track].Add(1)
		if s.Packet(p) != nil {
			return
		}
	}
	s.End()
}

// watch stops a child that does nothing for limit. The clock stands still while the parent itself is what the child may
// be waiting for: while next fetches a packet or a handler takes an answer. A child stopped by a signal is noticed all
// the same, because its pipe fills and then neither of them runs.
func (r *run) watch(ctx context.Context, limit time.Duration) {
	tick := time.NewTicker(max(limit/8, time.Millisecond))
	defer tick.Stop()
	steps, since := int64(-1), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			seen := r.received.Load() + r.child.page.Page.Steps()
			if seen != steps || r.waiting.Load() > 0 {
				steps, since = seen, now
			} else if now.Sub(since) >= limit {
				r.stop(errStalled)
				return
			}
		}
	}
}
