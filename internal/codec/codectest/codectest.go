// Package codectest makes small real recordings with ffmpeg's command line, for tests of what decodes them.
package codectest

import (
	"bytes"
	"embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/media"
	"roomreel/internal/media/demux"
)

// Track is one recorded track and its packets in the order of the file.
type Track struct {
	Codec      string
	Private    []byte
	CodecDelay time.Duration
	Rate       int
	Channels   int
	Packets    []Packet
}

// Packet is one packet. Time runs from the track's first packet.
type Packet struct {
	Time     time.Duration
	Duration time.Duration
	Key      bool
	Data     []byte
}

// Make runs ffmpeg with the given arguments and a media file of the test's own as output, and returns the file's
// track. Arguments are split at spaces.
func Make(t testing.TB, arguments string) Track {
	t.Helper()
	return Read(t, File(t, arguments))
}

// File is Make for callers that want the file.
func File(t testing.TB, arguments string) string {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		if strings.Contains(os.Getenv("ROOMREEL_TEST_REQUIRE"), "ffmpeg") {
			t.Fatal("ffmpeg is required and missing")
		}
		t.Skip("ffmpeg is not installed")
	}
	file := filepath.Join(t.TempDir(), "track.mkv")
	all := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}, strings.Fields(arguments)...)
	if out, err := exec.Command(ffmpeg, append(all, file)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", arguments, err, out)
	}
	return file
}

// Read reads the first track of a media file.
func Read(t testing.TB, file string) Track {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	index, _, err := demux.ReadIndex(bytes.NewReader(data), int64(len(data)), "")
	if err != nil {
		t.Fatal(err)
	}
	reader := media.NewPacketReader(index, bytes.NewReader(data))
	track := Track{
		Codec: index.Codec, Private: index.Private, CodecDelay: index.CodecDelay, Rate: index.Rate, Channels: index.Channels,
	}
	for i, p := range index.Packets {
		payload, err := reader.Read(i)
		if err != nil {
			t.Fatal(err)
		}
		track.Packets = append(track.Packets, Packet{Time: p.Time, Duration: p.Duration, Key: p.Key, Data: payload})
	}
	return track
}

//go:embed testdata
var testdata embed.FS

// Layers reads scalable video of av1 or vp9, as Chromium sent it over WebRTC with two spatial layers of 320x240 and 640x480. Each layer
// of a frame is a packet of its own, and those of one frame have the same time. In the files, each packet has its time (1/90000
// s) and its length before it.
func Layers(t testing.TB, name string) Track {
	t.Helper()
	b, err := testdata.ReadFile("testdata/" + name + ".layers")
	if err != nil {
		t.Fatal(err)
	}
	track := Track{Codec: name}
	for len(b) > 0 {
		at, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		track.Packets = append(track.Packets, Packet{Time: time.Duration(at) * time.Second / 90000, Key: len(track.Packets) == 0, Data: b[8 : 8+n]})
		b = b[8+n:]
	}
	return track
}

// Merge puts the packets of a frame into one, as recorders of av1 do.
func (t Track) Merge() Track {
	var merged []Packet
	for _, p := range t.Packets {
		if n := len(merged); n > 0 && merged[n-1].Time == p.Time {
			merged[n-1].Data = append(bytes.Clone(merged[n-1].Data), p.Data...)
		} else {
			merged = append(merged, p)
		}
	}
	t.Packets = merged
	return t
}

// NoLeaks fails the test when it ends with more of codec's objects open than it began with.
func NoLeaks(t testing.TB) {
	t.Helper()
	before := codec.Open()
	t.Cleanup(func() {
		if after := codec.Open(); after != before {
			t.Errorf("%d objects of package codec were not closed", after-before)
		}
	})
}
