package bitstream

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// bitWriter is a bitReader the other way round.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) put(value uint64, bits int) *bitWriter {
	for i := bits - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(value>>i&1) << (7 - w.n%8)
		w.n++
	}
	return w
}

// obu is an OBU with a size field, and with an extension unless layer is -1.
func obu(kind byte, layer int, body []byte) []byte {
	b := []byte{kind<<3 | 2}
	if layer >= 0 {
		b = []byte{kind<<3 | 2 | 4, byte(layer) << 3}
	}
	return append(append(b, byte(len(body))), body...)
}

// sequenceOf is a sequence header of frames up to w x h. points holds the layers of each operating point.
func sequenceOf(w, h uint64, model bool, points ...uint64) []byte {
	s := (&bitWriter{}).put(0, 5)
	if model {
		s.put(1, 1).put(1, 32).put(30, 32).put(1, 1).put(1, 1).put(1, 1) // timing, equal intervals, decoder model
		s.put(9, 5).put(1, 32).put(0, 10)
	} else {
		s.put(0, 1)
	}
	s.put(1, 1).put(uint64(len(points)-1), 5) // initial display delays
	for _, layers := range points {
		s.put(layers, 12).put(8, 5).put(0, 1) // a level with a tier
		if model {
			s.put(1, 1).put(5, 10).put(5, 10).put(0, 1)
		}
		s.put(1, 1).put(3, 4)
	}
	s.put(10, 4).put(9, 4).put(w-1, 11).put(h-1, 10)
	s.put(1, 1).put(2, 4).put(1, 3)                                         // frame numbers of 6 bits
	s.put(0, 3).put(0, 4).put(1, 1).put(0, 2).put(1, 1).put(1, 1).put(6, 3) // order hints of 7 bits
	return obu(obuSequenceHeader, -1, s.put(0, 16).b)
}

// frameOf is the beginning of a frame header. size is that of a frame that is not as large as the sequence says, or 0.
func frameOf(existing, kind, shown, w, h uint64) []byte {
	f := (&bitWriter{}).put(existing, 1)
	if existing == 1 {
		return f.put(3, 7).b
	}
	f.put(kind, 2).put(shown, 1)
	f.put(0, 1).put(1, 1).put(1, 1).put(33, 6) // screen content tools, integer vectors, number
	if w > 0 {
		return f.put(1, 1).put(5, 7).put(w-1, 11).put(h-1, 10).put(0, 8).b
	}
	return f.put(0, 1).put(5, 7).put(0, 40).b
}

