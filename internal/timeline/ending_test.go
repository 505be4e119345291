package timeline

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCompareEnds(t *testing.T) {
	for _, c := range []struct {
		length, known time.Duration
		want          Ending
		lasts         time.Duration
	}{
		{time.Minute, 0, EndsRight, time.Minute},
		{time.Minute, -time.Hour, EndsRight, time.Minute},
		{time.Minute, time.Minute + 20*ms, EndsRight, time.Minute},
		{time.Minute, time.Minute + 21*ms, EndsDrift, time.Minute + 21*ms},
		{time.Minute, time.Minute - 200*ms, EndsDrift, time.Minute - 200*ms},
		{time.Second, time.Second + 150*ms, EndsRight, time.Second},
		{time.Second, 800 * ms, EndsRight, time.Second},
		{time.Minute, time.Minute + 201*ms, EndsLate, time.Minute + 201*ms},
		{time.Minute, time.Minute - 201*ms, EndsEarly, time.Minute},
		{2 * time.Hour, 2*time.Hour + 1440*ms, EndsDrift, 2*time.Hour + 1440*ms}, // 200 ppm
		{2 * time.Hour, 2*time.Hour - 3600*ms, EndsDrift, 2*time.Hour - 3600*ms},
		{2 * time.Hour, 2*time.Hour + 3601*ms, EndsLate, 2*time.Hour + 3601*ms},
		{2213840 * ms, 2231800 * ms, EndsLate, 2231800 * ms},
		{0, time.Second, EndsLate, time.Second},
		{time.Second, 1<<63 - 1, EndsLate, 1<<63 - 1},
		{1<<63 - 1, time.Second, EndsEarly, 1<<63 - 1},
	} {
		if got, lasts := CompareEnds(c.length, c.known), Lasts(c.length, c.known); got != c.want || lasts != c.lasts {
			t.Errorf("%v known to last %v: %q and %v, want %q and %v", c.length, c.known, got, lasts, c.want, c.lasts)
		}
	}
}

// A clock keeps the order of times, ends where it should, and takes any numbers.
func TestClock_KeepsTheOrderOfTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Clock{
			Own: time.Duration(rapid.Int64().Draw(t, "own")), Room: time.Duration(rapid.Int64().Draw(t, "room")),
			StallAt: time.Duration(rapid.Int64().Draw(t, "at")), Stall: time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "stall")),
		}
		c.In(time.Duration(rapid.Int64().Draw(t, "any")))
		length := time.Duration(rapid.Int64Range(1, 1<<57).Draw(t, "length"))
		known := length + time.Duration(rapid.Int64Range(-int64(length)/2000, int64(length)/2000).Draw(t, "off"))
		c = Drifting(length, known)
		a := time.Duration(rapid.Int64Range(0, int64(length)).Draw(t, "a"))
		b := time.Duration(rapid.Int64Range(int64(a), int64(length)).Draw(t, "b"))
		if c.In(0) != 0 || c.In(a) > c.In(b) || c.In(length) != Lasts(length, known) {
			t.Fatalf("%+v: %v, %v and %v become %v, %v and %v", c, a, b, length, c.In(a), c.In(b), c.In(length))
		}
	})
}

// The timestamps of a sender whose clock is off by 200 ppm are those of its own clock, so only the known end shows the drift. In
// 3 h it adds up to 2.2 s. Audio and video are within 20 ms of the room's clock all the time, of each other too.
func TestClock_FollowsADriftThatOnlyTheEndShows(t *testing.T) {
	for _, ppm := range []float64{200, -200} {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprint(ppm, silent), func(t *testing.T) {
				s := sender{skew: ppm / 1e6}
				for s.now < 3*time.Hour {
					s.send(100, 20*ms)
					if silent { // Opus sends no packets of silence
						s.pass(3 * time.Second)
						s.send(1, 20*ms)
						s.pass(400 * ms)
					}
				}
				s.send(1, 20*ms)
				length, known := time.Duration(0), s.now.Round(ms)
				for i, at := range s.truth {
					s.packets[i].Time = time.Duration(float64(at) / (1 + s.skew)).Round(ms)
					length = s.packets[i].Time + 20*ms
				}
				clock := Drifting(length, known)
				for i := range s.packets {
					s.packets[i].Time = clock.In(s.packets[i].Time)
					if off := s.packets[i].Time - s.truth[i]; off.Abs() > 2*ms { // video is shown at these times
						t.Fatalf("packet %d is %v off", i, off)
					}
				}
				steady(t, s.check(t, 12*ms), 210e-6)
			})
		}
	}
}

// speech is packets of 20 ms whose sizes tell speech from silence: half a second of each in turn.
func speech(length time.Duration) (packets []AudioPacket, sizes []int) {
	for at := time.Duration(0); at < length; at += 20 * ms {
		size := 80
		if at%time.Second >= 500*ms {
			size = 3
		}
		packets, sizes = append(packets, AudioPacket{at, 20 * ms}), append(sizes, size)
	}
	return packets, sizes
}

