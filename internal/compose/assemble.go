package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/matroska"
	"roomreel/internal/media/mp4"
	"roomreel/internal/plan"
	"roomreel/internal/timeline"
)

// Segments are what a film is joined of.
type Segments struct {
	Chunks []Segment // of the video, in order; none when the film has no video
	Audio  Segment   // not read when the film has no audio
}

// assemble joins the film's segments by packet copy and writes the film to w, ready to be played while it is still being
// downloaded.
func (c *Composer) assemble(ctx context.Context, film *plan.Summary, segments Segments, w io.Writer) error {
	var tracks []media.OutputTrack
	if film.Frames > 0 {
		track, err := c.videoTrack(ctx, film, segments.Chunks)
		if err != nil {
			return err
		}
		tracks = append(tracks, track)
	}
	if film.Samples > 0 {
		track, err := c.audioTrack(ctx, film, segments.Audio)
		if err != nil {
			return err
		}
		tracks = append(tracks, track)
	}
	return muxers[film.Format].Write(w, tracks)
}

// muxers write films of each format.
var muxers = map[roomreel.Format]media.Muxer{roomreel.MP4: mp4.Faststart{}, roomreel.WebM: matroska.WebM{}}

// videoTrack joins the chunks. They were encoded with the same settings, each begins with a keyframe that does not need
// anything before it, and their headers must be the same to the byte: then the packets of all are one stream.
func (c *Composer) videoTrack(ctx context.Context, film *plan.Summary, chunks []Segment) (media.OutputTrack, error) {
	track := media.OutputTrack{
		Codec: film.VideoEncoder.Codec, Width: film.Canvas.W, Height: film.Canvas.H, TickNum: 1, TickDen: int64(film.FPS),
		Length: int64(film.Frames), Colour: film.Colour,
	}
	var all []*openedSegment
	reorder := int32(0) // frames by which decoding runs ahead of showing
	for i, segment := range chunks {
		chunk, err := openSegment(ctx, c.Store, segment)
		if err != nil {
			return track, fmt.Errorf("chunk %d: %w", i, err)
		}
		if i == 0 {
			track.Private = chunk.private
		} else if !bytes.Equal(track.Private, chunk.private) {
			return track, fmt.Errorf("chunk %d: %w", i, ErrOtherEncoder)
		}
		for _, shift := range chunk.order {
			reorder = max(reorder, -shift)
		}
		all = append(all, chunk)
	}
	for _, chunk := range all {
		for i, sample := range chunk.samples {
			sample.Len = 1
			sample.Shift = chunk.order[i] + reorder
			track.Samples = append(track.Samples, sample)
		}
	}
	if len(track.Samples) != film.Frames {
		return track, fmt.Errorf("chunks hold %d of %d frames", len(track.Samples), film.Frames)
	}
	track.Open = func() (io.ReadCloser, error) { return newPayloads(ctx, c.Store, all...), nil }
	return track, nil
}

func (c *Composer) audioTrack(ctx context.Context, film *plan.Summary, segment Segment) (media.OutputTrack, error) {
	audio, err := openSegment(ctx, c.Store, segment)
	if err != nil {
		return media.OutputTrack{}, fmt.Errorf("audio: %w", err)
	}
	return media.OutputTrack{
		Codec: film.AudioEncoder.Codec, Private: audio.private, Rate: timeline.SampleRate, Channels: 2,
		TickNum: 1, TickDen: timeline.SampleRate, Delay: audio.delay, Length: film.Samples, Samples: audio.samples,
		Open: func() (io.ReadCloser, error) { return newPayloads(ctx, c.Store, audio), nil },
	}, nil
}
