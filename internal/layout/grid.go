package layout

import "slices"

// grid returns how many rows and columns a region with n cells has, n >= 1. A maximum of 0 is none.
//
// Without maxima the grid is as square as possible, and rather wider than higher. One maximum limits its side, and the other
// side grows. Two maxima limit both sides, and sources that do not fit are not shown.
//
// Source: twilio.com/docs/video/api/compositions-resource; testdata/grids.json holds its tables.
func grid(n, maxRows, maxColumns int) (rows, columns int) {
	for columns*columns < n {
		columns++
	}
	rows = ceilDiv(n, columns)
	if maxRows > 0 && rows > maxRows {
		rows = maxRows
		columns = ceilDiv(n, rows)
	}
	if maxColumns > 0 && columns > maxColumns {
		columns = maxColumns
		rows = ceilDiv(n, columns)
		if maxRows > 0 {
			rows = min(rows, maxRows)
		}
	}
	return rows, columns
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// cells returns the rectangles of the region's cells without the excluded ones, from left to right, then from top to
// bottom. The grid is the smallest with n cells besides the excluded ones, where n is the largest number of sources shown
// at a time. An excluded number beyond that grid has no effect.
//
// The rectangles tile the region without a gap: its edges and theirs lie at even pixels, as 4:2:0 chroma requires. Each
// edge is rounded to the left or up. Cells of a row differ by two pixels at most. A region has no more rows or columns than
// cells of 2x2 pixels fit.
func (r Region) cells(canvas Size, n int) []Rect {
	if n < 1 {
		return nil
	}
	box := r.box(canvas)
	excluded := slices.Compact(slices.Sorted(slices.Values(r.CellsExcluded)))
	rows, columns := grid(n, r.MaxRows, r.MaxColumns)
	inside := func() int { // excluded cells in the grid
		i, _ := slices.BinarySearch(excluded, rows*columns)
		return i
	}
	for more := 1; rows*columns-inside() < n && more <= len(excluded); more++ {
		rows, columns = grid(n+more, r.MaxRows, r.MaxColumns)
	}
	rows, columns = min(rows, box.H/2), min(columns, box.W/2)

	var rects []Rect
	for i := range rows * columns {
		if _, skip := slices.BinarySearch(excluded, i); skip {
			continue
		}
		row, column := i/columns, i%columns
		left, right := edge(box.W, column, columns), edge(box.W, column+1, columns)
		top, bottom := edge(box.H, row, rows), edge(box.H, row+1, rows)
		rects = append(rects, Rect{box.X + left, box.Y + top, right - left, bottom - top})
	}
	return rects
}

// box is the region's rectangle with each edge rounded down to an even pixel, so that regions that touch in the request touch
// in the film. The size of the film is the canvas rounded down to even.
func (r Region) box(canvas Size) Rect {
	right, bottom := canvas.W, canvas.H
	if r.Width > 0 {
		right = r.X + r.Width
	}
	if r.Height > 0 {
		bottom = r.Y + r.Height
	}
	x, y := r.X&^1, r.Y&^1
	return Rect{x, y, right&^1 - x, bottom&^1 - y}
}

// edge returns the even offset of the k-th of n cells in an even length.
func edge(length, k, n int) int { return length / 2 * k / n * 2 }
