// Package protocol is what the service and a render child say to each other: the plan, packets both ways, progress and
// statistics, as messages over the child's standard pipes, and one page of shared memory beside them.
//
// The parent decides everything. It sends one [Plan], then packets in the order in which the child needs them. The child
// decodes, composes and encodes, and answers with a [Header], packets, progress and last its [Stats]. The child's end is
// [Conn], opened by [Serve]; the parent's ends are [Sender] and [Receiver]. Both ends check what they read. Start with
// [Plan].
package protocol

import (
	"fmt"
	"slices"
	"time"

	"roomreel/internal/timeline"
)

// Plan is what one child does. The parent decides it in full. Exactly one of Video and Audio is set.
type Plan struct {
	Video *VideoPlan `json:"video,omitempty"`
	Audio *AudioPlan `json:"audio,omitempty"`
}

// Track describes one source's packets. A track's number is its place in the plan's Tracks.
type Track struct {
	Codec    string `json:"codec"`             // as in media.Index; f32 for samples that a child made
	Private  []byte `json:"private,omitempty"` // as in media.Index; empty for many
	Channels int    `json:"channels,omitempty"`
	Rate     int    `json:"rate,omitempty"` // samples per second; opus and f32 have 48000
	Mono     bool   `json:"mono,omitempty"` // audio: all packets of all parts code one channel. Plans before version 4 do not say it
	MaxW     int    `json:"max_w,omitempty"`
	MaxH     int    `json:"max_h,omitempty"` // largest frame in the index; a decoder refuses more than 4096x2304

	Display Display `json:"display,omitzero"`
	Colour  Colour  `json:"colour,omitzero"` // what the container says of the frames

	// Counted says that packets and frames of video before this time are in the stats of a child that made earlier chunks. This
	// child decodes them once more and does not count them. 0 counts all.
	Counted time.Duration `json:"counted,omitempty"`

	// ShownFrom says that no frame before this time is shown: those of them that no other frame needs are not decoded. 0 decodes all.
	ShownFrom time.Duration `json:"shown_from,omitempty"`

	// Parts describe later packets, where the recording's headers change. A decoder of one part knows nothing of the others.
	Parts []Track `json:"parts,omitempty"`
}

// Colour says what samples of video mean, by the numbers of ITU-T H.273. The zero value says nothing.
type Colour struct {
	Primaries uint8 `json:"primaries,omitempty"`
	Transfer  uint8 `json:"transfer,omitempty"`
	Matrix    uint8 `json:"matrix,omitempty"`
	Full      bool  `json:"full,omitempty"` // samples have the full range
}

// Part returns the description of a part of the track: 0 is the track's own, n is Parts[n-1]. It reports whether there is one.
func (t Track) Part(n int) (Track, bool) {
	if n < 0 || n > len(t.Parts) {
		return Track{}, false
	}
	if n > 0 {
		t = t.Parts[n-1]
	}
	t.Parts = nil
	return t, true
}

// Display says how the frames of a track are shown. A frame is cropped, its pixels are stretched, it is mirrored, and it is
// turned, in this order. The zero value shows frames as the codec describes them.
type Display struct {
	// Left, Top, Right and Bottom are how many pixels are cropped from a frame of Width x Height. From frames of other sizes,
	// the same share is cropped. All six are 0 when nothing is cropped.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	Left   int `json:"left,omitempty"`
	Top    int `json:"top,omitempty"`
	Right  int `json:"right,omitempty"`
	Bottom int `json:"bottom,omitempty"`

	AspectNum int  `json:"aspect_num,omitempty"` // of one pixel; 0 leaves it to the codec
	AspectDen int  `json:"aspect_den,omitempty"`
	Mirror    bool `json:"mirror,omitempty"` // left and right change places
	Turn      int  `json:"turn,omitempty"`   // clockwise: 0, 90, 180 or 270 degrees
}

// VideoPlan asks for the video frames of consecutive chunks of a film. Frame n is shown at n/FPS seconds of output time.
// In each cell it shows the newest decoded frame of the cell's source whose time is at or before that.
type VideoPlan struct {
	Width, Height int
	FPS           int
	Colour        Colour `json:",omitzero"` // of the film. The zero value is that of earlier plans: the matrix of BT.601
	Encoder       Encoder
	Tracks        []Track
	Scenes        []Scene // sorted by From, the first at or before Chunks[0].From
	Chunks        []Chunk // consecutive: Chunks[i].To == Chunks[i+1].From. Each begins with a keyframe and has closed GOPs
}

