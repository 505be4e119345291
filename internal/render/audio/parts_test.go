package audio

import (
	"slices"
	"testing"
	"time"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Each part of a track is decoded with its own headers, at its own rate, and drops its own pre-skip: clicks are in their places in
// all parts.
func TestMix_DecodesEachPartByItself(t *testing.T) {
	codectest.NoLeaks(t)
	const clicking = "-f lavfi -i aevalsrc=0.8*eq(mod(n\\,24000)\\,12000):s=48000:d=2 "
	tracks := []codectest.Track{
		opus(t, 2, ""),
		codectest.Make(t, clicking+"-ac 2 -c:a libopus -b:a 200k -application audio -frame_duration 60"),
		codectest.Make(t, "-f lavfi -i aevalsrc=0.8*eq(mod(n\\,4000)\\,2000):s=8000:d=2 -c:a pcm_mulaw"),
		codectest.Make(t, "-f lavfi -i aevalsrc=0.8*eq(mod(n\\,22050)\\,11025):s=44100:d=2 -c:a aac -b:a 192k"),
		opus(t, 2, ""),
	}
	tracks[3].CodecDelay = 1024 * time.Second / 44100 // which ffmpeg does not write into Matroska
	var plan protocol.AudioPlan
	var packets []protocol.Packet
	for i, track := range tracks {
		var alone protocol.AudioPlan
		at := int64(i) * 2 * timeline.SampleRate
		part := addTrack(&alone, track, at)
		alone.Runs[0][0].Part = i
		alone.Runs[0][0].Length = min(alone.Runs[0][0].Length, 2*timeline.SampleRate)
		alone.Runs[0][0].Decoded = alone.Runs[0][0].Length
		for k := range part {
			part[k].Part = i
		}
		packets = append(packets, part...)
		if i == 0 {
			plan = alone
			continue
		}
		plan.Tracks[0].Parts = append(plan.Tracks[0].Parts, alone.Tracks[0])
		plan.Runs[0] = append(plan.Runs[0], alone.Runs[0]...)
	}
	plan.To = int64(len(tracks)) * 2 * timeline.SampleRate
	m := mixPlan(t, plan, packets)
	var want []int
	for at := timeline.SampleRate / 4; at < int(plan.To); at += timeline.SampleRate / 2 {
		want = append(want, at)
	}
	sameWithin(t, clicks(m.stereo), want, 24)
	if s := m.tracks[0]; s.Errors > 0 || s.Decoded != s.Packets {
		t.Errorf("stats: %+v", s)
	}
	plan.Runs[0] = slices.Clone(plan.Runs[0])
	plan.Runs[0][1].Part = len(tracks)
	if _, err := Run(plan, &parent{}); err == nil {
		t.Error("a run of a part that is not there is taken")
	}
}
