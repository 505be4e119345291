package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"roomreel"
	"roomreel/internal/client"
	"roomreel/internal/manifest"
	"roomreel/internal/progress"
)

type importCommand struct {
	Room     string `required:"" placeholder:"FILE" help:"The room's manifest, room.json."`
	Server   string `default:"http://127.0.0.1:8080" env:"ROOMREEL_URL" placeholder:"URL" help:"The server (default ${default})."`
	Account  string `required:"" env:"ROOMREEL_ACCOUNT" placeholder:"SID" help:"Account SID or API key SID."`
	Token    string `required:"" env:"ROOMREEL_TOKEN" placeholder:"TEXT" help:"Auth token of the account, or secret of the key; better given in the environment, where other users do not see it."`
	Into     string `placeholder:"ROOM" help:"SID or unique name of a room in progress to add to; default is the manifest's unique name, or a new room."`
	Complete bool   `help:"Complete the room afterwards: its compositions start."`
}

// imported is what import prints on standard output.
type imported struct {
	Room     roomreel.RoomSID    `json:"room_sid"`
	Status   roomreel.RoomStatus `json:"room_status"`
	Uploaded int                 `json:"uploaded"`
	Skipped  int                 `json:"skipped"` // present from an earlier run
	Bytes    int64               `json:"bytes"`   // uploaded
}

// Help explains how to resume a run.
func (importCommand) Help() string {
	return "To resume a run that stopped, run it again: recordings that the room already has are skipped. A room that was completed is " +
		"found again by its unique name, if it has exactly the recordings of the manifest; then nothing is done. " +
		"A manifest without a unique name needs --into with the room's SID for both."
}

func (c importCommand) Run(ctx context.Context, s *session) error {
	if c.Account == "" || c.Token == "" {
		return usageError{errors.New("--account and --token must not be empty")}
	}
	files, indexes, broken, err := readRoom(c.Room)
	if err != nil {
		return err
	}
	defer files.Close()
	leaveOut(files, indexes)
	server, err := client.New(c.Server, c.Account, c.Token)
	if err != nil {
		return err
	}
	defer server.Close()
	room, present, err := c.open(ctx, server, files)
	if err != nil {
		return err
	}
	result := imported{Room: room.SID, Status: room.Status}
	bar := progress.New(s.stderr, "uploading")
	defer bar.Close()
	total, done := float64(files.Bytes()), int64(0)
	for _, recording := range files.Recordings {
		if present.take(recording) {
			result.Skipped++
		} else {
			if err := upload(ctx, server, room.SID, files, recording, func(sent int64) { bar.Set(float64(done+sent)/total, 0) }); err != nil {
				return fmt.Errorf("%s: %w; %d of %d recordings are in room %s, run the same command (with --into %[5]s) to go on",
					recording.File, err, result.Uploaded+result.Skipped, len(files.Recordings), room.SID)
			}
			result.Uploaded++
			result.Bytes += recording.Size
		}
		done += recording.Size
		bar.Set(float64(done)/total, 0)
	}
	if c.Complete && room.Status != roomreel.RoomCompleted {
		if room, err = server.CompleteRoom(ctx, room.SID); err != nil {
			return fmt.Errorf("complete room %s: %w", result.Room, err)
		}
		result.Status = room.Status
	}
	if err := json.NewEncoder(s.stdout).Encode(result); err != nil {
		return err
	}
	for _, u := range broken {
		fmt.Fprintln(s.stderr, "roomreel: warning: "+u.warning())
	}
	if len(broken) > 0 {
		return fmt.Errorf("%w: %d of the room's recordings are broken", errPartial, len(broken))
	}
	return nil
}

