package h265

import (
	"bytes"
	"encoding/binary"
	"testing"

	"roomreel/internal/media/bitstream"
)

// Parameter sets that x265 wrote for frames of 142x96, which are cropped from 144x96.
var (
	vps = []byte("\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x1e\x95\x98\x09")
	sps = []byte("\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x1e\xa0\x12\x20\x61\xd7\x96\x56\x69\x24\xca\xf0\x16\x80\x80\x00\x00\x03\x00\x80\x00\x00\x0c\x84")
	pps = []byte("\x44\x01\xc1\x72\xb4\x62\x40")
)

// hvcC is a configuration record of the given sets, with lengths of 4 bytes.
func hvcC(sets ...[]byte) []byte {
	b := append([]byte{1}, make([]byte, 20)...)
	b = append(b, 0xff, byte(len(sets)))
	for _, s := range sets {
		b = append(b, 0x80|s[0]>>1, 0, 1)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

func annexB(nals ...[]byte) (b []byte) {
	for _, n := range nals {
		b = append(append(b, 0, 0, 0, 1), n...)
	}
	return b
}

func lengths(nals ...[]byte) (b []byte) {
	for _, n := range nals {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(n))), n...)
	}
	return b
}

func nal(kind, layer byte) []byte { return []byte{kind<<1 | layer>>5, layer<<3 | 1, 0xaf, 0x12} }

func TestInspect_TellsRandomAccessPoints(t *testing.T) {
	sets := hvcC(vps, sps, pps)
	const idr, cra, bla, trail, rasl, sei, aud = 19, 21, 16, 1, 9, 39, 35
	key := bitstream.Frame{Known: true, Key: true, Width: 142, Height: 96}
	inBand := key
	inBand.Config = true
	for name, test := range map[string]struct {
		private, packet []byte
		want            bitstream.Frame
	}{
		"idr":             {sets, lengths(nal(idr, 0)), key},
		"cra":             {sets, lengths(nal(aud, 0), nal(sei, 0), nal(cra, 0)), key},
		"bla":             {sets, lengths(nal(bla, 0)), key},
		"trailing":        {sets, lengths(nal(sei, 0), nal(trail, 0)), bitstream.Frame{Known: true}},
		"leading":         {sets, lengths(nal(rasl, 0)), bitstream.Frame{Known: true}},
		"in_band":         {nil, annexB(vps, sps, pps, nal(idr, 0)), inBand},
		"short_codes":     {nil, bytes.ReplaceAll(annexB(vps, sps, pps, nal(idr, 0)), []byte{0, 0, 0, 1}, []byte{0, 0, 1}), inBand},
		"annexb_in_hvcc":  {sets, annexB(nal(idr, 0)), key},
		"annexb_private":  {annexB(vps, sps, pps), annexB(nal(idr, 0)), key},
		"second_layer":    {sets, lengths(nal(trail, 1), nal(idr, 0)), key},
		"only_sets":       {nil, annexB(vps, sps, pps), bitstream.Frame{Config: true, Width: 142, Height: 96}},
		"cut":             {sets, lengths(nal(idr, 0))[:6], key},
		"cut_in_a_length": {sets, []byte{0, 0, 0}, bitstream.Frame{}},
		"nothing":         {sets, nil, bitstream.Frame{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ParsePrivate(test.private).Inspect(test.packet); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAnnexB_TurnsTheRecordIntoStartCodes(t *testing.T) {
	f := ParsePrivate(hvcC(vps, sps, pps))
	if private, ok := f.AnnexB(annexB(nal(1, 0))); !ok || !bytes.Equal(private, annexB(vps, sps, pps)) {
		t.Errorf("%v: %x", ok, private)
	}
	if _, ok := f.AnnexB(lengths(nal(1, 0))); ok {
		t.Error("lengths were taken for start codes")
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(hvcC(vps, sps, pps), lengths(nal(39, 0), nal(19, 0)))
	f.Add([]byte(nil), annexB(vps, sps, pps, nal(21, 0)))
	f.Fuzz(func(t *testing.T, private, packet []byte) {
		framing := ParsePrivate(private)
		frame := framing.Inspect(packet)
		if frame.Width < 0 || frame.Width > maxSide || frame.Height < 0 || frame.Height > maxSide || frame.Key && !frame.Known {
			t.Fatalf("%+v", frame)
		}
		framing.AnnexB(packet)
	})
}
