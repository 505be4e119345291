package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// NotCopiedError says that a recording is not what its plan takes it for, so that its packets cannot be the film's. The film has to be
// planned again with plan.Options.NoCopy.
type NotCopiedError struct {
	Why string
	Err error // that of the film's check; nil when packets are the reason
}

func (e *NotCopiedError) Error() string { return "packets cannot be copied into the film: " + e.Why }
func (e *NotCopiedError) Unwrap() error { return e.Err }

func notCopied(format string, args ...any) error {
	return &NotCopiedError{Why: fmt.Sprintf(format, args...)}
}

// A child decodes the beginning of a recording that is copied: so much, and so many packets at most. It shows that a decoder takes the
// stream and that its frames have the film's size, and costs little.
const (
	probeTime    = time.Second
	probePackets = 60
)

// copyProgress is how many packets are stored before progress is told.
const copyProgress = 1000

// copyVideo stores the packets of a video task that copies, from chunk number from on. The error is a NotCopiedError when they
// are not what the plan takes them for.
func (c *Composer) copyVideo(ctx context.Context, task *plan.VideoTask, from int, recordings Recordings, sink ChunkSink) (TaskStats, error) {
	stats := newTaskStats()
	track := task.Tracks[0]
	recording, err := recordings(track.Track)
	if err != nil {
		return stats, err
	}
	if from == task.First {
		if stats, err = c.probeVideo(ctx, task, recording); err != nil {
			return newTaskStats(), err
		}
	}
	index := recording.Index.Track()
	check, err := videoPackets(&index, task.Copy.Private)
	if err != nil {
		return newTaskStats(), err
	}
	reader := media.NewPacketReader(&index, recording.File)
	done := 0
	for number := from; number < task.First+len(task.Chunks); number++ {
		chunk := task.Chunks[number-task.First]
		w := newSegmentWriter(ctx, c.Store, sink.Key(number), protocol.Header{Private: task.Copy.Private})
		err := eachPacket(ctx, recording, reader, chunk.From, chunk.To, func(p media.Packet, data []byte) error {
			data, err := check(data)
			if err != nil {
				return notCopied("the packet at %.3f s of it: %v", p.Time.Seconds(), err)
			}
			if done++; done%copyProgress == 0 {
				sink.Progress(done)
			}
			tick := timeline.Samples(track.Clock.In(p.Time) + track.Shift)
			return w.add(protocol.Packet{PTS: tick, Len: 1, Key: p.Key, Data: data})
		})
		if err != nil {
			w.abort()
			return stats, err
		}
		segment, err := w.commit()
		if err != nil {
			return stats, err
		}
		copied := stats.Plus(copiedStats(track.Track, protocol.TrackStats{Packets: chunk.To - chunk.From, Shown: chunk.To - chunk.From}))
		if err := sink.Published(number, segment, copied); err != nil {
			return stats, err
		}
		stats = copied
	}
	return stats, nil
}

// copyAudio stores the packets of an audio task that copies as a segment under key, and silence up to the end of the film. The error is as that of copyVideo.
func (c *Composer) copyAudio(ctx context.Context, task *plan.AudioTask, recordings Recordings, key string, progress func(int64)) (Segment, TaskStats, error) {
	track := task.Tracks[0]
	recording, err := recordings(track.Track)
	if err != nil {
		return Segment{}, TaskStats{}, err
	}
	stats, err := c.probeAudio(ctx, task, recording)
	if err != nil {
		return Segment{}, TaskStats{}, err
	}
	index := recording.Index.Track()
	reader := media.NewPacketReader(&index, recording.File)
	w := newSegmentWriter(ctx, c.Store, key, protocol.Header{Private: task.Copy.Private, Delay: int(task.Copy.Delay)})
	count := 0
	var elapsed time.Duration
	err = eachPacket(ctx, recording, reader, track.Start, track.End, func(p media.Packet, data []byte) error {
		length := p.Duration
		count++
		if index.Codec == "opus" {
			length = bitstream.OpusDuration(data) // of the last one, the index has only what is heard
		}
		if length != p.Duration && (count < track.End-track.Start || length < p.Duration) {
			return notCopied("the packet at %.3f s of it lasts %v instead of %v", p.Time.Seconds(), length, p.Duration)
		}
		at := timeline.Samples(elapsed)
		elapsed += length
		if count%copyProgress == 0 {
			progress(at)
		}
		return w.add(protocol.Packet{PTS: at, Len: timeline.Samples(elapsed) - at, Key: true, Data: data})
	})
	silence, length := bitstream.Silence(index.Codec, task.Copy.Channels)
	for at := timeline.Samples(elapsed); err == nil && at < task.To+task.Copy.Delay; at += length {
		err = w.add(protocol.Packet{PTS: at, Len: length, Key: true, Data: silence})
	}
	if err != nil {
		w.abort()
		return Segment{}, TaskStats{}, err
	}
	segment, err := w.commit()
	return segment, stats.Plus(copiedStats(track.Track, protocol.TrackStats{Packets: count, Samples: min(task.To, track.Runs[0].Decoded)})), err
}

