package compose

import (
	"context"
	"fmt"
	"io"
	"slices"

	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// RenderAudio renders an audio task and stores it as a segment under key. progress is called with the number of samples
// that are done. A recording whose decoder kills the child is left out.
func (c *Composer) RenderAudio(ctx context.Context, task *plan.AudioTask, recordings Recordings, key string, progress func(samples int64)) (Segment, TaskStats, error) {
	if task.Copy != nil {
		return c.copyAudio(ctx, task, recordings, key, progress)
	}
	stats := newTaskStats()
	for {
		audio := &protocol.AudioPlan{From: task.From, To: task.To, Encoder: task.Encoder}
		var packets feed
		var numbers []int
		for _, t := range task.Tracks {
			if slices.Contains(stats.Lost, t.Track) {
				continue
			}
			recording, err := recordings(t.Track)
			if err != nil {
				packets.Close()
				return Segment{}, stats, err
			}
			packets.add(len(numbers), t.Shift, t.Clock, recording, [][2]int{{t.Start, t.End}}, t.Parts...)
			numbers = append(numbers, t.Track)
			audio.Tracks = append(audio.Tracks, t.Media)
			audio.Runs = append(audio.Runs, t.PartRuns())
		}
		segment, result, err := c.runAudio(ctx, audio, packets.Next, key, progress)
		packets.Close()
		if err == nil {
			stats = stats.Plus(statsOf(numbers, result.Tracks))
			stats.Peak, stats.CPU = result.Peak, result.CPU
			return segment, stats, nil
		}
		if !c.leaveOut(err, numbers, &stats) {
			return Segment{}, stats, err
		}
	}
}

// EncodeAudio makes the film's audio of the samples that its audio tasks left, in one pass, and stores it as a segment
// under key. progress is called with the number of samples that are done. The error is an UnfitError when some of the samples
// are not what was stored.
func (c *Composer) EncodeAudio(ctx context.Context, film *plan.Summary, samples []Segment, key string, progress func(samples int64)) (Segment, TaskStats, error) {
	segment, stats, err := c.encodeSamples(ctx, film, samples, key, progress)
	if err != nil && ctx.Err() == nil {
		err = c.findUnfit(ctx, samples, err)
	}
	return segment, stats, err
}

func (c *Composer) encodeSamples(ctx context.Context, film *plan.Summary, samples []Segment, key string, progress func(samples int64)) (Segment, TaskStats, error) {
	var opened []*openedSegment
	var packets []media.OutputSample
	for _, segment := range samples {
		o, err := openSegment(ctx, c.Store, segment)
		if err != nil {
			return Segment{}, TaskStats{}, fmt.Errorf("audio samples: %w", err)
		}
		opened = append(opened, o)
		packets = append(packets, o.samples...)
	}
	payload := newPayloads(ctx, c.Store, opened...)
	defer payload.Close()
	channels := film.AudioEncoder.AudioChannels()
	audio := &protocol.AudioPlan{
		To: film.Samples, Encoder: film.AudioEncoder,
		Tracks: []protocol.Track{{Codec: protocol.Lossless, Rate: timeline.SampleRate, Channels: channels}},
		Runs:   [][]protocol.Run{{{Packets: len(packets), Decoded: film.Samples, Length: film.Samples}}},
	}
	source := &sampleReader{packets: packets, payload: payload, channels: channels}
	segment, result, err := c.runAudio(ctx, audio, source.Next, key, progress)
	return segment, TaskStats{CPU: result.CPU}, err
}

// runAudio has a child carry out an audio plan and stores what it answers.
func (c *Composer) runAudio(ctx context.Context, audio *protocol.AudioPlan, next func() (protocol.Packet, error), key string, progress func(int64)) (Segment, protocol.Stats, error) {
	w := &audioWriter{
		ctx: ctx, store: c.Store, key: key, progress: progress,
	}
	if audio.Encoder.Codec == protocol.Lossless {
		w.channels = audio.Encoder.AudioChannels()
	}
	result, err := render.Run(ctx, c.Render, protocol.Plan{Audio: audio}, next, w)
	if want := audio.To - audio.From; err == nil && result.Samples != want {
		err = fmt.Errorf("render child made %d of %d samples", result.Samples, want)
	}
	if err == nil && w.current == nil {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		if w.current != nil {
			w.current.abort()
		}
		return Segment{}, result, err
	}
	segment, err := w.current.commit()
	return segment, result, err
}

// audioWriter stores what an audio child answers as one segment.
type audioWriter struct {
	ctx      context.Context // of the one child whose answers it takes
	store    segmentStore
	key      string
	channels int // of samples, which packets hold and which are packed; 0 when they are encoded
	progress func(int64)
	header   protocol.Header
	current  *segmentWriter
}

func (w *audioWriter) Header(h protocol.Header) error {
	w.header = h
	return nil
}

func (w *audioWriter) Packet(packet protocol.Packet) error {
	if w.current == nil {
		w.current = newSegmentWriter(w.ctx, w.store, w.key, w.header)
	}
	if w.channels > 0 {
		packet.Data = packSamples(packet.Data, w.channels)
	}
	return w.current.add(packet)
}

func (w *audioWriter) ChunkDone(protocol.ChunkDone) error { return nil }

func (w *audioWriter) Progress(samples int64) error {
	w.progress(samples)
	return nil
}

// sampleReader reads stored samples as the packets of a track.
type sampleReader struct {
	packets  []media.OutputSample // that are left
	payload  io.Reader            // of these packets
	channels int
	at       int64 // samples read
}

// Next returns the next packet, io.EOF after the last.
func (r *sampleReader) Next() (protocol.Packet, error) {
	if len(r.packets) == 0 {
		return protocol.Packet{}, io.EOF
	}
	next := r.packets[0]
	r.packets = r.packets[1:]
	packed := make([]byte, next.Size)
	if _, err := io.ReadFull(r.payload, packed); err != nil {
		return protocol.Packet{}, fmt.Errorf("read audio samples: %w", err)
	}
	data, err := unpackSamples(packed, int(next.Len), r.channels)
	if err != nil {
		return protocol.Packet{}, err
	}
	at := timeline.SampleTime(r.at)
	r.at += int64(next.Len)
	return protocol.Packet{Time: at, Need: at, Key: true, Data: data}, nil
}
