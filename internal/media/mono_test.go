package media

import "testing"

// A track is mono only when each packet of each part is known to code one channel.
func TestBuilder_KnowsWhatIsMono(t *testing.T) {
	const monoPacket, stereoPacket = "\x78\x01", "\x7c\x01"
	head := func(channels byte, rest string) []byte {
		return []byte("OpusHead\x01" + string(channels) + "\x38\x01\x80\xbb\x00\x00\x00\x00" + rest)
	}
	opus := func(channels byte, rest string) Index {
		return Index{Codec: "opus", Private: head(channels, rest), Channels: int(channels)}
	}
	one, two := opus(1, "\x00"), opus(2, "\x00")
	for name, test := range map[string]struct {
		parts   []Index
		packets []string // of each part
		mono    bool
	}{
		"mono":                   {[]Index{one}, []string{monoPacket, monoPacket}, true},
		"mono_decoder":           {[]Index{one}, []string{monoPacket, stereoPacket}, true},
		"webrtc":                 {[]Index{two}, []string{monoPacket, monoPacket}, true},
		"stereo":                 {[]Index{two}, []string{stereoPacket}, false},
		"becomes_stereo":         {[]Index{two}, []string{monoPacket, monoPacket, stereoPacket}, false},
		"begins_as_stereo":       {[]Index{two}, []string{stereoPacket, monoPacket, monoPacket}, false},
		"no_header":              {[]Index{{Codec: "opus", Channels: 2}}, []string{monoPacket}, true},
		"no_header_stereo":       {[]Index{{Codec: "opus", Channels: 2}}, []string{stereoPacket}, false},
		"two_streams":            {[]Index{opus(2, "\xff\x02\x00\x00\x01")}, []string{monoPacket}, false},
		"one_stream":             {[]Index{opus(1, "\xff\x01\x00\x00")}, []string{monoPacket}, true},
		"second_part_is_stereo":  {[]Index{one, two}, []string{monoPacket, stereoPacket}, false},
		"second_part_has_header": {[]Index{one, two}, []string{monoPacket, monoPacket}, true},
		"pcmu":                   {[]Index{{Codec: "pcmu", Channels: 1, Rate: 8000}}, []string{"\x01\x02"}, true},
		"pcm_stereo":             {[]Index{{Codec: "pcm_s16le", Channels: 2, Rate: 8000}}, []string{"\x01\x02\x03\x04"}, false},
		"g722":                   {[]Index{{Codec: "g722", Channels: 1, Rate: 16000}}, []string{"\x01\x02"}, true},
		"aac_may_be_parametric":  {[]Index{{Codec: "aac", Private: []byte{0x11, 0x88}, Channels: 1, Rate: 48000}}, []string{"\x01\x02"}, false},
		"video":                  {[]Index{{Codec: "vp8", Video: true}}, []string{"\x10\x00\x00\x9d\x01\x2a\x10\x00\x10\x00"}, false},
	} {
		b := NewBuilder(test.parts[0])
		for i, packet := range test.packets {
			if n := i * len(test.parts) / len(test.packets); n > 0 {
				b.Describe(test.parts[n])
			}
			if err := b.Add(Packet{Size: len(packet), Pos: int64(10 * i)}, []byte(packet)); err != nil {
				t.Fatal(err)
			}
		}
		x, err := b.Finish(1000, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stored, err := x.File()
		if err != nil {
			t.Fatal(err)
		}
		if again := stored.Track(); x.Mono != test.mono || again.Mono != test.mono {
			t.Errorf("%s: mono is %v, stored %v", name, x.Mono, again.Mono)
		}
	}
}
