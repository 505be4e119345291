package mp4

import (
	"bytes"
	"testing"

	"roomreel"
	"roomreel/internal/media"
)

func TestReadIndex_ReadsHowFramesAreShown(t *testing.T) {
	const one = 1 << 16
	upright := []int32{one, 0, 0, one}
	clap := func(numbers ...uint32) []byte { return newBox("clap", u32(numbers...)) }
	pasp := func(h, v uint32) []byte { return newBox("pasp", u32(h, v)) }
	for name, test := range map[string]struct {
		matrix        []int32
		width, height uint32 // in the track header
		boxes         []byte
		want          media.Display
	}{
		"says nothing":            {upright, 320, 240, nil, media.Display{}},
		"header without a size":   {upright, 0, 0, nil, media.Display{}},
		"clockwise":               {[]int32{0, one, -one, 0}, 320, 240, nil, media.Display{Turn: 90}},
		"half a turn":             {[]int32{-one, 0, 0, -one}, 320, 240, nil, media.Display{Turn: 180}},
		"counterclockwise":        {[]int32{0, -one, one, 0}, 320, 240, nil, media.Display{Turn: 270}},
		"mirrored":                {[]int32{-one, 0, 0, one}, 320, 240, nil, media.Display{Mirror: true}},
		"matrix of zeros":         {[]int32{0, 0, 0, 0}, 320, 240, nil, media.Display{}},
		"size after it is turned": {[]int32{0, one, -one, 0}, 240, 320, nil, media.Display{Turn: 90}},
		"pixels 4:3":              {upright, 427, 240, pasp(4, 3), media.Display{AspectNum: 4, AspectDen: 3}},
		"pixels 0:0":              {upright, 320, 240, pasp(0, 0), media.Display{}},
		"pixels of a line":        {upright, 320, 240, pasp(1<<31, 1), media.Display{}},
		"short pasp":              {upright, 320, 240, newBox("pasp", u32(4)), media.Display{}},
		"stretched in the header": {upright, 640, 240, nil, media.Display{AspectNum: 2, AspectDen: 1}},
		"a line in the header":    {upright, 320, 1, nil, media.Display{}},
		"cropped":                 {upright, 160, 200, clap(160, 1, 200, 1, 10, 1, 0, 1), media.Display{Width: 320, Height: 240, Left: 90, Right: 70, Top: 20, Bottom: 20}},
		"cropped beyond the edge": {upright, 160, 240, clap(160, 1, 240, 1, 100, 1, 0, 1), media.Display{}},
		"cropped of nothing":      {upright, 320, 240, clap(0, 0, 0, 0, 0, 0, 0, 0), media.Display{}},
		"short clap":              {upright, 320, 240, newBox("clap", u32(160, 1)), media.Display{}},
	} {
		t.Run(name, func(t *testing.T) {
			entry := newBox("avc1", make([]byte, 24), u16(320, 240), make([]byte, 50), avcC, test.boxes)
			track := trak(1, 1000, "vide", nil, entry, stts(1, 40), stsz(6), stsc(1, 1, 1), stco(8))
			at := bytes.Index(track, matrix)
			for i, n := range [...]int{0, 1, 3, 4} {
				copy(track[at+4*n:], u32(uint32(test.matrix[i])))
			}
			copy(track[at+len(matrix):], u32(test.width<<16, test.height<<16))
			file := join(newBox("mdat", idr(1)), moov(track))
			x, _, err := ReadIndex(bytes.NewReader(file), int64(len(file)), roomreel.Video)
			if err != nil {
				t.Fatal(err)
			}
			if x.Display != test.want {
				t.Errorf("%+v, want %+v", x.Display, test.want)
			}
		})
	}
}

func TestReadIndex_ReadsWhatColoursMean(t *testing.T) {
	nclx := func(primaries, transfer, matrix uint16, full uint8) []byte {
		return newBox("colr", []byte("nclx"), u16(primaries, transfer, matrix), u8(full))
	}
	vpcC := func(bits, primaries, transfer, matrix uint8) []byte {
		return newFullBox("vpcC", 1, 0, u8(0, 10, bits, primaries, transfer, matrix, 0, 0))
	}
	bt709 := media.Colour{Primaries: 1, Transfer: 1, Matrix: 1}
	full := media.Colour{Primaries: 1, Transfer: 1, Matrix: 1, Full: true}
	for name, test := range map[string]struct {
		entry string
		boxes []byte
		want  media.Colour
	}{
		"says nothing":          {"avc1", avcC, media.Colour{}},
		"nclx":                  {"avc1", join(avcC, nclx(1, 1, 1, 0)), bt709},
		"nclx, full range":      {"avc1", join(avcC, nclx(1, 1, 1, 0x80)), full},
		"unspecified":           {"avc1", join(avcC, nclx(2, 2, 2, 0)), media.Colour{}},
		"no number of H.273":    {"avc1", join(avcC, nclx(1, 1, 256, 0)), media.Colour{Primaries: 1, Transfer: 1}},
		"QuickTime's":           {"avc1", join(avcC, newBox("colr", []byte("nclc"), u16(1, 1, 1))), bt709},
		"a profile, then nclx":  {"avc1", join(avcC, newBox("colr", []byte("prof"), make([]byte, 40)), nclx(1, 1, 1, 0)), bt709},
		"cut off":               {"avc1", join(avcC, newBox("colr", []byte("nclx"), u16(1, 1))), media.Colour{}},
		"VP9":                   {"vp09", vpcC(8<<4|1<<1, 1, 1, 1), bt709},
		"VP9, full range":       {"vp09", vpcC(8<<4|1<<1|1, 1, 1, 1), full},
		"VP8 without a word":    {"vp08", vpcC(8<<4|1<<1, 2, 2, 2), media.Colour{}},
		"VP9, of an old draft":  {"vp09", newFullBox("vpcC", 0, 0, u8(0, 10, 8<<4, 1, 0, 0, 0, 0)), media.Colour{}},
		"VP9 with a colour box": {"vp09", join(vpcC(8<<4|1<<1, 9, 16, 9), nclx(1, 1, 1, 0)), bt709},
	} {
		entry := newBox(test.entry, make([]byte, 24), u16(320, 240), make([]byte, 50), test.boxes)
		track := trak(1, 1000, "vide", nil, entry, stts(1, 40), stsz(6), stsc(1, 1, 1), stco(8))
		file := join(newBox("mdat", idr(1)), moov(track))
		x, _, err := ReadIndex(bytes.NewReader(file), int64(len(file)), roomreel.Video)
		if err != nil {
			t.Fatal(err)
		}
		if x.Colour != test.want {
			t.Errorf("%s: %+v, want %+v", name, x.Colour, test.want)
		}
	}
}
