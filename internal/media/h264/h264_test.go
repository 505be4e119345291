package h264

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var sets = []byte{0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x0a, 0x11, 0, 0, 1, 0x68, 0xce}

func TestConvert_PutsLengthsForStartCodes(t *testing.T) {
	config, err := ParseConfig(sets)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ in, want []byte }{
		"long_code":      {[]byte{0, 0, 0, 1, 0x65, 7}, []byte{0, 0, 0, 2, 0x65, 7}},
		"short_codes":    {[]byte{0, 0, 1, 0x65, 7, 0, 0, 1, 0x65, 8, 9}, []byte{0, 0, 0, 2, 0x65, 7, 0, 0, 0, 3, 0x65, 8, 9}},
		"trailing_zeros": {[]byte{0, 0, 1, 0x41, 7, 0, 0, 0, 0, 0, 1, 0x41, 8, 0, 0}, []byte{0, 0, 0, 2, 0x41, 7, 0, 0, 0, 2, 0x41, 8}},
		"repeated_sets":  {append(append([]byte{0, 0, 1, 9, 0xf0}, sets...), 0, 0, 1, 0x65, 7), []byte{0, 0, 0, 2, 0x65, 7}},
		"sei_is_kept":    {[]byte{0, 0, 1, 6, 5, 0x80, 0, 0, 1, 0x65, 7}, []byte{0, 0, 0, 3, 6, 5, 0x80, 0, 0, 0, 2, 0x65, 7}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := config.Convert(nil, test.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzConvert checks that whatever a packet holds, the conversion is right or fails with an error.
func FuzzConvert(f *testing.F) {
	f.Add(sets, []byte{0, 0, 1, 0x65, 7})
	f.Fuzz(func(t *testing.T, private, packet []byte) {
		config, err := ParseConfig(private)
		if err != nil {
			return
		}
		config.Record()
		out, err := config.Convert(nil, packet)
		if err != nil {
			return
		}
		for len(out) > 0 {
			n := int(out[0])<<24 | int(out[1])<<16 | int(out[2])<<8 | int(out[3])
			if n == 0 || n > len(out)-4 {
				t.Fatalf("a NAL unit of %d bytes in %d", n, len(out)-4)
			}
			out = out[4+n:]
		}
	})
}

// FuzzInspect checks that neither private data nor packets make the parser panic or claim an absurd size.
func FuzzInspect(f *testing.F) {
	f.Add(sets, []byte{0, 0, 1, 0x65, 7})
	f.Add([]byte{1, 0x42, 0xc0, 0x0a, 0xff, 0xe1, 0, 5, 0x67, 0x42, 0xc0, 0x0a, 0x11}, []byte{0, 0, 0, 2, 0x65, 7})
	f.Fuzz(func(t *testing.T, private, packet []byte) {
		frame := ParsePrivate(private).Inspect(packet)
		if frame.Width < 0 || frame.Width > maxSide || frame.Height < 0 || frame.Height > maxSide || frame.Key && !frame.Known {
			t.Fatalf("%+v", frame)
		}
	})
}
