package layout

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGrid_IsAsDocumented holds the grid to every row of Twilio's tables.
func TestGrid_IsAsDocumented(t *testing.T) {
	text, err := os.ReadFile("testdata/grids.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Grids [][5]int }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Grids) != 48 {
		t.Fatalf("testdata/grids.json has %d rows, want 48", len(file.Grids))
	}
	for _, row := range file.Grids {
		n, maxRows, maxColumns := row[0], row[1], row[2]
		rows, columns := grid(n, maxRows, maxColumns)
		if rows != row[3] || columns != row[4] {
			t.Errorf("%d cells, at most %d rows and %d columns: grid is %dx%d, want %dx%d", n, maxRows, maxColumns, rows, columns, row[3], row[4])
		}
	}
}

func TestCells_TileTheRegionAtEvenPixels(t *testing.T) {
	got := Region{X: 1, Width: 101, Height: 33}.cells(Size{641, 481}, 3)
	want := []Rect{{0, 0, 50, 16}, {50, 0, 52, 16}, {0, 16, 50, 16}, {50, 16, 52, 16}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCells_RegionsThatTouchStillTouch(t *testing.T) {
	left := Region{Width: 321}.cells(Size{641, 481}, 1)[0]
	right := Region{X: 321}.cells(Size{641, 481}, 1)[0]
	if left.X+left.W != right.X || right.X+right.W != 640 || left.H != 480 {
		t.Errorf("left %v and right %v do not share an edge of a 640x480 film", left, right)
	}
}

func TestCells_ExcludedOnesDoNotCount(t *testing.T) {
	for _, c := range []struct {
		name                string
		n                   int
		excluded            []int
		maxRows, maxColumns int
		want                []Rect
	}{
		{"grid grows until the rest suffices", 1, []int{0}, 0, 0, []Rect{{50, 0, 50, 100}}},
		{"spare cell is enough", 3, []int{3}, 0, 0, []Rect{{0, 0, 50, 50}, {50, 0, 50, 50}, {0, 50, 50, 50}}},
		{"beyond the grid", 1, []int{7}, 0, 0, []Rect{{0, 0, 100, 100}}},
		{"given twice", 1, []int{0, 0, 0}, 0, 0, []Rect{{50, 0, 50, 100}}},
		{"both maxima hold", 9, []int{0, 3}, 2, 2, []Rect{{50, 0, 50, 50}, {0, 50, 50, 50}}},
		{"nothing is left", 1, []int{0}, 1, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Region{CellsExcluded: c.excluded, MaxRows: c.maxRows, MaxColumns: c.maxColumns}
			if diff := cmp.Diff(c.want, r.cells(Size{100, 100}, c.n)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCells_AreNeverSmallerThanTwoPixels(t *testing.T) {
	for _, rect := range (Region{Width: 16, Height: 16}).cells(Size{1280, 720}, 500) {
		if rect.W < 2 || rect.H < 2 {
			t.Fatalf("cell %v", rect)
		}
	}
}
