package render

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// realChild builds the program that is shipped, where the user nobody may execute it.
func realChild(t *testing.T) Command {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "roomreel-render")
	if out, err := exec.Command("go", "build", "-o", path, "roomreel/cmd/roomreel-render").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Command{Path: path, Mode: Require, StallTimeout: 30 * time.Second}
}

// Codecs, with threads of their own, work inside the whole sandbox: a film is encoded, decoded and encoded again.
func TestDo_RealChildWorksInTheSandbox(t *testing.T) {
	c := realChild(t)
	film := func(encoder Encoder, tracks []Track, cells []Cell, next func() (Packet, error)) []Packet {
		t.Helper()
		var r recorder
		facts, err := Do(t.Context(), c, Plan{Picture: &VideoPlan{
			Width: 640, Height: 360, FPSNum: 25, FPSDen: 1, Encoder: encoder, Tracks: tracks,
			Scenes: []Scene{{Cells: cells}}, Chunks: []Chunk{{0, 25}, {25, 50}},
		}}, next, &r)
		if err != nil {
			t.Fatalf("%s: %v", encoder.Codec, err)
		}
		if len(tracks) > 0 && facts.Tracks[0].Decoded != 50 {
			t.Errorf("%s: facts %+v", encoder.Codec, facts)
		}
		return r.packets
	}
	vp8 := film(Encoder{Codec: "vp8", Bitrate: 500_000, GOP: 25, Threads: 2, Options: map[string]string{"deadline": "realtime"}}, nil, nil, packets(0, ""))
	n := 0
	film(Encoder{Codec: "h264", GOP: 25, Threads: 2, Options: map[string]string{"preset": "veryfast"}},
		[]Track{{Codec: "vp8", MaxW: 640, MaxH: 360}}, []Cell{{W: 640, H: 360}},
		func() (Packet, error) {
			if n == len(vp8) {
				return Packet{}, io.EOF
			}
			p := vp8[n]
			n++
			return Packet{Time: time.Duration(p.PTS) * time.Second / 25, Key: p.Key, Data: p.Data}, nil
		})

	for _, codec := range []string{"aac", "opus"} {
		const length = 48000
		feed := packets(50, string(make([]byte, 160))) // 20 ms of pcmu each
		var r recorder
		facts, err := Do(t.Context(), c, Plan{Sound: &AudioPlan{
			Samples: length, Encoder: Encoder{Codec: codec, Bitrate: 96_000},
			Tracks: []Track{{Codec: "pcmu", Rate: 8000, Channels: 1}},
			Runs:   [][]Run{{{Packets: 50, Decoded: length, Length: length}}},
		}}, func() (Packet, error) { p, err := feed(); p.Track = 0; return p, err }, &r)
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		if facts.Samples != length || facts.Tracks[0].Decoded != 50 || facts.Peak == 0 {
			t.Errorf("%s: facts %+v", codec, facts)
		}
	}
}
