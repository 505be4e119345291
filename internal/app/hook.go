package app

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/twilio"
)

// CreateHook describes a hook, new or replaced: what is not said is reset to its default.
type CreateHook struct {
	FriendlyName string
	Enabled      *bool
	FilmParams
}

// maxHookName is the longest friendly name of a hook, in characters.
//
// Source: twilio.com/docs/video/api/composition-hooks.
const maxHookName = 100

func (in CreateHook) hook() (h roomreel.Hook, err error) {
	if in.FriendlyName == "" {
		return h, roomreel.InvalidParam("FriendlyName", "is missing; give the hook a name of 1 to %d characters", maxHookName)
	}
	if err := checkName("FriendlyName", in.FriendlyName, maxHookName); err != nil {
		return h, err
	}
	h = roomreel.Hook{FriendlyName: in.FriendlyName, Enabled: or(in.Enabled, true)}
	h.Spec, err = in.film()
	return h, err
}

// CreateHook adds a hook.
func (a *App) CreateHook(ctx context.Context, acct roomreel.AccountSID, in CreateHook) (roomreel.Hook, error) {
	h, err := in.hook()
	if err != nil {
		return roomreel.Hook{}, err
	}
	h.SID, h.AccountSID = roomreel.NewSID[roomreel.HookSID](), acct
	return a.store.CreateHook(ctx, h)
}

// UpdateHook replaces all of a hook: what is not said is reset to its default, not kept.
func (a *App) UpdateHook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID, in CreateHook) (roomreel.Hook, error) {
	if _, err := a.store.Hook(ctx, acct, sid); err != nil {
		return roomreel.Hook{}, err
	}
	h, err := in.hook()
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

// DeleteHook removes a hook at once. Compositions it made stay.
func (a *App) DeleteHook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID) error {
	return a.store.DeleteHook(ctx, acct, sid)
}

// RunHooks lets every enabled hook of a completed room's account create its one composition. It may be repeated: a hook
// that has made its composition makes no other. What a hook cannot create for a reason of its own is told to its callback;
// the error is of those for which it is worth trying again.
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
		_, err := a.compose(ctx, room.AccountSID, room.SID, hook.Spec, &hook)
		var refused *roomreel.Error
		if errors.As(err, &refused) && refused.Code != roomreel.Unavailable {
			err = a.store.HookFailed(ctx, room.SID, hook, roomreel.Failure{
				Code: twilio.HookFailed, Operation: twilio.CompositionEnqueue, Message: refused.Detail,
			})
		}
		if err != nil {
			return fmt.Errorf("run hook %s: %w", hook.SID, err)
		}
	}
	return nil
}
