package render

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
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
	return Command{Path: path, Mode: sandbox.Require, StallTimeout: 30 * time.Second}
}

// Codecs, with threads of their own, work inside the whole sandbox: a film is encoded, decoded and encoded again.
func TestRun_RealChildWorksInTheSandbox(t *testing.T) {
	c := realChild(t)
	film := func(encoder protocol.Encoder, tracks []protocol.Track, cells []protocol.Cell, next func() (protocol.Packet, error)) []protocol.Packet {
		t.Helper()
		var r recorder
		stats, err := Run(t.Context(), c, protocol.Plan{Video: &protocol.VideoPlan{
			Width: 640, Height: 360, FPS: 25, Encoder: encoder, Tracks: tracks,
			Scenes: []protocol.Scene{{Cells: cells}}, Chunks: []protocol.Chunk{{From: 0, To: 25}, {From: 25, To: 50}},
		}}, next, &r)
		if err != nil {
			t.Fatalf("%s: %v", encoder.Codec, err)
		}
		if len(tracks) > 0 && stats.Tracks[0].Decoded != 50 {
			t.Errorf("%s: stats %+v", encoder.Codec, stats)
		}
		return r.packets
	}
	vp8 := film(protocol.Encoder{Codec: "vp8", Bitrate: 500_000, GOP: 25, Threads: 2, Options: map[string]string{"deadline": "realtime"}}, nil, nil, packets(0, ""))
	n := 0
	film(protocol.Encoder{Codec: "h264", GOP: 25, Threads: 2, Options: map[string]string{"preset": "veryfast"}},
		[]protocol.Track{{Codec: "vp8", MaxW: 640, MaxH: 360}}, []protocol.Cell{{W: 640, H: 360}},
		func() (protocol.Packet, error) {
			if n == len(vp8) {
				return protocol.Packet{}, io.EOF
			}
			p := vp8[n]
			n++
			return protocol.Packet{Time: time.Duration(p.PTS) * time.Second / 25, Key: p.Key, Data: p.Data}, nil
		})

	for _, codec := range []string{"aac", "opus"} {
		const length = 48000
		feed := packets(50, string(make([]byte, 160))) // 20 ms of pcmu each
		var r recorder
		stats, err := Run(t.Context(), c, protocol.Plan{Audio: &protocol.AudioPlan{
			To: length, Encoder: protocol.Encoder{Codec: codec, Bitrate: 96_000},
			Tracks: []protocol.Track{{Codec: "pcmu", Rate: 8000, Channels: 1}},
			Runs:   [][]protocol.Run{{{Packets: 50, Decoded: length, Length: length}}},
		}}, func() (protocol.Packet, error) { p, err := feed(); p.Track = 0; return p, err }, &r)
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		if stats.Samples != length || stats.Tracks[0].Decoded != 50 || stats.Peak == 0 {
			t.Errorf("%s: stats %+v", codec, stats)
		}
	}
}
