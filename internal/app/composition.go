package app

import (
	"context"

	"roomreel"
	"roomreel/internal/layout"
)

// FilmParams is the part that CreateComposition and CreateHook share. An empty string is the same as an absent one.
type FilmParams struct {
	VideoLayout          string // JSON
	AudioSources         []string
	AudioSourcesExcluded []string
	Resolution           string // WxH
	Format               string
	Trim                 *bool
	StatusCallback       string
	StatusCallbackMethod string
}

// film checks the parameters and fills in the defaults.
//
// Source: twilio.com/docs/video/api/compositions-resource, "Create a Composition".
func (in FilmParams) film() (f roomreel.FilmSpec, err error) {
	f = roomreel.FilmSpec{
		AudioSources: in.AudioSources, AudioSourcesExcluded: in.AudioSourcesExcluded, Resolution: in.Resolution,
		Format: roomreel.Format(in.Format), Trim: or(in.Trim, true),
	}
	if f.Resolution == "" {
		f.Resolution = layout.DefaultResolution
	}
	canvas, err := layout.ParseResolution(f.Resolution)
	if err != nil {
		return f, err
	}
	shape := layout.Layout{Canvas: canvas}
	if in.VideoLayout != "" {
		if shape, err = layout.Parse(in.VideoLayout, canvas); err != nil {
			return f, err
		}
	}
	if shape.Empty() && len(in.AudioSources) == 0 {
		return f, roomreel.InvalidParam("VideoLayout", "give VideoLayout, AudioSources or both; a film of neither would be empty")
	}
	f.VideoLayout = shape.JSON()
	if err := layout.ValidateSelectors("AudioSources", in.AudioSources); err != nil {
		return f, err
	}
	if err := layout.ValidateSelectors("AudioSourcesExcluded", in.AudioSourcesExcluded); err != nil {
		return f, err
	}
	if err := oneOf("Format", f.Format, roomreel.MP4, roomreel.WebM); err != nil {
		return f, err
	}
	if f.Format == "" {
		f.Format = roomreel.WebM
	}
	f.StatusCallback, err = callback(in.StatusCallback, in.StatusCallbackMethod)
	return f, err
}

// CreateComposition asks for a film of a room.
type CreateComposition struct {
	RoomSID string
	FilmParams
}

// CreateComposition enqueues a film of a room. Work begins when the room is completed.
func (a *App) CreateComposition(ctx context.Context, acct roomreel.AccountSID, in CreateComposition) (roomreel.Composition, error) {
	if in.RoomSID == "" {
		return roomreel.Composition{}, roomreel.InvalidParam("RoomSid", "is missing; give the SID of a room")
	}
	room, err := sid[roomreel.RoomSID]("RoomSid", in.RoomSID)
	if err != nil {
		return roomreel.Composition{}, err
	}
	film, err := in.film()
	if err != nil {
		return roomreel.Composition{}, err
	}
	if _, err := a.store.Room(ctx, acct, string(room)); roomreel.CodeOf(err) == roomreel.NotFound {
		return roomreel.Composition{}, roomreel.InvalidParam("RoomSid", "there is no room %s", room)
	} else if err != nil {
		return roomreel.Composition{}, err
	}
	return a.compose(ctx, acct, room, film, nil)
}

// compose adds a composition under the account's present settings.
func (a *App) compose(ctx context.Context, acct roomreel.AccountSID, room roomreel.RoomSID, film roomreel.FilmSpec, hook *roomreel.Hook) (roomreel.Composition, error) {
	settings, err := a.store.Settings(ctx, acct, roomreel.CompositionSettings)
	if err != nil {
		return roomreel.Composition{}, err
	}
	return a.store.CreateComposition(ctx, roomreel.Composition{
		SID: roomreel.NewSID[roomreel.CompositionSID](), AccountSID: acct, RoomSID: room, Spec: film,
		Destination: settings.Destination(),
	}, hook)
}

// Composition returns a composition. Its metadata stays for a while after it is deleted.
func (a *App) Composition(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID) (roomreel.Composition, error) {
	return a.store.Composition(ctx, acct, sid)
}

// Compositions lists an account's compositions, without deleted ones unless the filter asks for them.
func (a *App) Compositions(ctx context.Context, acct roomreel.AccountSID, filter CompositionFilter, page Page) (List[roomreel.Composition], error) {
	err := oneOf("Status", filter.Status, roomreel.CompositionEnqueued, roomreel.CompositionProcessing,
		roomreel.CompositionCompleted, roomreel.CompositionDeleted, roomreel.CompositionFailed)
	if err == nil && filter.RoomSID != "" {
		filter.RoomSID, err = sid[roomreel.RoomSID]("RoomSid", string(filter.RoomSID))
	}
	if err != nil {
		return List[roomreel.Composition]{}, err
	}
	return a.store.Compositions(ctx, acct, filter, page)
}

// DeleteComposition stops a composition's work and erases its film; a file in a customer's bucket stays. A failed
// composition is a Conflict unless force is set.
func (a *App) DeleteComposition(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID, force bool) error {
	return a.store.DeleteComposition(ctx, acct, sid, force)
}

// CompositionReport returns the JSON that says what went into a film and what did not, "" while there is none, and why
// the composition failed if it did.
func (a *App) CompositionReport(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID) (string, roomreel.Failure, error) {
	c, err := a.store.Composition(ctx, acct, sid)
	if err != nil {
		return "", roomreel.Failure{}, err
	}
	if c.Report == "" && c.Failure.Code == 0 {
		return "", c.Failure, roomreel.Errorf(roomreel.NotFound, "composition %s is %s and has no report", sid, c.Status)
	}
	return c.Report, c.Failure, nil
}
