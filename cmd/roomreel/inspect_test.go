package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"roomreel"
	"roomreel/e2e/fixture"
	"roomreel/internal/media"
)

func TestInspect_FindsGapsSizesAndKeyframes(t *testing.T) {
	x := &media.Index{Codec: "vp8", Video: true}
	add := func(at time.Duration, width int) {
		x.Packets = append(x.Packets, media.Packet{Time: at, Size: 100, Key: width > 0, Width: width, Height: width})
	}
	add(0, 320)
	for at := 100 * time.Millisecond; at < 4*time.Second; at += 100 * time.Millisecond {
		add(at, 0)
	}
	add(12*time.Second, 320) // the camera was off for 8.1 s
	add(12100*time.Millisecond, 640)
	for at := 12200 * time.Millisecond; at < 16*time.Second; at += 100 * time.Millisecond {
		add(at, 0)
	}
	x.Display = media.Display{Width: 320, Height: 320, Left: 2, Right: 4, AspectNum: 4, AspectDen: 3, Mirror: true, Turn: 90}
	x.Repaired, x.Repairs = 20, []media.Repair{{Kind: media.Leap, At: 3 * time.Second, By: time.Hour, Packets: 1}}
	got := inspectTrack(roomreel.Video, x)
	first := 0.0
	want := inspectedTrack{
		Kind: roomreel.Video, Codec: "vp8", Seconds: 16, Packets: 80, Bytes: 8000, Bitrate: 4,
		Gaps: []inspectedGap{{At: 3.9, Length: 8.1}}, Parts: []inspectedPart{}, Omitted: []inspectedOmitted{}, Repaired: 20, Repairs: []inspectedRepair{{At: 3, Kind: media.Leap, By: 3600, Packets: 1}},
		Video: &inspectedVideo{
			FPS: 10, Keyframes: 3, FirstKeyframe: &first, LongestDistance: 12,
			Turn: 90, Mirrored: true, Cropped: [4]int{2, 0, 4, 0}, PixelAspect: "4:3",
			Sizes: []inspectedSize{{At: 0, Width: 320, Height: 320}, {At: 12.1, Width: 640, Height: 640}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(inspectedTrack{}), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
	var text strings.Builder
	got.print(&text)
	for _, want := range []string{
		"shown      cropped by 2, 0, 4 and 0 pixels at left, top, right and bottom, with pixels of 4:3, mirrored, turned clockwise by 90 degrees\n",
		"repaired   timestamps in 20 places: leap of 1:00:00.000 at 0:03.000, and 19 more\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("printed\n%s\nwithout %q", &text, want)
		}
	}
	// A column is 0.25 s.
	bars, marks := got.draw()
	wantBars := strings.Repeat("█", 16) + strings.Repeat(" ", 32) + strings.Repeat("█", 16)
	for _, low := range []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇"} {
		bars = strings.ReplaceAll(bars, low, "█")
	}
	if bars != wantBars {
		t.Errorf("drawn\n%q, want\n%q", bars, wantBars)
	}
	if want := "K" + strings.Repeat(" ", 14) + "G" + strings.Repeat(" ", 32) + "S" + strings.Repeat(" ", 15); marks != want {
		t.Errorf("marked\n%q, want\n%q", marks, want)
	}
}

func TestInspect_FindsGapsAndDriftOfAudio(t *testing.T) {
	x := &media.Index{Codec: "opus", Rate: 48000, Channels: 1}
	const packet = 20 * time.Millisecond
	for i := range 3000 { // a minute, whose clock is 0.1 % slow
		at := time.Duration(i) * packet
		x.Packets = append(x.Packets, media.Packet{Time: (at + at/1000).Round(time.Millisecond), Duration: packet, Size: 10})
	}
	for i := range 1000 { // after 5 s of silence
		x.Packets = append(x.Packets, media.Packet{Time: 65060*time.Millisecond + time.Duration(i)*packet, Duration: packet, Size: 10})
	}
	got := inspectTrack(roomreel.Audio, x)
	if len(got.Gaps) != 1 || got.Gaps[0].At < 59.95 || got.Gaps[0].At > 60.1 || got.Gaps[0].Length < 4.95 || got.Gaps[0].Length > 5.05 {
		t.Errorf("gaps %+v, want 5 s at 60 s", got.Gaps)
	}
	if got.Audio == nil || got.Audio.DriftMillis < 50 || got.Audio.DriftMillis > 70 || got.Audio.DriftRefused || got.Audio.PacketMillis != 20 {
		t.Errorf("audio %+v, want a drift of 60 ms", got.Audio)
	}
}

func TestInspect_DrawsATrackOfOnePacket(t *testing.T) {
	got := inspectTrack(roomreel.Video, &media.Index{Codec: "vp8", Video: true, Packets: []media.Packet{{Size: 100, Key: true, Width: 320, Height: 240}}})
	if bars, marks := got.draw(); strings.TrimRight(bars, " ") != "█" || strings.TrimRight(marks, " ") != "K" {
		t.Errorf("drawn %q, marked %q", bars, marks)
	}
	if none := inspectTrack(roomreel.Video, &media.Index{Codec: "vp8", Video: true}); none.Seconds != 0 || none.Bitrate != 0 {
		t.Errorf("an empty track is %+v", none)
	}
}

func TestInspect_ListsEveryTrackOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.mkv")
	tone := func(hz string) []string { return []string{"-f", "lavfi", "-i", "sine=duration=1:frequency=" + hz} }
	fixture.FFmpeg(t, slices.Concat(tone("440"), tone("1000"), tone("2000"), []string{
		"-map", "0", "-map", "1", "-map", "2", "-c:a:0", "libopus", "-c:a:1", "flac", "-c:a:2", "aac", path,
	})...)
	got, err := inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	var tracks []string
	for _, track := range got.Tracks {
		tracks = append(tracks, fmt.Sprint(track.Kind, track.Number, track.Codec))
	}
	if want := []string{"audio1opus", "audio2aac"}; !slices.Equal(tracks, want) {
		t.Errorf("tracks %v, want %v", tracks, want)
	}
	if len(got.Unreadable) != 1 || !strings.Contains(got.Unreadable[0], "audio track (A_FLAC, cannot be read)") {
		t.Errorf("unreadable %q, want the FLAC track", got.Unreadable)
	}
	var text strings.Builder
	if err := got.print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\naudio track 1, opus\n", "\naudio track 2, aac\n", "\naudio track (A_FLAC, cannot be read)\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("printed\n%s\nwithout %q", &text, want)
		}
	}
}