func copiedStats(track int, counted protocol.TrackStats) TaskStats {
	stats := newTaskStats()
	stats.Tracks[track] = counted
	return stats
}

// eachPacket calls do for the packets [from, to) of a recording, until it fails.
func eachPacket(ctx context.Context, recording Recording, reader *media.PacketReader, from, to int, do func(p media.Packet, data []byte) error) error {
	n := from
	for p, err := range recording.Index.Packets(from, to) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		data, err := reader.ReadPacket(n, p)
		if err == nil {
			err = do(p, data)
		}
		if err != nil {
			return err
		}
		n++
	}
	if n != to {
		return fmt.Errorf("the packet index holds %d packets, and the plan has %d", n, to)
	}
	return nil
}

// videoPackets returns a function that turns a packet of a recording into one of a segment. Its error says what is wrong with the packet.
func videoPackets(index *media.Index, private []byte) (func([]byte) ([]byte, error), error) {
	if index.Codec == "vp8" {
		return func(data []byte) ([]byte, error) {
			if why := bitstream.CheckVP8(data, int64(len(data))); why != "" {
				return nil, errors.New(why)
			}
			return data, nil
		}, nil
	}
	config, err := h264.ParseConfig(private)
	if err != nil {
		return nil, notCopied("%v", err)
	}
	framing := h264.ParsePrivate(index.Private)
	var buffer []byte
	return func(data []byte) (_ []byte, err error) {
		buffer, err = framing.AnnexB(buffer[:0], data, config)
		return buffer, err
	}, nil
}

// probeVideo has a child decode the beginning of a recording.
func (c *Composer) probeVideo(ctx context.Context, task *plan.VideoTask, recording Recording) (TaskStats, error) {
	const side = 16 // pixels: what is encoded is thrown away
	track := task.Tracks[0]
	count, last := 0, time.Duration(0)
	for p, err := range recording.Index.Packets(0, min(recording.Index.Count(), probePackets)) {
		if err != nil {
			return TaskStats{}, err
		}
		if p.Time > probeTime {
			break
		}
		last = max(last, p.Time)
		count++
	}
	shown := timeline.FrameAt(last, task.FPS) // the only frame that is made
	video := &protocol.VideoPlan{
		Width: side, Height: side, FPS: task.FPS, Colour: task.Colour, Encoder: protocol.Encoder{Codec: protocol.Unencoded, Threads: 1}, Chunks: []protocol.Chunk{{From: shown, To: shown + 1}},
		Tracks: []protocol.Track{track.Media}, Scenes: []protocol.Scene{{Cells: []protocol.Cell{{W: side, H: side}}}},
	}
	var packets feed
	packets.add(0, 0, timeline.Clock{}, recording, [][2]int{{0, count}}, track.Parts...)
	stats, err := c.probe(ctx, protocol.Plan{Video: video}, &packets, track.Track)
	for i := range stats.Tracks[track.Track].Seen {
		size := &stats.Tracks[track.Track].Seen[i]
		if size.At = track.Shift; err == nil && (size.Width != task.Canvas.W || size.Height != task.Canvas.H) {
			err = notCopied("its frames have %dx%d pixels when they are decoded", size.Width, size.Height)
		}
	}
	return stats, err
}

// probeAudio has a child decode the beginning of a recording.
func (c *Composer) probeAudio(ctx context.Context, task *plan.AudioTask, recording Recording) (TaskStats, error) {
	track := task.Tracks[0]
	run := track.Runs[0]
	run.At, run.Packets = 0, min(run.Packets, probePackets)
	audio := &protocol.AudioPlan{
		To: min(task.To-task.From, timeline.Samples(probeTime)), Encoder: protocol.Encoder{Codec: protocol.Lossless},
		Tracks: []protocol.Track{track.Media}, Runs: [][]protocol.Run{{run}},
	}
	var packets feed
	packets.add(0, 0, timeline.Clock{}, recording, [][2]int{{track.Start, track.Start + run.Packets}}, track.Parts...)
	return c.probe(ctx, protocol.Plan{Audio: audio}, &packets, track.Track)
}

