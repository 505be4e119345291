package media

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

// track makes packets at the given times: of audio, 20 ms each.
func track(codec string, times ...time.Duration) *Builder {
	b := &Builder{Index: Index{Codec: codec, Video: codec != "opus"}}
	for _, t := range times {
		p := Packet{Time: t, Size: 1}
		if !b.Index.Video {
			p.Duration = 20 * ms
		}
		b.Index.Packets = append(b.Index.Packets, p)
	}
	return b
}

// every returns n times, from a first one on.
func every(d, from time.Duration, n int) []time.Duration {
	var times []time.Duration
	for i := range n {
		times = append(times, from+time.Duration(i)*d)
	}
	return times
}

func finish(t interface{ Fatal(...any) }, b *Builder) *Index {
	x, err := b.Finish(1, false)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestClock_CutsWhatIsDamaged(t *testing.T) {
	join := func(parts ...[]time.Duration) []time.Duration {
		var all []time.Duration
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	const hour, day = time.Hour, 24 * time.Hour
	for name, test := range map[string]struct {
		codec   string
		times   []time.Duration
		length  time.Duration
		packets int
		repairs []RepairKind
	}{
		"last_stamp":             {"vp8", join(every(40*ms, 0, 74), every(0, 20*hour, 1)), 3 * time.Second, 75, []RepairKind{Leap}},
		"last_stamp_5_h":         {"opus", join(every(20*ms, 0, 150), every(0, 5*hour, 1)), 3020 * ms, 151, []RepairKind{Leap}},
		"last_packets":           {"opus", join(every(20*ms, 0, 500), every(20*ms, 8*hour, 3)), 10060 * ms, 503, []RepairKind{Leap}},
		"days":                   {"vp8", every(23*hour, 0, 45), 1500 * ms, 45, []RepairKind{Leap}},
		"past_a_day":             {"vp8", every(11*hour, 0, 4), 33*hour + 33*ms, 4, []RepairKind{Leap}},
		"cluster":                {"opus", join(every(20*ms, 0, 500), every(20*ms, 3*hour, 250), every(20*ms, 15*time.Second, 500)), 25 * time.Second, 1250, []RepairKind{Misstamped}},
		"early_cluster":          {"opus", join(every(20*ms, 0, 500), every(20*ms, 0, 250), every(20*ms, 15*time.Second, 500)), 25 * time.Second, 1250, []RepairKind{Misstamped}},
		"step_back":              {"opus", join(every(20*ms, 0, 500), every(20*ms, 9500*ms, 500)), 19500 * ms, 975, []RepairKind{StepBack}},
		"step_back_0.3":          {"opus", join(every(20*ms, 0, 500), every(20*ms, 9700*ms, 500)), 19700 * ms, 985, []RepairKind{StepBack}},
		"steps_back":             {"opus", join(every(20*ms, 0, 500), every(20*ms, 9100*ms, 500), every(20*ms, 18500*ms, 50)), 19500 * ms, 975, []RepairKind{StepBack, StepBack}},
		"video_step_back":        {"vp8", join(every(40*ms, 0, 250), every(40*ms, 9400*ms, 250)), 19400 * ms, 500, []RepairKind{StepBack}},
		"restarted":              {"opus", join(every(20*ms, 5*time.Second, 500), every(20*ms, 0, 500)), 20 * time.Second, 1000, []RepairKind{Restart}},
		"mute":                   {"opus", join(every(20*ms, 0, 500), every(20*ms, 310*time.Second, 5)), 310100 * ms, 505, nil},
		"camera_off_5_h":         {"vp8", join(every(33*ms, 0, 9000), every(33*ms, 5*hour, 9000)), 5*hour + 297*time.Second, 18000, nil},
		"muted_5_h_at_the_end":   {"opus", join(every(20*ms, 0, 5000), every(20*ms, 5*hour, 300)), 5*hour + 6*time.Second, 5300, nil},
		"still_screen":           {"vp8", join(every(33*ms, 0, 900), every(0, 9*time.Minute, 1)), 9*time.Minute + 33*ms, 901, nil},
		"slides":                 {"vp8", every(15*time.Minute, 0, 12), 3 * hour, 12, nil},
		"silence":                {"opus", every(420*ms, 0, 1000), 999*420*ms + 20*ms, 1000, nil},
		"reordered":              {"h264", []time.Duration{0, 120 * ms, 40 * ms, 80 * ms, 240 * ms, 160 * ms, 200 * ms}, 280 * ms, 7, nil},
		"stall_and_burst":        {"opus", join(every(20*ms, 0, 100), every(ms, 2900*ms, 45), every(20*ms, 2950*ms, 100)), 4950 * ms, 245, nil},
		"late_packet":            {"opus", join(every(20*ms, 0, 100), every(0, 1900*ms, 1), every(20*ms, 2020*ms, 100)), 4020 * ms, 201, []RepairKind{Misstamped}},
		"damage_beside_a_mute":   {"opus", join(every(20*ms, 0, 100), every(0, day, 1), every(20*ms, 300*time.Second, 100)), 302 * time.Second, 201, []RepairKind{Misstamped}},
		"early_beside_a_mute":    {"opus", join(every(20*ms, 5*time.Second, 100), every(0, 0, 1), every(20*ms, 305*time.Second, 100)), 302 * time.Second, 201, []RepairKind{Misstamped}},
		"two_different_in_a_row": {"opus", join(every(20*ms, 0, 100), []time.Duration{20 * hour, 3 * hour}, every(20*ms, 2040*ms, 100)), 4040 * ms, 202, []RepairKind{Misstamped}},
	} {
		t.Run(name, func(t *testing.T) {
			x := finish(t, track(test.codec, test.times...))
			if length := x.Length(); (length - test.length).Abs() > 10*ms {
				t.Errorf("lasts %v, want %v", length, test.length)
			}
			if len(x.Packets) != test.packets {
				t.Errorf("%d packets, want %d", len(x.Packets), test.packets)
			}
			var kinds []RepairKind
			for i, r := range x.Repairs {
				if i == 0 || r.Kind != x.Repairs[i-1].Kind || r.Kind == StepBack {
					kinds = append(kinds, r.Kind)
				}
			}
			if d := cmp.Diff(test.repairs, kinds); d != "" {
				t.Errorf("%s\n%+v", d, x.Repairs)
			}
			if x.Repaired < len(x.Repairs) || len(x.Repairs) > maxRepairs {
				t.Errorf("%d repairs, %d of them listed", x.Repaired, len(x.Repairs))
			}
			y := roundTrip(t, x)
			if d := cmp.Diff(x.Repairs, y.Repairs); d != "" || y.Repaired != x.Repaired {
				t.Errorf("stored: %s", d)
			}
		})
	}
}

func roundTrip(t testing.TB, x *Index) *Index {
	t.Helper()
	b, err := x.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var y Index
	if err := y.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return &y
}

// After a step back the timestamps are right, and audio is on them again at once.
func TestClock_AudioIsInPlaceRightAfterAStepBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		back := time.Duration(rapid.IntRange(100, 990).Draw(t, "back")) * ms
		b := track("opus", append(every(20*ms, 0, 500), every(20*ms, 10*time.Second-back, 500)...)...)
		x := finish(t, b)
		for i, p := range x.Packets {
			if before := 500; i >= before {
				from := len(x.Packets) - i // packets to the end, whose time is not in doubt
				want := 20*time.Second - back - time.Duration(from)*20*ms
				if p.Time != max(want, x.Packets[i-1].Time) || p.Time-want > 10*ms {
					t.Fatalf("after a step of %v packet %d is at %v, want %v", back, i, p.Time, want)
				}
			}
		}
	})
}

