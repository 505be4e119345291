package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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

// imported is what import says on standard output.
type imported struct {
	Room     roomreel.RoomSID    `json:"room_sid"`
	Status   roomreel.RoomStatus `json:"room_status"`
	Uploaded int                 `json:"uploaded"`
	Skipped  int                 `json:"skipped"` // were there from an earlier run
	Bytes    int64               `json:"bytes"`   // uploaded
}

// Help says what happens when a run breaks off.
func (importCommand) Help() string {
	return "A run that broke off is resumed by running it again: recordings that the room in progress already has are skipped. " +
		"A manifest without a unique name needs --into with the room's SID for that."
}

func (c importCommand) Run(ctx context.Context, s *session) error {
	if c.Account == "" || c.Token == "" {
		return usageError{errors.New("--account and --token must not be empty")}
	}
	files, _, err := readRoom(c.Room)
	if err != nil {
		return err
	}
	defer files.Close()
	server, err := client.New(c.Server, c.Account, c.Token)
	if err != nil {
		return err
	}
	defer server.Close()
	room, err := c.open(ctx, server, files.UniqueName)
	if err != nil {
		return err
	}
	facts := imported{Room: room.SID, Status: room.Status}
	there, err := newInventory(ctx, server, room.SID)
	if err != nil {
		return err
	}
	bar := progress.New(s.stderr, "uploading")
	defer bar.Close()
	total, done := float64(files.Bytes()), int64(0)
	for _, recording := range files.Recordings {
		if there.take(recording) {
			facts.Skipped++
		} else {
			if err := upload(ctx, server, room.SID, files, recording, func(sent int64) { bar.Set(float64(done+sent) / total) }); err != nil {
				return fmt.Errorf("%s: %w; %d of %d recordings are in room %s, run the same command (with --into %[5]s) to go on",
					recording.File, err, facts.Uploaded+facts.Skipped, len(files.Recordings), room.SID)
			}
			facts.Uploaded++
			facts.Bytes += recording.Size
		}
		done += recording.Size
		bar.Set(float64(done) / total)
	}
	if c.Complete {
		if room, err = server.CompleteRoom(ctx, room.SID); err != nil {
			return fmt.Errorf("complete room %s: %w", facts.Room, err)
		}
		facts.Status = room.Status
	}
	return json.NewEncoder(s.stdout).Encode(facts)
}

// open finds the room to add to, or makes it.
func (c importCommand) open(ctx context.Context, server *client.Client, uniqueName string) (client.Room, error) {
	name := c.Into
	if name == "" {
		name = uniqueName
	}
	if name == "" {
		return server.CreateRoom(ctx, "")
	}
	room, err := server.Room(ctx, name)
	switch {
	case roomreel.CodeOf(err) == roomreel.NotFound && c.Into == "":
		return server.CreateRoom(ctx, uniqueName)
	case err != nil:
		return room, fmt.Errorf("room %s: %w", name, err)
	case room.Status != roomreel.RoomInProgress:
		return room, roomreel.InvalidParam(name, "the room is %s; recordings can be added only while it is in progress", room.Status)
	}
	return room, nil
}

func upload(ctx context.Context, server *client.Client, room roomreel.RoomSID, files *manifest.Room, recording manifest.Recording, sent func(int64)) error {
	_, err := server.UploadRecording(ctx, room, client.Upload{
		Identity: recording.Participant, TrackName: recording.TrackName, Kind: recording.Kind, Offset: recording.Offset,
		File: recording.File, Size: recording.Size, Sent: sent,
		Open: func() (io.ReadCloser, error) { return files.Open(recording) },
	})
	return err
}