// open finds the room to add to, or creates it, and returns what it has. A room that is not in progress is returned only if nothing is
// to be added to it.
func (c importCommand) open(ctx context.Context, server *client.Client, files *manifest.Room) (client.Room, presentRecordings, error) {
	name := c.Into
	if name == "" {
		name = files.UniqueName
	}
	if name == "" {
		room, err := server.CreateRoom(ctx, "")
		return room, nil, err
	}
	room, err := server.Room(ctx, name)
	if roomreel.CodeOf(err) == roomreel.NotFound && c.Into == "" {
		return c.reopen(ctx, server, files)
	}
	if err != nil {
		return room, nil, fmt.Errorf("room %s: %w", name, err)
	}
	present, err := recordingsOf(ctx, server, room.SID)
	if err == nil && room.Status != roomreel.RoomInProgress && !present.hold(files.Recordings) {
		err = roomreel.InvalidParam(name, "the room is %s; recordings can be added only while it is in progress", room.Status)
	}
	return room, present, err
}

// reopen is for a room of which none is in progress: it finds the completed room that an earlier run made of the same manifest, or
// creates a new one. A unique name can be reused after its room was completed, so the recordings decide.
func (c importCommand) reopen(ctx context.Context, server *client.Client, files *manifest.Room) (client.Room, presentRecordings, error) {
	completed, err := server.CompletedRooms(ctx, files.UniqueName)
	if err != nil {
		return client.Room{}, nil, err
	}
	for _, room := range completed {
		present, err := recordingsOf(ctx, server, room.SID)
		if err != nil {
			return room, nil, err
		}
		if present.count() == len(files.Recordings) && present.hold(files.Recordings) {
			return room, present, nil
		}
	}
	room, err := server.CreateRoom(ctx, files.UniqueName)
	return room, nil, err
}

func upload(ctx context.Context, server *client.Client, room roomreel.RoomSID, files *manifest.Room, recording manifest.Recording, sent func(int64)) error {
	_, err := server.UploadRecording(ctx, room, client.Upload{
		Identity: recording.Participant, TrackName: recording.TrackName, Kind: recording.Kind, Track: recording.Track, Offset: recording.Offset, Known: recording.Known,
		File: recording.File, Size: recording.Size, Sent: sent,
		Open: func() (io.ReadCloser, error) { return files.Open(recording) },
	})
	return err
}

// presentRecordings counts the recordings that a room on the server already has, to resume an upload that stopped.
//
// A recording is recognized by its participant, kind, name and exact size. Recordings that agree in all four are uploaded
// in the manifest's order, so counting them is enough.
type presentRecordings map[recordingKey]int

type recordingKey struct {
	participant string // identity
	kind        roomreel.TrackKind
	name        string
	size        int64
}

func recordingsOf(ctx context.Context, server *client.Client, room roomreel.RoomSID) (presentRecordings, error) {
	present := presentRecordings{}
	recordings, err := server.Recordings(ctx, room)
	if err != nil || len(recordings) == 0 {
		return present, err
	}
	participants, err := server.Participants(ctx, room)
	if err != nil {
		return present, err
	}
	identity := map[roomreel.ParticipantSID]string{}
	for _, p := range participants {
		identity[p.SID] = p.Identity
	}
	for _, r := range recordings {
		if r.Status != roomreel.RecordingFailed && r.Status != roomreel.RecordingDeleted {
			present[recordingKey{identity[r.Grouping.Participant], r.Kind, givenName(r), r.Size}]++
		}
	}
	return present, nil
}

// givenName is the name that the caller gave a recording's track. A track without one has its SID as its name.
func givenName(r client.Recording) string {
	if _, err := roomreel.ParseSID[roomreel.TrackSID](r.TrackName); err == nil {
		return ""
	}
	return r.TrackName
}

// count returns the number of recordings.
func (p presentRecordings) count() (n int) {
	for _, same := range p {
		n += same
	}
	return n
}

// hold reports whether the room has all of the recordings.
func (p presentRecordings) hold(recordings []manifest.Recording) bool {
	left := maps.Clone(p)
	return !slices.ContainsFunc(recordings, func(r manifest.Recording) bool { return !left.take(r) })
}

// take reports whether the room has the recording, and removes it from the count.
func (p presentRecordings) take(r manifest.Recording) bool {
	key := recordingKey{r.Participant, r.Kind, r.TrackName, r.Size}
	if p[key] == 0 {
		return false
	}
	p[key]--
	return true
}