// A damaged timestamp, of any packet but the first, moves no other packet by more than jitter and the length of a packet,
// and the track lasts as long
// as it did. The last one may be ahead by as much as a real gap at the end can be. After a pause that is followed by very few packets,
// it cannot be told which of them is damaged.
// Encoders that reorder frames do so across a gap too: the first frame after it is stored before the last ones before it.
func TestClock_KeepsFramesThatAreReorderedAcrossAGap(t *testing.T) {
	for _, order := range [][]int{{3, 1, 2}, {2, 1}, {4, 2, 1, 3}, {5, 3, 1, 2, 4}} { // of presentation, in a group
		for _, gap := range []time.Duration{1500 * ms, 5 * time.Second, 9 * time.Minute} {
			for at := range len(order) + 1 { // how many frames of the group that crosses are before the gap
				var want []time.Duration
				for group := range 20 {
					for _, n := range order {
						frame := group*len(order) + n
						t := time.Duration(frame) * 50 * ms
						if frame > 10*len(order)+at {
							t += gap
						}
						want = append(want, t)
					}
				}
				first := want[0]
				x := finish(t, track("h264", want...))
				for i, p := range x.Packets {
					if w := max(want[i]-first, 0); p.Time != w {
						t.Fatalf("order %v, gap %v after %d: packet %d is at %v, want %v; %v", order, gap, at, i, p.Time, w, x.Repairs)
					}
				}
			}
		}
	}
}

func TestClock_DamageMovesNoOtherPacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom([]string{"opus", "vp8", "h264"}).Draw(t, "codec")
		distance, jitter := 20*ms, 0
		if codec != "opus" {
			distance = 33 * ms
		}
		jitter = rapid.IntRange(0, 12).Draw(t, "jitter_ms")
		var times []time.Duration
		at := time.Duration(0)
		pauses := map[int]time.Duration{} // after which packet
		packets := rapid.IntRange(60, 300).Draw(t, "packets")
		for i := range packets {
			off := time.Duration(0)
			if jitter > 0 && i > 0 {
				off = time.Duration(rapid.IntRange(0, jitter).Draw(t, "off")) * ms
			}
			times = append(times, at+off)
			at += distance
			if rapid.IntRange(0, 40).Draw(t, "pause") == 40 && i > 1 && i < packets-2*loneStamps && codec != "h264" {
				pauses[i] = time.Duration(rapid.IntRange(1, 300_000).Draw(t, "pause_ms")) * ms
				at += pauses[i]
			}
		}
		truth := finish(t, track(codec, times...))
		bad := append([]time.Duration(nil), times...)
		last := -10
		damaged := map[int]bool{}
		most := 3
		if codec == "h264" {
			most = 1 // of so few frames, two that go back look like reordered ones
		}
		for range rapid.IntRange(1, most).Draw(t, "damages") {
			i := rapid.IntRange(1, len(bad)-1).Draw(t, "which")
			if i-last < 8 && last-i < 8 || len(damaged) > 0 && i < last {
				continue
			}
			by := time.Duration(rapid.Int64Range(-int64(100*time.Hour), int64(100*time.Hour)).Draw(t, "by"))
			if i >= len(bad)-loneStamps && by < 13*time.Hour {
				by = -by.Abs()
			}
			if p := max(pauses[i-2], pauses[i-1], pauses[i], pauses[i+1]); p > 0 && (p-by.Abs()).Abs() < 4*(slack+distance) {
				continue // a packet that is off by the length of a pause beside it is where it could be
			}
			bad[i] += by
			last = i
			damaged[i] = true
		}
		x := finish(t, track(codec, bad...))
		if len(x.Packets) != len(truth.Packets) {
			t.Fatalf("%d of %d packets", len(x.Packets), len(truth.Packets))
		}
		for i, p := range x.Packets {
			if off := (p.Time - truth.Packets[i].Time).Abs(); !damaged[i] && off > slack+distance {
				t.Fatalf("damage of %v moved packet %d by %v: %v", damaged, i, off, x.Repairs)
			}
		}
		if x.Length() > truth.Length()+slack+distance {
			t.Fatalf("lasts %v, want %v", x.Length(), truth.Length())
		}
	})
}
