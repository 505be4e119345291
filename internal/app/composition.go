package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/plan"
	"roomreel/internal/twilio"
)

// FilmParams are the parameters of compositions and hooks alike. An empty string means that the parameter is absent.
type FilmParams struct {
	VideoLayout          string // JSON
	AudioSources         []string
	AudioSourcesExcluded []string
	Resolution           string // WxH
	Format               string
	Trim                 *bool
	Quality              *roomreel.Quality // nil on Twilio's paths, which do not have it
	StatusCallback       string
	StatusCallbackMethod string
}

// film checks the parameters and fills in the defaults.
//
// Source: twilio.com/docs/video/api/compositions-resource, "Create a Composition".
func (in FilmParams) film(ctx context.Context, a *App) (f roomreel.FilmSpec, err error) {
	f = roomreel.FilmSpec{
		AudioSources: in.AudioSources, AudioSourcesExcluded: in.AudioSourcesExcluded, Resolution: in.Resolution,
		Format: roomreel.Format(in.Format), Trim: or(in.Trim, true),
	}
	if in.Quality != nil {
		f.Quality = *in.Quality
	}
	if f.Resolution == "" {
		f.Resolution = layout.DefaultResolution
	}
	if err := oneOf("Quality", f.Quality, roomreel.QualityDraft, roomreel.QualityStandard, roomreel.QualityArchive, roomreel.QualitySmall); err != nil {
		return f, err
	}
	if err := a.offers(ctx, f); err != nil {
		return f, err
	}
	canvas, err := layout.ParseResolution(f.Resolution, layout.Largest)
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
		return f, roomreel.InvalidParam("VideoLayout", "give VideoLayout, AudioSources or both; a composition of neither would be empty")
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
	f.StatusCallback, err = a.callback(in.StatusCallback, in.StatusCallbackMethod)
	return f, err
}

// offers checks a film against what the server's settings and its running workers allow.
func (a *App) offers(ctx context.Context, f roomreel.FilmSpec) error {
	f.Quality = cmp.Or(f.Quality, a.quality)
	size, err := layout.ParseResolution(f.Resolution, a.maxResolution)
	if err == nil {
		err = plan.CheckQuality(f.Quality, size)
	}
	if err != nil {
		return err
	}
	if f.Quality != roomreel.QualitySmall {
		return nil
	}
	if can, err := a.store.CanEncode(ctx, plan.SmallCodec); err != nil || can {
		return err
	}
	return roomreel.InvalidParam("Quality", "small needs an AV1 encoder, and no running worker has one; draft, standard and archive are possible")
}

// CreateComposition is a request for a film of a room.
type CreateComposition struct {
	RoomSID string
	FilmParams
}

// CreateComposition adds a composition of a room. It is processed when the room is completed.
func (a *App) CreateComposition(ctx context.Context, acct roomreel.AccountSID, in CreateComposition) (roomreel.Composition, error) {
	c, err := a.requested(ctx, acct, in)
	if err != nil {
		return roomreel.Composition{}, err
	}
	return a.compose(ctx, acct, c.RoomSID, c.Spec, nil)
}

// requested returns the composition that a request asks for, without SID: it is not stored.
func (a *App) requested(ctx context.Context, acct roomreel.AccountSID, in CreateComposition) (roomreel.Composition, error) {
	if in.RoomSID == "" {
		return roomreel.Composition{}, roomreel.InvalidParam("RoomSid", "is missing; give the SID of a room")
	}
	film, err := in.film(ctx, a)
	if err != nil {
		return roomreel.Composition{}, err
	}
	room, err := a.roomParam(ctx, acct, in.RoomSID)
	return roomreel.Composition{AccountSID: acct, RoomSID: room, Spec: film}, err
}

// roomParam checks that the account has the room that the parameter RoomSid names. The path of the request is another resource, so
// an unknown room is no NotFound.
func (a *App) roomParam(ctx context.Context, acct roomreel.AccountSID, text string) (roomreel.RoomSID, error) {
	room, err := sid[roomreel.RoomSID]("RoomSid", text)
	if err != nil {
		return "", err
	}
	if _, err := a.store.Room(ctx, acct, string(room)); roomreel.CodeOf(err) == roomreel.NotFound {
		return "", roomreel.InvalidParam("RoomSid", "there is no room %s", room)
	} else if err != nil {
		return "", err
	}
	return room, nil
}

// compose adds a composition with the destination of the account's settings.
func (a *App) compose(ctx context.Context, acct roomreel.AccountSID, room roomreel.RoomSID, film roomreel.FilmSpec, hook *roomreel.Hook) (roomreel.Composition, error) {
	film.Quality = cmp.Or(film.Quality, a.quality)
	settings, err := a.store.Settings(ctx, acct, roomreel.CompositionSettings)
	if err != nil {
		return roomreel.Composition{}, err
	}
	return a.store.CreateComposition(ctx, roomreel.Composition{
		SID: roomreel.NewSID[roomreel.CompositionSID](), AccountSID: acct, RoomSID: room, Spec: film,
		Destination: settings.Destination(),
	}, hook)
}

