package timeline

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A sender makes packets as a microphone and a network do, and keeps their true times.
type sender struct {
	packets []AudioPacket
	truth   []time.Duration // when each really begins
	now     time.Duration   // in the receiver's time
	skew    float64         // the sender's clock runs this much slower
}

func (s *sender) send(n int, duration time.Duration) {
	for range n {
		s.packets = append(s.packets, AudioPacket{s.now, duration})
		s.truth = append(s.truth, s.now)
		s.pass(duration)
	}
}

// pass advances the time without a packet: at a mute, at silence, or when a packet is lost.
func (s *sender) pass(d time.Duration) { s.now += d + time.Duration(float64(d)*s.skew) }

// arrive changes timestamps to arrival times: packet i is late by late(i). Packets arrive in the order of sending.
func (s *sender) arrive(late func(i int) time.Duration) {
	for i := range s.packets {
		s.packets[i].Time += late(i)
	}
	slices.SortStableFunc(s.packets, func(a, b AudioPacket) int { return cmp.Compare(a.Time, b.Time) })
}

// round rounds the timestamps to milliseconds, as Matroska does.
func (s *sender) round() {
	for i := range s.packets {
		s.packets[i].Time = s.packets[i].Time.Round(ms)
	}
}

// check verifies that every packet is in one run, in order, that runs do not overlap, and that no packet plays more than most
// away from its true time. It returns the runs.
func (s *sender) check(t testing.TB, most time.Duration) []Run {
	t.Helper()
	runs := Runs(s.packets)
	for i, p := range playTimes(t, s.packets, runs) {
		if off := p - s.truth[i]; max(off, -off) > most+2 { // 2 ns: samples do not last whole nanoseconds
			t.Fatalf("packet %d of %d plays at %v, %v off; want at most %v", i, len(s.packets), p, off, most)
		}
	}
	return runs
}

// playTimes returns when each packet plays. It fails if runs overlap, leave a packet out or contain it twice.
func playTimes(t testing.TB, packets []AudioPacket, runs []Run) []time.Duration {
	t.Helper()
	var at []time.Duration
	end := int64(-1 << 62)
	for _, r := range runs {
		if r.First != len(at) || r.Packets < 1 || Samples(r.At) < end || r.Length < 0 {
			t.Fatalf("run %+v after %d packets and %d samples", r, len(at), end)
		}
		end = Samples(r.At) + r.Length
		var decoded time.Duration
		for _, p := range packets[r.First : r.First+r.Packets] {
			at = append(at, r.At+time.Duration(decoded.Seconds()*SampleRate/max(float64(r.Decoded), 1)*float64(SampleTime(r.Length))))
			decoded += p.Duration
		}
		if Samples(decoded) != r.Decoded {
			t.Fatalf("run %+v decodes to %d samples", r, decoded)
		}
	}
	if len(at) != len(packets) {
		t.Fatalf("%d of %d packets are in runs", len(at), len(packets))
	}
	return at
}

// steady fails if a run changes speed by more than most.
func steady(t testing.TB, runs []Run, most float64) {
	t.Helper()
	for _, r := range runs {
		if speed := float64(r.Length-r.Decoded) / float64(r.Decoded); max(speed, -speed) > most || r.Refused {
			t.Fatalf("run %+v changes speed by %.4f", r, speed)
		}
	}
}

const hour = 180_000 // packets of 20 ms

func TestRuns_Steady(t *testing.T) {
	var s sender
	s.send(hour, 20*ms)
	if runs := s.check(t, 0); len(runs) != 1 || runs[0].Length != runs[0].Decoded {
		t.Errorf("%+v", runs)
	}
	if Runs(nil) != nil {
		t.Error("no packets make runs")
	}
}

// A packet of AAC at 44.1 kHz lasts 1114.56 samples. Rounded one by one, ten minutes of them would be 0.24 s too long and
// delay what comes after a short mute.
func TestRuns_PacketsOfFractionalSamples(t *testing.T) {
	const packet = 1024 * time.Second / 44100
	var s sender
	s.send(26_000, packet)
	s.pass(100 * ms)
	s.send(1000, packet)
	if runs := s.check(t, ms/10); len(runs) != 2 {
		t.Errorf("%+v", runs)
	}
}

func TestRuns_RoundedStampsAreNoGaps(t *testing.T) {
	for _, d := range []time.Duration{2500 * time.Microsecond, 5 * ms, 10 * ms, 20 * ms, 60 * ms, 120 * ms} {
		s := sender{now: 333 * time.Microsecond}
		s.send(10_000, d)
		s.round()
		if runs := s.check(t, rounding); len(runs) != 1 {
			t.Errorf("%v: %d runs", d, len(runs))
		}
	}
}

