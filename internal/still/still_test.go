package still

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"testing"
)

// plain is a frame of one colour.
func plain(t testing.TB, w, h int, matrix, y, u, v uint8) Frame {
	t.Helper()
	planes := bytes.Repeat([]byte{y}, w*h)
	planes = append(planes, bytes.Repeat([]byte{u}, w*h/4)...)
	planes = append(planes, bytes.Repeat([]byte{v}, w*h/4)...)
	f, err := New(w, h, matrix, planes)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The samples are those of ITU-R BT.601 and BT.709 for colour bars of full saturation.
func TestFrame_HasTheColoursOfItsMatrix(t *testing.T) {
	for _, test := range []struct {
		name            string
		matrix, y, u, v uint8
		r, g, b         int
	}{
		{"black", 1, 16, 128, 128, 0, 0, 0},
		{"white", 1, 235, 128, 128, 255, 255, 255},
		{"white_601", 6, 235, 128, 128, 255, 255, 255},
		{"above_white", 1, 255, 128, 128, 255, 255, 255},
		{"below_black", 1, 0, 128, 128, 0, 0, 0},
		{"red_601", 6, 81, 90, 240, 255, 0, 0},
		{"green_601", 6, 145, 54, 34, 0, 255, 0},
		{"blue_601", 5, 41, 240, 110, 0, 0, 255},
		{"red_709", 1, 63, 102, 240, 255, 0, 0},
		{"green_709", 1, 173, 42, 26, 0, 255, 0},
		{"blue_709", 1, 32, 240, 118, 0, 0, 255},
	} {
		t.Run(test.name, func(t *testing.T) {
			frame := plain(t, 16, 16, test.matrix, test.y, test.u, test.v)
			for _, format := range []Format{PNG, JPEG} {
				var file bytes.Buffer
				if err := frame.Write(&file, format); err != nil {
					t.Fatal(err)
				}
				shown, name, err := image.Decode(&file)
				if err != nil || name != string(format) || shown.Bounds().Dx() != 16 || shown.Bounds().Dy() != 16 {
					t.Fatalf("%s: %s of %v, %v", format, name, shown.Bounds(), err)
				}
				r, g, b, _ := shown.At(7, 9).RGBA()
				for i, pair := range [][2]int{{int(r >> 8), test.r}, {int(g >> 8), test.g}, {int(b >> 8), test.b}} {
					if d := pair[0] - pair[1]; d < -4 || d > 4 {
						t.Errorf("%s: sample %d is %d, want %d", format, i, pair[0], pair[1])
					}
				}
			}
		})
	}
}

func TestNew_RefusesOtherSizes(t *testing.T) {
	for _, test := range []struct{ w, h, bytes int }{{0, 0, 0}, {2, 2, 5}, {2, 2, 7}, {3, 2, 9}, {2, 3, 9}, {-2, -2, 6}} {
		if _, err := New(test.w, test.h, 1, make([]byte, test.bytes)); err == nil {
			t.Errorf("%dx%d in %d bytes is a frame", test.w, test.h, test.bytes)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	frame := plain(b, 1280, 720, 1, 100, 120, 140)
	for i := range frame.Planes {
		frame.Planes[i] += byte(i*i>>7) & 7
	}
	for _, format := range []Format{PNG, JPEG} {
		b.Run(fmt.Sprint(format), func(b *testing.B) {
			for b.Loop() {
				if err := frame.Write(io.Discard, format); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
