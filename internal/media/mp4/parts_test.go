package mp4

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/media"
)

// bigAvcC is a decoder configuration that differs from avcC in its profile.
var bigAvcC = newBox("avcC", []byte{1, 0x4d, 0x40, 0x0a, 0xff, 0xe1, 0, 8, 0x67, 0x42, 0xc0, 0x0a, 0xda, 0x1e, 0xc0, 0x44, 1, 0, 2, 0x68, 0xce})

// Tracks with several sample descriptions: tables and fragments say which packets belong to which.
func TestReadIndex_FollowsSampleDescriptions(t *testing.T) {
	payload := join(idr(1), slice(2), idr(3), slice(4), idr(5), idr(6))
	descriptions := func(entries ...[]byte) []byte { // trak writes one entry, and its number
		list := join(entries...)
		return list
	}
	two := func(id, scale uint32, entries [][]byte, tables ...[]byte) []byte {
		track := trak(id, scale, "vide", nil, descriptions(entries...), tables...)
		at := strings.Index(string(track), "stsd")
		track[at+11] = byte(len(entries))
		return track
	}
	entries := [][]byte{visual("avc1", avcC), visual("avc1", bigAvcC), visual("mp4v")}
	tables := func() []byte {
		head := join(ftyp, newBox("mdat", payload))
		data := uint32(len(ftyp) + 8)
		return join(head, moov(two(1, 1000, entries, stts(6, 40), stsc(1, 2, 1, 2, 1, 2, 4, 1, 3, 5, 1, 1), stsz(6, 6, 6, 6, 6, 6), stco(data, data+12, data+18, data+24, data+30))))
	}
	fragments := func() []byte {
		file := join(ftyp, moov(two(1, 1000, entries, stts(), stsc(), stsz(), stco()), newBox("mvex", newFullBox("trex", 0, 0, u32(1, 1, 0, 0, 0)))))
		for i, description := range []uint32{1, 2, 3, 1} {
			packets := payload[[]int{0, 12, 24, 30}[i]:][:[]int{12, 12, 6, 6}[i]]
			moof := func(data uint32) []byte {
				sizes := make([]uint32, len(packets)/6)
				for k := range sizes {
					sizes[k] = 6
				}
				return newBox("moof", newFullBox("mfhd", 0, 0, u32(uint32(i+1))),
					newBox("traf", newFullBox("tfhd", 0, 0x2000a, u32(1, description, 40)), newFullBox("tfdt", 1, 0, u64([]uint64{0, 80, 160, 200}[i])),
						newFullBox("trun", 0, 0x201, u32(uint32(len(sizes)), data), u32(sizes...))))
			}
			file = join(file, moof(uint32(len(moof(0))+8)), newBox("mdat", packets))
		}
		return file
	}
	for name, file := range map[string][]byte{"tables": tables(), "fragments": fragments()} {
		t.Run(name, func(t *testing.T) {
			x := index(t, file, roomreel.Video)
			if got := fmt.Sprint(contents(t, x, file)); got != "[[1 0] [2 40] [3 80] [4 120] [6 200]]" {
				t.Errorf("packets %s", got)
			}
			if len(x.Parts) != 2 || x.Parts[0].First != 2 || x.Parts[0].Private[1] != 0x4d || x.Parts[1].First != 4 || x.Parts[1].Private[1] != 0x42 {
				t.Errorf("parts %+v", x.Parts)
			}
			if len(x.Omitted) != 1 || x.Omitted[0].String() != `from 0.160 s on the file goes on with codec "mp4v", which is left out: it is not supported` {
				t.Errorf("omitted %v", x.Omitted)
			}
		})
	}
}

