package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
)

// ChunkSink says where the chunks of a video task go. Chunks are numbered in the film.
type ChunkSink struct {
	Key       func(chunk int) string                 // of the segment
	Published func(chunk int, segment Segment) error // called after each is stored, before the next is finished; its error stops the work
	Progress  func(frames int)                       // frames done since RenderVideo began
}

// RenderVideo renders a video task from chunk number from on (counted in the film) and stores each chunk as a segment.
//
// A recording whose decoder kills the child is left out from the chunk in which it did: the rest of the task is rendered
// without it, and the stats say so.
func (c *Composer) RenderVideo(ctx context.Context, task *plan.VideoTask, from int, recordings Recordings, sink ChunkSink) (TaskStats, error) {
	stats := newTaskStats()
	for {
		chunks := task.Chunks[from-task.First:]
		if len(chunks) == 0 {
			return stats, nil
		}
		w := &chunkWriter{ctx: ctx, store: c.Store, number: from, sink: sink}
		tracks, err := c.renderChunks(ctx, task, chunks, recordings, w, &stats)
		if err == nil {
			return stats, nil
		}
		stats.Resumed = stats.Resumed || w.number > from
		from = w.number
		if !c.leaveOut(err, tracks, &stats) {
			return stats, err
		}
	}
}

// renderChunks renders consecutive chunks of a task in one child, without the recordings that were left out. It returns the
// plan's numbers of the child's tracks.
func (c *Composer) renderChunks(ctx context.Context, task *plan.VideoTask, chunks []protocol.Chunk, recordings Recordings, w *chunkWriter, stats *TaskStats) ([]int, error) {
	video := &protocol.VideoPlan{
		Width: task.Canvas.W, Height: task.Canvas.H, FPS: task.FPS, Colour: task.Colour, Encoder: task.Encoder, Chunks: chunks,
	}
	var packets feed
	defer packets.Close()
	var tracks, numbers []int // of the child's tracks: the task's numbers and the plan's
	for n, t := range task.Tracks {
		ranges := t.From(chunks[0])
		if len(ranges) == 0 || slices.Contains(stats.Lost, t.Track) {
			continue
		}
		recording, err := recordings(t.Track)
		if err != nil {
			return numbers, err
		}
		packets.add(len(tracks), t.Shift, t.Clock, recording, ranges, t.Parts...)
		tracks, numbers = append(tracks, n), append(numbers, t.Track)
		video.Tracks = append(video.Tracks, t.Media)
	}
	for i, scene := range task.Scenes {
		if i+1 < len(task.Scenes) && task.Scenes[i+1].From <= chunks[0].From {
			continue // over before the first chunk
		}
		shown := protocol.Scene{From: scene.From}
		for _, cell := range scene.Cells {
			if cell.Track = slices.Index(tracks, cell.Track); cell.Track >= 0 {
				shown.Cells = append(shown.Cells, cell)
			}
		}
		video.Scenes = append(video.Scenes, shown)
	}
	result, err := render.Run(ctx, c.Render, protocol.Plan{Video: video}, packets.Next, w)
	w.abandon()
	if err != nil {
		return numbers, err
	}
	if want := chunks[len(chunks)-1].To - chunks[0].From; result.Frames != want {
		return numbers, fmt.Errorf("render child made %d of %d frames", result.Frames, want)
	}
	stats.add(numbers, result)
	return numbers, nil
}

// chunkWriter stores what a video child answers, chunk by chunk.
type chunkWriter struct {
	ctx     context.Context // of the one child whose answers it takes
	store   segmentStore
	number  int // of the chunk being written
	sink    ChunkSink
	header  protocol.Header
	current *segmentWriter
}

func (w *chunkWriter) Header(h protocol.Header) error {
	w.header = h
	return nil
}

func (w *chunkWriter) Packet(packet protocol.Packet) error {
	if w.current == nil {
		w.current = newSegmentWriter(w.ctx, w.store, w.sink.Key(w.number), w.header)
	}
	return w.current.add(packet)
}

func (w *chunkWriter) ChunkDone(int) error {
	if w.current == nil {
		return errors.New("render child finished a chunk without a frame")
	}
	current := w.current
	w.current = nil
	segment, err := current.commit()
	if err != nil {
		return err
	}
	if err := w.sink.Published(w.number, segment); err != nil {
		return err
	}
	w.number++
	return nil
}

func (w *chunkWriter) Progress(frames int64) error {
	w.sink.Progress(int(frames))
	return nil
}

// abandon ends the segment that was being written without storing it.
func (w *chunkWriter) abandon() {
	if w.current != nil {
		w.current.abort()
		w.current = nil
	}
}
