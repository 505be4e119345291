// Package progress shows on a terminal how far something has come: one line, redrawn in place.
//
// Where there is no terminal, nothing is drawn: logs and pipes are no place for a moving picture. Start with [New].
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	width = 30                     // characters of the bar itself; with words and figures it stays under 80
	pause = 100 * time.Millisecond // between two drawings: quicker ones cannot be read
)

// Bar is a progress bar. All methods may be called from any goroutine, also on a nil Bar, which draws nothing.
type Bar struct {
	mu    sync.Mutex
	out   io.Writer
	label string
	began time.Time
	drawn time.Time
	share float64
}

// New returns a bar that draws on out when out is a terminal, and nil otherwise.
func New(out io.Writer, label string) *Bar {
	if !IsTerminal(out) {
		return nil
	}
	return &Bar{out: out, label: label, began: time.Now()}
}

// IsTerminal reports whether out is a terminal.
func IsTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// Set shows that a share from 0 to 1 is done. A bar never goes back.
func (b *Bar) Set(share float64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share = min(1, max(b.share, share))
	now := time.Now()
	if now.Sub(b.drawn) < pause && b.share < 1 {
		return
	}
	b.drawn = now
	fmt.Fprint(b.out, "\r"+line(b.label, b.share, now.Sub(b.began))+"\x1b[K")
}

// Close leaves the last state on the screen and moves to the next line.
func (b *Bar) Close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drawn.IsZero() || b.out == nil {
		return
	}
	fmt.Fprintln(b.out, "\r"+line(b.label, b.share, time.Since(b.began))+"\x1b[K")
	b.drawn = time.Time{}
}

// line draws the bar: its label, a share as a bar and in percent, and how long it will still take at the pace so far.
func line(label string, share float64, spent time.Duration) string {
	full := int(share * width)
	text := fmt.Sprintf("%s [%s%s] %3d %%", label, strings.Repeat("#", full), strings.Repeat(".", width-full), int(share*100))
	const soon = 2 * time.Second // before that, a guess would jump about
	if share > 0 && share < 1 && spent > soon {
		left := time.Duration(float64(spent) / share * (1 - share))
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return text
}
