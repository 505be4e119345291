// Package progress shows on a terminal how far a command has come: one line, redrawn in place.
//
// Where there is no terminal, nothing is drawn: a log or a pipe would keep every redrawing. Start with [New].
package progress

import (
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	width = 30  // characters of the bar itself; fewer in a narrow terminal
	steps = 100 // each is drawn once
)

// Bar is a progress bar. All methods may be called from any goroutine, also on a nil Bar, which draws nothing.
type Bar struct {
	mu    sync.Mutex
	out   io.Writer
	label string
	bar   *progressbar.ProgressBar
	step  int
}

// New returns a bar that draws on out when out is a terminal, and nil otherwise.
func New(out io.Writer, label string) *Bar {
	if !IsTerminal(out) {
		return nil
	}
	return newBar(out, label)
}

func newBar(out io.Writer, label string) *Bar {
	return &Bar{out: out, label: label, bar: progressbar.NewOptions(
		steps, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(label), progressbar.OptionSetWidth(width),
		progressbar.OptionUseANSICodes(true), progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
	)}
}

// IsTerminal reports whether out is a terminal.
func IsTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Set shows that a share from 0 to 1 is done, and how long the rest takes; 0 where that is not known. Several goroutines may report
// out of order: the bar never goes back.
func (b *Bar) Set(share float64, left time.Duration) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if step := int(min(1, share) * steps); step > b.step {
		b.step = step
		b.bar.Describe(b.label + remaining(left))
		b.bar.Set(step) // a drawing that fails does not stop the command
	}
}

// remaining says how long something takes: whole seconds, rounded up.
func remaining(left time.Duration) string {
	if left <= 0 {
		return ""
	}
	seconds := int(math.Ceil(left.Seconds()))
	switch {
	case seconds < 60:
		return fmt.Sprintf(", %d s left", seconds)
	case seconds < 3600:
		return fmt.Sprintf(", %d min %d s left", seconds/60, seconds%60)
	}
	return fmt.Sprintf(", %d h %d min left", seconds/3600, seconds%3600/60)
}

// Close leaves the last state on the screen and moves to the next line.
func (b *Bar) Close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.step > 0 {
		fmt.Fprintln(b.out)
		b.step = 0
	}
}
