package mp4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	mp4ff "github.com/Eyevinn/mp4ff/mp4"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
)

// movie is what a moov box says.
type movie struct {
	scale, duration uint64 // of the movie header
	tracks          []*track
	fragmented      bool
}

// track is a trak box.
type track struct {
	media.Candidate
	index  media.Index // without packets
	others []*track    // this track by its further sample descriptions
	sides  [2]uint32   // width and height in the track header, in 1/65536 pixels
	id     uint32
	scale  uint32 // units of time in a second; at least 1
	boxes  map[string]box

	delayed  int64 // units of the movie's scale before the track begins
	edited   bool  // an edit says which media time is shown first:
	shown    int64
	length   uint64 // of the edits, in the movie's scale
	header   uint64 // duration in the track header, in the movie's scale
	media    uint64 // duration in the media header, in units of scale
	edits    int
	defaults mp4ff.TrexBox

	// Of fragments:
	next int64 // decode time of the next sample

	begun bool  // a sample was seen
	start int64 // when its first sample is presented, in units of scale
}

// the boxes of a track that are decoded when they are needed, and those that hold them.
var trackBoxes = map[string]bool{
	"mdia": true, "minf": true, "stbl": true, "edts": true,
	"tkhd": false, "mdhd": false, "hdlr": false, "elst": false, "stsd": false, "stts": false, "ctts": false, "stsc": false,
	"stsz": false, "stco": false, "co64": false, "stss": false,
}

// movie reads a moov box.
func (s *source) movie(moov box) (*movie, error) {
	m := &movie{scale: 1}
	s.descriptions = 0
	defaults := map[uint32]mp4ff.TrexBox{}
	err := s.each(moov, func(b box) error {
		switch b.kind {
		case "mvhd":
			header, err := decode[mp4ff.MvhdBox](s, b, mp4ff.DecodeMvhdSR)
			if err == nil && header.Timescale > 0 {
				m.scale, m.duration = uint64(header.Timescale), header.Duration
				if header.Duration == math.MaxUint32 || header.Duration == math.MaxUint64 { // unknown
					m.duration = 0
				}
			}
			return s.tolerate(err)
		case "trak":
			t := &track{scale: 1, boxes: map[string]box{}}
			m.tracks = append(m.tracks, t)
			if len(m.tracks) > maxTracks {
				return media.Invalid("the file has more than %d tracks", maxTracks)
			}
			if err := s.collect(b, t.boxes); err != nil {
				return err
			}
			return s.track(t)
		case "mvex":
			m.fragmented = true
			return s.each(b, func(b box) error {
				if b.kind != "trex" {
					return nil
				}
				d, err := decode[mp4ff.TrexBox](s, b, mp4ff.DecodeTrexSR)
				if err == nil && len(defaults) < maxTracks {
					defaults[d.TrackID] = *d
				}
				return s.tolerate(err)
			})
		}
		return nil
	})
	for _, t := range m.tracks {
		t.defaults = defaults[t.id]
	}
	return m, err
}

const maxTracks = 1000

// collect notes where the boxes of a track are.
func (s *source) collect(b box, boxes map[string]box) error {
	return s.each(b, func(b box) error {
		inner, known := trackBoxes[b.kind]
		if _, again := boxes[b.kind]; !known || again {
			return nil
		}
		boxes[b.kind] = b
		if inner {
			return s.collect(b, boxes)
		}
		return nil
	})
}

// track reads the headers of a track. A damaged one makes the track unreadable.
func (s *source) track(t *track) error {
	damage := func(what string) {
		if t.Unreadable == "" {
			t.Unreadable = "its " + what + " is damaged"
		}
	}
	handler, err := decode[mp4ff.HdlrBox](s, t.boxes["hdlr"], mp4ff.DecodeHdlrSR)
	if err == nil {
		switch handler.HandlerType {
		case "vide":
			t.Kind = roomreel.Video
		case "soun":
			t.Kind = roomreel.Audio
		}
	} else if err != errBox {
		return err
	}
	if t.Kind == "" {
		return nil
	}
	header, err := decode[mp4ff.TkhdBox](s, t.boxes["tkhd"], mp4ff.DecodeTkhdSR)
	if err == nil {
		t.id, t.sides = header.TrackID, [2]uint32{uint32(header.Width), uint32(header.Height)}
		t.header = header.Duration
		if err := s.matrix(t, header.Version); err != nil {
			return err
		}
	} else if err != errBox {
		return err
	}
	mdhd, err := decode[mp4ff.MdhdBox](s, t.boxes["mdhd"], mp4ff.DecodeMdhdSR)
	switch {
	case err != nil && err != errBox:
		return err
	case err != nil || mdhd.Timescale == 0:
		damage("media header")
	default:
		t.scale, t.media = mdhd.Timescale, mdhd.Duration
	}
	elst, err := decode[mp4ff.ElstBox](s, t.boxes["elst"], mp4ff.DecodeElstSR)
	if err == nil {
		t.edit(elst.Entries)
	} else if err != errBox {
		return err
	}
	stsd, err := s.load(t.boxes["stsd"])
	if err == errBox || err == nil && len(stsd) < 8 {
		damage("sample description")
		return nil
	}
	if err != nil {
		return err
	}
	first, blank := true, *t
	parts(stsd[8:], func(kind string, body []byte) {
		if first {
			t.entry(kind, body)
		} else if s.descriptions < media.MaxParts {
			s.descriptions++
			other := blank
			other.entry(kind, body)
			t.others = append(t.others, &other)
		}
		first = false
	})
	if first {
		damage("sample description")
	}
	return nil
}

