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
		// The reference is a list of the shown instants, one by one.
		shown := make(map[time.Duration]time.Duration) // room time to output time
		for _, in := range m.Intervals() {
			for at := in.Room.Start; at < in.Room.End; at++ {
				if want := time.Duration(len(shown)); in.Output+at-in.Room.Start != want {
					t.Fatalf("room time %d is output time %d, want %d", at, in.Output+at-in.Room.Start, want)
				}
				shown[at] = time.Duration(len(shown))
			}
		}
		if int(m.Length()) != len(shown) {
			t.Fatalf("length %d, shown %d", m.Length(), len(shown))
		}
		for room := time.Duration(-15); room < 260; room++ {
			_, ok := shown[room]
			if covered(room) && !ok || trim && ok && !covered(room) {
				t.Fatalf("room time %d: covered %v, shown %v", room, covered(room), ok)
			}
		}
		for _, s := range spans {
			if s.Start >= s.End {
				m.Shift(s) // must not panic
				continue
			}
			for at := s.Start; at < s.End; at++ {
				if out, ok := shown[at]; !ok || out != at+m.Shift(s) {
					t.Fatalf("span %+v: output of %d is %d (%v), shift says %d", s, at, out, ok, at+m.Shift(s))
				}
			}
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
