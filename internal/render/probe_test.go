package render

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
)

func TestProbe_NothingEscapes(t *testing.T) {
	c := testCommand(t)
	c.Mode = sandbox.Require
	r, err := Probe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if missing := r.Missing(); len(missing) > 0 || len(r.Escapes) > 0 {
		t.Errorf("missing %v, possible %v", missing, r.Escapes)
	}
}

// The sandbox also holds for the program that is shipped, whose C libraries have threads and allocators of their own.
func TestProbe_NothingEscapesFromTheRealChild(t *testing.T) {
	r, err := Probe(t.Context(), realChild(t))
	if err != nil {
		t.Fatal(err)
	}
	if missing := r.Missing(); len(missing) > 0 || len(r.Escapes) > 0 {
		t.Errorf("missing %v, possible %v", missing, r.Escapes)
	}
}

// A device is a named hole: a child opens its files and nothing else, and only when it is configured. /dev/null is the device here.
func TestProbe_OpensTheFilesOfItsDeviceAlone(t *testing.T) {
	c := realChild(t)
	var err error
	if c.Device, err = protocol.NewDevice("vaapi", "/dev/null", "/dev/not-there"); err != nil {
		t.Fatal(err)
	}
	r, err := Probe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Opened, []string{"/dev/null"}) {
		t.Errorf("it opened %v", r.Opened)
	}
	if missing := r.Missing(); len(missing) > 0 || len(r.Escapes) > 0 {
		t.Errorf("missing %v, possible %v", missing, r.Escapes)
	}
	// /dev/null is no VA-API, so the child says so, and has its encoders in software only.
	if r.Lacking == "" || slices.ContainsFunc(r.Encoders, func(kind string) bool { return strings.Contains(kind, "_") }) || !slices.Contains(r.Encoders, "h264") {
		t.Errorf("encoders %v, lacking %q", r.Encoders, r.Lacking)
	}
	// The films of such a child are encoded in software.
	var film recorder
	if _, err := Run(t.Context(), c, protocol.Plan{Video: &protocol.VideoPlan{
		Width: 66, Height: 64, FPS: 25, Encoder: protocol.Encoder{Codec: "av1", GOP: 25, Options: map[string]string{"preset": "10", "svtav1-params": "lp=1"}},
		Scenes: []protocol.Scene{{}}, Chunks: []protocol.Chunk{{From: 0, To: 25}, {From: 25, To: 26}},
	}}, packets(0, ""), &film); err != nil || len(film.packets) != 26 {
		t.Errorf("%d packets, %v", len(film.packets), err)
	}
}

func TestNewDevice_RefusesWhatDoesNotFit(t *testing.T) {
	for _, files := range [][]string{{}, {""}, {"dev/null"}, {"/" + strings.Repeat("a", 96)}, slices.Repeat([]string{"/dev/null"}, 9)} {
		if _, err := protocol.NewDevice("vaapi", files...); err == nil {
			t.Errorf("%q is accepted", files)
		}
	}
	d, err := protocol.NewDevice("nvenc", "/dev/nvidia0", "/dev/nvidiactl")
	if err != nil || d.Kind() != "nvenc" || !slices.Equal(d.Files(), []string{"/dev/nvidia0", "/dev/nvidiactl"}) {
		t.Errorf("%q %q, %v", d.Kind(), d.Files(), err)
	}
}

// This proves that the attempts themselves work.
func TestProbe_EverythingEscapesWithoutASandbox(t *testing.T) {
	c := testCommand(t)
	c.Mode = sandbox.Off
	r, err := Probe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"read a file", "open a device", "write a file", "list a folder", "connect", "make a process", "run a program",
		"signal its parent", "make memory executable", "take a terabyte of memory", "raise its limits",
	} {
		if !slices.Contains(r.Escapes, want) {
			t.Errorf("not able to %s, only to %v", want, r.Escapes)
		}
	}
	if !slices.Contains(r.Missing(), "seccomp") {
		t.Errorf("missing %v", r.Missing())
	}
}

// The strictest isolation is for root, the next for an unprivileged user. Each must start a child.
func TestIsolations_EachStartsAChild(t *testing.T) {
	c := testCommand(t).withDefaults()
	for _, isolation := range sandbox.Isolations(sandbox.Auto) {
		t.Run(fmt.Sprintf("%+v", isolation), func(t *testing.T) {
			p, err := startIn(t.Context(), c, isolation)
			if isolation.User && errors.Is(err, os.ErrPermission) {
				t.Skip("optional: this machine gives no user namespaces:", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.release()
			p.in.Close()
			p.out.Close()
			if state := p.wait(); state.ExitCode() != exitFailed {
				t.Errorf("%v: %s", state, p.stderr)
			}
		})
	}
}

// realChild builds the program that is shipped, in a folder where every user may execute it.
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
			at := time.Duration(n) * time.Second / 25
			n++
			return protocol.Packet{Time: at, Key: p.Key, Data: p.Data}, nil
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