// Composition returns a composition, also a deleted one as long as its metadata is kept.
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

// DeleteComposition deletes a composition and its film, and stops its processing. A file in a customer's bucket stays. Without
// force, a failed composition is a Conflict.
func (a *App) DeleteComposition(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID, force bool) error {
	return a.store.DeleteComposition(ctx, acct, sid, force)
}

// CompositionReport returns the report as JSON, which says what the film contains and what was left out, and why the composition
// failed. Each may be absent; when both are, the error is NotFound.
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

// CreateHook describes a new hook, or what replaces an existing one.
type CreateHook struct {
	FriendlyName string
	Enabled      *bool
	FilmParams
}

// maxHookName is the longest friendly name of a hook, in characters.
//
// Source: twilio.com/docs/video/api/composition-hooks.
const maxHookName = 100

func (in CreateHook) hook(ctx context.Context, a *App) (h roomreel.Hook, err error) {
	if in.FriendlyName == "" {
		return h, roomreel.InvalidParam("FriendlyName", "is missing; give the hook a name of 1 to %d characters", maxHookName)
	}
	if err := checkName("FriendlyName", in.FriendlyName, maxHookName); err != nil {
		return h, err
	}
	h = roomreel.Hook{FriendlyName: in.FriendlyName, Enabled: or(in.Enabled, true)}
	h.Spec, err = in.film(ctx, a)
	return h, err
}

// CreateHook adds a hook.
func (a *App) CreateHook(ctx context.Context, acct roomreel.AccountSID, in CreateHook) (roomreel.Hook, error) {
	h, err := in.hook(ctx, a)
	if err != nil {
		return roomreel.Hook{}, err
	}
	h.SID, h.AccountSID = roomreel.NewSID[roomreel.HookSID](), acct
	return a.store.CreateHook(ctx, h)
}

// UpdateHook replaces all fields of a hook. A field that is not given is reset to its default, except that the quality stays when
// the request cannot name it.
func (a *App) UpdateHook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID, in CreateHook) (roomreel.Hook, error) {
	before, err := a.store.Hook(ctx, acct, sid)
	if err != nil {
		return roomreel.Hook{}, err
	}
	if in.Quality == nil {
		in.Quality = &before.Spec.Quality
	}
	h, err := in.hook(ctx, a)
	if err != nil {
		return roomreel.Hook{}, err
	}
	h.SID, h.AccountSID = sid, acct
	return a.store.UpdateHook(ctx, h)
}

// Hook returns a hook.
func (a *App) Hook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID) (roomreel.Hook, error) {
	return a.store.Hook(ctx, acct, sid)
}

// Hooks lists an account's hooks.
func (a *App) Hooks(ctx context.Context, acct roomreel.AccountSID, filter HookFilter, page Page) (List[roomreel.Hook], error) {
	if !utf8.ValidString(filter.FriendlyName) {
		return List[roomreel.Hook]{}, roomreel.InvalidParam("FriendlyName", "is not valid UTF-8")
	}
	return a.store.Hooks(ctx, acct, filter, page)
}

// DeleteHook deletes a hook. Its compositions stay.
func (a *App) DeleteHook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID) error {
	return a.store.DeleteHook(ctx, acct, sid)
}

// RunHooks creates a composition of a completed room for every enabled hook of the room's account. It may be repeated: a hook
// creates one composition for each room. A refusal is sent to the hook's callback. The returned error is one after which RunHooks
// should be retried.
func (a *App) RunHooks(ctx context.Context, sid roomreel.RoomSID) error {
	room, err := a.store.RoomBySID(ctx, sid)
	if err != nil {
		return err
	}
	hooks, err := a.store.EnabledHooks(ctx, room.AccountSID)
	if err != nil {
		return err
	}
	for _, hook := range hooks {
		err := a.offers(ctx, hook.Spec) // a limit may be lower than when the hook was made
		if err == nil {
			_, err = a.compose(ctx, room.AccountSID, room.SID, hook.Spec, &hook)
		}
		var refused *roomreel.Error
		if errors.As(err, &refused) && refused.Code != roomreel.Unavailable {
			err = a.store.HookFailed(ctx, room.SID, hook, roomreel.Failure{
				Code: twilio.HookFailed, Operation: twilio.CompositionEnqueue, Message: strings.TrimSpace(refused.Param + " " + refused.Detail),
			})
		}
		if err != nil {
			return fmt.Errorf("run hook %s: %w", hook.SID, err)
		}
	}
	return nil
}
