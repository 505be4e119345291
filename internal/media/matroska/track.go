package matroska

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
)

// track is a TrackEntry, as far as it concerns us.
type track struct {
	media.Candidate
	number   uint64
	private  []byte
	delay    time.Duration
	spacing  time.Duration // DefaultDuration
	width    int
	height   int
	display  media.Display
	colour   media.Colour
	rate     int
	channels int
	bits     uint64 // of a PCM sample
	prefix   []byte
	encoded  bool // its packets are compressed, stripped or encrypted
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
				t.Kind = roomreel.Video
			case 2:
				t.Kind = roomreel.Audio
			}
		case idCodecID:
			t.Name = strings.TrimRight(string(data), "\x00 ")
		case idName:
			t.Title = strings.TrimRight(string(data), "\x00 ")
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
	if t.number == 0 && t.Unreadable == "" {
		t.Unreadable = "it has no number, so the file's track list is damaged"
	}
	return t
}

func (t *track) parseVideo(b []byte) {
	children(b, func(id uint32, data []byte) {
		switch id {
		case idPixelWidth:
			t.width = int(min(uintOf(data), media.MaxSide))
		case idPixelHeight:
			t.height = int(min(uintOf(data), media.MaxSide))
		case idColour:
			t.colour = parseColour(data)
		}
	})
	t.parseDisplay(b)
}

// Values of Range. Source: RFC 9559, 5.1.4.1.28.26.
const (
	rangeLimited = 1
	rangeFull    = 2
)

// parseColour reads a Colour element. Its numbers are those of H.273, but for Range. Source: RFC 9559, 5.1.4.1.28.16.
func parseColour(b []byte) media.Colour {
	var primaries, transfer, matrix uint64
	full := false
	children(b, func(id uint32, data []byte) {
		switch id {
		case idMatrixCoefficients:
			matrix = uintOf(data)
		case idRange:
			full = uintOf(data) == rangeFull
		case idTransferCharacteristics:
			transfer = uintOf(data)
		case idPrimaries:
			primaries = uintOf(data)
		}
	})
	return media.NewColour(primaries, transfer, matrix, full)
}

// Values of DisplayUnit. Source: RFC 9559, 5.1.4.1.28.14.
const (
	unitPixels  = 0
	unitUnknown = 4
)

// parseDisplay reads the elements of Video that say how frames of the size in the header are shown.
func (t *track) parseDisplay(b []byte) {
	var left, top, right, bottom, width, height, unit, projection uint64
	var roll, yaw float64
	children(b, func(id uint32, data []byte) {
		switch id {
		case idPixelCropLeft:
			left = uintOf(data)
		case idPixelCropTop:
			top = uintOf(data)
		case idPixelCropRight:
			right = uintOf(data)
		case idPixelCropBottom:
			bottom = uintOf(data)
		case idDisplayWidth:
			width = uintOf(data)
		case idDisplayHeight:
			height = uintOf(data)
		case idDisplayUnit:
			unit = uintOf(data)
		case idProjection:
			children(data, func(id uint32, data []byte) {
				switch id {
				case idProjectionType:
					projection = uintOf(data)
				case idProjectionPoseYaw:
					yaw = floatOf(data)
				case idProjectionPoseRoll:
					roll = floatOf(data)
				}
			})
		}
	})
	d := &t.display
	d.Crop(t.width, t.height, left, top, right, bottom)
	shownW, shownH := d.Shown(t.width, t.height)
	if unit == unitPixels && width|height != 0 { // the other is as large as what is shown
		width, height = cmp.Or(width, uint64(shownW)), cmp.Or(height, uint64(shownH))
	}
	if unit < unitUnknown && width <= media.MaxSide && height <= media.MaxSide {
		d.Aspect(width*uint64(shownH), height*uint64(shownW))
	}
	if projection == 0 { // rectangular; roll is counterclockwise, and a yaw of half a turn shows the frame from behind
		d.Rotate(-roll)
		d.Mirror = math.Abs(yaw) == 180
	}
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
		case idBitDepth:
			t.bits = uintOf(data)
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
		t.encoded = true
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
			t.Unreadable = "its packets are encrypted"
		case algo != compHeaderStrip:
			name := map[uint64]string{compZlib: "zlib", compBzlib: "bzlib", compLZO: "LZO"}[algo]
			t.Unreadable = strings.TrimSpace("its packets are compressed with "+name) + "; write the file without compression"
		case len(settings) > media.MaxPrefix:
			t.Unreadable = "its header stripping is damaged"
		case scope&1 != 0:
			t.prefix = settings
		}
	})
	if encodings > 1 {
		t.Unreadable = "its packets are encoded more than once; write the file without compression"
	}
}