// description returns the track as the sample description with a number says it is. A number that does not exist means the first.
func (t *track) description(number uint32) *track {
	if number < 2 || uint64(number) > uint64(len(t.others))+1 {
		return t
	}
	return t.others[number-2]
}

// matrix reads the matrix of a track header, which mp4ff does not keep. Its first two columns are fixed-point numbers with 16
// bits of fraction. Source: ISO/IEC 14496-12, 8.3.2.
func (s *source) matrix(t *track, version byte) error {
	body, err := s.load(t.boxes["tkhd"])
	if err != nil {
		return s.tolerate(err)
	}
	at := 40
	if version == 1 {
		at = 52 // times and duration have 64 bits
	}
	if len(body) < at+20 {
		return nil
	}
	number := func(i int) float64 { return float64(int32(binary.BigEndian.Uint32(body[at+4*i:]))) }
	t.index.Display.Transform(number(0), number(1), number(3), number(4))
	return nil
}

// edit reads an edit list: empty edits delay the track, and the first other one says which media time is shown first. What
// comes after is not followed; recorders write one edit.
func (t *track) edit(list []mp4ff.ElstEntry) {
	t.edits = len(list)
	for _, e := range list {
		if e.MediaTime >= 0 {
			t.edited, t.shown, t.length = true, min(e.MediaTime, maxUnits), e.SegmentDuration
			return
		}
		t.delayed = min(t.delayed+int64(min(e.SegmentDuration, uint64(maxUnits))), maxUnits)
	}
}

// maxUnits bounds times, so that their sums do not overflow.
const maxUnits = int64(1) << 60

// entry reads a sample description.
func (t *track) entry(kind string, b []byte) {
	t.Name = kind
	video := t.Kind == roomreel.Video
	header := 78
	if !video {
		header = 28
		if len(b) >= header {
			header += map[uint16]int{1: 16, 2: 36}[binary.BigEndian.Uint16(b[8:])] // QuickTime's versions
		}
	}
	if len(b) < header {
		t.Unreadable = "its sample description is damaged"
		return
	}
	x := &t.index
	x.Video = video
	if video {
		x.Width, x.Height = int(binary.BigEndian.Uint16(b[24:])), int(binary.BigEndian.Uint16(b[26:]))
	} else {
		x.Channels = min(int(binary.BigEndian.Uint16(b[16:])), media.MaxChannels)
		x.Rate = int(binary.BigEndian.Uint16(b[24:]))
	}
	config := map[string][]byte{}
	var find func(kind string, body []byte)
	find = func(kind string, body []byte) {
		switch kind {
		case "avcC", "hvcC", "av1C", "dOps", "esds", "pasp", "clap", "vpcC":
			config[kind] = body
		case "colr":
			if len(body) > 4 && config[kind] == nil && bytes.HasPrefix(body, []byte("ncl")) { // others are colour profiles
				config[kind] = body
			}
		case "wave": // QuickTime puts esds into it
			parts(body, find)
		}
	}
	parts(b[header:], find)
	switch {
	case kind == "encv" || kind == "enca":
		t.Codec, t.Unreadable = kind, "its packets are encrypted"
	case video:
		t.videoEntry(kind, config)
		t.display(config["pasp"], config["clap"])
		x.Colour = colourOf(config["colr"], config["vpcC"])
	default:
		t.audioEntry(kind, config)
	}
	x.Codec = t.Codec
}

func (t *track) videoEntry(kind string, config map[string][]byte) {
	switch kind {
	case "avc1", "avc3":
		t.Codec, t.index.Private = "h264", config["avcC"]
		if len(t.index.Private) < 7 {
			t.Unreadable = "it has no decoder configuration (avcC)"
		}
	case "hvc1", "hev1":
		t.Codec, t.index.Private = "hevc", config["hvcC"]
		if len(t.index.Private) < 23 {
			t.Unreadable = "it has no decoder configuration (hvcC)"
		}
	case "av01":
		t.Codec, t.index.Private = "av1", config["av1C"]
	case "vp08":
		t.Codec = "vp8"
	case "vp09":
		t.Codec = "vp9"
	}
}

