package fidelity

import (
	"fmt"
	"image"
	"strings"
	"testing"

	"roomreel/e2e/fixture"
)

// Frames are numbered in 4 x 3 fields, black for 0 and white for 1, under a strip of a moving test pattern. The lowest bit is
// the first field. Fields grow with the frame, so that the number survives every change of size.
const (
	numberColumns = 4
	numberRows    = 3
	numbers       = 1 << (numberColumns * numberRows)
)

// numbered is the source filter of frames with numbers from first on.
func numbered(size image.Point, fps, first, count int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "testsrc2=s=%dx%d:r=%d:d=%g,format=yuv420p", size.X, size.Y, fps, float64(count)/float64(fps))
	for bit := range numberColumns * numberRows {
		box := fmt.Sprintf("drawbox=x=floor(iw*%d/4):y=floor(ih*%d/4):w=ceil(iw/4):h=ceil(ih/4):t=fill", bit%numberColumns, 1+bit/numberColumns)
		fmt.Fprintf(&b, ",%s:c=black,%s:c=white:enable='gte(mod(n+%d,%d),%d)'", box, box, first, 2<<bit, 1<<bit)
	}
	return b.String()
}

// number reads the number in a rectangle of a frame. ok is false when a field is neither black nor white.
func number(frame *image.Gray, r image.Rectangle) (n int, ok bool) {
	ok = true
	for bit := range numberColumns * numberRows {
		field := image.Rect(r.Dx()*(bit%numberColumns)/4, r.Dy()*(1+bit/numberColumns)/4, r.Dx()*(bit%numberColumns+1)/4, r.Dy()*(2+bit/numberColumns)/4)
		switch light := middle(frame, field.Add(r.Min)); {
		case light > 160:
			n |= 1 << bit
		case light > 90:
			ok = false
		}
	}
	return n, ok
}

// wrongNumbers compares the numbers in a film's frames with those that they should have, and returns what differs. rectangle
// returns where frame n shows its source.
func wrongNumbers(tb testing.TB, film *fixture.Film, frames int, rectangle func(n int) image.Rectangle) (wrong []string) {
	tb.Helper()
	count := 0
	eachGray(tb, film, 1, func(n int, frame *image.Gray) {
		count++
		if got, ok := number(frame, rectangle(n)); !ok || got != n%numbers {
			wrong = append(wrong, fmt.Sprintf("frame %d shows %d", n, got))
		}
	})
	if count != frames {
		wrong = append(wrong, fmt.Sprintf("%d frames, want %d", count, frames))
	}
	return wrong
}
