package bitstream

import (
	"testing"
	"time"
)

func TestOpusDuration_FollowsTheTOC(t *testing.T) {
	tests := map[string]struct {
		packet []byte
		want   time.Duration
	}{
		"silk_60":     {[]byte{3 << 3}, 60 * time.Millisecond},
		"hybrid_10":   {[]byte{12 << 3}, 10 * time.Millisecond},
		"celt_2.5":    {[]byte{16 << 3}, 2500 * time.Microsecond},
		"celt_20_two": {[]byte{31<<3 | 1}, 40 * time.Millisecond},
		"silk_20_six": {[]byte{1<<3 | 3, 6}, 120 * time.Millisecond},
		"too_long":    {[]byte{3<<3 | 3, 3}, 0},
		"no_count":    {[]byte{3<<3 | 3}, 0},
		"empty":       {nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := OpusDuration(test.packet); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestParseAAC(t *testing.T) {
	tests := map[string]struct {
		config []byte
		want   AAC
		ok     bool
	}{
		"lc_48k_stereo": {[]byte{0x11, 0x90}, AAC{48000, 2, 1024}, true},
		"lc_44k_mono":   {[]byte{0x12, 0x08}, AAC{44100, 1, 1024}, true},
		"lc_960":        {[]byte{0x11, 0x94}, AAC{48000, 2, 960}, true},
		"sbr":           {[]byte{0x2b, 0x11, 0x88, 0x00}, AAC{24000, 2, 1024}, true},
		"celp":          {[]byte{0x41, 0x90}, AAC{}, false},
		"cut":           {[]byte{0x11}, AAC{}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := ParseAAC(test.config)
			if got != test.want || ok != test.ok {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
}