func TestFindStall(t *testing.T) {
	const length, missing = 3 * time.Minute, 18 * time.Second
	whole, sizes := speech(length)
	delayed := func(from, by time.Duration) []AudioPacket {
		packets := append([]AudioPacket(nil), whole...)
		for i := range packets {
			if packets[i].Time >= from {
				packets[i].Time += by
			}
		}
		return packets
	}
	paused := append([]int(nil), sizes...)
	for i := range paused {
		if at := whole[i].Time; at >= 40*time.Second && at < 55*time.Second {
			paused[i] = 3
		}
	}
	loud := make([]int, len(whole))
	for i := range loud {
		loud[i] = 160
	}
	beside := []Span{{time.Second, 11 * time.Second}, {61 * time.Second, 79033 * ms}, {100 * time.Second, 119500 * ms}}
	for name, c := range map[string]struct {
		packets  []AudioPacket
		sizes    []int
		missing  time.Duration
		beside   []Span
		at       time.Duration // own time of the first packet after it
		evidence Evidence      // "": at the end
	}{
		"beside":               {whole, sizes, missing, beside, 61 * time.Second, GapBeside},
		"beside_with_a_trace":  {delayed(61300*ms, 40*ms), sizes, missing, beside, 61340 * ms, GapBeside},
		"beside_far_from_gap":  {delayed(90*time.Second, 40*ms), sizes, missing, beside, 61 * time.Second, GapBeside},
		"beside_of_other_size": {delayed(90*time.Second, 40*ms), sizes, missing, beside[:1], 90040 * ms, OwnGap},
		"beside_is_long":       {whole, sizes, 10 * time.Minute, []Span{{50 * time.Second, 660 * time.Second}}, 50 * time.Second, GapBeside},
		"own_gap":              {delayed(time.Minute, 60*ms), sizes, missing, nil, 60060 * ms, OwnGap},
		"own_gap_is_a_mute":    {delayed(time.Minute, 5*time.Minute), sizes, missing, nil, 6 * time.Minute, OwnGap},
		"rounding_is_no_gap":   {delayed(time.Minute, 2*ms), sizes, missing, nil, 89762 * ms, NoTrace},
		"own_pause":            {whole, paused, missing, nil, 47260 * ms, OwnPause},
		"no_trace":             {whole, sizes, missing, nil, 89760 * ms, NoTrace},
		"no_silence":           {whole, loud, missing, nil, 90 * time.Second, NoTrace},
		"no_sizes":             {whole, make([]int, len(whole)), missing, nil, 90 * time.Second, NoTrace},
		"silent_at_the_end":    {delayed(time.Minute, 60*ms), sizes, 61 * time.Second, nil, 0, ""},
		"one_packet":           {whole[:1], sizes[:1], missing, beside, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			stall, ok := FindStall(c.packets, c.sizes, c.missing, c.beside)
			if ok != (c.evidence != "") || stall.Evidence != c.evidence {
				t.Fatalf("%+v, %v; want %q", stall, ok, c.evidence)
			}
			if got := c.packets[stall.Packet].Time; ok && got != c.at {
				t.Errorf("what follows %v is later, want %v", got, c.at)
			}
		})
	}
	// Several gaps of loss and DTX are alike: none of them stands out.
	r := rand.New(rand.NewPCG(1, 2))
	lossy, at := append([]AudioPacket(nil), whole...), time.Duration(0)
	for i := range lossy {
		lossy[i].Time = at
		at += 20 * ms
		if r.IntN(50) == 0 {
			at += time.Duration(1+r.IntN(2)) * 20 * ms
		}
	}
	if stall, ok := FindStall(lossy, sizes, missing, nil); !ok || stall.Evidence != NoTrace {
		t.Errorf("with losses: %+v, %v", stall, ok)
	}
}

func TestFindStall_TakesAnyPackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		any64 := rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64Range(0, 1<<61).Draw(t, "t")) })
		packets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) AudioPacket { return AudioPacket{any64.Draw(t, "at"), any64.Draw(t, "lasts")} }), 0, 20).Draw(t, "packets")
		sizes := rapid.SliceOfN(rapid.IntRange(0, 1<<24), len(packets), len(packets)).Draw(t, "sizes")
		beside := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Span { return Span{any64.Draw(t, "from"), any64.Draw(t, "to")} }), 0, 5).Draw(t, "beside")
		stall, ok := FindStall(packets, sizes, any64.Draw(t, "missing"), beside)
		if ok && (stall.Packet < 1 || stall.Packet >= len(packets)) {
			t.Fatalf("%+v of %d packets", stall, len(packets))
		}
	})
}
