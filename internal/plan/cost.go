package plan

import (
	"time"

	"roomreel/internal/layout"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Cost is what a film is expected to cost on the machine on which the table below was measured.
type Cost struct {
	Core    time.Duration // processor time of all render children
	Longest time.Duration // what cannot be done side by side: the longest task with what must come after it
	Size    int64         // bytes
}

// encoderCost is what one policy costs. Canvas that is drawn on costs more than canvas that stays as it was.
type encoderCost struct {
	still, drawn         float64 // core-seconds for a megapixel of canvas, and for a megapixel that is drawn on, besides
	stillBits, drawnBits float64 // bits of a pixel, the same
}

// The costs were measured as docs/performance.md says. Only their proportions matter much: what this server's finished
// compositions really took corrects the rest.
var (
	// decoderCosts are core-seconds for a megapixel of decoded frames.
	decoderCosts = map[string]float64{"vp8": 0.0014, "vp9": 0.0024, "h264": 0.0027, "hevc": 0.0031, "av1": 0.0030}

	// drawCost is core-seconds for a megapixel that is scaled and drawn.
	drawCost = 0.0008

	videoCosts = map[string]map[Policy]encoderCost{
		"h264": {
			Draft:    {0.0012, 0.0014, 0.0005, 0.068},
			Standard: {0.0020, 0.0011, 0.0005, 0.041},
			Archive:  {0.0030, 0.0225, 0.0005, 0.060},
		},
		"vp8": { // the bitrate says how large it becomes
			Draft:    {still: 0.0021, drawn: 0.0010},
			Standard: {still: 0.0017, drawn: 0.0047},
			Archive:  {still: 0.0180, drawn: 0.0180},
		},
		"av1": {Small: {0.003, 0.042, 0.0005, 0.018}}, // from the table of qualities in docs/performance.md
	}

	// listenCosts are core-seconds for a second of a track that is decoded, resampled and mixed.
	listenCosts = map[string]float64{"opus": 0.0038, "aac": 0.0030, "vorbis": 0.0030}

	// audioCosts are core-seconds for a second of a film's audio that is encoded, and the share of its bitrate that the encoder uses.
	audioCosts = map[string]struct{ encode, share float64 }{"aac": {0.0090, 0.85}, "opus": {0.0035, 1.4}}
)

const (
	otherDecoderCost = 0.0030 // of codecs that the tables do not have
	otherListenCost  = 0.0030
	losslessCost     = 0.004  // of a second of samples that one child writes and another reads
	copyCost         = 0.0001 // of a second of a track that is copied
	childCost        = 0.05   // of starting a render child

	// What an encoder uses of its bitrate, from a canvas that stays as it is to one of which mostlyDrawn is drawn on in each frame.
	leastOfBitrate, mostOfBitrate, mostlyDrawn = 0.43, 1.05, 0.75
)

// Cost returns what the film is expected to cost.
func (p *Plan) Cost() Cost {
	core, longest, size := 0.0, 0.0, 0.0
	of := videoCosts[p.VideoEncoder.Codec][p.Quality]
	for i := range p.Video {
		task := &p.Video[i]
		if task.Copy != nil {
			core += childCost + p.Length.Seconds()*copyCost
			size += float64(task.Copy.Bytes)
			continue
		}
		decoded, drawn := task.work(p.Tracks)
		frames := 0
		for _, chunk := range task.Chunks {
			frames += chunk.To - chunk.From
		}
		canvas := float64(frames) * float64(p.Canvas.W*p.Canvas.H) / 1e6
		drawing, encoding := childCost+decoded+drawn*drawCost, canvas*of.still+drawn*of.drawn
		core += drawing + encoding
		longest = max(longest, drawing, encoding) // two threads
		if rate := float64(p.VideoEncoder.Bitrate); rate > 0 && canvas > 0 {
			size += rate / 8 * float64(frames) / float64(p.FPS) * min(mostOfBitrate, leastOfBitrate+drawn/canvas*(mostOfBitrate-leastOfBitrate)/mostlyDrawn)
		} else {
			size += (canvas*of.stillBits + drawn*of.drawnBits) * 1e6 / 8
		}
	}
	if p.AudioCopy != nil {
		core += childCost + p.Length.Seconds()*copyCost
		size += float64(p.AudioCopy.Bytes)
	} else if p.Samples > 0 {
		seconds := timeline.SampleTime(p.Samples).Seconds()
		of := audioCosts[p.AudioEncoder.Codec]
		encoding := seconds * of.encode
		core += encoding
		alone := 0.0
		for i := range p.Audio {
			mixing := childCost + p.Audio[i].work()
			if len(p.Audio) > 1 {
				mixing += timeline.SampleTime(p.Audio[i].To-p.Audio[i].From).Seconds() * losslessCost
			}
			core += mixing
			alone = max(alone, mixing)
		}
		longest = max(longest, alone+encoding)
		size += seconds * float64(p.AudioEncoder.Bitrate) / 8 * of.share
	}
	duration := func(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
	return Cost{Core: duration(core), Longest: duration(longest), Size: int64(size)}
}

// work returns what decoding costs, in core-seconds, and how many megapixels are drawn.
func (t *VideoTask) work(tracks []TrackSummary) (decoding, drawn float64) {
	rates := make([]float64, len(t.Tracks)) // frames of the track in a frame of the film, 1 at most
	for i, track := range t.Tracks {
		packets := 0
		for _, r := range track.From(t.Chunks[0]) {
			packets += r[1] - r[0]
		}
		decoding += costOfDecoding(track.Media, packets)
		if of := tracks[track.Track]; of.Length > 0 {
			rates[i] = min(1, float64(of.Packets)/of.Length.Seconds()/float64(t.FPS))
		}
	}
	from, end := t.Chunks[0].From, t.Chunks[len(t.Chunks)-1].To
	for i, scene := range t.Scenes {
		until := end
		if i+1 < len(t.Scenes) {
			until = min(until, t.Scenes[i+1].From)
		}
		frames := float64(max(0, until-max(scene.From, from)))
		for _, cell := range scene.Cells {
			drawn += frames * rates[cell.Track] * shownPixels(cell, t.Tracks[cell.Track].Media) / 1e6
		}
	}
	return decoding, drawn
}

// shownPixels is about how much of a cell a track fills.
func shownPixels(cell protocol.Cell, track protocol.Track) float64 {
	w, h := float64(cell.W), float64(cell.H)
	if track.MaxW == 0 || track.MaxH == 0 {
		return w * h
	}
	scale := min(w/float64(track.MaxW), h/float64(track.MaxH))
	return scale * float64(track.MaxW) * scale * float64(track.MaxH)
}

// work returns what decoding and mixing cost, in core-seconds.
func (t *AudioTask) work() (cost float64) {
	for _, track := range t.Tracks {
		samples := int64(0)
		for _, run := range track.Runs {
			samples += run.Decoded
		}
		samples = min(samples, t.To-t.From+2*protocol.AudioPreroll)
		cost += costOfListening(track.Media, samples)
	}
	return cost
}

// costOfDecoding returns what packets of a video track cost, in core-seconds.
func costOfDecoding(track protocol.Track, packets int) float64 {
	return float64(packets) * float64(track.MaxW*track.MaxH) / 1e6 * decoderCost(track.Codec)
}

// decoderCost returns core-seconds for a decoded megapixel.
func decoderCost(codec string) float64 {
	if cost, known := decoderCosts[codec]; known {
		return cost
	}
	return otherDecoderCost
}

// costOfFrames returns what frames of a grid of cameras cost that are drawn and encoded, in core-seconds.
func costOfFrames(codec string, canvas layout.Size, frames int) float64 {
	of, known := videoCosts[codec][Standard]
	if !known {
		of = videoCosts[codec][Small]
	}
	return float64(frames*canvas.W*canvas.H) / 1e6 * (of.still + mostlyDrawn*(drawCost+of.drawn))
}

// costOfListening returns what samples of an audio track cost, in core-seconds.
func costOfListening(track protocol.Track, samples int64) float64 {
	return timeline.SampleTime(samples).Seconds() * listenCost(track.Codec)
}

// listenCost returns core-seconds for a second of a track.
func listenCost(codec string) float64 {
	if cost, known := listenCosts[codec]; known {
		return cost
	}
	return otherListenCost
}