// display reads which rectangle of the frames is shown (clap, ISO/IEC 14496-12, 12.1.4) and the proportions of a pixel (pasp).
// Without these boxes, the frame is stretched to the size in the track header, as players do.
func (t *track) display(pasp, clap []byte) {
	x := &t.index
	number := func(b []byte, i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	if len(clap) >= 32 {
		crop := func(side, i int) (before, after uint64) {
			length := float64(number(clap, i)) / float64(number(clap, i+1))
			offset := float64(int32(number(clap, i+4))) / float64(number(clap, i+5))
			from := math.Round(offset + (float64(side)-length)/2)
			to := math.Round(from + length)
			if !(length > 0 && from >= 0 && to <= float64(side)) {
				return 0, 0
			}
			return uint64(from), uint64(side) - uint64(to)
		}
		left, right := crop(x.Width, 0)
		top, bottom := crop(x.Height, 2)
		x.Display.Crop(x.Width, x.Height, left, top, right, bottom)
	}
	width, height := uint64(t.sides[0]), uint64(t.sides[1])
	w, h := uint64(x.Width), uint64(x.Height)
	switch {
	case len(pasp) >= 8:
		x.Display.Aspect(uint64(number(pasp, 0)), uint64(number(pasp, 1)))
	case len(clap) > 0 || width == w<<16 && height == h<<16 || width == h<<16 && height == w<<16:
		// Nothing is stretched. Some recorders give the size after the frame is turned.
	default:
		x.Display.Aspect(width*h, height*w)
	}
}

// colourOf reads what samples mean from a box of nclx (ISO/IEC 14496-12, 12.1.5) or QuickTime's nclc, which has no range; else
// from the configuration of VP8 and VP9 ("VP Codec ISO Media File Format Binding", 1.0).
func colourOf(colr, vpcC []byte) media.Colour {
	number := func(i int) uint64 { return uint64(binary.BigEndian.Uint16(colr[i:])) }
	switch {
	case len(colr) >= 10:
		full := colr[3] == 'x' && len(colr) > 10 && colr[10]&0x80 != 0
		return media.NewColour(number(4), number(6), number(8), full)
	case len(vpcC) >= 10 && vpcC[0] == 1:
		return media.NewColour(uint64(vpcC[7]), uint64(vpcC[8]), uint64(vpcC[9]), vpcC[6]&1 != 0)
	}
	return media.Colour{}
}

func (t *track) audioEntry(kind string, config map[string][]byte) {
	x := &t.index
	switch kind {
	case "Opus":
		t.Codec = "opus"
		head := opusHead(config["dOps"])
		opus, ok := bitstream.ParseOpusHead(head)
		if !ok {
			t.Unreadable = "it has no Opus header (dOps)"
			return
		}
		// PreSkip "is not used for discarding the priming samples", which "falls on the Edit List": Chromium writes 80 ms and no edit list.
		// Source: "Encapsulation of Opus in ISO Base Media File Format", 4.3.2.
		x.Private, x.Rate, x.Channels = head, bitstream.OpusRate, opus.Channels
	case "mp4a":
		esds, err := decodeBody[mp4ff.EsdsBox]("esds", config["esds"], mp4ff.DecodeEsdsSR)
		if err != nil || esds.DecConfigDescriptor == nil {
			t.Codec, t.Unreadable = "aac", "it has no decoder configuration (esds)"
			return
		}
		const mpeg4, mpeg2Main, mpeg2SSR = 0x40, 0x66, 0x68
		if kind := esds.DecConfigDescriptor.ObjectType; kind != mpeg4 && (kind < mpeg2Main || kind > mpeg2SSR) {
			t.Name = fmt.Sprintf("mp4a with object type 0x%02X", kind)
			return
		}
		t.Codec = "aac"
		if info := esds.DecConfigDescriptor.DecSpecificInfo; info != nil {
			x.Private = info.DecConfig
		}
		if len(x.Private) < 2 {
			t.Unreadable = "it has no AudioSpecificConfig"
			return
		}
		if aac, ok := bitstream.ParseAAC(x.Private); ok {
			x.Rate, x.Channels = aac.Rate, aac.Channels
		}
	}
}

// opusHead makes an Ogg identification header of a dOps box. Source: RFC 7845, 5.1, and "Encapsulation of Opus in ISO Base
// Media File Format", 4.3.2.
func opusHead(dops []byte) []byte {
	if len(dops) < 11 {
		return nil
	}
	b := append([]byte("OpusHead"), 1, dops[1])
	b = binary.LittleEndian.AppendUint16(b, binary.BigEndian.Uint16(dops[2:]))
	b = binary.LittleEndian.AppendUint32(b, binary.BigEndian.Uint32(dops[4:]))
	b = binary.LittleEndian.AppendUint16(b, binary.BigEndian.Uint16(dops[8:]))
	return append(b, dops[10:]...)
}
