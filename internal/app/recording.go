package app

import (
	"context"

	"roomreel"
)

// Recordings lists an account's recordings, without deleted ones unless the filter asks for them.
func (a *App) Recordings(ctx context.Context, acct roomreel.AccountSID, filter RecordingFilter, page Page) (List[roomreel.Recording], error) {
	if err := checkRecordingFilter(filter); err != nil {
		return List[roomreel.Recording]{}, err
	}
	return a.store.Recordings(ctx, acct, filter, page)
}

// RoomRecordings lists a room's recordings, without deleted ones unless the filter asks for them.
func (a *App) RoomRecordings(ctx context.Context, acct roomreel.AccountSID, room string, filter RecordingFilter, page Page) (List[roomreel.Recording], error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return List[roomreel.Recording]{}, err
	}
	filter.RoomSIDs = []roomreel.RoomSID{r.SID}
	return a.Recordings(ctx, acct, filter, page)
}

func checkRecordingFilter(filter RecordingFilter) error {
	if err := oneOf("Status", filter.Status, roomreel.RecordingProcessing, roomreel.RecordingCompleted,
		roomreel.RecordingFailed, roomreel.RecordingDeleted); err != nil {
		return err
	}
	return oneOf("MediaType", filter.Kind, roomreel.Audio, roomreel.Video)
}

// Recording returns a recording. Its metadata stays for a while after it is deleted.
func (a *App) Recording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	return a.store.Recording(ctx, acct, sid)
}

// RoomRecording returns a recording of a room.
func (a *App) RoomRecording(ctx context.Context, acct roomreel.AccountSID, room string, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return roomreel.Recording{}, err
	}
	recording, err := a.store.Recording(ctx, acct, sid)
	if err == nil && recording.RoomSID != r.SID {
		return roomreel.Recording{}, roomreel.Errorf(roomreel.NotFound, "there is no recording %s in room %s", sid, r.SID)
	}
	return recording, err
}

// DeleteRecording erases a recording's media; a file in a customer's bucket stays.
func (a *App) DeleteRecording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) error {
	return a.store.DeleteRecording(ctx, acct, sid)
}
