package media

import (
	"fmt"
	"testing"
)

func opusPart(channels int) Index {
	return Index{Codec: "opus", Rate: 48000, Channels: channels}
}

func addPackets(t *testing.T, b *Builder, n int) {
	t.Helper()
	for range n {
		at := len(b.Index.Packets)
		if err := b.Add(Packet{Time: 20 * ms * Samples(int64(at), 1) / 1e9, Size: 1}, []byte{0xF8, 0xFF}); err != nil {
			t.Fatal(err)
		}
	}
}

// Packets that are taken out again leave parts in order, with the headers of what follows.
func TestBuilder_TakesPacketsOutAgain(t *testing.T) {
	for n, want := range map[int]string{9: "1 [3:2 6:4 9:5]", 8: "1 [3:2 6:4 8:5]", 7: "1 [3:2 6:4 7:5]", 4: "1 [3:2 4:5]", 2: "1 [2:5]", 0: "5 []"} {
		b := NewBuilder(opusPart(1))
		addPackets(t, b, 3)
		for _, channels := range []int{2, 4, 5} {
			b.Describe(opusPart(channels))
			addPackets(t, b, 3)
		}
		b.Unadd(min(n, 12))
		if n == 9 { // the beginning of the last part
			b.Unadd(9)
		}
		addPackets(t, b, 2)
		x := finish(t, b)
		got := fmt.Sprint(x.Channels, " [")
		for i, p := range x.Parts {
			got += fmt.Sprintf("%s%d:%d", map[bool]string{true: " "}[i > 0], p.First, p.Channels)
		}
		if got += "]"; got != want {
			t.Errorf("%d packets are left: %s, want %s", n, got, want)
		}
		roundTrip(t, x)
	}
}

// addKeyframes adds keyframes of VP8, each of which follows headers of its own.
func addKeyframes(t *testing.T, b *Builder, sizes ...[2]int) {
	t.Helper()
	for _, size := range sizes {
		b.Describe(Index{Codec: "vp8", Video: true, Width: len(b.Index.Packets) + 1})
		front := vp8Key(size[0], size[1])
		if err := b.Add(Packet{Time: 40 * ms * Samples(int64(len(b.Index.Packets)), 1) / 1e9, Size: len(front)}, front); err != nil {
			t.Fatal(err)
		}
	}
}

// Each part has the size of its own frames, the first too.
func TestBuilder_GivesEachPartItsSize(t *testing.T) {
	b := NewBuilder(Index{Codec: "vp8", Video: true})
	addKeyframes(t, b, [2]int{320, 180}, [2]int{640, 360}, [2]int{160, 90})
	x := finish(t, b)
	if got := fmt.Sprint(x.Outline(MaxParts)); got != "[vp8 from 0.000 s (320x180) vp8 from 0.040 s (640x360) vp8 from 0.080 s (160x90)]" {
		t.Error(got)
	}
}

// A part that cannot be decoded counts only as long as its packets are there.
func TestBuilder_ForgetsPartsThatAreTakenOut(t *testing.T) {
	b := NewBuilder(Index{Codec: "vp8", Video: true})
	addKeyframes(t, b, [2]int{320, 180}, [2]int{7680, 4320}, [2]int{7680, 4320}, [2]int{320, 180})
	b.Unadd(1)
	if x := finish(t, b); len(x.Packets) != 1 || len(x.Parts) != 0 || len(x.Omitted) != 0 {
		t.Errorf("%d packets, parts %v, omitted %v", len(x.Packets), x.Parts, x.Omitted)
	}
}

// The clocks of segments are put one after another for all tracks alike, unless a clock goes on by itself.
func TestJoiner_KeepsTracksAtTheirDistance(t *testing.T) {
	var j Joiner
	segment := func(video, audio [3]int) (at [2]int) {
		j.Border()
		first := [2]bool{true, true}
		for i := 0; i < 50*3; i++ {
			for track, span := range [2][3]int{video, audio} {
				if now := i * 20; now >= span[1] && now < span[2] && now%[2]int{40, 20}[track] == 0 {
					t := j.At(uint64(track), Samples(int64(span[0]+now), 1000), 0)
					if first[track] {
						at[track], first[track] = int(t.Milliseconds()), false
					}
				}
			}
		}
		return at
	}
	segment([3]int{0, 0, 1000}, [3]int{0, 0, 1500})
	for n, test := range []struct {
		video, audio [3]int // the beginning of the clock, and when the track begins and ends after that, in ms
		want         [2]int
	}{
		{[3]int{0, 400, 1000}, [3]int{0, 0, 2000}, [2]int{1900, 1500}},           // restarted: video begins late
		{[3]int{5000, 0, 1000}, [3]int{5000, 40, 1000}, [2]int{6500, 6540}},      // the clock of the segment before goes on, after a pause
		{[3]int{90_000, 0, 400}, [3]int{90_000, 0, 400}, [2]int{91_500, 91_500}}, // and again
		{[3]int{7000, 0, 400}, [3]int{7000, 0, 400}, [2]int{91_900, 91_900}},     // it goes back
	} {
		if got := segment(test.video, test.audio); got != test.want {
			t.Errorf("segment %d begins at %v, want %v", n, got, test.want)
		}
	}
}
