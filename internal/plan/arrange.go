package plan

import (
	"fmt"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/timeline"
	"roomreel/internal/twilio"
)

// Request is a film that a caller asked for, checked.
type Request struct {
	Layout        layout.Layout
	AudioSources  []string
	AudioExcluded []string
	Size          layout.Size // as asked; the canvas is the next even size below
	Format        roomreel.Format
	Trim          bool
}

// ParseRequest reads the request that a composition's row holds. Package app checked it when it came.
func ParseRequest(spec roomreel.FilmSpec) (Request, error) {
	size, err := layout.ParseResolution(spec.Resolution, layout.Largest)
	if err != nil {
		return Request{}, err
	}
	req := Request{
		Layout:       layout.Layout{Canvas: size},
		AudioSources: spec.AudioSources, AudioExcluded: spec.AudioSourcesExcluded,
		Size: size, Format: spec.Format, Trim: spec.Trim,
	}
	if spec.VideoLayout != "" {
		if req.Layout, err = layout.Parse(spec.VideoLayout, size); err != nil {
			return Request{}, err
		}
	}
	return req, nil
}

// Track is one recording of the room, as it is arranged in time and on the canvas.
type Track struct {
	Recording   roomreel.RecordingSID
	Source      roomreel.TrackSID
	Participant roomreel.ParticipantSID
	Identity    string // for the report only
	Name        string
	Kind        roomreel.TrackKind
	Offset      time.Duration // room time of the first packet
	Length      time.Duration // from the first packet to the end of the last; see media.Index.Length
	Known       time.Duration // how long it lasted in room time, as its recorder knows; 0 when that is not known
}

// Lasts is how long the recording lasts in room time.
func (t Track) Lasts() time.Duration { return timeline.Lasts(t.Length, t.Known) }

// minAudio is how long the shortest recording of audio is heard: one usual Opus packet.
const minAudio = 20 * time.Millisecond

// span is when a recording exists in room time. One that has a packet is seen in at least one frame or heard for at least
// minAudio, however short it is.
func (t Track) span(fps int) timeline.Span {
	least := minAudio
	if t.Kind == roomreel.Video {
		// Rounded up, so that it holds the instant of a frame wherever it lies.
		least = time.Duration((int64(time.Second) + int64(fps) - 1) / int64(fps))
	}
	return timeline.Span{Start: t.Offset, End: t.Offset + max(t.Lasts(), least)}
}

func (t Track) String() string {
	if t.Recording != "" {
		return "recording " + string(t.Recording)
	}
	return fmt.Sprintf("recording %q", t.Name)
}

// Arrangement says which recordings a film shows, when, and where. Times are output time.
type Arrangement struct {
	Canvas     layout.Size
	Length     time.Duration
	Intervals  []timeline.Interval // the room time that the film shows
	Tracks     []Arranged          // one for each track, in the order they were given
	Placements []layout.Placement  // Source is an index into Tracks. In the order of layout.Layout.Place

	video, audio []int // indexes of the selected tracks
}

// Arranged is one track of an arrangement.
type Arranged struct {
	Used       bool // a selector of the request names it
	Start, End time.Duration
}

// ErrNoTracks means that the request's selectors match no recording.
var ErrNoTracks = &roomreel.Error{
	Code: roomreel.Invalid, Twilio: twilio.NoTracks,
	Detail: "no recording of the room matches VideoLayout or AudioSources",
}

// Arrange selects tracks, puts them on the film's time line and its video tracks on the canvas. The error is
// ErrNoTracks when none is selected, and a *roomreel.Error that names a recording when the film would pass the limits.
func Arrange(req Request, tracks []Track, opts Options) (*Arrangement, error) {
	limits := opts.Limits.WithDefaults()
	if len(tracks) > limits.Tracks {
		return nil, limitError("the room has %d recordings; a film is made of at most %d (limits.tracks)", len(tracks), limits.Tracks)
	}
	a := &Arrangement{
		Canvas: layout.Size{W: req.Size.W &^ 1, H: req.Size.H &^ 1},
		Tracks: make([]Arranged, len(tracks)),
	}
	sources := make([]layout.Source, len(tracks))
	for i, t := range tracks {
		sources[i] = layout.Source{
			Recording: string(t.Recording), Track: string(t.Source), Participant: string(t.Participant), Name: t.Name,
		}
		if t.Kind == roomreel.Video {
			a.video = append(a.video, i)
		} else {
			a.audio = append(a.audio, i)
		}
	}
	a.video = pick(a.video, req.Layout.Matches(pick(sources, a.video)))
	a.audio = pick(a.audio, layout.Select(pick(sources, a.audio), req.AudioSources, req.AudioExcluded))
	selected := slices.Concat(a.video, a.audio)
	if len(selected) == 0 {
		return nil, ErrNoTracks
	}

	spans := make([]timeline.Span, len(selected))
	first, last := 0, 0 // which of them starts first, and which ends last
	for i, t := range selected {
		spans[i] = tracks[t].span(opts.FPS)
		if spans[i].Start < spans[first].Start {
			first = i
		}
		if spans[i].End > spans[last].End {
			last = i
		}
	}
	spread := spans[last].End - spans[first].Start
	if spread > limits.OffsetSpread {
		return nil, limitError("%v ends %v after %v begins; the recordings of a film may lie %v apart (limits.offset_spread): check their offsets",
			tracks[selected[last]], spread.Round(time.Second), tracks[selected[first]], limits.OffsetSpread)
	}
	line := timeline.New(spans, req.Trim)
	a.Length, a.Intervals = line.Length(), line.Intervals()
	if a.Length > limits.FilmLength {
		return nil, limitError("the film would last %v and may last %v (limits.film_length); %v ends %v after the first begins",
			a.Length.Round(time.Second), limits.FilmLength, tracks[selected[last]], spread.Round(time.Second))
	}
	for i, t := range selected {
		start := spans[i].Start + line.Shift(spans[i])
		a.Tracks[t] = Arranged{Used: true, Start: start, End: start + spans[i].End - spans[i].Start}
		sources[t].Start, sources[t].End = a.Tracks[t].Start, a.Tracks[t].End
	}
	a.Placements = req.Layout.Place(pick(sources, a.video))
	for i := range a.Placements {
		a.Placements[i].Source = a.video[a.Placements[i].Source]
	}
	return a, nil
}

func limitError(format string, args ...any) error {
	return &roomreel.Error{Code: roomreel.Invalid, Twilio: twilio.CompositionTooLarge, Detail: fmt.Sprintf(format, args...)}
}

// pick returns the elements of all at the given places.
func pick[T any](all []T, places []int) []T {
	some := make([]T, len(places))
	for i, place := range places {
		some[i] = all[place]
	}
	return some
}
