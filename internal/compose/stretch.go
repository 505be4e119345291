package compose

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"syscall"

	"roomreel/internal/blob"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
)

// Composer runs plans.
type Composer struct {
	Render render.Command // how to start a child
	Work   blob.Store     // where packets objects are kept until the film is whole
	Log    *slog.Logger
}

// Outcome says what became of the recordings in one child's work, by index into Plan.Tracks.
type Outcome struct {
	Tracks map[int]protocol.TrackStats
	Lost   []int // left out because decoding them killed a child
	Peak   float64

	// Resumed: an attempt before this one made a part of it. Of that part only Lost is known.
	Resumed bool `json:",omitempty"`

	suspects []int // worked on when a child died that was killed or stood still
}

// Stretch renders the chunks of stretch s from number from on (counted in the film) and stores each as a packets object
// under keyOf(number). published is called after each is stored, before the next is finished; its error stops the work.
// progress is called with the number of pictures done since the call began.
//
// A recording whose decoder kills the child is left out from the chunk in which it did: the rest of the stretch is
// rendered without it, and the Outcome says so.
func (c *Composer) Stretch(ctx context.Context, p *Plan, s Stretch, from int, media Media,
	keyOf func(chunk int) string, published func(chunk int) error, progress func(pictures int),
) (Outcome, error) {
	outcome := Outcome{Tracks: map[int]protocol.TrackStats{}}
	for {
		chunks := s.Chunks[from-s.First:]
		if len(chunks) == 0 {
			return outcome, nil
		}
		tracks := p.visibleIn(chunks, outcome.Lost)
		plan, next, err := p.pictureJob(chunks, tracks, media)
		if err != nil {
			return outcome, err
		}
		w := &chunkWriter{ctx: ctx, composer: c, number: from, keyOf: keyOf, published: published, progress: progress}
		facts, err := render.Run(ctx, c.Render, protocol.Plan{Video: plan}, next, w)
		w.abandon()
		from = w.number
		if err == nil {
			if want := chunks[len(chunks)-1].To - chunks[0].From; facts.Frames != want {
				return outcome, fmt.Errorf("render child made %d of %d pictures", facts.Frames, want)
			}
			outcome.add(tracks, facts)
			return outcome, nil
		}
		if !c.blame(err, tracks, &outcome) {
			return outcome, err
		}
	}
}

// blame finds the recording that killed a child, and reports whether the rest can be rendered after that. A decoder that
// crashed would do so again, so its recording is left out. A child that was killed from outside, or that stood still, may
// have been innocent: its recording is left out the second time.
func (c *Composer) blame(err error, tracks []int, outcome *Outcome) bool {
	var exit *render.ExitError
	if !errors.As(err, &exit) || exit.Track < 0 || exit.Track >= len(tracks) {
		return false
	}
	suspect := tracks[exit.Track]
	unsure := exit.Signal == syscall.SIGKILL || exit.Stalled || exit.TimedOut
	if unsure && !slices.Contains(outcome.suspects, suspect) {
		c.Log.Warn("render child died and is started again", "track", suspect, "err", err)
		outcome.suspects = append(outcome.suspects, suspect)
		return true
	}
	c.Log.Warn("recording killed its decoder and is left out", "track", suspect, "err", err)
	outcome.Lost = append(outcome.Lost, suspect)
	return true
}

// After adds what is known of an attempt that did not come to its end.
func (o Outcome) After(before Outcome) Outcome {
	o.Resumed = true
	o.Lost = slices.Clone(o.Lost)
	for _, track := range before.Lost {
		if !slices.Contains(o.Lost, track) {
			o.Lost = append(o.Lost, track)
		}
	}
	return o
}

func (o *Outcome) add(tracks []int, facts protocol.Stats) {
	for i, t := range tracks {
		if i < len(facts.Tracks) {
			o.Tracks[t] = facts.Tracks[i]
		}
	}
	o.Peak = max(o.Peak, facts.Peak)
}

// visibleIn lists the tracks that the given chunks show, without those in lost.
func (p *Plan) visibleIn(chunks []protocol.Chunk, lost []int) []int {
	var tracks []int
	for _, scene := range p.scenesIn(chunks) {
		for _, cell := range scene.Cells {
			if !slices.Contains(tracks, cell.Track) && !slices.Contains(lost, cell.Track) {
				tracks = append(tracks, cell.Track)
			}
		}
	}
	slices.Sort(tracks)
	return tracks
}

// scenesIn returns the scenes that the given chunks show.
func (p *Plan) scenesIn(chunks []protocol.Chunk) []Scene {
	from, to := chunks[0].From, chunks[len(chunks)-1].To
	first := 0
	for i, scene := range p.Scenes {
		if scene.From <= from {
			first = i
		}
	}
	last := first
	for last < len(p.Scenes) && p.Scenes[last].From < to {
		last++
	}
	return p.Scenes[first:last]
}

// pictureJob is what a child needs to render chunks from the given tracks: its plan, and the packets one by one.
func (p *Plan) pictureJob(chunks []protocol.Chunk, tracks []int, media Media) (*protocol.VideoPlan, func() (protocol.Packet, error), error) {
	plan := &protocol.VideoPlan{
		Width: p.Canvas.W, Height: p.Canvas.H, FPS: p.FPS, Encoder: p.picture, Chunks: chunks,
	}
	var packets feed
	for number, t := range tracks {
		plan.Tracks = append(plan.Tracks, p.renderTrack(t))
		bytes, err := media(t)
		if err != nil {
			return nil, nil, err
		}
		packets.add(number, p.Tracks[t], p.pictureRanges(t, chunks[0].From, chunks[len(chunks)-1].To), bytes)
	}
	for _, scene := range p.scenesIn(chunks) {
		result := protocol.Scene{From: scene.From}
		for _, cell := range scene.Cells {
			if number := slices.Index(tracks, cell.Track); number >= 0 {
				result.Cells = append(result.Cells, protocol.Cell{
					Track: number, X: cell.Rect.X, Y: cell.Rect.Y, W: cell.Rect.W, H: cell.Rect.H,
				})
			}
		}
		plan.Scenes = append(plan.Scenes, result)
	}
	return plan, packets.Next, nil
}

// chunkWriter stores what a picture child answers, chunk by chunk.
type chunkWriter struct {
	ctx       context.Context // of the one child whose answers it takes
	composer  *Composer
	number    int // of the chunk being written
	keyOf     func(int) string
	published func(int) error
	progress  func(int)
	header    protocol.Header
	current   *packetsWriter
}

func (w *chunkWriter) Header(h protocol.Header) error {
	w.header = h
	return nil
}

func (w *chunkWriter) Packet(packet protocol.Packet) error {
	if w.current == nil {
		w.current = newPacketsWriter(w.ctx, w.composer.Work, w.keyOf(w.number), w.header)
	}
	return w.current.add(packet)
}

func (w *chunkWriter) ChunkDone(int) error {
	if w.current == nil {
		return errors.New("render child finished a chunk without a picture")
	}
	current := w.current
	w.current = nil
	if err := current.commit(); err != nil {
		return err
	}
	if err := w.published(w.number); err != nil {
		return err
	}
	w.number++
	return nil
}

func (w *chunkWriter) Progress(pictures int64) error {
	w.progress(int(pictures))
	return nil
}

func (w *chunkWriter) abandon() {
	if w.current != nil {
		w.current.abort()
		w.current = nil
	}
}

var _ render.Handler = (*chunkWriter)(nil)
