package media

// Colour says what the samples of a video track mean, by the numbers of ITU-T H.273. The zero value says nothing. Chromium
// believes a container only when it has all three numbers; otherwise it takes frames of 720 rows and more for BT.709.
type Colour struct {
	Primaries uint8 `json:",omitzero"`
	Transfer  uint8 `json:",omitzero"`
	Matrix    uint8 `json:",omitzero"`
	Full      bool  `json:",omitzero"` // samples have the full range
}

// What films are, in limited range. BT601 is that of 525 lines, also known as SMPTE 170M.
var (
	BT601 = Colour{Primaries: 6, Transfer: 6, Matrix: 6}
	BT709 = Colour{Primaries: 1, Transfer: 1, Matrix: 1}
)

// unspecified is the number of H.273 that says nothing, as 0 does here.
const unspecified = 2

// NewColour returns what a container says. Numbers that mean "unspecified", or are none of H.273's, say nothing.
func NewColour(primaries, transfer, matrix uint64, full bool) Colour {
	number := func(n uint64) uint8 {
		if n == unspecified || n > 255 {
			return 0
		}
		return uint8(n)
	}
	return Colour{Primaries: number(primaries), Transfer: number(transfer), Matrix: number(matrix), Full: full}
}
