package fidelity

import (
	"errors"
	"fmt"
	"image"
	"io"
	"testing"

	"roomreel/e2e/fixture"
)

// shrink is how much smaller frames are when they are measured: each cell is a few pixels then.
const shrink = 16

// eachGray decodes the video, scaled down by the given factor, and calls do with the luma of each frame.
func eachGray(tb testing.TB, film *fixture.Film, factor int, do func(n int, frame *image.Gray)) {
	tb.Helper()
	size := film.Video.Size.Div(factor)
	filter := "format=gray"
	if factor > 1 {
		filter = fmt.Sprintf("scale=%d:%d:flags=area,format=gray", size.X, size.Y)
	}
	pipe := fixture.Decode(tb, film.Path, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", filter, "-f", "rawvideo", "-")
	defer pipe.Close(tb)
	frame := image.NewGray(image.Rectangle{Max: size})
	for n := 0; ; n++ {
		if _, err := io.ReadFull(pipe, frame.Pix); errors.Is(err, io.EOF) {
			if n != len(film.Video.Times) {
				tb.Errorf("%s has %d packets and decodes to %d frames", film.Path, len(film.Video.Times), n)
			}
			return
		} else if err != nil {
			tb.Fatal(err)
		}
		do(n, frame)
	}
}

// middle is the mean of the middle of a rectangle.
func middle(frame *image.Gray, r image.Rectangle) int {
	r = r.Inset(min(r.Dx(), r.Dy()) / 4)
	sum := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			sum += int(frame.GrayAt(x, y).Y)
		}
	}
	return sum / max(1, r.Dx()*r.Dy())
}

// flashes measures when each of the cells is white.
func flashes(tb testing.TB, film *fixture.Film, cells ...image.Rectangle) [][]fixture.Span {
	tb.Helper()
	spans := make([][]fixture.Span, len(cells))
	on := make([]bool, len(cells))
	eachGray(tb, film, shrink, func(n int, frame *image.Gray) {
		for i, cell := range cells {
			white := middle(frame, image.Rectangle{cell.Min.Div(shrink), cell.Max.Div(shrink)}) > 150
			at := film.Video.Times[n]
			switch {
			case white && !on[i]:
				spans[i] = append(spans[i], fixture.Span{Start: at, End: film.Duration})
			case !white && on[i]:
				spans[i][len(spans[i])-1].End = at
			}
			on[i] = white
		}
	})
	return spans
}