func TestAV1_TellsKeyframesAndTheirSizes(t *testing.T) {
	delimiter := obu(2, -1, nil)
	join := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	plain, layered, modelled := sequenceOf(1280, 720, false, 0), sequenceOf(640, 480, false, 0x301, 0x101), sequenceOf(64, 48, true, 0)
	private := append([]byte{0x81, 0, 0, 0}, plain...)
	key := Frame{Known: true, Key: true, Config: true, Width: 1280, Height: 720}
	for name, test := range map[string]struct {
		private, packet []byte
		want            Frame
	}{
		"key":              {nil, join(delimiter, plain, obu(obuFrame, -1, frameOf(0, 0, 1, 0, 0))), key},
		"key_of_header":    {private, join(delimiter, obu(obuFrame, -1, frameOf(0, 0, 1, 0, 0))), key},
		"two_obus":         {private, join(obu(5, -1, []byte{1, 2}), obu(obuFrameHeader, -1, frameOf(0, 0, 1, 0, 0))), key},
		"no_size_field":    {private, append([]byte{obuFrame << 3}, frameOf(0, 0, 1, 0, 0)...), key},
		"smaller":          {private, obu(obuFrame, -1, frameOf(0, 0, 1, 320, 180)), Frame{Known: true, Key: true, Config: true, Width: 320, Height: 180}},
		"inter":            {private, obu(obuFrame, -1, frameOf(0, 1, 1, 0, 0)), Frame{Known: true, Config: true}},
		"intra_only":       {private, obu(obuFrame, -1, frameOf(0, 2, 1, 0, 0)), Frame{Known: true, Config: true}},
		"hidden":           {private, obu(obuFrame, -1, frameOf(0, 0, 0, 0, 0)), Frame{Known: true, Config: true}},
		"existing":         {private, obu(obuFrameHeader, -1, frameOf(1, 0, 0, 0, 0)), Frame{Known: true, Config: true}},
		"no_sequence":      {nil, obu(obuFrame, -1, frameOf(0, 0, 1, 0, 0)), Frame{Known: true, Key: true}},
		"layers":           {nil, join(layered, obu(obuFrame, 0, frameOf(0, 0, 1, 320, 240))), Frame{Known: true, Key: true, Config: true, Width: 640, Height: 480}},
		"decoder_model":    {nil, join(modelled, obu(obuFrame, -1, frameOf(0, 0, 1, 0, 0))), Frame{Known: true, Key: true, Config: true, Width: 64, Height: 48}},
		"delimiter_only":   {private, delimiter, Frame{Config: true}},
		"cut":              {private, obu(obuFrame, -1, nil), Frame{Config: true}},
		"forbidden":        {private, []byte{0x80 | obuFrame<<3, 0}, Frame{Config: true}},
		"endless_size":     {private, []byte{obuFrame<<3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Frame{Config: true}},
		"nothing":          {private, nil, Frame{Config: true}},
		"header_not_known": {[]byte{0x81, 0, 0, 0}, nil, Frame{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ParseAV1(test.private).Inspect(test.packet); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// The records are those that libavformat makes of headers of SVT-AV1.
func TestAV1Record_IsThatOfOtherWriters(t *testing.T) {
	for name, text := range map[string]string{
		"640x480":   "81040c00" + "0a0e00000024c4ffdf00be0418181810",
		"4096x2304": "81100c00" + "0a0f00000082efffe3fc02f81010101040",
	} {
		want, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := AV1Record(want[4:])
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v, want %x", name, got, err, want)
		}
		if !ParseAV1(got).Config() {
			t.Errorf("%s: the header is not found in the record", name)
		}
		for n := range want[4:] {
			if _, err := AV1Record(want[4 : 4+n]); err == nil {
				t.Errorf("%s: the first %d bytes of its header are accepted", name, n)
			}
		}
	}
	if _, err := AV1Record(obu(obuFrame, -1, frameOf(0, 0, 1, 0, 0))); err == nil {
		t.Error("a frame is taken for a header")
	}
}

func TestTrimDelimiter(t *testing.T) {
	delimiter, frame := obu(obuDelimiter, -1, nil), obu(obuFrame, -1, frameOf(0, 0, 1, 0, 0))
	for _, b := range [][]byte{append(delimiter, frame...), frame} {
		if got := TrimDelimiter(b); !bytes.Equal(got, frame) {
			t.Errorf("%x of %x", got, b)
		}
	}
	if got := TrimDelimiter(nil); len(got) > 0 {
		t.Errorf("%x of nothing", got)
	}
}

func FuzzAV1(f *testing.F) {
	f.Add([]byte{0x81, 0, 0, 0}, append(sequenceOf(640, 480, true, 0x301, 0x101), obu(obuFrame, 1, frameOf(0, 0, 1, 0, 0))...))
	f.Add(append([]byte{0x81, 0, 0, 0}, sequenceOf(64, 64, false, 0)...), obu(obuFrame, -1, frameOf(0, 0, 1, 16, 16)))
	f.Fuzz(func(t *testing.T, private, packet []byte) {
		a := ParseAV1(private)
		for range 2 {
			if frame := a.Inspect(packet); frame.Width < 0 || frame.Width > 1<<16 || frame.Height < 0 || frame.Height > 1<<16 || frame.Key && !frame.Known {
				t.Fatalf("%+v", frame)
			}
		}
	})
}
