package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// ChunkSink says where the chunks of a video task go. Chunks are numbered in the film.
type ChunkSink struct {
	Key       func(chunk int) string // of the segment
	Published Published              // called after each is stored, before the next is finished; its error stops the work
	Progress  func(frames int)       // frames done since RenderVideo began
}

// Published is told of a chunk that is stored. stats are those of all chunks since RenderVideo began.
type Published func(chunk int, segment Segment, stats TaskStats) error

// RenderVideo renders a video task from chunk number from on (counted in the film) and stores each chunk as a segment.
//
// A recording whose decoder kills the child is left out from the chunk in which it did: the rest of the task is rendered
// without it, and the stats say so. Chunks of packets that are copied are only stored. The stats are those of the chunks that were published, also after an error.
func (c *Composer) RenderVideo(ctx context.Context, task *plan.VideoTask, from int, recordings Recordings, sink ChunkSink) (TaskStats, error) {
	if task.Copy != nil {
		return c.copyVideo(ctx, task, from, recordings, sink)
	}
	stats := newTaskStats()
	for {
		chunks := task.Chunks[from-task.First:]
		if len(chunks) == 0 {
			return stats, nil
		}
		w := &chunkWriter{ctx: ctx, store: c.Store, number: from, sink: sink, before: stats, stats: stats}
		tracks, used, err := c.renderChunks(ctx, task, chunks, recordings, w, stats.Lost)
		stats = w.stats
		stats.CPU += used
		if err == nil {
			return stats, nil
		}
		from = w.number
		if !c.leaveOut(err, tracks, &stats) {
			return stats, err
		}
	}
}

// renderChunks renders consecutive chunks of a task in one child, without the recordings that were left out. It returns the
// plan's numbers of the child's tracks, and how much processor time the child used.
func (c *Composer) renderChunks(ctx context.Context, task *plan.VideoTask, chunks []protocol.Chunk, recordings Recordings, w *chunkWriter, lost []int) ([]int, time.Duration, error) {
	child, err := newVideoChild(task, chunks, recordings, lost)
	if err != nil {
		return nil, 0, err
	}
	defer child.packets.Close()
	w.tracks = child.numbers
	result, err := render.Run(ctx, c.Render, protocol.Plan{Video: &child.plan}, child.packets.Next, w)
	w.abandon()
	if err != nil {
		return child.numbers, result.CPU, err
	}
	if want := chunks[len(chunks)-1].To - chunks[0].From; result.Frames != want {
		return child.numbers, result.CPU, fmt.Errorf("render child made %d of %d frames", result.Frames, want)
	}
	return child.numbers, result.CPU, nil
}

// videoChild is what one child is sent.
type videoChild struct {
	plan    protocol.VideoPlan
	packets feed
	numbers []int // the film's plan's, of the child's tracks
}

// newVideoChild plans the work of a child that renders consecutive chunks of a task, without the recordings that were left out.
func newVideoChild(task *plan.VideoTask, chunks []protocol.Chunk, recordings Recordings, lost []int) (*videoChild, error) {
	child := &videoChild{plan: protocol.VideoPlan{
		Width: task.Canvas.W, Height: task.Canvas.H, FPS: task.FPS, Colour: task.Colour, Encoder: task.Encoder, Chunks: chunks,
	}}
	var tracks []int // of the child's tracks, the task's numbers
	for n, t := range task.Tracks {
		ranges := t.From(chunks[0])
		if len(ranges) == 0 || slices.Contains(lost, t.Track) {
			continue
		}
		recording, err := recordings(t.Track)
		if err != nil {
			child.packets.Close()
			return nil, err
		}
		child.packets.add(len(tracks), t.Shift, t.Clock, recording, ranges, t.Parts...)
		tracks, child.numbers = append(tracks, n), append(child.numbers, t.Track)
		described := t.Media
		if t.Ranges[0].From < chunks[0].From { // the child of an earlier chunk decodes what comes before
			described.Counted = timeline.FrameTime(chunks[0].From-1, task.FPS) + 1
		}
		child.plan.Tracks = append(child.plan.Tracks, described)
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
		child.plan.Scenes = append(child.plan.Scenes, shown)
	}
	return child, nil
}

// chunkWriter stores what a video child answers, chunk by chunk.
type chunkWriter struct {
	ctx     context.Context // of the one child whose answers it takes
	store   segmentStore
	number  int // of the chunk being written
	sink    ChunkSink
	tracks  []int     // the plan's numbers of the child's tracks
	before  TaskStats // of the chunks that other children made
	stats   TaskStats // with those of this child's finished chunks
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

func (w *chunkWriter) ChunkDone(done protocol.ChunkDone) error {
	if w.current == nil {
		return errors.New("render child finished a chunk without a frame")
	}
	current := w.current
	w.current = nil
	segment, err := current.commit()
	if err != nil {
		return err
	}
	stats := w.before.Plus(statsOf(w.tracks, done.Tracks))
	if err := w.sink.Published(w.number, segment, stats); err != nil {
		return err
	}
	w.stats = stats
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
