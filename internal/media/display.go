package media

import (
	"math"
	"math/bits"
)

// Display says how players show the frames of a video track, as far as the headers of its container tell. Players crop a
// frame, scale its pixels to their aspect, mirror it, and turn it, in this order. The zero value shows frames as the codec describes
// them. The methods that set it ignore what cannot be true, as files are damaged.
type Display struct {
	// Left, Top, Right and Bottom are how many pixels are cropped from a frame of Width x Height, the size in the header.
	// All six are 0 when nothing is cropped. From frames of other sizes, the same share is cropped.
	Width, Height            int `json:",omitzero"`
	Left, Top, Right, Bottom int `json:",omitzero"`

	AspectNum, AspectDen int  `json:",omitzero"` // of one pixel; 0 when the container does not say
	Mirror               bool `json:",omitzero"` // left and right change places
	Turn                 int  `json:",omitzero"` // clockwise: 0, 90, 180 or 270 degrees
}

// maxAspect bounds how much longer one side of a pixel is than the other. Real ones are below 4.
const maxAspect = 16

// Crop sets how much is cropped from each side of a frame of the given size. Cropping that leaves nothing is ignored.
func (d *Display) Crop(width, height int, left, top, right, bottom uint64) {
	within := func(a, b uint64, size int) bool {
		return a <= MaxSide && b <= MaxSide && a+b < uint64(max(size, 0))
	}
	if left|top|right|bottom == 0 || !within(left, right, width) || !within(top, bottom, height) {
		return
	}
	d.Width, d.Height = width, height
	d.Left, d.Top, d.Right, d.Bottom = int(left), int(top), int(right), int(bottom)
}

// Shown returns what cropping leaves of a frame of the given size, which is that in the header.
func (d *Display) Shown(width, height int) (w, h int) {
	return width - d.Left - d.Right, height - d.Top - d.Bottom
}

// Aspect sets the proportions of one pixel, width to height.
func (d *Display) Aspect(num, den uint64) {
	const most = 1 << 56 // keeps the products below in 64 bits
	if num == 0 || den == 0 || num > most || den > most || num > maxAspect*den || den > maxAspect*num {
		return
	}
	num, den = reduce(num, den)
	drop := bits.Len64(max(num, den) >> 16)
	num, den = reduce(max(num>>drop, 1), max(den>>drop, 1))
	d.AspectNum, d.AspectDen = int(num), int(den)
}

func reduce(num, den uint64) (n, d uint64) {
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return num / a, den / a
}

// Rotate sets Turn to the multiple of 90 degrees that is nearest to an angle, clockwise.
func (d *Display) Rotate(degrees float64) {
	if math.IsNaN(degrees) || math.Abs(degrees) > 1e6 {
		return
	}
	d.Turn = (int(math.Round(degrees/90))%4 + 4) % 4 * 90
}

// Transform sets Mirror and Turn to what is nearest to a matrix that moves the pixel x, y to a*x+c*y, b*x+d*y, with y
// downwards.
func (d *Display) Transform(a, b, c, e float64) {
	det := a*e - b*c
	if det == 0 || math.IsNaN(det) || math.IsInf(det, 0) {
		return
	}
	d.Mirror = det < 0
	d.Rotate(math.Atan2(-c, e) * 180 / math.Pi) // where the y axis goes, which mirroring leaves alone
}

// valid reports whether a stored Display is one that its methods could have set.
func (d *Display) valid() bool {
	for _, n := range [...]int{d.Width, d.Height, d.Left, d.Top, d.Right, d.Bottom, d.AspectNum, d.AspectDen} {
		if n < 0 || n > MaxSide {
			return false
		}
	}
	w, h := d.Shown(d.Width, d.Height)
	cropped := d.Width > 0 && w > 0 && h > 0 || d.Width|d.Height|d.Left|d.Top|d.Right|d.Bottom == 0
	return cropped && (d.AspectNum > 0) == (d.AspectDen > 0) && d.Turn >= 0 && d.Turn <= 270 && d.Turn%90 == 0
}
