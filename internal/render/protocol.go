// Package render is the border between the service and its codecs: the protocol spoken over a render child's pipes, the
// child's life and sandbox, and what its death means.
//
// The parent reads containers and decides everything; it sends a plan and then packets in time order. The child decodes,
// composes and encodes, and answers with packets, progress and facts. It opens no file and no socket. Start with
// [Do] (parent) and [Main] (child).
package render

import "time"

// Plan is what one child does, decided in full by the parent. Exactly one of Picture and Sound is set.
type Plan struct {
	Picture *VideoPlan `json:"picture,omitempty"`
	Sound   *AudioPlan `json:"sound,omitempty"`
}

// Track describes one source's packets. Tracks are numbered by their place in the plan's Tracks.
type Track struct {
	Codec    string `json:"codec"`             // vp8, vp9, h264, opus, pcmu, pcma
	Private  []byte `json:"private,omitempty"` // Matroska CodecPrivate: avcC, OpusHead; empty for vp8
	Channels int    `json:"channels,omitempty"`
	Rate     int    `json:"rate,omitempty"` // sample rate of pcmu/pcma; opus is always 48000
	MaxW     int    `json:"max_w,omitempty"`
	MaxH     int    `json:"max_h,omitempty"` // largest picture the index saw; a decoder refuses more than 4096x2304
}

// VideoPlan asks for pictures First.. of a film, encoded as consecutive chunks. Picture n is shown at n*FPSDen/FPSNum
// seconds of output time and shows, in each cell, the newest decoded picture of its source with time <= that instant.
type VideoPlan struct {
	Width, Height  int
	FPSNum, FPSDen int
	Encoder        Encoder
	Tracks         []Track
	Scenes         []Scene // sorted by From, the first at or before Chunks[0].From
	Chunks         []Chunk // consecutive: Chunks[i].To == Chunks[i+1].From. Each starts with a keyframe, closed GOPs
}

// Scene is who is where from picture From until the next scene.
type Scene struct {
	From  int
	Cells []Cell // drawn in this order: later ones lie on top
}

// Cell is one source's rectangle in pixels: even-sized, even-placed, inside the canvas. The picture is fitted into it
// as CSS object-fit: contain does, centred, on black.
type Cell struct {
	Track      int
	X, Y, W, H int
}

// Chunk is the half-open range of pictures [From, To) that is published, resumed and counted as one.
type Chunk struct{ From, To int }

// Encoder chooses a codec and its point between speed and size. Options are libavcodec's own names.
type Encoder struct {
	Codec   string            // h264 (libx264), vp8 (libvpx), aac, opus (libopus)
	Options map[string]string `json:",omitempty"`
	Bitrate int               `json:",omitempty"` // bit/s; 0 lets Options decide (crf)
	GOP     int               `json:",omitempty"` // pictures between keyframes at most
	Threads int               `json:",omitempty"` // 0 means 1
}

// AudioPlan asks for the whole sound of a film: stereo, 48 kHz, exactly Samples samples, encoded once.
type AudioPlan struct {
	Samples int64
	Encoder Encoder
	Tracks  []Track
	Runs    [][]Run // for each track, its runs in order
}

// Run is a stretch of a track's packets without a gap. Its decoded samples are laid down from sample At of the output,
// stretched linearly from Decoded to Length samples when clocks drifted (equal when they did not).
type Run struct {
	At      int64 // output sample of the run's first heard sample; may be negative when the film starts later
	Packets int   // how many packets belong to it
	Decoded int64 // samples that its packets decode to, after Skip
	Length  int64 // samples that they fill in the output
	Skip    int   // decoded samples to drop first: Opus pre-skip, in the first run only
}

// Packet is one encoded unit. From parent to child, Track numbers the plan's track and Time is output time; from child
// to parent, Track is 0 and PTS/DTS count in pictures (picture role) or samples (sound role).
type Packet struct {
	Track int
	Time  time.Duration // parent to child: output time, may be negative (decoded, never shown)
	Need  time.Duration // parent to child: the earliest time at which a picture may depend on it; packets come in this order
	PTS   int64         // child to parent
	DTS   int64         // child to parent
	Len   int64         // child to parent: duration in pictures or samples
	Key   bool
	Data  []byte
}

// Header comes from the child before its first packet.
type Header struct {
	Private []byte // avcC-ready extradata (Annex B SPS/PPS as libavcodec gives it), AudioSpecificConfig or OpusHead
	Delay   int    // samples of encoder priming at the start of the sound (AAC 1024, Opus pre-skip); 0 for pictures
}

// Stats come last, when the child did all it was asked for.
type Stats struct {
	Pictures int   // pictures encoded
	Samples  int64 // samples encoded, without priming and padding
	Tracks   []TrackStats
	Peak     float64 // sound: largest sample of the mix before the limiter, 1.0 is full scale
}

// TrackStats says what became of one track's packets.
type TrackStats struct {
	Packets int   // packets received
	Decoded int   // pictures or packets decoded without an error
	Errors  int   // packets that a decoder refused; the last good picture was held, or silence put
	Shown   int   // pictures of the output in which the track had a picture to show
	Samples int64 // samples of it that were mixed
	Sizes   int   // changes of picture size
}
