package timeline

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []Span
		trim  bool
		want  []Interval
	}{
		{"no recordings", nil, true, nil},
		{"only empty ones", []Span{{5, 5}, {7, 3}}, true, nil},
		{"initial gap always goes", []Span{{20, 30}}, false, []Interval{{Span{20, 30}, 0}}},
		{"later gap goes", []Span{{40, 50}, {10, 20}}, true, []Interval{{Span{10, 20}, 0}, {Span{40, 50}, 10}}},
		{"later gap stays without trim", []Span{{40, 50}, {10, 20}}, false, []Interval{{Span{10, 50}, 0}}},
		{"touching is no gap", []Span{{10, 20}, {20, 30}}, true, []Interval{{Span{10, 30}, 0}}},
		{"one within another", []Span{{10, 40}, {15, 20}, {41, 42}}, true, []Interval{{Span{10, 40}, 0}, {Span{41, 42}, 30}}},
		{"empty one bridges nothing", []Span{{10, 20}, {20, 20}, {25, 25}, {30, 31}}, true, []Interval{{Span{10, 20}, 0}, {Span{30, 31}, 10}}},
		{"before the room's start", []Span{{-5, 5}}, true, []Interval{{Span{-5, 5}, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, New(c.spans, c.trim).Intervals()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMap_OutputOfWhatIsCut(t *testing.T) {
	m := New([]Span{{10, 20}, {40, 50}}, true)
	for _, c := range []struct {
		room, want time.Duration
		shown      bool
	}{{0, 0, false}, {10, 0, true}, {19, 9, true}, {20, 10, false}, {39, 10, false}, {40, 10, true}, {49, 19, true}, {50, 20, false}, {99, 20, false}} {
		if got, shown := m.Output(c.room); got != c.want || shown != c.shown {
			t.Errorf("room time %d is output time %d, %v; want %d, %v", c.room, got, shown, c.want, c.shown)
		}
	}
}

func TestMap_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Span {
			start := rapid.IntRange(-10, 200).Draw(t, "start")
			return Span{time.Duration(start), time.Duration(start + rapid.IntRange(-2, 30).Draw(t, "length"))}
		}), 0, 20).Draw(t, "spans")
		trim := rapid.Bool().Draw(t, "trim")
		m := New(spans, trim)
		covered := func(at time.Duration) bool {
			return slices.ContainsFunc(spans, func(s Span) bool { return s.Start <= at && at < s.End })
		}
		shown, before := time.Duration(0), time.Duration(0)
		for room := time.Duration(-15); room < 260; room++ {
			out, ok := m.Output(room)
			if out < before {
				t.Fatalf("output time goes back from %d to %d at room time %d", before, out, room)
			}
			before = out
			if covered(room) && !ok || trim && ok && !covered(room) {
				t.Fatalf("room time %d: covered %v, shown %v", room, covered(room), ok)
			}
			if ok {
				if out != shown {
					t.Fatalf("room time %d is output time %d, want %d", room, out, shown)
				}
				shown++
			}
		}
		if m.Length() != shown {
			t.Fatalf("length %d, shown %d", m.Length(), shown)
		}
		for _, s := range spans {
			if s.Start >= s.End {
				m.Shift(s) // must not crash; nothing is promised
				continue
			}
			for at := s.Start; at < s.End; at++ {
				if out, ok := m.Output(at); !ok || out != at+m.Shift(s) {
					t.Fatalf("span %+v: output of %d is %d (%v), shift says %d", s, at, out, ok, at+m.Shift(s))
				}
			}
		}
	})
}

func TestPictures(t *testing.T) {
	for _, c := range []struct {
		length   time.Duration
		num, den int
		want     int
	}{
		{0, 25, 1, 0},
		{-1, 25, 1, 0},
		{1, 25, 1, 1},
		{40 * ms, 25, 1, 1},
		{40*ms + 1, 25, 1, 2},
		{time.Second, 25, 1, 25},
		{1001 * ms, 30000, 1001, 30},
		{1001*ms + 1, 30000, 1001, 31},
		{24 * 365 * time.Hour, 60000, 1001, 1890269731},
		{time.Second, 0, 1, 0},
	} {
		if got := Pictures(c.length, c.num, c.den); got != c.want {
			t.Errorf("%v at %d/%d is %d pictures, want %d", c.length, c.num, c.den, got, c.want)
		}
	}
}

func TestSamples(t *testing.T) {
	for length, want := range map[time.Duration]int64{0: 0, 20 * ms: 960, time.Second: 48000, 10416: 0, 10417: 1, -10417: -1, -20 * ms: -960, 1<<63 - 1: 442721857769029} {
		if got := Samples(length); got != want {
			t.Errorf("%v is %d samples, want %d", length, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if n := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "samples"); Samples(duration(n)) != n {
			t.Fatalf("%d samples are %v, which are %d", n, duration(n), Samples(duration(n)))
		}
	})
}

func BenchmarkNew(b *testing.B) {
	var spans []Span
	for i := range 5000 {
		start := time.Duration(i*7919%5000) * time.Minute
		spans = append(spans, Span{start, start + 30*time.Second})
	}
	b.ReportAllocs()
	for b.Loop() {
		New(spans, true)
	}
}
