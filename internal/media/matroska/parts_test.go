package matroska

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/media"
)

func head(channels, skip byte) []byte {
	return element(idCodecPrivate, []byte{'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, channels, skip, 0, 0, 0, 0, 0, 0, 0, 0})
}

func stripped(prefix ...byte) []byte {
	return element(idContentEncodings, element(idContentEncoding, element(idContentCompression, uintElement(idContentCompAlgo, 3), element(idContentCompSettings, prefix))))
}

func blockOf(track byte, ms int16, payload []byte) []byte {
	return element(idSimpleBlock, blockBody(track, ms, blockKey, payload))
}

func tracksOf(entries ...[]byte) []byte { return element(idTracks, entries...) }

func clusterOf(blocks ...[]byte) []byte {
	return element(idCluster, append([][]byte{at(0)}, blocks...)...)
}

// Each segment is read with its own track numbers, headers, header stripping and time scale.
func TestReadIndex_ReadsEachSegmentWithItsOwnHeaders(t *testing.T) {
	vp8 := []byte{0x10, 0, 0, 0x9d, 1, 0x2a, 64, 1, 240, 0}
	file := join(
		header("webm"), element(idSegment, tracksOf(entry(1, 1, "V_VP8"), entry(2, 2, "A_OPUS", head(1, 48))), clusterOf(blockOf(1, 0, vp8), blockOf(2, 0, opus20(1)), blockOf(2, 20, opus20(2)))),
		header("webm"), unknown(idSegment, element(idInfo, uintElement(idTimestampScale, 100_000)), tracksOf(entry(1, 2, "A_OPUS", head(2, 96), stripped(0xF8)), entry(2, 1, "V_VP9")),
			unknown(idCluster, at(0), blockOf(1, 0, opus20(3)[1:]), blockOf(2, 0, []byte{0x82, 0x49, 0x83, 0x42, 0, 9, 0xf0, 7, 0x70}), blockOf(1, 200, opus20(4)[1:]))),
		[]byte("junk that no one can read"),
		header("matroska"), element(idSegment, tracksOf(entry(5, 2, "A_OPUS", head(1, 48), stripped(0xF8, 0xFF))), clusterOf(blockOf(5, 0, []byte{5}), blockOf(5, 20, []byte{6}))),
	)
	x, _, err := read(bytes.NewReader(file), roomreel.Audio, 0)
	if err != nil {
		t.Fatal(err)
	}
	check(t, x, file)
	var got []string
	for i, b := range contents(t, x, file) {
		p := x.Headers(x.Part(i))
		got = append(got, fmt.Sprintf("%d at %v: %x, %d channels, delay %v", x.Part(i), x.Packets[i].Time, b, p.Channels, p.CodecDelay))
	}
	want := []string{
		"0 at 0s: f8ff01, 1 channels, delay 1ms", "0 at 20ms: f8ff02, 1 channels, delay 1ms",
		"1 at 39ms: f8ff03, 2 channels, delay 2ms", "1 at 59ms: f8ff04, 2 channels, delay 2ms",
		"2 at 77ms: f8ff05, 1 channels, delay 1ms", "2 at 97ms: f8ff06, 1 channels, delay 1ms",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	x, _, err = read(bytes.NewReader(file), roomreel.Video, 0)
	if err != nil {
		t.Fatal(err)
	}
	check(t, x, file)
	if len(x.Parts) != 1 || x.Parts[0].Codec != "vp9" || x.Parts[0].First != 1 || x.Parts[0].Width != 160 || x.Width != 320 ||
		len(x.Omitted) != 1 || x.Omitted[0].What != "without video tracks" {
		t.Errorf("parts %+v, omitted %v", x.Parts, x.Omitted)
	}
}

// A track list that is repeated, as live streams do, changes nothing. One that differs begins a part within the segment.
func TestReadIndex_FollowsASecondTrackList(t *testing.T) {
	file := join(header("webm"), unknown(idSegment, opusTrack(head(1, 0)), clusterOf(simple(0, opus20(1))), opusTrack(head(1, 0)),
		element(idCluster, at(20), simple(0, opus20(2))), tracksOf(entry(3, 2, "A_OPUS", head(2, 0))), element(idCluster, at(40), blockOf(3, 0, opus20(3)))))
	x, _, err := read(bytes.NewReader(file), roomreel.Audio, 0)
	if err != nil {
		t.Fatal(err)
	}
	check(t, x, file)
	if len(x.Packets) != 3 || len(x.Parts) != 1 || x.Parts[0].First != 2 || x.Parts[0].At != 40*time.Millisecond || x.Parts[0].Channels != 2 {
		t.Errorf("%d packets, parts %+v", len(x.Packets), x.Parts)
	}
}

// Headers without bound cost no memory without bound: what is beyond the limit is left out and named.
func TestReadIndex_BoundsTheNumberOfParts(t *testing.T) {
	for name, private := range map[string]int{"many": 0, "large": 60_000} {
		t.Run(name, func(t *testing.T) {
			file := header("webm")
			file = append(file, unknown(idSegment)...)
			for i := range media.MaxParts + 50 {
				h := append(head(byte(1+i%2), 0), make([]byte, 0)...)
				if private > 0 {
					h = element(idCodecPrivate, append([]byte{'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, byte(1 + i%2)}, make([]byte, private)...))
				}
				file = append(file, opusTrack(h)...)
				file = append(file, element(idCluster, at(uint64(20*i)), simple(0, opus20(1)))...)
			}
			x, _, err := read(bytes.NewReader(file), roomreel.Audio, 0)
			if err != nil {
				t.Fatal(err)
			}
			check(t, x, file)
			bytes := 0
			for _, p := range x.Parts {
				bytes += len(p.Private)
			}
			if len(x.Parts) > media.MaxParts || bytes > media.MaxPartBytes || len(x.Parts) < 10 || len(x.Omitted) == 0 || len(x.Omitted) > 16 ||
				!strings.Contains(x.Omitted[0].What, "there are more than 1000 changes") {
				t.Errorf("%d parts of %d bytes, %d packets, omitted %v", len(x.Parts), bytes, len(x.Packets), x.Omitted)
			}
		})
	}
}

// A later segment that cannot be decoded is named, and does not make the file useless.
func TestReadIndex_NamesAPartThatCannotBeDecoded(t *testing.T) {
	file := join(header("webm"), element(idSegment, opusTrack(head(1, 0)), clusterOf(simple(0, opus20(1)))),
		header("webm"), element(idSegment, opusTrack(head(9, 0)), clusterOf(simple(0, opus20(2)))))
	x, _, err := read(bytes.NewReader(file), roomreel.Audio, 0)
	if err != nil {
		t.Fatal(err)
	}
	check(t, x, file)
	if len(x.Packets) != 1 || len(x.Omitted) != 1 || x.Omitted[0].At != 20*time.Millisecond ||
		!strings.Contains(x.Omitted[0].String(), "from 0.020 s on the file goes on with opus, which is left out: it has 9 channels") {
		t.Errorf("%d packets, omitted %v", len(x.Packets), x.Omitted)
	}
}
