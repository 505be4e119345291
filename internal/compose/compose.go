// Package compose carries out plans: the parent's side of the work. It decides nothing about a film; package plan does.
//
// [Composer.RenderVideo] renders the chunks of a video task in one child, [Composer.RenderAudio] an audio task in another,
// [Composer.EncodeAudio] makes one audio track of the samples that several audio tasks left, and [Composer.WriteFilm]
// joins the segments that they stored into an mp4 or WebM and reads it back. [Local] does all of it for files on disk.
package compose

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
)

// Composer runs tasks.
type Composer struct {
	Render render.Command // how to start a child
	Store  blob.Store     // where segments are kept until the film is whole
	Log    *slog.Logger
}

// Recording is an open recording.
type Recording struct {
	Index *media.IndexFile
	File  io.ReaderAt
}

// Recordings opens the recording of the plan's track at the given place in plan.Summary.Tracks.
type Recordings func(track int) (Recording, error)

// TaskStats says what became of the recordings in one task, by index into plan.Summary.Tracks.
type TaskStats struct {
	Tracks map[int]protocol.TrackStats
	Lost   []int // left out because decoding them killed a child
	Peak   float64
	CPU    time.Duration `json:",omitempty"` // that the children used which ended well

	suspects []int // tracks worked on when a child was killed from outside or stood still
}

func newTaskStats() TaskStats { return TaskStats{Tracks: map[int]protocol.TrackStats{}} }

// Plus returns the stats of this part of the work and of one that follows it in the film.
func (s TaskStats) Plus(next TaskStats) TaskStats {
	sum := TaskStats{Tracks: map[int]protocol.TrackStats{}, Lost: slices.Clone(s.Lost), Peak: max(s.Peak, next.Peak), CPU: s.CPU + next.CPU, suspects: s.suspects}
	for _, part := range []TaskStats{s, next} {
		for t, stats := range part.Tracks {
			track := sum.Tracks[t]
			track.Add(stats)
			sum.Tracks[t] = track
		}
	}
	for _, track := range next.Lost {
		if !slices.Contains(sum.Lost, track) {
			sum.Lost = append(sum.Lost, track)
		}
	}
	return sum
}

// statsOf returns the stats of one child. numbers are the plan's of the child's tracks.
func statsOf(numbers []int, tracks []protocol.TrackStats) TaskStats {
	s := newTaskStats()
	for i, t := range numbers {
		if i < len(tracks) {
			track := tracks[i]
			track.Refusal = printable(track.Refusal)
			track.Seen = track.Seen[:min(len(track.Seen), protocol.MaxSeen)]
			s.Tracks[t] = track
		}
	}
	return s
}

// printable returns a child's text as a report may show it: a child that was taken over can send anything.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	return fmt.Sprintf("%.200s", text)
}

// leaveOut finds the recording that killed a child, and reports whether the rest can be rendered after that. A decoder
// that crashed would do so again, so its recording is left out. When a child was killed from outside or stood still, its
// recording may not be the cause: it is left out the second time.
func (c *Composer) leaveOut(err error, tracks []int, stats *TaskStats) bool {
	var exit *render.ExitError
	if !errors.As(err, &exit) || exit.Track < 0 || exit.Track >= len(tracks) {
		return false
	}
	suspect := tracks[exit.Track]
	unsure := exit.Signal == syscall.SIGKILL || exit.Stalled || exit.TimedOut
	if unsure && !slices.Contains(stats.suspects, suspect) {
		c.Log.Warn("render child died and is started again", "track", suspect, "err", err)
		stats.suspects = append(stats.suspects, suspect)
		return true
	}
	c.Log.Warn("recording killed its decoder and is left out", "track", suspect, "err", err)
	stats.Lost = append(stats.Lost, suspect)
	return true
}