// resolve names the codec and fills in what its private data says.
func (t *track) resolve() {
	switch t.Name {
	case "V_VP8":
		t.Codec = "vp8"
	case "V_VP9":
		t.Codec = "vp9"
	case "V_MPEG4/ISO/AVC":
		t.Codec = "h264"
	case "V_MPEGH/ISO/HEVC":
		t.Codec = "hevc"
	case "V_AV1":
		t.Codec = "av1"
	case "A_OPUS", "A_OPUS/EXPERIMENTAL":
		t.Codec, t.rate = "opus", bitstream.OpusRate
		if head, ok := bitstream.ParseOpusHead(t.private); ok {
			t.channels = head.Channels
			if t.delay == 0 {
				t.delay = media.Samples(int64(head.PreSkip), bitstream.OpusRate)
			}
		}
	case "A_AAC":
		t.Codec = "aac"
		if config, ok := bitstream.ParseAAC(t.private); ok {
			t.rate, t.channels = config.Rate, config.Channels
		} else if len(t.private) < 2 {
			t.Unreadable = "it has no AudioSpecificConfig"
		}
	case "A_MS/ACM":
		// WAVEFORMATEX: tag, channels, rate, …, little-endian.
		if len(t.private) < 8 {
			return
		}
		tag, bits := binary.LittleEndian.Uint16(t.private), uint64(0)
		if len(t.private) >= 16 {
			bits = uint64(binary.LittleEndian.Uint16(t.private[14:]))
		}
		switch {
		case tag == 1 && bits == 16:
			t.Codec = "pcm_s16le"
		case tag == 3 && bits == 32:
			t.Codec = "pcm_f32le"
		case tag == 6:
			t.Codec = "pcma"
		case tag == 7:
			t.Codec = "pcmu"
		case tag == 0x65, tag == 0x28f:
			t.Codec = "g722"
		default:
			t.Name = fmt.Sprintf("A_MS/ACM with format tag %d and %d bits", tag, bits)
			return
		}
		if n := int(binary.LittleEndian.Uint16(t.private[2:])); n >= 1 && n <= media.MaxChannels {
			t.channels = n
		}
		if hz := binary.LittleEndian.Uint32(t.private[4:]); hz >= 1 && hz <= media.MaxRate {
			t.rate = int(hz)
		}
		if t.Codec == "g722" {
			t.rate = bitstream.G722Rate
		}
	case "A_VORBIS":
		t.Codec = "vorbis"
		if vorbis, ok := bitstream.ParseVorbis(t.private); ok {
			t.rate, t.channels = vorbis.Rate, vorbis.Channels
		} else {
			t.Unreadable = "its Vorbis headers are missing or damaged"
		}
	case "A_PCM/INT/LIT", "A_PCM/INT/BIG", "A_PCM/FLOAT/IEEE":
		name := fmt.Sprintf("%s of %d bits", t.Name, t.bits)
		t.Codec = map[string]string{
			"A_PCM/INT/LIT of 16 bits": "pcm_s16le", "A_PCM/INT/BIG of 16 bits": "pcm_s16be", "A_PCM/FLOAT/IEEE of 32 bits": "pcm_f32le",
		}[name]
		t.Name = name
	}
	wrongKind := t.Name != "" && ((t.Name[0] == 'V') != (t.Kind == roomreel.Video) || (t.Name[0] == 'A') != (t.Kind == roomreel.Audio))
	if wrongKind {
		t.Codec = ""
	}
}

// headers is what the entry says of the track's packets.
func (t *track) headers() media.Index {
	x := media.Index{Codec: t.Codec, Video: t.Kind == roomreel.Video, Private: t.private, CodecDelay: t.delay, Prefix: t.prefix}
	if x.Video {
		x.Width, x.Height, x.Display, x.Colour = t.width, t.height, t.display, t.colour
	} else {
		x.Rate, x.Channels = t.rate, t.channels
	}
	return x
}

// inWebM reports whether the track may be in a WebM file, which browsers play. WebM has five codecs and no compression.
//
// Source: webmproject.org/docs/container, "WebM Guidelines": its codecs, and ContentCompression is "unsupported".
func (t track) inWebM() bool {
	switch t.Name {
	case "V_VP8", "V_VP9", "V_AV1", "A_OPUS", "A_VORBIS":
		return !t.encoded
	}
	return false
}
