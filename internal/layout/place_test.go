package layout

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the placements in testdata/*.txtar")

// TestPlace_Golden: one file is a canvas, a layout and tracks (name, participant, start and end in seconds), and who is
// then where. The files that begin with choice- hold what Twilio leaves open; docs/divergences.md names them.
func TestPlace_Golden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]*txtar.File{}
			for i := range archive.Files {
				parts[archive.Files[i].Name] = &archive.Files[i]
			}
			text := func(name string) string {
				if parts[name] == nil {
					t.Fatalf("%s has no part %s", path, name)
				}
				return strings.TrimSpace(string(parts[name].Data))
			}
			size, err := ParseResolution(text("resolution"), Largest)
			if err != nil {
				t.Fatal(err)
			}
			l, err := Parse(text("layout.json"), size)
			if err != nil {
				t.Fatal(err)
			}
			var sources []Source
			for line := range strings.Lines(text("tracks")) {
				var s Source
				var start, end float64
				if _, err := fmt.Sscan(line, &s.Name, &s.Participant, &start, &end); err != nil {
					t.Fatalf("track %q: %v", line, err)
				}
				s.Start, s.End = seconds(start), seconds(end)
				sources = append(sources, s)
			}
			got := describe(l, sources)
			if *update {
				parts["placements"].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(text("placements"), strings.TrimSpace(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// describe prints placements, one a line.
func describe(l Layout, sources []Source) string {
	var text strings.Builder
	for _, p := range l.Place(sources) {
		fmt.Fprintf(&text, "%6.1f %6.1f  %-8s %-8s cell %d  %dx%d at %d,%d z %d\n", p.From.Seconds(), p.To.Seconds(), sources[p.Source].Name,
			l.Regions[p.Region].Name, p.Cell, p.Rect.W, p.Rect.H, p.Rect.X, p.Rect.Y, p.Z)
	}
	return text.String()
}

// someLayout draws a valid layout of up to three regions, and its canvas.
func someLayout(t *rapid.T) Layout {
	l := Layout{Canvas: Size{rapid.IntRange(16, Largest.W).Draw(t, "w"), rapid.IntRange(16, Largest.H).Draw(t, "h")}}
	for i := range rapid.IntRange(0, 3).Draw(t, "regions") {
		r := Region{
			Name:          fmt.Sprint("r", i),
			X:             rapid.IntRange(0, l.Canvas.W-16).Draw(t, "x"),
			Y:             rapid.IntRange(0, l.Canvas.H-16).Draw(t, "y"),
			Z:             rapid.IntRange(-2, 2).Draw(t, "z"),
			Reuse:         rapid.SampledFrom([]Reuse{ReuseNone, ShowOldest, ShowNewest}).Draw(t, "reuse"),
			CellsExcluded: rapid.SliceOfN(rapid.IntRange(0, 12), 0, 4).Draw(t, "excluded"),
			VideoSources:  rapid.SampledFrom([][]string{{"*"}, {"a*"}, {"*1", "b0"}, {}}).Draw(t, "sources"),
		}
		if rapid.Bool().Draw(t, "sized") {
			r.Width = rapid.IntRange(16, l.Canvas.W-r.X).Draw(t, "width")
			r.Height = rapid.IntRange(16, l.Canvas.H-r.Y).Draw(t, "height")
		}
		if rapid.Bool().Draw(t, "columns limited") {
			r.MaxColumns = rapid.IntRange(1, 4).Draw(t, "max_columns")
		}
		if rapid.Bool().Draw(t, "rows limited") {
			r.MaxRows = rapid.IntRange(1, 4).Draw(t, "max_rows")
		}
		l.Regions = append(l.Regions, r)
	}
	return l
}

// someSources draws up to a dozen sources whose starts and ends often coincide; some are empty or end before they start.
func someSources(t *rapid.T) []Source {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Source {
		start := rapid.IntRange(0, 20).Draw(t, "start")
		return Source{
			Name:  rapid.SampledFrom([]string{"a0", "a1", "b0", "b1"}).Draw(t, "name"),
			Start: time.Duration(start),
			End:   time.Duration(start + rapid.IntRange(-1, 12).Draw(t, "length")),
		}
	}), 0, 12).Draw(t, "sources")
}

func TestPlace_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, sources := someLayout(t), someSources(t)
		all := l.Place(sources)
		if diff := cmp.Diff(all, l.Place(sources)); diff != "" {
			t.Fatalf("not deterministic:\n%s", diff)
		}
		for i, p := range all {
			s := sources[p.Source]
			if p.From < s.Start || p.To > s.End || p.From >= p.To {
				t.Fatalf("%+v is outside of its source %+v", p, s)
			}
			if i > 0 && (p.From < all[i-1].From || p.From == all[i-1].From && DrawOrder(all[i-1], p) >= 0) {
				t.Fatalf("%+v comes after %+v", p, all[i-1])
			}
			checkRects(t, l.Canvas, []Rect{p.Rect})
			for _, q := range all[:i] {
				if q.Region != p.Region || q.To < p.From || p.To < q.From {
					continue
				}
				if q.To == p.From && q.Source == p.Source && q.Cell == p.Cell {
					t.Fatalf("%+v and %+v are one", q, p)
				}
				if q.To == p.From || p.To == q.From {
					continue
				}
				if q.Source == p.Source || q.Cell == p.Cell || overlap(p.Rect, q.Rect) {
					t.Fatalf("%+v and %+v at once", q, p)
				}
			}
		}
		for number, r := range l.Regions {
			checkShown(t, r, number, l, sources, all)
		}
	})
}

// checkShown holds a region to showing as many sources at every instant as it has cells for, and the right ones.
func checkShown(t *rapid.T, r Region, number int, l Layout, sources []Source, all []Placement) {
	var chosen []int
	for _, i := range Select(sources, r.VideoSources, r.VideoSourcesExcluded) {
		if sources[i].Start < sources[i].End {
			chosen = append(chosen, i)
		}
	}
	n := len(chosen)
	if r.Reuse != ReuseNone {
		n = mostAtOnce(sources, chosen)
	}
	cells := len(r.cells(l.Canvas, n))
	if r.MaxColumns == 0 && r.MaxRows == 0 && cells < n && len(r.CellsExcluded) == 0 {
		t.Fatalf("%d cells for %d sources without a maximum", cells, n)
	}
	ever := map[int]bool{}
	for now := range time.Duration(33) {
		there, shown := 0, 0
		for _, i := range chosen {
			if sources[i].Start <= now && now < sources[i].End {
				there++
			}
		}
		for _, p := range all {
			if p.Region == number && p.From <= now && now < p.To {
				shown++
				ever[p.Source] = true
			}
		}
		want := min(there, cells)
		if r.Reuse == ReuseNone {
			want = shown
			if cells >= len(chosen) {
				want = there
			}
		}
		if shown != want {
			t.Fatalf("at %d region %d (%+v) shows %d of %d sources in %d cells", now, number, r, shown, there, cells)
		}
	}
	if r.Reuse == ReuseNone && len(ever) != min(len(chosen), cells) {
		t.Fatalf("region %d shows %d of %d sources in %d cells", number, len(ever), len(chosen), cells)
	}
}

func overlap(a, b Rect) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

func BenchmarkPlace(b *testing.B) {
	var sources []Source
	for i := range 2000 { // a large room of a day in which everybody comes back every few minutes
		start := time.Duration(i) * 30 * time.Second
		sources = append(sources, Source{Name: "camera", Start: start, End: start + 20*time.Minute})
	}
	l := Default(Size{1280, 720})
	b.ReportAllocs()
	for b.Loop() {
		l.Place(sources)
	}
}
