package video

import (
	"fmt"
	"testing"

	"roomreel/internal/codec"
	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
)

// quarters is a source whose quarters are grey fields of four levels: top left, top right, bottom left, bottom right.
func quarters(t *testing.T, w, h int, output string) codectest.Track {
	t.Helper()
	return codectest.Make(t, fmt.Sprintf(
		"-f lavfi -i color=black:s=%dx%d:r=25:d=0.2,format=yuv420p,geq=lum='60+40*gte(X\\,W/2)+80*gte(Y\\,H/2)':cb='100+20*gte(X\\,W/4)':cr='100+20*gte(Y\\,H/4)' ", w, h)+output)
}

// TestRun_ShowsFramesAsTheirContainerSays compares the corners of what is shown, and the black beside it.
func TestRun_ShowsFramesAsTheirContainerSays(t *testing.T) {
	codectest.NoLeaks(t)
	const a, b, c, d = 60, 100, 140, 180 // the quarters of a frame
	high := "-c:v libx264 -crf 1 -pix_fmt yuv420p10le"
	for _, test := range []struct {
		name    string
		w, h    int
		output  string
		display protocol.Display
		fit     rect // within 128x96
		corners [4]uint8
	}{
		{"as it is", 64, 48, vp8, protocol.Display{}, rect{0, 0, 128, 96}, [4]uint8{a, b, c, d}},
		{"clockwise", 64, 48, vp8, protocol.Display{Turn: 90}, rect{28, 0, 72, 96}, [4]uint8{c, a, d, b}},
		{"half a turn", 64, 48, vp8, protocol.Display{Turn: 180}, rect{0, 0, 128, 96}, [4]uint8{d, c, b, a}},
		{"counterclockwise", 64, 48, vp8, protocol.Display{Turn: 270}, rect{28, 0, 72, 96}, [4]uint8{b, d, a, c}},
		{"mirrored", 64, 48, vp8, protocol.Display{Mirror: true}, rect{0, 0, 128, 96}, [4]uint8{b, a, d, c}},
		{"mirrored and clockwise", 64, 48, vp8, protocol.Display{Mirror: true, Turn: 90}, rect{28, 0, 72, 96}, [4]uint8{d, b, c, a}},
		{"10 bit, mirrored, counterclockwise", 64, 48, high, protocol.Display{Mirror: true, Turn: 270}, rect{28, 0, 72, 96}, [4]uint8{a, c, b, d}},
		{"odd, clockwise", 63, 47, vp8, protocol.Display{Turn: 90}, rect{28, 0, 72, 96}, [4]uint8{c, a, d, b}},
		{"wide pixels", 64, 48, vp8, protocol.Display{AspectNum: 4, AspectDen: 3}, rect{0, 12, 128, 72}, [4]uint8{a, b, c, d}},
		{"wide pixels, clockwise", 64, 48, vp8, protocol.Display{AspectNum: 4, AspectDen: 3, Turn: 90}, rect{36, 0, 54, 96}, [4]uint8{c, a, d, b}},
		{"square pixels, against the codec", 64, 48, x264 + " -aspect 16:9", protocol.Display{AspectNum: 1, AspectDen: 1}, rect{0, 0, 128, 96}, [4]uint8{a, b, c, d}},
		{"sides cropped", 64, 48, vp8, protocol.Display{Width: 64, Height: 48, Left: 16, Right: 16}, rect{32, 0, 64, 96}, [4]uint8{a, b, c, d}},
		{"left half cropped", 64, 48, vp8, protocol.Display{Width: 64, Height: 48, Left: 32}, rect{32, 0, 64, 96}, [4]uint8{b, b, d, d}},
		{"top half cropped", 64, 48, vp8, protocol.Display{Width: 64, Height: 48, Top: 24}, rect{0, 24, 128, 48}, [4]uint8{c, d, c, d}},
		{"top half cropped, 10 bit, clockwise", 64, 48, high, protocol.Display{Width: 64, Height: 48, Top: 24, Turn: 90}, rect{46, 0, 36, 96}, [4]uint8{c, c, d, d}},
		{"the same share of a smaller frame", 64, 48, vp8, protocol.Display{Width: 640, Height: 480, Left: 320}, rect{32, 0, 64, 96}, [4]uint8{b, b, d, d}},
		{"cropped by the decoder already", 64, 48, vp8, protocol.Display{Width: 64, Height: 64, Bottom: 16}, rect{0, 0, 128, 96}, [4]uint8{a, b, c, d}},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan := onePlan(3)
			packets := add(&plan, quarters(t, test.w, test.h, test.output), 0)
			plan.Tracks[0].Display = test.display
			f := compose(t, plan, packets)
			r := test.fit
			for i, want := range test.corners {
				x, y := r.x+4+i%2*(r.w-9), r.y+4+i/2*(r.h-9)
				if got := f.luma(1, x, y); !near(got, want) {
					t.Errorf("corner %d, at %d,%d, is %d, want %d", i, x, y, got, want)
				}
			}
			for _, outside := range [...][2]int{{r.x - 3, 48}, {r.x + r.w + 2, 48}, {64, r.y - 3}, {64, r.y + r.h + 2}} {
				if x, y := outside[0], outside[1]; x >= 0 && x < 128 && y >= 0 && y < 96 {
					if got := f.luma(1, x, y); !near(got, 16) {
						t.Errorf("beside it, at %d,%d, it is %d, want black", x, y, got)
					}
				}
			}
		})
	}
}

// TestRun_TurnsColoursToo compares the chroma of the top right corner, where each turn puts another corner of the frame.
func TestRun_TurnsColoursToo(t *testing.T) {
	codectest.NoLeaks(t)
	track := codectest.Make(t, "-f lavfi -i color=black:s=64x48:r=25:d=0.2,format=yuv420p,geq=lum=90:cb='60+100*gte(X\\,W/2)':cr='60+100*gte(Y\\,H/2)' "+vp8)
	for turn, want := range map[int][2]uint8{0: {160, 60}, 90: {60, 60}, 180: {60, 160}, 270: {160, 160}} {
		plan := onePlan(3)
		packets := add(&plan, track, 0)
		plan.Tracks[0].Display.Turn = turn
		f := compose(t, plan, packets)
		if luma, cb, cr := f.frames[1].At(90, 10); !near(luma, 90) || !near(cb, want[0]) || !near(cr, want[1]) {
			t.Errorf("turned by %d: %d %d %d at the top right, want 90 %d %d", turn, luma, cb, cr, want[0], want[1])
		}
	}
}

// TestShow_StaysInsideTheFrame tries every cropping of small headers on small frames.
func TestShow_StaysInsideTheFrame(t *testing.T) {
	for side := 1; side <= 9; side++ {
		for whole := -1; whole <= 9; whole++ {
			for before := -1; before <= 10; before++ {
				for after := -1; after <= 10; after++ {
					start, length := crop(side, whole, before, after)
					if start < 0 || length < 1 || start+length > side {
						t.Fatalf("%d and %d of %d cropped from %d: [%d, %d)", before, after, whole, side, start, start+length)
					}
				}
			}
		}
	}
	f := &codec.Frame{Width: 7, Height: 5, AspectNum: 12, AspectDen: 11}
	if v, w, h := show(f, protocol.Display{}); v != (codec.View{W: 7, H: 5}) || w != 84 || h != 55 {
		t.Errorf("without a word of the container: %+v in %d:%d", v, w, h)
	}
}
