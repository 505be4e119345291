package compose

import (
	"context"
	"errors"
	"fmt"

	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
	"roomreel/internal/still"
)

// RenderStill renders one frame of a film, as it is before it is encoded. Up to atOnce recordings are decoded at the same time.
//
// When a decoder kills the child, another child decodes the recordings one after another, so that it is known whose decoder
// does so. The frame is then rendered without that recording.
func (c *Composer) RenderStill(ctx context.Context, film *plan.Still, recordings Recordings, atOnce int) (still.Frame, error) {
	task := film.Task
	task.Encoder.Threads = atOnce
	stats := newTaskStats()
	for {
		frame, tracks, err := c.renderStill(ctx, &task, recordings, stats.Lost)
		if err == nil || ctx.Err() != nil {
			return frame, err
		}
		exit, died := errors.AsType[*render.ExitError](err)
		switch {
		case !died || exit.TimedOut:
			return frame, err
		case task.Encoder.Threads > 1:
			task.Encoder.Threads = 1
		case !c.leaveOut(err, tracks, &stats):
			return frame, err
		}
	}
}

func (c *Composer) renderStill(ctx context.Context, task *plan.VideoTask, recordings Recordings, lost []int) (still.Frame, []int, error) {
	child, err := newVideoChild(task, task.Chunks, recordings, lost)
	if err != nil {
		return still.Frame{}, nil, err
	}
	defer child.packets.Close()
	w := &stillWriter{}
	if _, err := render.Run(ctx, c.Render, protocol.Plan{Video: &child.plan}, child.packets.Next, w); err != nil {
		return still.Frame{}, child.numbers, err
	}
	frame, err := still.New(task.Canvas.W, task.Canvas.H, task.Colour.Matrix, w.planes)
	if err != nil {
		err = fmt.Errorf("render child: %w", err)
	}
	return frame, child.numbers, err
}

// stillWriter keeps the frame that a child answers.
type stillWriter struct{ planes []byte }

func (w *stillWriter) Header(protocol.Header) error { return nil }

func (w *stillWriter) Packet(packet protocol.Packet) error {
	w.planes = packet.Data
	return nil
}

func (w *stillWriter) ChunkDone(protocol.ChunkDone) error { return nil }
func (w *stillWriter) Progress(int64) error               { return nil }
