package main

import (
	"context"

	"roomreel"
	"roomreel/internal/client"
	"roomreel/internal/manifest"
)

// inventory counts what a room already has, to resume an upload that broke off.
//
// A recording is told by whose it is, its kind, its name and its exact size. Two that agree in all of this are uploaded
// in the manifest's order, so that counting them is enough.
type inventory struct {
	count map[item]int
}

type item struct {
	participant string // identity
	kind        roomreel.TrackKind
	name        string
	size        int64
}

func newInventory(ctx context.Context, server *client.Client, room roomreel.RoomSID) (inventory, error) {
	there := inventory{count: map[item]int{}}
	recordings, err := server.Recordings(ctx, room)
	if err != nil || len(recordings) == 0 {
		return there, err
	}
	participants, err := server.Participants(ctx, room)
	if err != nil {
		return there, err
	}
	identity := map[roomreel.ParticipantSID]string{}
	for _, p := range participants {
		identity[p.SID] = p.Identity
	}
	for _, r := range recordings {
		if r.Status != roomreel.RecordingFailed && r.Status != roomreel.RecordingDeleted {
			there.count[item{identity[r.Grouping.Participant], r.Kind, name(r), r.Size}]++
		}
	}
	return there, nil
}

// name is the name a caller gave a recording's track: a track without one is called by its SID.
func name(r client.Recording) string {
	if _, err := roomreel.ParseSID[roomreel.TrackSID](r.TrackName); err == nil {
		return ""
	}
	return r.TrackName
}

// take reports whether the room has the recording, and counts it as found.
func (i inventory) take(r manifest.Recording) bool {
	key := item{r.Participant, r.Kind, r.TrackName, r.Size}
	if i.count[key] == 0 {
		return false
	}
	i.count[key]--
	return true
}
