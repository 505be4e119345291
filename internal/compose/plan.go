package compose

import (
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Plan is a film decided in full. A film has a picture when a region of the layout selects at least one video
// recording, and sound when AudioSources select at least one audio recording.
type Plan struct {
	Format    roomreel.Format
	Canvas    layout.Size
	FPS       int
	Length    time.Duration       // of the film
	Intervals []timeline.Interval // which room time it shows
	Pictures  int                 // 0: no picture
	Samples   int64               // 0: no sound
	Tracks    []Placed            // the room's recordings, in the order they were given
	Scenes    []Scene
	Stretches []Stretch
	Sound     []Voice

	picture protocol.Encoder
	sound   protocol.Encoder
}

// Placed is a recording on the film's time line.
type Placed struct {
	Track
	Used  bool          // a selector of the request names it
	Shift time.Duration // output time of its first packet
}

// Scene is who is where from picture From until the next scene.
type Scene struct {
	From  int
	Cells []Cell // in drawing order
}

// Cell is a recording's rectangle.
type Cell struct {
	Track int // index into Plan.Tracks
	Rect  layout.Rect
}

// Voice is one audible recording and where its sound lies.
type Voice struct {
	Track   int // index into Plan.Tracks
	Runs    []protocol.Run
	Drift   time.Duration // what clocks drifted by, corrected
	Refused bool          // some stamps drift more than any clock does, and were not followed
}

// NewPlan decides the film that req asks for. It is pure. The error is ErrNoTracks when no recording is selected.
func NewPlan(req Request, tracks []Track, opts Options) (*Plan, error) {
	p := &Plan{
		Format: req.Format,
		Canvas: layout.Size{W: req.Size.W &^ 1, H: req.Size.H &^ 1},
		FPS:    opts.FPS,
		Tracks: make([]Placed, len(tracks)),
	}
	sources := make([]layout.Source, len(tracks))
	var videos, audios []int // indexes into tracks
	for i, t := range tracks {
		p.Tracks[i].Track = t
		sources[i] = layout.Source{
			Recording: string(t.Recording), Track: string(t.Source), Participant: string(t.Participant), Name: t.Name,
		}
		if t.Kind == roomreel.Video {
			videos = append(videos, i)
		} else {
			audios = append(audios, i)
		}
	}
	videos = gather(videos, req.Layout.Matches(gather(sources, videos)))
	audios = gather(audios, layout.Select(gather(sources, audios), req.AudioSources, req.AudioExcluded))
	used := slices.Concat(videos, audios)
	if len(used) == 0 {
		return nil, ErrNoTracks
	}

	spans := make([]timeline.Span, len(used))
	for i, t := range used {
		spans[i] = timeline.Span{Start: tracks[t].Offset, End: tracks[t].Offset + tracks[t].Index.Length()}
	}
	line := timeline.New(spans, req.Trim)
	p.Length, p.Intervals = line.Length(), line.Intervals()
	for i, t := range used {
		p.Tracks[t].Used = true
		p.Tracks[t].Shift = spans[i].Start + line.Shift(spans[i])
		sources[t].Start = p.Tracks[t].Shift
		sources[t].End = sources[t].Start + tracks[t].Index.Length()
	}

	p.picture, p.sound = opts.Encoder.encoders(req.Format, p.Canvas, opts.FPS)
	if len(videos) > 0 {
		p.Pictures = timeline.Frames(p.Length, opts.FPS)
		p.Scenes = scenes(req.Layout.Place(gather(sources, videos)), videos, opts.FPS, p.Pictures)
		p.Stretches = p.stretches(opts)
	}
	if len(audios) > 0 {
		p.Samples = timeline.Samples(p.Length)
		for _, t := range audios {
			p.Sound = append(p.Sound, p.voice(t))
		}
	}
	return p, nil
}

// scenes turns placements in time into rows of cells by picture number. Picture n shows a placement when its instant
// n/fps lies in [From, To).
func scenes(placements []layout.Placement, tracks []int, fps, pictures int) []Scene {
	type visible struct {
		from, to int
		at       layout.Placement
	}
	var all []visible
	borders := []int{0}
	for _, at := range placements {
		v := visible{from: timeline.FrameAt(at.From, fps), to: min(timeline.FrameAt(at.To, fps), pictures), at: at}
		if v.from < v.to {
			all = append(all, v)
			borders = append(borders, v.from, v.to)
		}
	}
	slices.SortStableFunc(all, func(a, b visible) int { return layout.DrawOrder(a.at, b.at) })
	slices.Sort(borders)
	var result []Scene
	for _, from := range slices.Compact(borders) {
		if from >= pictures {
			break
		}
		scene := Scene{From: from}
		for _, v := range all {
			if v.from <= from && from < v.to {
				scene.Cells = append(scene.Cells, Cell{Track: tracks[v.at.Source], Rect: v.at.Rect})
			}
		}
		if n := len(result); n > 0 && slices.Equal(result[n-1].Cells, scene.Cells) {
			continue
		}
		result = append(result, scene)
	}
	return result
}

// gather returns the elements of all at the given places.
func gather[T any](all []T, places []int) []T {
	some := make([]T, len(places))
	for i, place := range places {
		some[i] = all[place]
	}
	return some
}
