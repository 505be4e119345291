package matroska

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/media"
)

// track is a TrackEntry, as far as it concerns us.
type track struct {
	number     uint64
	kind       roomreel.TrackKind // "" for subtitles and the like
	codecID    string
	codec      string // "" when we cannot use it
	private    []byte
	delay      time.Duration
	spacing    time.Duration // DefaultDuration
	width      int
	height     int
	rate       int
	channels   int
	prefix     []byte
	unreadable string // why the track's packets cannot be read; "" when they can
}

// Values of ContentEncodingType and ContentCompAlgo. Source: RFC 9559, 5.1.4.1.31.
const (
	encodingEncrypted = 1
	compZlib          = 0
	compBzlib         = 1
	compLZO           = 2
	compHeaderStrip   = 3
)

// parseTracks reads the body of a Tracks element.
func parseTracks(b []byte) []track {
	var tracks []track
	children(b, func(id uint32, data []byte) {
		if id == idTrackEntry {
			tracks = append(tracks, parseTrack(data))
		}
	})
	return tracks
}

func parseTrack(b []byte) track {
	t := track{rate: 8000, channels: 1} // the rate and channels of an Audio element that does not say
	children(b, func(id uint32, data []byte) {
		switch id {
		case idTrackNumber:
			t.number = uintOf(data)
		case idTrackType:
			switch uintOf(data) {
			case 1:
				t.kind = roomreel.Video
			case 2:
				t.kind = roomreel.Audio
			}
		case idCodecID:
			t.codecID = strings.TrimRight(string(data), "\x00 ")
		case idCodecPrivate:
			t.private = bytes.Clone(data)
		case idCodecDelay:
			t.delay = time.Duration(min(uintOf(data), uint64(time.Second)))
		case idDefaultDuration:
			t.spacing = time.Duration(min(uintOf(data), uint64(time.Second)))
		case idVideo:
			t.parseVideo(data)
		case idAudio:
			t.parseAudio(data)
		case idContentEncodings:
			t.parseEncodings(data)
		}
	})
	t.resolve()
	return t
}

func (t *track) parseVideo(b []byte) {
	children(b, func(id uint32, data []byte) {
		switch id {
		case idPixelWidth:
			t.width = int(min(uintOf(data), media.MaxSide))
		case idPixelHeight:
			t.height = int(min(uintOf(data), media.MaxSide))
		}
	})
}

func (t *track) parseAudio(b []byte) {
	children(b, func(id uint32, data []byte) {
		switch id {
		case idSamplingFrequency:
			if hz := floatOf(data); hz >= 1 && hz <= media.MaxRate {
				t.rate = int(hz)
			}
		case idChannels:
			t.channels = int(min(max(uintOf(data), 1), media.MaxChannels))
		}
	})
}

func (t *track) parseEncodings(b []byte) {
	encodings := 0
	children(b, func(id uint32, data []byte) {
		if id != idContentEncoding {
			return
		}
		encodings++
		var kind, algo, scope uint64 = 0, compZlib, 1
		var settings []byte
		children(data, func(id uint32, data []byte) {
			switch id {
			case idContentScope:
				scope = uintOf(data)
			case idContentType:
				kind = uintOf(data)
			case idContentCompression:
				children(data, func(id uint32, data []byte) {
					switch id {
					case idContentCompAlgo:
						algo = uintOf(data)
					case idContentCompSettings:
						settings = bytes.Clone(data)
					}
				})
			}
		})
		switch {
		case kind == encodingEncrypted:
			t.unreadable = "its packets are encrypted"
		case algo != compHeaderStrip:
			name := map[uint64]string{compZlib: "zlib", compBzlib: "bzlib", compLZO: "LZO"}[algo]
			t.unreadable = strings.TrimSpace("its packets are compressed with "+name) + "; write the file without compression"
		case len(settings) > media.MaxPrefix:
			t.unreadable = "its header stripping is damaged"
		case scope&1 != 0:
			t.prefix = settings
		}
	})
	if encodings > 1 {
		t.unreadable = "its packets are encoded more than once; write the file without compression"
	}
}

// resolve names the codec and fills in what its private data says.
func (t *track) resolve() {
	switch t.codecID {
	case "V_VP8":
		t.codec = "vp8"
	case "V_VP9":
		t.codec = "vp9"
	case "V_MPEG4/ISO/AVC":
		t.codec = "h264"
	case "A_OPUS", "A_OPUS/EXPERIMENTAL":
		t.codec, t.rate = "opus", 48000
		if head, ok := parseOpusHead(t.private); ok {
			t.channels = head.channels
			if t.delay == 0 {
				t.delay = samples(int64(head.preSkip), 48000)
			}
		}
	case "A_MS/ACM":
		// WAVEFORMATEX: tag, channels, rate, …, little-endian.
		if len(t.private) < 8 {
			return
		}
		tag := binary.LittleEndian.Uint16(t.private)
		switch tag {
		case 6:
			t.codec = "pcma"
		case 7:
			t.codec = "pcmu"
		default:
			t.codecID = fmt.Sprintf("A_MS/ACM with format tag %d", tag)
			return
		}
		if n := int(binary.LittleEndian.Uint16(t.private[2:])); n >= 1 && n <= media.MaxChannels {
			t.channels = n
		}
		if hz := binary.LittleEndian.Uint32(t.private[4:]); hz >= 1 && hz <= media.MaxRate {
			t.rate = int(hz)
		}
	}
	wrongKind := t.codecID != "" && ((t.codecID[0] == 'V') != (t.kind == roomreel.Video) || (t.codecID[0] == 'A') != (t.kind == roomreel.Audio))
	if wrongKind {
		t.codec = ""
	}
}

// choose picks the first track of the wanted kind ("" for either) that can be read. The error says why there is none.
func choose(tracks []track, kind roomreel.TrackKind) (*track, error) {
	var refusal error
	for i := range tracks {
		t := &tracks[i]
		if t.kind == "" || kind != "" && t.kind != kind {
			continue
		}
		switch {
		case t.codec == "":
			if refusal == nil {
				refusal = invalid("codec %.40q is not supported: recordings hold VP8, VP9, H.264, Opus, PCMU or PCMA", t.codecID)
			}
		case t.unreadable != "":
			if refusal == nil {
				refusal = invalid("the %s track cannot be read: %s", t.kind, t.unreadable)
			}
		case t.number == 0:
			if refusal == nil {
				refusal = invalid("the %s track has no number: the file's track list is damaged", t.kind)
			}
		default:
			return t, nil
		}
	}
	switch {
	case refusal != nil:
		return nil, refusal
	case kind == "":
		return nil, invalid("the file has no audio or video track")
	default:
		return nil, invalid("the file has no %s track", kind)
	}
}

// invalid reports a recording that cannot be used, in a sentence for whoever uploaded it.
func invalid(format string, args ...any) error {
	return roomreel.InvalidParam("Media", format, args...)
}

// samples returns how long n samples last.
func samples(n, rate int64) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(rate)
}
