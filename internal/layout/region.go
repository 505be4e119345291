package layout

// Reuse says what a region does when sources outnumber its cells.
type Reuse string

const (
	ReuseNone  Reuse = "none"        // a cell shows one source in the whole film
	ShowOldest Reuse = "show_oldest" // a cell is used again when its source has ended; later sources wait
	ShowNewest Reuse = "show_newest" // a later source takes the cell whose source ends first
)

// Region is one grid of cells on the canvas.
type Region struct {
	Name                 string
	X, Y, Z              int
	Width, Height        int // 0: to the canvas's right or bottom edge
	MaxColumns, MaxRows  int // 0: no maximum
	CellsExcluded        []int
	Reuse                Reuse
	VideoSources         []string
	VideoSourcesExcluded []string
}

// Layout is the regions of a film in the order of the request's text. The zero Layout has no picture.
type Layout struct {
	Canvas  Size // as requested
	Regions []Region
}

// Empty reports whether the layout has no region, as of a film without pictures.
func (l Layout) Empty() bool { return len(l.Regions) == 0 }

// Default is the layout of a film that was not given one: a single grid of every video.
func Default(canvas Size) Layout {
	return Layout{Canvas: canvas, Regions: []Region{{Name: "grid", Reuse: ShowOldest, VideoSources: []string{"*"}}}}
}
