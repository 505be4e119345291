package mp4

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/media"
)

var sets = []byte{0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x0a, 0x11, 0, 0, 1, 0x68, 0xce}

func TestConvert_PutsLengthsForStartCodes(t *testing.T) {
	config, err := parseConfig(sets)
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
			got, err := config.convert(nil, test.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWrite_RefusesPicturesThatDoNotFit(t *testing.T) {
	tests := map[string]struct {
		picture []byte
		want    string
	}{
		"other_sets": {[]byte{0, 0, 1, 0x67, 0x42, 0xc0, 0x0b, 0x11, 0, 0, 1, 0x65, 7}, "picture 0: its parameter sets differ"},
		"lengths":    {[]byte{0, 0, 0, 2, 0x65, 7}, "picture 0: it is not an Annex B byte stream"},
		"no_slice":   {sets, "picture 0: it holds no slice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := Write(io.Discard, []media.OutputTrack{{
				Codec: "h264", Private: sets, Width: 16, Height: 16, TickNum: 1, TickDen: 25, Length: 1,
				Samples: []media.OutputSample{{Size: uint32(len(test.picture)), Len: 1, Key: true}}, Open: opener(test.picture),
			}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// FuzzConvert checks that no byte of any picture makes the writer fail otherwise than by an error.
func FuzzConvert(f *testing.F) {
	f.Add(sets, []byte{0, 0, 1, 0x65, 7})
	f.Fuzz(func(t *testing.T, private, picture []byte) {
		config, err := parseConfig(private)
		if err != nil {
			return
		}
		config.record()
		out, err := config.convert(nil, picture)
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
