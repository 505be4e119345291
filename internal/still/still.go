// Package still writes a single frame of a film as a PNG or JPEG. It is pure Go: the frame was decoded and drawn in a render child.
package still

import (
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
)

// Format is a file format of still images.
type Format string

const (
	PNG  Format = "png"
	JPEG Format = "jpeg"
)

// ContentType returns the media type of a format.
func (f Format) ContentType() string { return "image/" + string(f) }

// jpegQuality keeps text on shared screens legible; a frame of 1280x720 takes about 150 kB.
const jpegQuality = 90

// Frame is a frame in I420: the planes Y, U and V without padding, in limited range. Its sides are even.
type Frame struct {
	Width, Height int
	Matrix        uint8 // by the numbers of ITU-T H.273: 1 is BT.709, all others BT.601
	Planes        []byte
}

// New makes a frame of its planes, which must have the size of the frame.
func New(width, height int, matrix uint8, planes []byte) (Frame, error) {
	if width < 2 || height < 2 || width%2 != 0 || height%2 != 0 || len(planes) != width*height*3/2 {
		return Frame{}, fmt.Errorf("a frame of %dx%d in %d bytes", width, height, len(planes))
	}
	return Frame{width, height, matrix, planes}, nil
}

// Write writes the frame as a file of a format.
func (f Frame) Write(w io.Writer, format Format) error {
	switch format {
	case PNG:
		// Better compression takes three times as long and saves a tenth.
		return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, f.RGBA())
	case JPEG:
		return jpeg.Encode(w, f.RGBA(), &jpeg.Options{Quality: jpegQuality})
	}
	return fmt.Errorf("no format %q of still images", format)
}

// RGBA converts the frame to full range. Each sample of chroma is that of four pixels.
//
// Source: ITU-T H.273, 8.3, with 8 bits.
func (f Frame) RGBA() *image.RGBA {
	kr, kb := 0.299, 0.114
	if f.Matrix == 1 {
		kr, kb = 0.2126, 0.0722
	}
	kg := 1 - kr - kb
	const one = 1 << 16
	fixed := func(v float64) int { return int(v*one + 0.5) }
	luma, chroma := 255.0/219, 255.0/224
	ky := fixed(luma)
	rv, bu := fixed(2*(1-kr)*chroma), fixed(2*(1-kb)*chroma)
	gu, gv := fixed(2*(1-kb)*kb/kg*chroma), fixed(2*(1-kr)*kr/kg*chroma)

	img := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height))
	w, h := f.Width, f.Height
	ys, us, vs := f.Planes[:w*h], f.Planes[w*h:w*h*5/4], f.Planes[w*h*5/4:]
	for y := range h {
		row, pix := ys[y*w:][:w], img.Pix[y*img.Stride:][:4*w]
		u, v := us[y/2*(w/2):][:w/2], vs[y/2*(w/2):][:w/2]
		for x := range row {
			l, cu, cv := (int(row[x])-16)*ky+one/2, int(u[x/2])-128, int(v[x/2])-128
			p := pix[4*x : 4*x+4 : 4*x+4]
			p[0] = clamp((l + cv*rv) >> 16)
			p[1] = clamp((l - cu*gu - cv*gv) >> 16)
			p[2] = clamp((l + cu*bu) >> 16)
			p[3] = 255
		}
	}
	return img
}

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }
