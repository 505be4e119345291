package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
)

// Sizes of the text on a shared screen, in pixels.
const (
	glyphWidth, glyphHeight = 8, 14
	lineHeight              = 22
	margin                  = 40
	glyphs                  = 60 // how many different ones
)

// recordScreen encodes a shared screen: dark text on a light page, which scrolls by a third of the screen every 8 s, within
// three frames, and stands still in between.
func recordScreen(ctx context.Context, c camera, seconds int, path string) error {
	const interval = 8 // seconds
	scrolled := c.h / 3
	page := drawPage(c.w, c.h+(seconds/interval+1)*scrolled)
	arguments := append([]string{"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", c.w, c.h), "-r", fmt.Sprint(c.fps), "-i", "-"}, realtime(c)...)
	line := ffmpegCommand(append(arguments, path)...)
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	input, err := command.StdinPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	chroma := bytes.Repeat([]byte{128}, c.w*c.h/2)
	for n := range seconds * c.fps {
		into := min(n%(interval*c.fps), 3) // frames since the page began to scroll
		top := (n/(interval*c.fps)*scrolled + into*scrolled/3) * c.w
		if _, err = input.Write(page[top : top+c.w*c.h]); err == nil {
			_, err = input.Write(chroma)
		}
		if err != nil {
			break // ffmpeg says why
		}
	}
	input.Close()
	if ended := command.Wait(); ended != nil {
		return fmt.Errorf("encode a screen: %w\n%s", ended, &stderr)
	}
	return err
}

// drawPage returns the luma of a page of words. The glyphs are invented, so that no font has to be installed.
func drawPage(w, h int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var shapes [glyphs][glyphWidth * glyphHeight]byte
	for i := range shapes {
		for range 4 { // strokes
			x, y := 1+random.IntN(5), 2+random.IntN(8)
			dx, dy := random.IntN(2), random.IntN(2)
			if dx+dy == 0 {
				dy = 1
			}
			for range 3 + random.IntN(4) {
				if x < glyphWidth-1 && y < glyphHeight-2 {
					shapes[i][y*glyphWidth+x] = 200
					shapes[i][y*glyphWidth+x+1] = max(shapes[i][y*glyphWidth+x+1], 90)
				}
				x, y = x+dx, y+dy
			}
		}
	}
	page := bytes.Repeat([]byte{230}, w*h)
	for y := margin; y+lineHeight < h; y += lineHeight {
		if random.IntN(9) == 0 {
			continue // between paragraphs
		}
		for x := margin; x+12*glyphWidth < w-random.IntN(w/4); x += glyphWidth {
			for range 2 + random.IntN(8) {
				shape := &shapes[random.IntN(glyphs)]
				for i, ink := range shape {
					page[(y+i/glyphWidth)*w+x+i%glyphWidth] -= ink
				}
				x += glyphWidth
			}
		}
	}
	return page
}
