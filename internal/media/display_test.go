package media_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"roomreel/internal/media"
)

func TestDisplay_IgnoresWhatCannotBeTrue(t *testing.T) {
	for name, set := range map[string]func(d *media.Display){
		"nothing is left of the width":   func(d *media.Display) { d.Crop(320, 240, 160, 0, 160, 0) },
		"nothing is left of the height":  func(d *media.Display) { d.Crop(320, 240, 0, 241, 0, 0) },
		"cropping overflows":             func(d *media.Display) { d.Crop(320, 240, math.MaxUint64, 0, 2, 0) },
		"cropping of a frame of no size": func(d *media.Display) { d.Crop(0, 0, 1, 1, 1, 1) },
		"aspect without width":           func(d *media.Display) { d.Aspect(0, 9) },
		"aspect without height":          func(d *media.Display) { d.Aspect(16, 0) },
		"pixels as wide as 17":           func(d *media.Display) { d.Aspect(17, 1) },
		"pixels as high as 17":           func(d *media.Display) { d.Aspect(100, 1701) },
		"aspect that overflows":          func(d *media.Display) { d.Aspect(math.MaxUint64, math.MaxUint64) },
		"no angle":                       func(d *media.Display) { d.Rotate(math.NaN()) },
		"infinite angle":                 func(d *media.Display) { d.Rotate(math.Inf(-1)) },
		"matrix that draws a line":       func(d *media.Display) { d.Transform(1, 1, 1, 1) },
		"matrix of zeros":                func(d *media.Display) { d.Transform(0, 0, 0, 0) },
	} {
		var d media.Display
		if set(&d); d != (media.Display{}) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestDisplay_TurnsToTheNearestRightAngle(t *testing.T) {
	for angle, want := range map[float64]int{0: 0, 90: 90, -90: 270, 180: 180, -180: 180, 270: 270, 450: 90, 44: 0, 46: 90, -46: 270, -44: 0} {
		var d media.Display
		if d.Rotate(angle); d.Turn != want {
			t.Errorf("%v degrees: %d, want %d", angle, d.Turn, want)
		}
	}
	for name, test := range map[string]struct {
		matrix [4]float64
		want   media.Display
	}{
		"upright":                        {[4]float64{1, 0, 0, 1}, media.Display{}},
		"clockwise":                      {[4]float64{0, 1, -1, 0}, media.Display{Turn: 90}},
		"upside down":                    {[4]float64{-1, 0, 0, -1}, media.Display{Turn: 180}},
		"counterclockwise":               {[4]float64{0, -2, 2, 0}, media.Display{Turn: 270}},
		"a little askew":                 {[4]float64{0.9, 0.1, -0.1, 0.9}, media.Display{}},
		"mirrored":                       {[4]float64{-1, 0, 0, 1}, media.Display{Mirror: true}},
		"flipped":                        {[4]float64{1, 0, 0, -1}, media.Display{Mirror: true, Turn: 180}},
		"columns and rows change places": {[4]float64{0, 1, 1, 0}, media.Display{Mirror: true, Turn: 270}},
	} {
		var d media.Display
		if d.Transform(test.matrix[0], test.matrix[1], test.matrix[2], test.matrix[3]); d != test.want {
			t.Errorf("%s: %+v, want %+v", name, d, test.want)
		}
	}
}

// TestDisplay_IsStored stores whatever its methods can set. What they cannot set is damage.
func TestDisplay_IsStored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.OneOf(rapid.Uint64Range(0, 400), rapid.Uint64())
		x := indexOf(3, 1)
		d := &x.Display
		d.Crop(rapid.IntRange(0, media.MaxSide).Draw(t, "width"), rapid.IntRange(0, media.MaxSide).Draw(t, "height"),
			side.Draw(t, "left"), side.Draw(t, "top"), side.Draw(t, "right"), side.Draw(t, "bottom"))
		d.Aspect(side.Draw(t, "num"), side.Draw(t, "den"))
		number := rapid.Float64()
		d.Transform(number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "c"), number.Draw(t, "d"))
		d.Rotate(number.Draw(t, "degrees"))
		data, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var y media.Index
		if err := y.UnmarshalBinary(data); err != nil {
			t.Fatalf("%+v: %v", x.Display, err)
		}
		if diff := cmp.Diff(x.Display, y.Display); diff != "" {
			t.Error(diff)
		}
	})
	for name, d := range map[string]media.Display{
		"more is cropped than there is": {Width: 320, Height: 240, Left: 200, Right: 200},
		"cropped of nothing":            {Left: 1},
		"negative":                      {Width: 320, Height: 240, Top: -1},
		"too large":                     {Width: media.MaxSide + 1, Height: 240, Top: 1},
		"half an aspect":                {AspectNum: 4},
		"askew":                         {Turn: 45},
		"a whole turn":                  {Turn: 360},
	} {
		x := indexOf(3, 1)
		x.Display = d
		data, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var y media.Index
		if y.UnmarshalBinary(data) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
