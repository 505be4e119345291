package app

import (
	"context"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/timeline"
)

// previewTracks bounds the work of one preview. It is many times the tracks of the largest room.
const previewTracks = 10_000

// PreviewLayout asks where everybody would be in a film, without making it.
type PreviewLayout struct {
	RoomSID string         // whose recordings are placed; "" places Tracks
	Tracks  []PreviewTrack // instead of a room's recordings
	FilmParams
}

// PreviewTrack is a recorded track, real or made up.
type PreviewTrack struct {
	Recording   string // RT…
	Track       string // MT…
	Participant string // PA…
	Name        string
	Kind        roomreel.TrackKind
	Start, End  time.Duration // room time
}

// LayoutPreview is what a film would look like.
type LayoutPreview struct {
	Canvas     layout.Size
	Layout     string // JSON, defaults filled in
	Length     time.Duration
	Placements []PreviewPlacement // in the order in which they begin
}

// PreviewPlacement is a track's rectangle for a while, in output time.
type PreviewPlacement struct {
	Track PreviewTrack
	layout.Placement
}

// PreviewLayout returns the rectangles of a film with these parameters. It decodes nothing and writes nothing.
func (a *App) PreviewLayout(ctx context.Context, acct roomreel.AccountSID, in PreviewLayout) (LayoutPreview, error) {
	resolution := in.Resolution
	if resolution == "" {
		resolution = layout.DefaultResolution
	}
	canvas, err := layout.ParseResolution(resolution)
	if err != nil {
		return LayoutPreview{}, err
	}
	plan := layout.Layout{Canvas: canvas}
	if in.VideoLayout != "" {
		if plan, err = layout.Parse(in.VideoLayout, canvas); err != nil {
			return LayoutPreview{}, err
		}
	}
	if err := layout.ValidateSelectors("AudioSources", in.AudioSources); err != nil {
		return LayoutPreview{}, err
	}
	if err := layout.ValidateSelectors("AudioSourcesExcluded", in.AudioSourcesExcluded); err != nil {
		return LayoutPreview{}, err
	}
	tracks := in.Tracks
	if in.RoomSID != "" {
		if tracks, err = a.roomTracks(ctx, acct, in.RoomSID); err != nil {
			return LayoutPreview{}, err
		}
	}
	if len(tracks) > previewTracks {
		return LayoutPreview{}, roomreel.Errorf(roomreel.Invalid, "a preview places at most %d tracks", previewTracks)
	}
	trim := in.Trim == nil || *in.Trim
	preview := place(plan, tracks, in.AudioSources, in.AudioSourcesExcluded, trim)
	preview.Canvas, preview.Layout = canvas, plan.JSON()
	return preview, nil
}

// roomTracks are the recordings of a room that a film could be made of, oldest first.
func (a *App) roomTracks(ctx context.Context, acct roomreel.AccountSID, sid string) ([]PreviewTrack, error) {
	room, err := roomreel.ParseSID[roomreel.RoomSID](sid)
	if err != nil {
		return nil, roomreel.InvalidParam("RoomSid", "%.40q is %v", sid, err)
	}
	if _, err := a.Room(ctx, acct, string(room)); err != nil {
		return nil, err
	}
	var tracks []PreviewTrack
	page := Page{Size: 1000}
	for {
		recordings, err := a.RoomRecordings(ctx, acct, string(room), RecordingFilter{}, page)
		if err != nil {
			return nil, err
		}
		for _, rec := range recordings.Items {
			tracks = append(tracks, PreviewTrack{
				Recording: string(rec.SID), Track: string(rec.TrackSID),
				Participant: string(rec.ParticipantSID), Name: rec.TrackName, Kind: rec.Kind,
				Start: rec.Offset, End: rec.Offset + rec.Duration,
			})
		}
		if recordings.Next == nil || len(tracks) > previewTracks {
			return tracks, nil
		}
		page.After = recordings.Next
	}
}

// place lays the selected tracks on the film's time line and then on its canvas.
func place(plan layout.Layout, tracks []PreviewTrack, audio, audioExcluded []string, trim bool) LayoutPreview {
	var pictures, sounds []PreviewTrack
	for _, t := range tracks {
		if t.Kind == roomreel.Audio {
			sounds = append(sounds, t)
		} else {
			pictures = append(pictures, t)
		}
	}
	heard := layout.Select(sources(sounds, nil), audio, audioExcluded)
	seen := map[int]bool{}
	for _, region := range plan.Regions {
		for _, i := range layout.Select(sources(pictures, nil), region.VideoSources, region.VideoSourcesExcluded) {
			seen[i] = true
		}
	}
	var spans []timeline.Span
	for _, i := range heard {
		spans = append(spans, timeline.Span{Start: sounds[i].Start, End: sounds[i].End})
	}
	for i := range seen {
		spans = append(spans, timeline.Span{Start: pictures[i].Start, End: pictures[i].End})
	}
	line := timeline.New(spans, trim)
	preview := LayoutPreview{Length: line.Length()}
	for _, p := range plan.Place(sources(pictures, &line)) {
		preview.Placements = append(preview.Placements, PreviewPlacement{Track: pictures[p.Source], Placement: p})
	}
	return preview
}

// sources are tracks as selectors see them, in output time when there is a time line.
func sources(tracks []PreviewTrack, line *timeline.Map) []layout.Source {
	out := make([]layout.Source, len(tracks))
	for i, t := range tracks {
		out[i] = layout.Source{Recording: t.Recording, Track: t.Track, Participant: t.Participant, Name: t.Name, Start: t.Start, End: t.End}
		if line != nil {
			shift := line.Shift(timeline.Span{Start: t.Start, End: t.End})
			out[i].Start, out[i].End = t.Start+shift, t.End+shift
		}
	}
	return out
}