// Sample descriptions are bounded for a movie, not for each of its tracks.
func TestReadIndex_BoundsSampleDescriptions(t *testing.T) {
	var tracks [][]byte
	for id := range uint32(20) {
		tracks = append(tracks, trak(id+1, 1000, "vide", nil, bytes.Repeat(newBox("avc1"), 400)))
	}
	file := moov(tracks...)
	s := source{r: bytes.NewReader(file), size: int64(len(file))}
	for range 2 { // each movie of a file has its own
		m, err := s.movie(box{kind: "moov", body: 8, end: s.size})
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, t := range m.tracks {
			count += len(t.others)
		}
		if len(m.tracks) != 20 || count != media.MaxParts {
			t.Errorf("%d tracks have %d descriptions beyond their first", len(m.tracks), count)
		}
	}
}

// The tables of a file that was appended count from its own beginning, and its clock begins where the file before ends, for all its
// tracks alike.
func TestReadIndex_ReadsATableOfAnAppendedFile(t *testing.T) {
	one := made(t, "one.mp4", "-f lavfi -i testsrc2=size=160x120:rate=25:d=2 -f lavfi -i sine=440:d=1.5:r=48000 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac")
	two := made(t, "two.mp4", "-itsoffset 0.4 -f lavfi -i testsrc2=size=320x240:rate=25:d=1 -f lavfi -i sine=440:d=2:r=44100 -map 1 -map 0 -vsync passthrough -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -movflags faststart")
	file := join(one, two)
	video, audio := index(t, file, roomreel.Video), index(t, file, roomreel.Audio)
	if len(video.Parts) != 1 || len(audio.Parts) != 1 || video.Parts[0].Width != 320 || audio.Parts[0].Rate != 44100 {
		t.Fatalf("parts %+v and %+v", video.Parts, audio.Parts)
	}
	// The video of the second file begins 0.4 s after its audio, and the audio at 2 s, although that of the first ends at 1.5 s.
	if at := video.Parts[0].At.Seconds(); at < 2.399 || at > 2.401 {
		t.Errorf("video goes on at %.4f s", at)
	}
	if at := audio.Parts[0].At.Seconds(); at < 1.999 || at > 2.003 { // of the priming, as in the first file; that of 44.1 kHz is longer
		t.Errorf("audio goes on at %.4f s", at)
	}
	if video.Truncated || audio.Truncated || len(video.Packets) != 75 {
		t.Errorf("truncated: %v and %v; %d frames", video.Truncated, audio.Truncated, len(video.Packets))
	}
}

// A single damaged stamp does not move where the next file begins: a packet far from the others counts when the next bears it out.
func TestReadIndex_DoesNotBelieveASingleStamp(t *testing.T) {
	for name, stamps := range map[string][]uint32{"good": {0, 40, 80, 120}, "damaged": {0, 40, 3_600_080, 120}, "damaged at the end": {0, 40, 80, 120, 3_600_160}} {
		t.Run(name, func(t *testing.T) {
			file := join(ftyp, moov(trak(1, 1000, "vide", nil, visual("avc1", avcC), stts(), stsc(), stsz(), stco()),
				newBox("mvex", newFullBox("trex", 0, 0, u32(1, 1, 40, 6, 0)))))
			for i, at := range stamps {
				moof := func(data uint32) []byte {
					return newBox("moof", newFullBox("mfhd", 0, 0, u32(uint32(i+1))),
						newBox("traf", newFullBox("tfhd", 0, 0x20000, u32(1)), newFullBox("tfdt", 0, 0, u32(at)), newFullBox("trun", 0, 1, u32(1, data))))
				}
				file = join(file, moof(uint32(len(moof(0))+8)), newBox("mdat", idr(byte(i))))
			}
			f := reader{source: source{r: bytes.NewReader(file), size: int64(len(file))}, kind: roomreel.Video}
			if err := f.all(); err != nil {
				t.Fatal(err)
			}
			f.joiner.Border()
			if at := f.joiner.At(1, 0, 0); at != 160*time.Millisecond {
				t.Errorf("the next file begins at %v", at)
			}
		})
	}
}
