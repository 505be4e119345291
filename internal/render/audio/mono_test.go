package audio

import (
	"fmt"
	"testing"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// A mono film is, to the bit, what a stereo film has on each side, and so is a mono track in a stereo film. Opus of WebRTC has a header
// of two channels.
func TestMix_MonoIsOneSideOfStereo(t *testing.T) {
	codectest.NoLeaks(t)
	sources := []string{
		"-c:a libopus -b:a 24k -application voip -ac 1", "-c:a libopus -b:a 96k -ac 1", "-c:a pcm_mulaw -ar 8000 -ac 1", "-c:a g722 -ar 16000 -ac 1", "-c:a libvorbis -ac 1 -ar 44100",
	}
	mixOf := func(channels int, mono, webrtc bool) mixed {
		plan := protocol.AudioPlan{From: 1000, To: 3 * timeline.SampleRate, Encoder: protocol.Encoder{Channels: channels}}
		var packets [][]protocol.Packet
		for i, options := range sources {
			track := codectest.Make(t, fmt.Sprintf(speech, 3)+options)
			packets = append(packets, addTrack(&plan, track, int64(i*7001)))
			if plan.Runs[i][0].Length += int64(i * 5); webrtc && track.Codec == "opus" { // all but the first drift
				plan.Tracks[i].Private[9], plan.Tracks[i].Channels = 2, 2
			}
			plan.Tracks[i].Mono = mono
		}
		return mixPlan(t, plan, merge(packets...))
	}
	want := mixOf(2, false, false)
	for _, test := range []struct {
		channels int
		webrtc   bool
	}{{2, false}, {2, true}, {1, false}, {1, true}} {
		got := mixOf(test.channels, true, test.webrtc)
		if len(got.stereo)*2 != len(want.stereo)*test.channels {
			t.Fatalf("%+v: %d values, stereo has %d", test, len(got.stereo), len(want.stereo))
		}
		for i, v := range got.stereo {
			if at := i / test.channels * 2; want.stereo[at] != v || want.stereo[at+1] != v {
				t.Fatalf("%+v: sample %d is %g, and %g and %g in stereo", test, i/test.channels, v, want.stereo[at], want.stereo[at+1])
			}
		}
		if got.peak != want.peak {
			t.Errorf("%+v: the peak is %g, in stereo %g", test, got.peak, want.peak)
		}
		for i := range got.tracks {
			if got.tracks[i].Samples != want.tracks[i].Samples || got.tracks[i].Errors > 0 {
				t.Errorf("%+v: %+v, in stereo %+v", test, got.tracks[i], want.tracks[i])
			}
		}
	}
}

// What one child leaves without loss, another reads and encodes, with one channel as with two.
func TestRun_EncodesMono(t *testing.T) {
	codectest.NoLeaks(t)
	const samples = 2*timeline.SampleRate + 77
	for _, name := range []string{"aac", "opus"} {
		first := protocol.AudioPlan{To: samples, Encoder: protocol.Encoder{Codec: protocol.Lossless, Channels: 1}}
		left := &parent{packets: addTrack(&first, opus(t, 3, "-ac 1"), 0)}
		first.Tracks[0].Mono = true
		if _, err := Run(first, left); err != nil {
			t.Fatal(err)
		}
		last := protocol.AudioPlan{
			To: samples, Encoder: protocol.Encoder{Codec: name, Bitrate: 96_000, Channels: 1},
			Tracks: []protocol.Track{{Codec: protocol.Lossless, Rate: timeline.SampleRate, Channels: 1}},
			Runs:   [][]protocol.Run{{{Packets: len(left.out), Decoded: samples, Length: samples}}},
		}
		end := &parent{packets: left.out}
		stats, err := Run(last, end)
		if err != nil || stats.Samples != samples || stats.Peak < 0.3 {
			t.Fatalf("%s: %+v, %v", name, stats, err)
		}
		decoded := listen(t, name, end)[2*end.header.Delay:]
		sameWithin(t, clicks(decoded), []int{12000, 36000, 60000, 84000}, 1)
	}
}