// TestRuns_SilenceNotSent: Opus sends one packet of 20 ms every 420 ms of silence. Another service lost 3 s in 45 min.
func TestRuns_SilenceNotSent(t *testing.T) {
	for _, speech := range []int{0, 100} {
		var s sender
		for s.now < 45*time.Minute {
			s.send(speech, 20*ms)
			for range 10 {
				s.send(1, 20*ms)
				s.pass(400 * ms)
			}
		}
		s.round()
		steady(t, s.check(t, 0), 0)
		// And with timestamps that jitter by up to 2 ms.
		r := rand.New(rand.NewPCG(1, 2))
		s.arrive(func(int) time.Duration { return time.Duration(r.Int64N(int64(2 * ms))) })
		s.check(t, 5*ms)
	}
}

func TestRuns_Skew(t *testing.T) {
	for _, skew := range []float64{200e-6, -200e-6, 20e-6, -50e-6, 0.01, -0.01, 0.04, -0.04} {
		for _, jitter := range []time.Duration{0, 30 * ms} {
			if jitter > 0 && max(skew, -skew) > 0.001 {
				continue // no sender's clock is that far off
			}
			t.Run(fmt.Sprint(skew, jitter), func(t *testing.T) {
				s := sender{skew: skew}
				s.send(hour, 20*ms)
				r := rand.New(rand.NewPCG(3, 4))
				s.arrive(func(int) time.Duration { return time.Duration((r.Float64()*2 - 1) * float64(jitter)) })
				s.round()
				runs := s.check(t, 20*ms)
				steady(t, runs, 0.0412)
				if len(runs) > 3 {
					t.Errorf("%d runs", len(runs))
				}
			})
		}
	}
}

// TestRuns_SkewOfAShortTrack: the drift of 20 s is a few milliseconds. It is followed where timestamps are exact enough to tell.
func TestRuns_SkewOfAShortTrack(t *testing.T) {
	for _, skew := range []float64{200e-6, -200e-6} {
		s := sender{skew: skew}
		s.send(1000, 20*ms)
		s.round()
		steady(t, s.check(t, ms), 400e-6)
		r := rand.New(rand.NewPCG(3, 4))
		s.arrive(func(int) time.Duration { return time.Duration((r.Float64()*2 - 1) * float64(10*ms)) })
		steady(t, s.check(t, 6*ms), 0)
	}
}

// TestRuns_SkewThatChanges: the clock of a laptop that warms up.
func TestRuns_SkewThatChanges(t *testing.T) {
	s := sender{skew: -100e-6}
	for range 30 {
		s.send(6000, 20*ms)
		s.skew += 10e-6
	}
	s.round()
	steady(t, s.check(t, 12*ms), 400e-6)
}

func TestRuns_RefusesALargeSkew(t *testing.T) {
	for _, skew := range []float64{0.0884, -0.08} { // 44.1 kHz that says it is 48
		s := sender{skew: skew}
		s.send(3000, 20*ms)
		runs := Runs(s.packets)
		playTimes(t, s.packets, runs)
		if !slices.ContainsFunc(runs, func(r Run) bool { return r.Refused }) {
			t.Errorf("%v: %d runs, the first %+v", skew, len(runs), runs[0])
		}
		for _, r := range runs {
			if r.Refused && r.Length != r.Decoded {
				t.Errorf("%+v is refused and has another length", r)
			}
		}
	}
}

func TestRuns_JitterIsNoGap(t *testing.T) {
	for name, late := range map[string]func(r *rand.Rand) time.Duration{
		"even":   func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(60*ms))) - 30*ms },
		"normal": func(r *rand.Rand) time.Duration { return time.Duration(r.NormFloat64() * float64(15*ms)) },
		"late":   func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(20*ms)) },
	} {
		for _, d := range []time.Duration{10 * ms, 20 * ms, 60 * ms} {
			t.Run(fmt.Sprint(name, d), func(t *testing.T) {
				var s sender
				s.send(hour, d)
				r := rand.New(rand.NewPCG(5, 6))
				s.arrive(func(int) time.Duration { return late(r) })
				s.round()
				runs := s.check(t, 20*ms)
				if len(runs) != 1 || runs[0].Length != runs[0].Decoded {
					t.Errorf("%d runs, the first %+v", len(runs), runs[0])
				}
			})
		}
	}
}

// TestRuns_StallIsNoGap: the network delays packets, then delivers them all at once.
func TestRuns_StallIsNoGap(t *testing.T) {
	for _, stall := range []time.Duration{300 * ms, 600 * ms, 1500 * ms} {
		for _, jitter := range []time.Duration{0, 30 * ms} {
			var s sender
			s.send(20_000, 20*ms)
			r := rand.New(rand.NewPCG(7, 8))
			s.arrive(func(i int) time.Duration {
				late := time.Duration((r.Float64()*2 - 1) * float64(jitter))
				if since := time.Duration(i%5000-2500) * 20 * ms; since >= 0 && since < stall {
					late = max(late, stall-since)
				}
				return late
			})
			if runs := s.check(t, 12*ms); len(runs) != 1 {
				t.Errorf("stall of %v, jitter %v: %d runs", stall, jitter, len(runs))
			}
		}
	}
}

