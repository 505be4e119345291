package main

import (
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
)

// parent keeps what a child answers.
type parent struct {
	header  protocol.Header
	packets []protocol.Packet
	chunks  []int
}

func (p *parent) Header(h protocol.Header) error { p.header = h; return nil }
func (p *parent) Packet(k protocol.Packet) error { p.packets = append(p.packets, k); return nil }
func (p *parent) ChunkDone(done protocol.ChunkDone) error {
	p.chunks = append(p.chunks, done.Chunk)
	return nil
}
func (p *parent) Progress(int64) error { return nil }

// build returns the real binary.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "roomreel-render")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// child has the binary, confined as far as this machine allows, carry out a plan.
func child(t *testing.T, binary string, plan protocol.Plan, track codectest.Track) (*parent, protocol.Stats) {
	t.Helper()
	packets := track.Packets
	next := func() (protocol.Packet, error) {
		if len(packets) == 0 {
			return protocol.Packet{}, io.EOF
		}
		p := packets[0]
		packets = packets[1:]
		return protocol.Packet{Time: p.Time, Need: p.Time, Key: p.Key, Data: p.Data}, nil
	}
	p := new(parent)
	stats, err := render.Run(t.Context(), render.Command{Path: binary, Timeout: time.Minute}, plan, next, p)
	if err != nil {
		t.Fatal(err)
	}
	return p, stats
}

func TestChild_ComposesFramesInItsSandbox(t *testing.T) {
	binary := build(t)
	track := codectest.Make(t, "-f lavfi -i testsrc2=s=320x240:r=30:d=2 -c:v libvpx -b:v 500k")
	for _, encoder := range []protocol.Encoder{
		{Codec: "h264", Options: map[string]string{"preset": "superfast", "crf": "24"}},
		{Codec: "h264", Options: map[string]string{"preset": "medium", "crf": "22"}, Threads: 2},
		{Codec: "vp8", Options: map[string]string{"deadline": "good", "cpu-used": "5"}, Bitrate: 500_000},
	} {
		p, stats := child(t, binary, protocol.Plan{Video: &protocol.VideoPlan{
			Width: 320, Height: 240, FPS: 25, Encoder: encoder,
			Tracks: []protocol.Track{{Codec: track.Codec, Private: track.Private}},
			Scenes: []protocol.Scene{{Cells: []protocol.Cell{{W: 320, H: 240}}}},
			Chunks: []protocol.Chunk{{From: 0, To: 25}, {From: 25, To: 50}},
		}}, track)
		if stats.Frames != 50 || len(p.packets) != 50 || len(p.chunks) != 2 || stats.Tracks[0].Shown != 50 {
			t.Errorf("%s: %d packets, %v, %+v", encoder.Codec, len(p.packets), p.chunks, stats)
		}
	}
}

func TestChild_MixesAudioInItsSandbox(t *testing.T) {
	binary := build(t)
	track := codectest.Make(t, "-f lavfi -i sine=440:d=2:r=48000 -c:a libopus")
	for _, encoder := range []protocol.Encoder{{Codec: "aac", Bitrate: 96_000}, {Codec: "opus", Bitrate: 64_000}} {
		p, stats := child(t, binary, protocol.Plan{Audio: &protocol.AudioPlan{
			To: 96_000, Encoder: encoder,
			Tracks: []protocol.Track{{Codec: track.Codec, Private: track.Private, Channels: track.Channels}},
			Runs:   [][]protocol.Run{{{Packets: len(track.Packets), Decoded: 96_000, Length: 96_000, Skip: 312}}},
		}}, track)
		if stats.Samples != 96_000 || stats.Tracks[0].Errors != 0 || stats.Peak < 0.1 || p.header.Delay == 0 {
			t.Errorf("%s: %+v", encoder.Codec, stats)
		}
	}
}