// Scene is what lies where from frame From until the next scene.
type Scene struct {
	From  int
	Cells []Cell // in draw order: later ones lie on top
}

// Cell is one source's rectangle in pixels, with even sides at an even place inside the canvas. The source's frame is
// fitted into it as by CSS object-fit: contain, centred, on black.
type Cell struct {
	Track      int
	X, Y, W, H int
}

// Chunk is the half-open range of frames [From, To). It is published, resumed and counted as one.
type Chunk struct{ From, To int }

// Encoder chooses a codec and its point between speed and size. Options have libavcodec's own names.
type Encoder struct {
	Codec   string            // h264 (libx264), vp8 (libvpx), av1 (SVT-AV1), aac, opus (libopus); f32 for audio that is encoded later; i420 for a still picture
	Options map[string]string `json:",omitempty"`
	Bitrate int               `json:",omitempty"` // bit/s; 0 lets Options decide (crf)
	GOP     int               `json:",omitempty"` // frames between keyframes at most
	Threads int               `json:",omitempty"` // 0 means 1

	Channels int `json:",omitempty"` // audio: 1 or 2; 0, of plans before version 4, means 2

	// Device is the hardware that encodes video: vaapi or nvenc; "" for none.
	Device string `json:",omitempty"`

	// Repeat says that frames of h264 which show the same as the frame before are repeated, and not encoded, where the stream allows it.
	Repeat bool `json:",omitempty"`
}

// Kind names the encoder: its codec, and its device if it has one. Segments of encoders of one kind are one film.
func (e Encoder) Kind() string {
	if e.Device == "" {
		return e.Codec
	}
	return e.Codec + "_" + e.Device
}

// AudioChannels returns how many channels the audio of a film has.
func (e Encoder) AudioChannels() int {
	if e.Channels == 0 {
		return 2
	}
	return e.Channels
}

// AudioPlan asks for the output samples [From, To) of a film's audio, at 48 kHz: stereo, or mono when no track is more. A whole film is
// [0, length). With codec f32 it can be rendered in segments, which a last child reads as one track and encodes.
type AudioPlan struct {
	From, To int64
	Encoder  Encoder
	Tracks   []Track
	Runs     [][]Run // for each track its runs, in order
}

// Lossless is the codec of audio that a child leaves for another to encode: 32-bit floats, little-endian, left and right in
// turn. It has neither header nor delay, and what is read is what was written, to the bit. A minute of stereo has 23 MB.
const Lossless = "f32"

// Unencoded is the codec of a still picture: a video plan of one chunk with one frame, which comes back as it is. The planes Y, U
// and V of I420 are one packet, without padding, in the plan's colour. It needs no encoder.
//
// Encoder.Threads says how many tracks are decoded at once. With 1, [Page.Track] names the track on whose data a child died.
const Unencoded = "i420"

// A segment needs more of a run than the samples that are heard of it, counted in decoded samples at 48 kHz.
const (
	// AudioMargin is needed on both sides, as far as the run reaches. The resampler makes each sample of 16 input samples
	// on each side, which are 96 samples at 48 kHz when the track has 8 kHz.
	AudioMargin = 128

	// AudioPreroll is needed before that of codecs whose decoders remember (opus, aac, vorbis, g722), from earlier runs of the track where
	// this one is too short. A decoder that begins in the middle of a track is wrong at first. Measured on six kinds of Opus,
	// the largest difference to a decoder that began at the front is -8 dBFS without preroll, -18 dBFS after 80 ms and
	// -156 dBFS after 0.5 s. Opus of 32 kbit/s with tones that glide is still -78 dBFS off after 1 s and -90 dBFS after 2 s,
	// and the same to the bit after 4 s.
	AudioPreroll = 5 * timeline.SampleRate
)