func TestRuns_Mute(t *testing.T) {
	for _, jitter := range []time.Duration{0, 30 * ms} {
		var s sender
		s.send(5000, 20*ms)
		s.pass(5 * time.Minute)
		s.send(5000, 20*ms)
		s.pass(300 * ms)
		s.send(5000, 20*ms)
		r := rand.New(rand.NewPCG(9, 10))
		s.arrive(func(int) time.Duration { return time.Duration((r.Float64()*2 - 1) * float64(jitter)) })
		runs := s.check(t, 6*ms)
		if len(runs) != 3 || runs[1].First != 5000 || runs[2].First != 10_000 {
			t.Errorf("jitter %v: %+v", jitter, runs)
		}
	}
}

func TestRuns_PacketsGrowLonger(t *testing.T) {
	var s sender
	s.send(100, 20*ms)
	s.send(100, 60*ms)
	s.send(100, 10*ms)
	s.pass(60 * ms)
	s.send(100, 60*ms)
	s.pass(25 * ms)
	s.send(100, 60*ms)
	if runs := s.check(t, 0); len(runs) != 3 {
		t.Errorf("%+v", runs)
	}
}

// TestRuns_Loss: one packet in a hundred is lost. The timestamps on both sides of the loss are 40 ms apart, not 20.
func TestRuns_Loss(t *testing.T) {
	for _, jitter := range []time.Duration{0, 30 * ms} {
		for _, skew := range []float64{0, 100e-6, -100e-6} {
			s := sender{skew: skew}
			r := rand.New(rand.NewPCG(11, 12))
			lost := 0
			for range hour {
				if r.IntN(100) == 0 {
					s.pass(20 * ms)
					lost++
				} else {
					s.send(1, 20*ms)
				}
			}
			s.arrive(func(int) time.Duration { return time.Duration((r.Float64()*2 - 1) * float64(jitter)) })
			s.round()
			if jitter == 0 {
				runs := s.check(t, 2*ms)
				if len(runs) < lost*97/100 || len(runs) > lost+1 {
					t.Errorf("%d runs at %d losses", len(runs), lost)
				}
				continue
			}
			// With more jitter than a packet's duration, single losses cannot be located. The speed follows them, and the
			// error is what a burst of losses adds up to in a few seconds.
			steady(t, s.check(t, 80*ms), 0.05)
		}
	}
}

// TestRuns_FirstPacketCameLate: the run begins before the first timestamp when the first packet was late.
func TestRuns_FirstPacketCameLate(t *testing.T) {
	var s sender
	s.send(1000, 20*ms)
	for i := range s.packets {
		if i > 0 {
			s.packets[i].Time = max(0, s.packets[i].Time-100*ms)
		}
		s.truth[i] -= 100 * ms
	}
	if runs := s.check(t, 0); len(runs) != 1 || runs[0].At != -100*ms {
		t.Errorf("%+v", runs)
	}
}

func TestRuns_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		packets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) AudioPacket {
			return AudioPacket{
				time.Duration(rapid.Int64Range(-100, 30_000).Draw(t, "time")) * ms,
				time.Duration(rapid.SampledFrom([]int{0, 10, 20, 20, 60, 120, 5000, -20}).Draw(t, "duration")) * ms,
			}
		}), 0, 300).Draw(t, "packets")
		if rapid.Bool().Draw(t, "sorted") {
			slices.SortFunc(packets, func(a, b AudioPacket) int { return cmp.Compare(a.Time, b.Time) })
		}
		runs := Runs(packets)
		next, end := 0, int64(-1<<62)
		for _, r := range runs {
			if r.First != next || r.Packets < 1 || Samples(r.At) < end || r.Length < 0 || r.Decoded < 0 {
				t.Fatalf("run %+v after packet %d and sample %d", r, next, end)
			}
			if by := max(r.Length-r.Decoded, r.Decoded-r.Length); by > r.Decoded/maxSpeedChange {
				t.Fatalf("%+v changes speed by more than 5 %%", r)
			}
			next, end = next+r.Packets, Samples(r.At)+r.Length
		}
		if next != len(packets) {
			t.Fatalf("%d of %d packets", next, len(packets))
		}
	})
}

func BenchmarkRuns(b *testing.B) {
	s := sender{skew: 100e-6}
	s.send(hour, 20*ms)
	r := rand.New(rand.NewPCG(13, 14))
	s.arrive(func(int) time.Duration { return time.Duration(r.Int64N(int64(30 * ms))) })
	b.ReportAllocs()
	for b.Loop() {
		Runs(s.packets)
	}
}
