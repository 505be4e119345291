package h264

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// x264's sets of 640x480 at 25 frames a second, High profile, and a PPS.
var (
	sps = []byte{0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x3d, 0xa1, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2d, 0x96}
	pps = []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0}
)

func annexB(nals ...[]byte) (b []byte) {
	for _, nal := range nals {
		b = append(append(b, 0, 0, 0, 1), nal...)
	}
	return b
}

func lengths(nals ...[]byte) (b []byte) {
	for _, nal := range nals {
		b = append(append(b, 0, 0, byte(len(nal)>>8), byte(len(nal))), nal...)
	}
	return b
}

func TestPrivateSets_AreThoseOfBothForms(t *testing.T) {
	config, err := ParseConfig(annexB(sps, pps))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{sps, pps}
	for name, private := range map[string][]byte{"Annex B": annexB(sps, pps), "avcC": config.Record()} {
		if d := cmp.Diff(want, PrivateSets(private)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		for n := range private { // whatever a file claims
			PrivateSets(private[:n])
		}
	}
	q, ok := ParseSequence(want)
	if !ok || q.Width != 640 || q.Height != 480 || q.Refusal() != "" {
		t.Errorf("%+v, %t, %s", q, ok, q.Refusal())
	}
}

func TestAnnexB_TakesFramesOfTheStreamOnly(t *testing.T) {
	config, err := ParseConfig(annexB(sps, pps))
	if err != nil {
		t.Fatal(err)
	}
	avc, start := ParsePrivate(config.Record()), ParsePrivate(nil)
	slice, delimiter := []byte{0x65, 1, 2, 3}, []byte{0x09, 0xf0}
	other := bytes.Clone(sps)
	other[3]++
	for name, test := range map[string]struct {
		framing Framing
		packet  []byte
		fails   bool
	}{
		"lengths":             {avc, lengths(delimiter, sps, pps, slice), false},
		"start codes":         {start, annexB(delimiter, sps, pps, slice), false},
		"other sets":          {avc, lengths(other, pps, slice), true},
		"no slice":            {avc, lengths(sps, pps), true},
		"a length too long":   {avc, append(lengths(slice), 0, 0, 9, 9, 0x41), true},
		"a start code inside": {avc, lengths([]byte{0x65, 1, 0, 0, 1, 0x67, 2}), true},
		"a cut length":        {avc, append(lengths(slice), 0, 0), true},
		"nothing":             {avc, nil, true},
	} {
		got, err := test.framing.AnnexB(nil, test.packet, config)
		if (err != nil) != test.fails || !test.fails && !bytes.Equal(got, annexB(slice)) {
			t.Errorf("%s: % x, %v", name, got, err)
		}
	}
}
