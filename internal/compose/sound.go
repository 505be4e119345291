package compose

import (
	"context"
	"fmt"
	"io"
	"slices"

	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
)

// Sound renders the whole sound of the film and stores it as a packets object under key. progress is called with the
// number of samples done.
func (c *Composer) Sound(ctx context.Context, p *Plan, media Media, key string, progress func(samples int64)) (Outcome, error) {
	outcome := Outcome{Tracks: map[int]protocol.TrackStats{}}
	for {
		var voices []Voice
		var tracks []int
		for _, v := range p.Sound {
			if !slices.Contains(outcome.Lost, v.Track) {
				voices = append(voices, v)
				tracks = append(tracks, v.Track)
			}
		}
		var packets feed
		for number, t := range tracks {
			bytes, err := media(t)
			if err != nil {
				return outcome, err
			}
			packets.add(number, p.Tracks[t], [][2]int{{0, len(p.Tracks[t].Index.Packets)}}, bytes)
		}
		w := &soundWriter{chunkWriter{ctx: ctx, composer: c, keyOf: func(int) string { return key }}, progress}
		facts, err := render.Run(ctx, c.Render, protocol.Plan{Audio: p.soundPlan(voices)}, packets.Next, w)
		if err == nil && facts.Samples != p.Samples {
			err = fmt.Errorf("render child made %d of %d samples", facts.Samples, p.Samples)
		}
		if err == nil && w.current == nil {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			outcome.add(tracks, facts)
			current := w.current
			w.current = nil
			return outcome, current.commit()
		}
		w.abandon()
		if !c.blame(err, tracks, &outcome) {
			return outcome, err
		}
	}
}

// soundWriter stores what a sound child answers.
type soundWriter struct {
	chunkWriter
	samples func(int64)
}

func (w *soundWriter) ChunkDone(int) error { return nil }

func (w *soundWriter) Progress(samples int64) error {
	w.samples(samples)
	return nil
}
