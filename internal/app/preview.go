package app

import (
	"context"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/plan"
)

// MaxPreviewTracks bounds the work of one preview. It is many times the tracks of the largest room.
const MaxPreviewTracks = 10_000

// PreviewLayout asks where every participant would be in a film, without making it.
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
	Canvas     layout.Size // as requested
	Layout     string      // JSON, defaults filled in
	Length     time.Duration
	Placements []PreviewPlacement // in the order in which they begin
}

// PreviewPlacement is a track's rectangle for a while, in output time.
type PreviewPlacement struct {
	Track PreviewTrack
	layout.Placement
}

// PreviewLayout returns the rectangles of a film with these parameters, as the planner arranges them. It decodes nothing
// and writes nothing.
func (a *App) PreviewLayout(ctx context.Context, acct roomreel.AccountSID, in PreviewLayout) (LayoutPreview, error) {
	req, err := in.previewRequest(a)
	if err != nil {
		return LayoutPreview{}, err
	}
	tracks := in.Tracks
	if in.RoomSID != "" {
		if tracks, err = a.roomTracks(ctx, acct, in.RoomSID); err != nil {
			return LayoutPreview{}, err
		}
	}
	if len(tracks) > MaxPreviewTracks {
		return LayoutPreview{}, roomreel.Errorf(roomreel.Invalid, "a preview places at most %d tracks", MaxPreviewTracks)
	}
	planned := make([]plan.Track, len(tracks))
	for i, t := range tracks {
		planned[i] = plan.Track{
			Recording: roomreel.RecordingSID(t.Recording), Source: roomreel.TrackSID(t.Track),
			Participant: roomreel.ParticipantSID(t.Participant), Name: t.Name, Kind: t.Kind, Offset: t.Start, Length: t.End - t.Start,
		}
	}
	preview := LayoutPreview{Canvas: req.Size, Layout: req.Layout.JSON()}
	limits := a.limits
	limits.Tracks = MaxPreviewTracks
	arranged, err := plan.Arrange(req, planned, plan.Options{FPS: a.fps, Limits: limits})
	if err == plan.ErrNoTracks {
		return preview, nil // a preview of nothing shows nothing
	}
	if err != nil {
		return LayoutPreview{}, err
	}
	preview.Length = arranged.Length
	for _, p := range arranged.Placements {
		preview.Placements = append(preview.Placements, PreviewPlacement{Track: tracks[p.Source], Placement: p})
	}
	return preview, nil
}

// previewRequest reads the parameters of a preview. Unlike a composition, one may select nothing.
func (in FilmParams) previewRequest(a *App) (plan.Request, error) {
	spec := roomreel.FilmSpec{
		VideoLayout: in.VideoLayout, AudioSources: in.AudioSources, AudioSourcesExcluded: in.AudioSourcesExcluded,
		Resolution: in.Resolution, Trim: or(in.Trim, true),
	}
	if spec.Resolution == "" {
		spec.Resolution = layout.DefaultResolution
	}
	if _, err := layout.ParseResolution(spec.Resolution, a.maxResolution); err != nil {
		return plan.Request{}, err
	}
	req, err := plan.ParseRequest(spec)
	if err != nil {
		return req, err
	}
	if err := layout.ValidateSelectors("AudioSources", in.AudioSources); err != nil {
		return req, err
	}
	return req, layout.ValidateSelectors("AudioSourcesExcluded", in.AudioSourcesExcluded)
}

// roomTracks are the recordings of a room that a film could be made of, oldest first.
func (a *App) roomTracks(ctx context.Context, acct roomreel.AccountSID, sid string) ([]PreviewTrack, error) {
	room, err := a.roomParam(ctx, acct, sid)
	if err != nil {
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
				Start: rec.Offset, End: rec.Offset + plan.Track{Length: rec.Duration, Known: rec.KnownDuration}.Lasts(),
			})
		}
		if recordings.Next == nil || len(tracks) > MaxPreviewTracks {
			return tracks, nil
		}
		page.After = recordings.Next
	}
}
