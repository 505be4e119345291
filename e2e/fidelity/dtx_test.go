package fidelity

import (
	"math"
	"testing"
	"time"
)

// A sender with DTX sends one packet in 420 ms in silence. A converter that loses 1.5 ms in each gap is 3 s off after
// 45 min.
func TestDTX(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := track{name: "microphone", codec: "opus", ending: "webm", dtx: true, tone: 1000, event: 10 * frameStep, cycles: sized(30, 132)}
	film, _ := compose(t, makeRoom(t, dir, &k), dir+"/film.mp4", noVideo(t, dir)...)
	found, want := bursts(t, film.Path, k.tone)[0], k.events()
	if len(found) != len(want) {
		t.Fatalf("%d bursts, want %d", len(found), len(want))
	}
	off := func(i int) float64 {
		return (found[i].Start+found[i].End).Seconds()*500 - (want[i]+eventLength/2+k.late).Seconds()*1000
	}
	drift, most := off(len(want)-1)-off(0), 0.0
	for i := range want {
		most = max(most, math.Abs(off(i)))
	}
	record(t, "DTX", "%v: last event %+.3f ms against the first, none more than %.2f ms from its place", film.Duration.Round(time.Second), drift, most)
	if math.Abs(drift) > 1 || most > 1 {
		t.Errorf("the last event is %v ms from its place, counted from the first; the worst is %v ms off", drift, most)
	}
}
