package render

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"roomreel/internal/render/protocol"
)

// An ExitError is the death of a child, or an answer of it that cannot be trusted. The child or its media is at fault,
// never the caller.
type ExitError struct {
	Track       int            // the track on whose data the child worked; -1 when it worked on none
	Signal      syscall.Signal // that ended it; 0 when it exited
	Code        int            // its exit code; -1 when a signal ended it
	Stderr      string         // its last lines, for the operator
	Stalled     bool           // the watchdog stopped it
	TimedOut    bool           // it took longer than Command.Timeout
	OutOfMemory bool           // a guess: it says so, or something other than us killed it
	Err         error          // what else was wrong: the protocol, missing stats; nil when the exit says it all
}

func (e *ExitError) Error() string {
	var b strings.Builder
	b.WriteString("render child")
	switch {
	case e.Stalled:
		b.WriteString(" was stopped: it made no progress")
	case e.TimedOut:
		b.WriteString(" was stopped: it took too long")
	case e.Signal != 0:
		fmt.Fprintf(&b, " died of signal %d (%v)", int(e.Signal), e.Signal)
	default:
		fmt.Fprintf(&b, " exited with code %d", e.Code)
	}
	if e.OutOfMemory {
		b.WriteString(", probably out of memory")
	}
	if e.Track >= 0 {
		fmt.Fprintf(&b, ", while it worked on track %d", e.Track)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if line := lastLine(e.Stderr); line != "" {
		fmt.Fprintf(&b, ": %s", line)
	}
	return b.String()
}

func (e *ExitError) Unwrap() error { return e.Err }

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// result decides what Run returns. cause is why the child was stopped, if it was.
func (r *run) result(outer context.Context, cause error, exit *os.ProcessState) (protocol.Stats, error) {
	if caller, ok := errors.AsType[callerError](cause); ok {
		return protocol.Stats{}, caller.error
	}
	if cause != nil && outer.Err() != nil && errors.Is(cause, context.Cause(outer)) {
		return protocol.Stats{}, cause
	}
	death := &ExitError{Track: r.child.page.Page.Track(), Code: -1, Stderr: r.child.stderr.String()}
	if exit != nil {
		death.Code = exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			death.Signal = status.Signal()
		}
	}
	switch {
	case errors.Is(cause, errStalled):
		death.Stalled = true
		return protocol.Stats{}, death
	case errors.Is(cause, errTimeout):
		death.TimedOut = true
		return protocol.Stats{}, death
	}
	// The kernel's out-of-memory killer leaves no message: SIGKILL that we did not send is taken for it.
	killed := death.Signal == syscall.SIGKILL && (cause == nil || errors.Is(cause, errNoStats))
	death.OutOfMemory = killed || saysOutOfMemory(death.Stderr)
	if cause != nil && !(errors.Is(cause, errNoStats) && (death.Code > 0 || death.Signal != 0)) {
		death.Err = cause
		return protocol.Stats{}, death
	}
	if death.Code != 0 {
		return protocol.Stats{}, death
	}
	if death.Err = r.checkStats(); death.Err != nil {
		return protocol.Stats{}, death
	}
	return r.stats, nil
}

// outOfMemory is how the Go runtime, libavcodec and the C library say that memory is used up. They cannot always say it
// in so many words: a thread cannot be made, and Go 1.26's collector faults where a table of its own is missing.
var outOfMemory = []string{
	"out of memory",
	"cannot allocate memory",
	"bad_alloc",
	"pthread_create failed: resource temporarily unavailable",
	"failed to create new os thread",
	"runtime.(*spanqueue)",
}

func saysOutOfMemory(stderr string) bool {
	text := strings.ToLower(stderr)
	return slices.ContainsFunc(outOfMemory, func(words string) bool { return strings.Contains(text, words) })
}
