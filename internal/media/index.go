package media

import (
	"slices"
	"time"
)

// Bounds of what a file may claim, so that arithmetic on it is safe and no claim costs memory.
const (
	// MaxPackets bounds an index. 24 h of audio in packets of 20 ms are 4.3 million, of video at 60/s 5.2 million.
	MaxPackets = 6_000_000

	MaxPacketSize = 16 << 20 // bytes; a 4K keyframe stays below 8 MiB
	MaxSide       = 1 << 16  // pixels
	MaxRate       = 768_000  // samples per second
	MaxChannels   = 255
	MaxPrefix     = 1024           // bytes of Index.Prefix; real ones are a few
	MaxPrivate    = 32767          // bytes of Index.Private that decoders take; those of Vorbis are the longest, some kilobytes
	MaxDelay      = time.Second    // of Index.CodecDelay
	MaxStart      = 24 * time.Hour // of Index.Start; more is damage and counts as 0
	MaxParts      = 1000           // of Index.Parts
	MaxPartBytes  = 1 << 20        // of Private and Prefix in all Parts

	// VideoGap is how long no new frame must come before that counts as a gap. Screens that are shared send few frames.
	VideoGap = time.Second

	// MaxFrameSide and MaxFramePixels are the limits of the decoders (codec.MaxSide and codec.MaxPixels).
	MaxFrameSide   = 4096
	MaxFramePixels = 4096 * 2304
)

// Index says what a recording holds, packet by packet, without its payload. It is made once, when the recording
// arrives, and drives everything after: seeking, gaps, drift, chunk borders and the report.
type Index struct {
	Codec      string // vp8, vp9, h264, hevc, av1, opus, aac, vorbis, pcmu, pcma, g722, pcm_s16le, pcm_s16be, pcm_f32le
	Video      bool
	Private    []byte        // h264: avcC; hevc: hvcC; av1: av1C; opus: OpusHead; aac: AudioSpecificConfig; vorbis: laced headers; of Matroska, any CodecPrivate
	CodecDelay time.Duration // audio that is decoded and not heard: Opus pre-skip, AAC priming
	Start      time.Duration // when the track begins in its file, from the file's earliest track; at most MaxStart
	Rate       int           // audio
	Channels   int           // audio: what the headers say
	Mono       bool          `json:",omitempty"` // audio: all packets, of all parts, code one channel. An index that was made before does not say it
	Width      int           // video: largest frame seen at a keyframe before Parts, else the header's
	Height     int
	Display    Display     `json:",omitzero"` // video: how the frames are shown
	Colour     Colour      `json:",omitzero"` // video: what the container says of the samples
	Stream     Stream      `json:",omitzero"` // video: whether its packets can be copied into another container
	Prefix     []byte      // bytes that Matroska's header stripping took off the front of every packet
	Truncated  bool        // the file ends in the middle of something
	Repaired   int         `json:",omitempty"` // places where timestamps were corrected, and
	Repairs    []Repair    `json:",omitempty"` // the first of them. An index that was made before has none
	Track      int         `json:",omitempty"` // number among the readable tracks of its kind, from 1
	Tracks     []FileTrack `json:",omitempty"` // all of the file, when there are several. An index that was made before has none
	Size       int64       // bytes of the file that were read
	Parts      []Part      `json:",omitempty"` // those after the first, ascending; none when the headers are the same from beginning to end
	Omitted    []Omission  `json:",omitempty"` // what the file holds besides, after its beginning; the first of them
	Packets    []Packet
}

// Packet is one encoded frame or piece of audio and where its bytes are.
type Packet struct {
	Time     time.Duration // from the recording's first packet; the first is 0. In file (decoding) order
	Duration time.Duration // audio: from the Opus TOC or the sample count; video: 0 when unknown
	Pos      int64         // where its bytes begin in the file
	Size     int           // how many bytes are there, without Prefix
	Key      bool
	Width    int // video keyframes: frame size; else 0
	Height   int

	// Need is the earliest time of this packet and all that follow it in the file: from then on a decoder may need it.
	// It is Time unless frames are reordered. Readers of containers leave it 0; an index that was stored has it.
	Need time.Duration

	Rest []Span // further byte ranges, where a packet is not contiguous in the file
}

// Span is a range of bytes of a file.
type Span struct {
	Pos  int64
	Size int
}

// Length is how long the track lasts: from its first packet to the end of its last. A video track's last frame lasts as
// long as the usual distance between frames. A track of one frame, or whose packets hold no audio, has length 0.
func (x *Index) Length() time.Duration {
	if len(x.Packets) == 0 {
		return 0
	}
	var end time.Duration
	if !x.Video {
		for _, p := range x.Packets {
			end = max(end, p.Time+p.Duration)
		}
		return end
	}
	times := make([]time.Duration, len(x.Packets))
	for i, p := range x.Packets {
		times[i] = p.Time
	}
	slices.Sort(times)
	end = times[len(times)-1]
	gaps := times[:len(times)-1]
	for i := range gaps {
		gaps[i] = times[i+1] - times[i]
	}
	if len(gaps) == 0 {
		return end
	}
	slices.Sort(gaps)
	return end + gaps[len(gaps)/2]
}
