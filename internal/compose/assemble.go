package compose

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

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

// of lists the segments that a film needs.
func (s Segments) of(film *plan.Summary) []Segment {
	list := slices.Clone(s.Chunks)
	if film.Samples > 0 {
		list = append(list, s.Audio)
	}
	return list
}

// WriteFilm joins segments into a film in a new file at path and checks it. When the film does not fit its plan, it is
// joined once more of segments that are read anew: what was read or written the first time may have been damaged on its way.
// If that does not help, the error is an UnfitError when segments are not what was stored, else one that wraps ErrMismatch: a NotCopiedError
// when packets were copied.
// After an error there is no file.
func (c *Composer) WriteFilm(ctx context.Context, film *plan.Summary, segments Segments, path string) (Result, error) {
	if film.VideoCopy != nil {
		segments.Chunks = slices.Clone(segments.Chunks)
		for i := range segments.Chunks {
			segments.Chunks[i].inside = i > 0
		}
	}
	result, err := c.writeOnce(ctx, film, segments, path)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrOtherEncoder) {
		c.Log.Warn("the film does not fit its plan and is assembled again", "err", err)
		if result, err = c.writeOnce(ctx, film, segments, path); err != nil {
			err = c.findUnfit(ctx, segments.of(film), err)
		}
	}
	if errors.Is(err, ErrMismatch) && (film.VideoCopy != nil || film.AudioCopy != nil) {
		return Result{}, &NotCopiedError{err.Error(), err}
	}
	if err != nil {
		return Result{}, fmt.Errorf("write the film: %w", err)
	}
	return result, nil
}

func (c *Composer) writeOnce(ctx context.Context, film *plan.Summary, segments Segments, path string) (result Result, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		file.Close()
		if err != nil {
			os.Remove(path)
		}
	}()
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(file, sum), 1<<20)
	if err := c.assemble(ctx, film, segments, buffered); err != nil {
		return Result{}, err
	}
	if err := buffered.Flush(); err != nil {
		return Result{}, err
	}
	if err := file.Sync(); err != nil {
		return Result{}, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return Result{}, err
	}
	return verify(film, file, size, hex.EncodeToString(sum.Sum(nil)))
}

// assemble joins the film's segments by packet copy and writes the film to w, ready to be played while it is still being
// downloaded.
func (c *Composer) assemble(ctx context.Context, film *plan.Summary, segments Segments, w io.Writer) error {
	var tracks []media.OutputTrack
	var late error
	if film.Frames > 0 {
		join := c.videoTrack
		if film.VideoCopy != nil {
			join = c.copiedTrack
		}
		track, err := join(ctx, film, segments.Chunks, &late)
		if err != nil {
			return err
		}
		tracks = append(tracks, track)
	}
	if film.Samples > 0 {
		track, err := c.audioTrack(ctx, film, segments.Audio, &late)
		if err != nil {
			return err
		}
		tracks = append(tracks, track)
	}
	if err := muxers[film.Format].Write(w, tracks); err != nil {
		return err
	}
	return late
}

// muxers write films of each format.
var muxers = map[roomreel.Format]media.Muxer{roomreel.MP4: mp4.Faststart{}, roomreel.WebM: matroska.WebM{}}

// videoTrack joins the chunks. They were encoded with the same settings, each begins with a keyframe that does not need
// anything before it, and their headers must be the same to the byte: then the packets of all are one stream.
func (c *Composer) videoTrack(ctx context.Context, film *plan.Summary, chunks []Segment, late *error) (media.OutputTrack, error) {
	track := media.OutputTrack{
		Codec: film.VideoEncoder.Codec, Width: film.Canvas.W, Height: film.Canvas.H, TickNum: 1, TickDen: int64(film.FPS),
		Length: int64(film.Frames), Colour: film.Colour,
	}
	var all []*openedSegment
	reorder := int64(0) // frames by which decoding runs ahead of showing
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
			sample.Shift = int32(chunk.order[i] + reorder)
			track.Samples = append(track.Samples, sample)
		}
	}
	if len(track.Samples) != film.Frames {
		return track, fmt.Errorf("chunks hold %d of %d frames", len(track.Samples), film.Frames)
	}
	track.Open = func() (io.ReadCloser, error) { return wholePayloads{newPayloads(ctx, c.Store, all...), late}, nil }
	return track, nil
}

func (c *Composer) audioTrack(ctx context.Context, film *plan.Summary, segment Segment, late *error) (media.OutputTrack, error) {
	audio, err := openSegment(ctx, c.Store, segment)
	if err != nil {
		return media.OutputTrack{}, fmt.Errorf("audio: %w", err)
	}
	start, channels := placeOfAudio(film)
	return media.OutputTrack{
		Codec: film.AudioEncoder.Codec, Private: audio.private, Rate: timeline.SampleRate, Channels: channels,
		TickNum: 1, TickDen: timeline.SampleRate, Start: start, Delay: audio.delay, Length: film.Samples, Samples: audio.samples,
		Open: func() (io.ReadCloser, error) { return wholePayloads{newPayloads(ctx, c.Store, audio), late}, nil },
	}, nil
}

// placeOfAudio returns how many samples of a film come before its audio, and how many channels that has.
func placeOfAudio(film *plan.Summary) (start int64, channels int) {
	if c := film.AudioCopy; c != nil {
		return c.Start, c.Channels
	}
	return 0, film.AudioEncoder.AudioChannels()
}

// placeOfVideo returns when the video of a film begins and how long it lasts.
func placeOfVideo(film *plan.Summary) (start, length time.Duration) {
	if c := film.VideoCopy; c != nil {
		start = timeline.SampleTime(c.Start)
		return start, timeline.SampleTime(timeline.Samples(film.Length)) - start
	}
	return 0, timeline.FrameTime(film.Frames, max(film.FPS, 1))
}
