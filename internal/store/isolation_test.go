package store_test

import (
	"testing"

	"roomreel"
	"roomreel/internal/store"
)

// TestAccounts_NeverSeeEachOther asks for everything of one account with the SID of another.
func TestAccounts_NeverSeeEachOther(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		room := f.room(t, "r")
		recording, composition := f.recording(t, room, "alice", "camera"), f.composition(t, room)
		hook, err := f.CreateHook(ctx, roomreel.Hook{
			SID: roomreel.NewSID[roomreel.HookSID](), AccountSID: f.account, FriendlyName: "h",
			Spec: roomreel.FilmSpec{Format: roomreel.MP4},
		})
		check(t, err)
		credential, err := f.CreateCredential(ctx, roomreel.Credential{
			SID: roomreel.NewSID[roomreel.CredentialSID](), AccountSID: f.account,
			Kind: roomreel.AWSCredential, Secret: []byte("sealed"),
		})
		check(t, err)
		key := roomreel.APIKey{SID: roomreel.NewSID[roomreel.APIKeySID](), AccountSID: f.account, Created: f.Now()}
		check(t, f.CreateAPIKey(ctx, key, []byte("hash")))
		check(t, f.SetSettings(ctx, roomreel.Settings{AccountSID: f.account, Kind: roomreel.RecordingSettings, FriendlyName: "s"}))
		event, found, err := f.PendingEvent(ctx, string(room.SID))
		if check(t, err); !found {
			t.Fatal("the room has no event")
		}
		check(t, f.RecordDelivery(ctx, f.account, store.Delivery{ID: "d", EventID: event.Event.ID, Resource: string(room.SID), Started: f.Now()}, store.EventPending))

		stranger := f.newAccount(t)
		second := func(_ any, err error) error { return err }
		for name, err := range map[string]error{
			"room":               second(f.Room(ctx, stranger, string(room.SID))),
			"room by name":       second(f.Room(ctx, stranger, "r")),
			"complete room":      second(f.CompleteRoom(ctx, stranger, room.SID)),
			"rules":              second(f.SetRules(ctx, stranger, room.SID, nil)),
			"recording":          second(f.Recording(ctx, stranger, recording.SID)),
			"delete recording":   f.DeleteRecording(ctx, stranger, recording.SID),
			"composition":        second(f.Composition(ctx, stranger, composition.SID)),
			"delete composition": f.DeleteComposition(ctx, stranger, composition.SID, true),
			"new composition":    second(f.CreateComposition(ctx, roomreel.Composition{AccountSID: stranger, RoomSID: room.SID}, nil)),
			"hook":               second(f.Hook(ctx, stranger, hook.SID)),
			"update hook":        second(f.UpdateHook(ctx, roomreel.Hook{SID: hook.SID, AccountSID: stranger, Spec: hook.Spec})),
			"delete hook":        f.DeleteHook(ctx, stranger, hook.SID),
			"credential":         second(f.Credential(ctx, stranger, roomreel.AWSCredential, credential.SID)),
			"credential's kind":  second(f.Credential(ctx, f.account, roomreel.PublicKey, credential.SID)),
			"rename credential":  second(f.RenameCredential(ctx, stranger, roomreel.AWSCredential, credential.SID, "n")),
			"delete credential":  f.DeleteCredential(ctx, stranger, roomreel.AWSCredential, credential.SID),
			"revoke key":         f.DeleteAPIKey(ctx, stranger, key.SID),
			"redeliver":          f.Redeliver(ctx, stranger, event.Event.ID),
		} {
			if roomreel.CodeOf(err) != roomreel.NotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
		page := store.Page{Size: 10}
		empty := func(name string, items int, err error) {
			if check(t, err); items != 0 {
				t.Errorf("%s: a stranger sees %d", name, items)
			}
		}
		rooms, err := f.Rooms(ctx, stranger, store.RoomFilter{}, page)
		empty("rooms", len(rooms.Items), err)
		recordings, err := f.Recordings(ctx, stranger, store.RecordingFilter{RoomSIDs: []roomreel.RoomSID{room.SID}}, page)
		empty("recordings", len(recordings.Items), err)
		compositions, err := f.Compositions(ctx, stranger, store.CompositionFilter{RoomSID: room.SID}, page)
		empty("compositions", len(compositions.Items), err)
		hooks, err := f.Hooks(ctx, stranger, store.HookFilter{}, page)
		empty("hooks", len(hooks.Items), err)
		credentials, err := f.Credentials(ctx, stranger, roomreel.AWSCredential, page)
		empty("credentials", len(credentials.Items), err)
		keys, err := f.APIKeys(ctx, stranger, page)
		empty("keys", len(keys.Items), err)
		deliveries, err := f.Deliveries(ctx, stranger, string(room.SID), page)
		empty("deliveries", len(deliveries.Items), err)
		log, err := f.AuditLog(ctx, stranger, page)
		empty("audit log", len(log.Items), err)
		settings, err := f.Settings(ctx, stranger, roomreel.RecordingSettings)
		check(t, err)
		wantEqual(t, "settings' name", settings.FriendlyName, "")
	})
}
