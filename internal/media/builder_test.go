package media

import (
	"strings"
	"testing"
)

// vp8Key is the front of a keyframe of VP8.
func vp8Key(w, h int) []byte {
	return []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, byte(w), byte(w >> 8), byte(h), byte(h >> 8)}
}

// Each of these was taken once and became silence or black.
func TestBuilder_RefusesWhatNoDecoderTakes(t *testing.T) {
	opus := func(channels, family byte, table string) []byte {
		return []byte("OpusHead\x01" + string(channels) + "\x38\x01\x80\xbb\x00\x00\x00\x00" + string([]byte{family}) + table)
	}
	const (
		sps   = "\x00\x00\x00\x01\x67\x42\xc0\x0a\xd9\x07\x11\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\x20\xf1\x22\x6a"
		idr   = "\x00\x00\x00\x01\x65\x88\x84\x00\x10"
		slice = "\x00\x00\x00\x01\x41\x9a\x24\x00\x10"
		sei   = "\x00\x00\x00\x01\x06\x05\xff\xff"
	)
	for name, test := range map[string]struct {
		track   Index
		packets [][]byte
		refusal string // "" for none
	}{
		"opus":                {Index{Codec: "opus", Private: opus(2, 0, "")}, [][]byte{{0xfc, 0}}, ""},
		"opus_without_header": {Index{Codec: "opus"}, [][]byte{{0xfc, 0}}, ""},
		"opus_surround":       {Index{Codec: "opus", Private: opus(6, 1, "\x04\x02\x00\x04\x01\x02\x03\x05")}, [][]byte{{0xfc, 0}}, ""},
		"opus_unmapped":       {Index{Codec: "opus", Private: opus(6, 1, "")}, [][]byte{{0xfc, 0}}, "6 channels in Opus mapping family 1"},
		"opus_ambisonics":     {Index{Codec: "opus", Private: opus(4, 2, "\x04\x00\x00\x01\x02\x03")}, [][]byte{{0xfc, 0}}, "4 channels in Opus mapping family 2"},
		"opus_damaged":        {Index{Codec: "opus", Private: []byte("OpusTail\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00")}, [][]byte{{0xfc, 0}}, "Opus header is damaged"},
		"aac_lc":              {Index{Codec: "aac", Private: []byte{0x11, 0x90}, Channels: 2, Rate: 48000}, [][]byte{{1, 2}}, ""},
		"aac_xhe":             {Index{Codec: "aac", Private: []byte{0xf9, 0x46, 0x40}, Channels: 2, Rate: 48000}, [][]byte{{1, 2}}, "audio object type 42"},
		"pcmu":                {Index{Codec: "pcmu", Channels: 1, Rate: 8000}, [][]byte{{1, 2}}, ""},
		"pcmu_surround":       {Index{Codec: "pcmu", Channels: 6, Rate: 8000}, [][]byte{{1, 2}}, "6 channels at 8000 Hz"},
		"vp8_4k":              {Index{Codec: "vp8", Video: true}, [][]byte{vp8Key(4096, 2304)}, ""},
		"vp8_upright":         {Index{Codec: "vp8", Video: true}, [][]byte{vp8Key(2304, 4096)}, ""},
		"vp8_8k":              {Index{Codec: "vp8", Video: true}, [][]byte{vp8Key(7680, 4320)}, "7680x4320 pixels"},
		"vp8_wide":            {Index{Codec: "vp8", Video: true}, [][]byte{vp8Key(5000, 16)}, "5000x16 pixels"},
		"vp8_once_8k":         {Index{Codec: "vp8", Video: true}, [][]byte{vp8Key(7680, 4320), vp8Key(640, 480)}, ""},
		"h264":                {Index{Codec: "h264", Video: true}, [][]byte{[]byte(sps + idr), []byte(slice)}, ""},
		"h264_late":           {Index{Codec: "h264", Video: true}, [][]byte{[]byte(slice), []byte(sps + idr)}, ""},
		"h264_in_header":      {Index{Codec: "h264", Video: true, Private: []byte(sps)}, [][]byte{[]byte(idr), []byte(slice)}, ""},
		"h264_no_sets":        {Index{Codec: "h264", Video: true}, [][]byte{[]byte(idr), []byte(slice)}, "no H.264 parameter sets"},
		"h264_avcc_no_sets":   {Index{Codec: "h264", Video: true, Private: []byte{1, 66, 0, 10, 0xff, 0xe0, 0}}, [][]byte{[]byte(idr)}, "no H.264 parameter sets"},
		"hevc_no_sets":        {Index{Codec: "hevc", Video: true}, [][]byte{[]byte("\x00\x00\x00\x01\x26\x01\xaf"), []byte("\x00\x00\x00\x01\x02\x01\xaf")}, "no HEVC parameter sets"},
		"av1_no_sequence":     {Index{Codec: "av1", Video: true}, [][]byte{{0x32, 1, 0x10}, {0x32, 1, 0x30}}, "no AV1 sequence header"},
		"vorbis_no_headers":   {Index{Codec: "vorbis"}, [][]byte{{0}}, "Vorbis headers are missing"},
		"g722":                {Index{Codec: "g722", Channels: 1, Rate: 16000}, [][]byte{{1, 2}}, ""},
		"g722_stereo":         {Index{Codec: "g722", Channels: 2, Rate: 16000}, [][]byte{{1, 2}}, "G.722 of 1 channel"},
		"pcm_96k":             {Index{Codec: "pcm_s16le", Channels: 2, Rate: 96000}, [][]byte{{1, 2, 3, 4}}, ""},
		"pcm_surround":        {Index{Codec: "pcm_f32le", Channels: 6, Rate: 48000}, [][]byte{{1, 2, 3, 4}}, "6 channels at 48000 Hz"},
		"h264_long_sei":       {Index{Codec: "h264", Video: true}, [][]byte{[]byte(sei), []byte(slice)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder(test.track)
			for i, front := range test.packets {
				if err := b.Add(Packet{Size: len(front), Pos: int64(100 * i)}, front); err != nil {
					t.Fatal(err)
				}
			}
			switch _, err := b.Finish(1000, false); {
			case test.refusal == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)):
				t.Errorf("got %v, want %q", err, test.refusal)
			}
		})
	}
}