// Run is a row of a track's packets without a gap. Its decoded samples are placed from sample At of the output on, and
// stretched linearly from Decoded to Length samples where clocks drifted. At, Decoded and Length describe the whole run,
// also where only some of its packets are sent, and so does Skip.
type Run struct {
	At      int64 // output sample of the run's first sample; negative when the run begins before the film
	Packets int   // how many of its packets are sent
	Decoded int64 // samples that all of its packets decode to at 48 kHz, after Skip
	Length  int64 // output samples that they fill; equal to Decoded without drift
	Skip    int   // decoded samples to drop first, at 48 kHz: Opus's pre-skip, in the first run of a part only
	Start   int64 // samples at 48 kHz that the run's packets decode to which come before the first that is sent

	Part int `json:",omitempty"` // which part of the track it belongs to. Stored plans do not have it
}

// Packet is one encoded unit.
type Packet struct {
	Track int           // to the child: its number in the plan; from the child: 0
	Part  int           // to the child: which part of the track it belongs to; from the child: 0
	Time  time.Duration // to the child: output time; negative for what is decoded and never shown
	Need  time.Duration // to the child: the earliest time at which a frame may depend on it; packets come in this order
	PTS   int64         // from the child: frames from the chunk's beginning, or samples from AudioPlan.From
	Len   int64         // from the child: how many frames or samples it lasts
	Key   bool
	Last  bool // to the child: no more packets of the track come
	Data  []byte
}

// Header comes from the child before its first packet.
type Header struct {
	Private []byte // SPS and PPS in Annex B, with the PPS of repeated frames; a sequence header OBU, AudioSpecificConfig or OpusHead; empty for vp8 and f32
	Delay   int    // samples of encoder priming before the first sample; 0 for video and f32
}

// Stats come last, when the child has done all that it was asked for.
type Stats struct {
	Frames  int   // video frames encoded
	Samples int64 // audio samples encoded, without priming and padding
	Tracks  []TrackStats
	Peak    float64 // largest sample of the mix before the limiter; 1.0 is full scale

	CPU time.Duration `json:"-"` // that the child used; the parent knows it
}

// TrackStats says what became of one track's packets. Audio packets count where they begin: those before From and after To
// count in another segment, so that the stats of segments add up.
type TrackStats struct {
	Packets int   // packets received
	Decoded int   // video frames or audio packets decoded without an error
	Errors  int   // packets that a decoder refused; the last good frame was held, or silence inserted
	Shown   int   // output frames in which the track had a frame to show
	Samples int64 // samples of the track that a decoder made and that were mixed; not the silence in place of refused packets
	Sizes   int   // changes of the size of frames that were shown

	// Concealed is for how long refused packets were concealed: by silence, or by the last good frame until the next.
	Concealed time.Duration `json:",omitempty"`
	Seen      []FrameSize   `json:",omitempty"` // the sizes of decoded frames in order, where they change; MaxSeen at most

	// Refusal says why the first packet was refused that was. Empty when none was.
	Refusal string `json:",omitempty"`
}

// Add adds the stats of what follows in the film.
func (s *TrackStats) Add(next TrackStats) {
	s.Packets += next.Packets
	s.Decoded += next.Decoded
	s.Errors += next.Errors
	s.Shown += next.Shown
	s.Samples += next.Samples
	s.Concealed += next.Concealed
	s.Sizes += next.Sizes
	for i, size := range next.Seen {
		n := len(s.Seen)
		if n > 0 && s.Seen[n-1].Width == size.Width && s.Seen[n-1].Height == size.Height {
			continue
		}
		if i == 0 && n > 0 && n < MaxSeen { // no child saw the change; of MaxSeen sizes, the last need not be the last seen
			s.Sizes++
		}
		if n < MaxSeen {
			s.Seen = append(slices.Clip(s.Seen), size)
		}
	}
	if s.Refusal == "" {
		s.Refusal = next.Refusal
	}
}

// Clone returns a copy that later changes of s do not change.
func (s TrackStats) Clone() TrackStats {
	s.Seen = slices.Clone(s.Seen)
	return s
}

// FrameSize is a size of decoded frames, and the output time of the first.
type FrameSize struct {
	At            time.Duration
	Width, Height int
}

// MaxSeen bounds TrackStats.Seen.
const MaxSeen = 20

// Refuse counts an error, and keeps the first. The text is bounded, because stats travel to the parent and into reports.
func (s *TrackStats) Refuse(err error) {
	s.Errors++
	if s.Refusal == "" {
		s.Refusal = fmt.Sprintf("%.200s", err.Error())
	}
}
