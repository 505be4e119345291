package bitstream

import (
	"bytes"
	"testing"
)

// identification is a header of stereo at 44.1 kHz with blocks of 256 and 2048 samples.
const identification = "\x01vorbis\x00\x00\x00\x00\x02\x44\xac\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xb8\x01"

// Setup headers that end in a list of modes: of one with long blocks, and of a short and a long one.
const (
	oneMode  = "\x05vorbis\x40\x00\x00\x00\x00\x80"
	twoModes = "\x05vorbis\x01\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x01\x00"
)

func TestVorbis_AddsHalvesOfBlocks(t *testing.T) {
	v, ok := ParseVorbis(LaceVorbis([]byte(identification), bytes.Repeat([]byte("x"), 600), []byte(twoModes)))
	if !ok || v.Rate != 44100 || v.Channels != 2 || v.Longest() != 1024 {
		t.Fatalf("%+v, %v", v, ok)
	}
	const short, long, comment = 0, 2, 3
	for i, step := range []struct {
		front byte
		want  int
	}{{short, 0}, {long, 576}, {long, 1024}, {comment, 0}, {short, 576}, {short, 128}} {
		if got := v.Samples([]byte{step.front, 0}); got != step.want {
			t.Errorf("packet %d has %d samples, want %d", i, got, step.want)
		}
	}
	if got := v.Samples(nil); got != 0 {
		t.Errorf("no packet has %d samples", got)
	}
}

func TestParseVorbis_RefusesDamagedHeaders(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":     nil,
		"not_laced":   []byte(identification + oneMode),
		"cut":         LaceVorbis([]byte(identification), nil, nil),
		"swapped":     LaceVorbis([]byte(oneMode), nil, []byte(identification)),
		"no_modes":    LaceVorbis([]byte(identification), nil, []byte("\x05vorbis\x00\x00")),
		"no_channels": LaceVorbis([]byte("\x01vorbis\x00\x00\x00\x00\x00\x44\xac\x00\x00"+identification[16:]), nil, []byte(oneMode)),
		"block_sizes": LaceVorbis([]byte(identification[:28]+"\x8b\x01"), nil, []byte(oneMode)),
		"too_long":    {2, 255, 255, 0, 0},
	} {
		if v, ok := ParseVorbis(b); ok {
			t.Errorf("%s became %+v", name, v)
		}
	}
}

func FuzzVorbis(f *testing.F) {
	f.Add(LaceVorbis([]byte(identification), make([]byte, 300), []byte(oneMode)), []byte{2}, []byte{0})
	f.Add(LaceVorbis([]byte(identification), nil, []byte(twoModes)), []byte{2}, []byte{0})
	f.Fuzz(func(t *testing.T, private, a, b []byte) {
		v, ok := ParseVorbis(private)
		if !ok {
			return
		}
		if again, ok := ParseVorbis(v.Private); !ok || again.Rate != v.Rate || again.long != v.long || again.bits != v.bits {
			t.Fatalf("%+v became %+v", v, again)
		}
		for _, front := range [][]byte{a, b, a} {
			if n := v.Samples(front); n < 0 || n > v.Longest() {
				t.Fatalf("%d samples", n)
			}
		}
	})
}