// probe has a child carry out a plan of one track and throws away what it answers. The stats are the plan's in which it decoded packets.
func (c *Composer) probe(ctx context.Context, p protocol.Plan, packets *feed, track int) (TaskStats, error) {
	defer packets.Close()
	result, err := render.Run(ctx, c.Render, p, packets.Next, discard{})
	exit, died := errors.AsType[*render.ExitError](err)
	if died && (exit.Signal == syscall.SIGKILL || exit.Stalled) {
		return TaskStats{}, err // the recording need not be the cause
	}
	if died {
		return TaskStats{}, notCopied("its decoder died: %v", exit)
	}
	if err != nil {
		return TaskStats{}, err
	}
	stats := statsOf([]int{track}, result.Tracks)
	found := stats.Tracks[track]
	if found.Decoded == 0 || found.Errors > 0 {
		return TaskStats{}, notCopied("%d packets of its beginning cannot be decoded (%s)", found.Errors, found.Refusal)
	}
	stats = copiedStats(track, protocol.TrackStats{Decoded: found.Decoded, Seen: slices.Clone(found.Seen)})
	stats.CPU = result.CPU
	return stats, nil
}

// discard takes what a child answers and keeps nothing.
type discard struct{}

func (discard) Header(protocol.Header) error       { return nil }
func (discard) Packet(protocol.Packet) error       { return nil }
func (discard) ChunkDone(protocol.ChunkDone) error { return nil }
func (discard) Progress(int64) error               { return nil }

// copiedTrack joins chunks whose packets were copied. They are decoded in their order, as late as they can be.
func (c *Composer) copiedTrack(ctx context.Context, film *plan.Summary, chunks []Segment, late *error) (media.OutputTrack, error) {
	end := timeline.Samples(film.Length)
	track := media.OutputTrack{
		Codec: film.VideoEncoder.Codec, Private: film.VideoCopy.Private, Width: film.Canvas.W, Height: film.Canvas.H,
		TickNum: 1, TickDen: timeline.SampleRate, Start: film.VideoCopy.Start, Length: end - film.VideoCopy.Start, Colour: film.Colour,
	}
	var all []*openedSegment
	shown := make([]int64, 0, film.Frames) // ticks
	for i, segment := range chunks {
		chunk, err := openSegment(ctx, c.Store, segment)
		if err != nil {
			return track, fmt.Errorf("chunk %d: %w", i, err)
		}
		for n, shift := range chunk.order {
			shown = append(shown, shift+int64(n))
		}
		track.Samples = append(track.Samples, chunk.samples...)
		all = append(all, chunk)
	}
	if len(track.Samples) != film.Frames || film.Frames == 0 {
		return track, fmt.Errorf("chunks hold %d of %d frames", len(track.Samples), film.Frames)
	}
	decoded, last := decodeTimes(shown)
	for i := range track.Samples {
		next := decoded[len(decoded)-1] + max(end-last, 1)
		if i+1 < len(decoded) {
			next = decoded[i+1]
		}
		track.Samples[i].Len, track.Samples[i].Shift = uint32(next-decoded[i]), int32(shown[i]-decoded[i])
	}
	track.Open = func() (io.ReadCloser, error) { return wholePayloads{newPayloads(ctx, c.Store, all...), late}, nil }
	return track, nil
}

// decodeTimes returns when packets are decoded that are shown at the given times, and the last of these: frame n is decoded when the
// frame is shown that is n-th in the order of showing, and all of them so much earlier that none is shown before it is decoded.
func decodeTimes(shown []int64) (decoded []int64, last int64) {
	sorted := shown
	ahead := 0
	if !slices.IsSorted(shown) {
		sorted = slices.Sorted(slices.Values(shown))
		for i, at := range shown {
			place, _ := slices.BinarySearch(sorted, at)
			ahead = max(ahead, i-place)
		}
	}
	last = sorted[len(sorted)-1]
	step := int64(1)
	if n := int64(len(sorted)); n > 1 {
		step = max(step, (last-sorted[0])/(n-1))
	}
	decoded = make([]int64, len(shown))
	for i := range decoded {
		if i < ahead {
			decoded[i] = sorted[0] - int64(ahead-i)*step
		} else {
			decoded[i] = sorted[i-ahead]
		}
	}
	return decoded, last
}
