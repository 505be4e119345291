package media

import "io"

// Muxer writes encoded tracks into a container, ready to be played while it arrives.
type Muxer interface {
	// Write writes the tracks to w from front to back. Memory is for tables, or for a few seconds of payload. The error is a
	// reader's or writer's, or says which rule of the container the tracks break; then nothing or part of a file was
	// written.
	Write(w io.Writer, tracks []OutputTrack) error
}

// OutputTrack is one encoded track, ready to be put into a container.
//
// Sample i is decoded at the sum of Len of the samples before it, and presented Shift ticks after that, less the shift of the
// frame that is presented first: that is shown at film time Start. Of what audio samples decode to, players skip Delay
// ticks and then play Length ticks, from film time Start on.
type OutputTrack struct {
	Codec            string // h264, vp8, av1, aac, opus
	Private          []byte // h264: Annex B SPS and PPS; av1: sequence header OBU; aac: AudioSpecificConfig; opus: OpusHead; vp8: empty
	Width, Height    int    // video: pixels
	Colour           Colour // video: what its samples mean; without it players guess
	Rate, Channels   int    // audio: samples per second
	TickNum, TickDen int64  // one tick is TickNum/TickDen seconds: 1/25 for 25 frames a second, 1/48000 for audio
	Start            int64  // ticks of film time before the first is seen or heard
	Delay            int64  // ticks of priming at the front that players must skip; 0 for video
	Length           int64  // ticks that are seen or heard after Delay
	Samples          []OutputSample

	// Open returns the payloads of all samples back to back, in the order of Samples. h264 payloads are Annex B, av1 payloads
	// temporal units without their delimiters.
	// It may be called more than once, one reader after the other: mp4 reads h264 once more beforehand, to learn sizes.
	Open func() (io.ReadCloser, error)
}

// OutputSample is one encoded frame or piece of audio, in decoding order.
type OutputSample struct {
	Size  uint32 // bytes that Open yields for it
	Len   uint32 // ticks until the next sample is decoded
	Shift int32  // ticks from decoding to presentation, before the first frame is moved to time 0; never negative
	Key   bool   // decoding may begin here
}

// Video says whether the track is video.
func (t *OutputTrack) Video() bool { return t.Codec == "h264" || t.Codec == "vp8" || t.Codec == "av1" }
