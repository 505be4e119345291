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
	"roomreel/internal/timeline"
)

// Assemble joins the film's chunks and its sound by packet copy and writes the film to w, ready to be played while it is
// still being downloaded. chunks are the keys of all chunks in order, sound is the key of the sound; it is not read when
// the film has none.
func (c *Composer) Assemble(ctx context.Context, p *Plan, chunks []string, sound string, w io.Writer) error {
	var tracks []media.OutputTrack
	if p.Pictures > 0 {
		track, err := c.pictureTrack(ctx, p, chunks)
		if err != nil {
			return err
		}
		tracks = append(tracks, track)
	}
	if p.Samples > 0 {
		track, err := c.soundTrack(ctx, p, sound)
		if err != nil {
			return err
		}
		tracks = append(tracks, track)
	}
	if p.Format == roomreel.MP4 {
		return mp4.Write(w, tracks)
	}
	return matroska.WriteWebM(w, tracks)
}

// pictureTrack joins the chunks. They were encoded with the same settings, each begins with a keyframe that nothing
// before it is needed for, and their headers must be the same to the byte: then the packets of all are one stream.
func (c *Composer) pictureTrack(ctx context.Context, p *Plan, chunks []string) (media.OutputTrack, error) {
	track := media.OutputTrack{
		Codec: p.picture.Codec, Width: p.Canvas.W, Height: p.Canvas.H, TickNum: 1, TickDen: int64(p.FPS),
		Length: int64(p.Pictures),
	}
	var all []*packets
	reorder := int32(0) // pictures by which decoding runs ahead of showing
	for i, key := range chunks {
		chunk, err := openPackets(ctx, c.Work, key)
		if err != nil {
			return track, fmt.Errorf("chunk %d: %w", i, err)
		}
		if i == 0 {
			track.Private = chunk.private
		} else if !bytes.Equal(track.Private, chunk.private) {
			return track, fmt.Errorf("chunk %d was encoded with other headers than chunk 0", i)
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
	if len(track.Samples) != p.Pictures {
		return track, fmt.Errorf("chunks hold %d of %d pictures", len(track.Samples), p.Pictures)
	}
	track.Open = func() (io.ReadCloser, error) {
		return &payloads{ctx: ctx, store: c.Work, rest: all}, nil
	}
	return track, nil
}

func (c *Composer) soundTrack(ctx context.Context, p *Plan, key string) (media.OutputTrack, error) {
	sound, err := openPackets(ctx, c.Work, key)
	if err != nil {
		return media.OutputTrack{}, fmt.Errorf("sound: %w", err)
	}
	return media.OutputTrack{
		Codec: p.sound.Codec, Private: sound.private, Rate: timeline.SampleRate, Channels: 2, TickNum: 1, TickDen: timeline.SampleRate,
		Delay: sound.delay, Length: p.Samples, Samples: sound.samples,
		Open: func() (io.ReadCloser, error) {
			return &payloads{ctx: ctx, store: c.Work, rest: []*packets{sound}}, nil
		},
	}, nil
}
