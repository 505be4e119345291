package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/client"
	"roomreel/internal/compose"
	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/still"
)

type previewCommand struct {
	configFlags
	filmFlags
	Room    string  `arg:"" placeholder:"FILE|RM…" help:"The room's manifest, room.json, or the SID of a room on the server; write it before --audio-sources."`
	At      float64 `placeholder:"SECONDS" help:"Time of the film, such as 12.5 (default 0)."`
	Server  string  `default:"http://127.0.0.1:8080" env:"ROOMREEL_URL" placeholder:"URL" help:"The server (default ${default})."`
	Account string  `env:"ROOMREEL_ACCOUNT" placeholder:"SID" help:"Account SID or API key SID; needed with a room's SID."`
	Token   string  `env:"ROOMREEL_TOKEN" placeholder:"TEXT" help:"Auth token of the account, or secret of the key; better given in the environment, where other users do not see it."`
	Output  string  `short:"o" required:"" placeholder:"FILE" help:"The image, with a name that ends in .png, .jpg or .jpeg; what was there is replaced."`
}

// previewed is what preview says on standard output, as one line of JSON.
type previewed struct {
	File    string  `json:"file"`
	Seconds float64 `json:"seconds"` // of the film, as asked for
	Size    int     `json:"size"`    // bytes
}

// Help explains what a preview is.
func (previewCommand) Help() string {
	return "The image is the frame that `roomreel compose` with the same flags would show at that time. Decoding begins at the keyframe before, " +
		"for each recording that the frame shows: where keyframes are minutes apart, that takes seconds."
}

func (c previewCommand) Run(ctx context.Context, s *session) error {
	format, err := c.imageFormat()
	if err != nil {
		return err
	}
	if !(c.At >= 0 && c.At < 1e9) {
		return roomreel.InvalidParam("--at", "must be a number of seconds of the film")
	}
	var image []byte
	if room, err := roomreel.ParseSID[roomreel.RoomSID](c.Room); err == nil {
		image, err = c.fromServer(ctx, room, format)
		if err != nil {
			return err
		}
	} else if image, err = c.fromFiles(ctx, s, format); err != nil {
		return err
	}
	if err := os.WriteFile(c.Output, image, 0o644); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	return json.NewEncoder(s.stdout).Encode(previewed{c.Output, c.At, len(image)})
}

// imageFormat is the one that the output's name says.
func (c previewCommand) imageFormat() (still.Format, error) {
	switch ending := strings.ToLower(filepath.Ext(c.Output)); ending {
	case ".png":
		return still.PNG, nil
	case ".jpg", ".jpeg":
		return still.JPEG, nil
	}
	return "", roomreel.InvalidParam(c.Output, "the name of an image ends in .png, .jpg or .jpeg")
}

// fromFiles renders the frame here.
func (c previewCommand) fromFiles(ctx context.Context, s *session, format still.Format) ([]byte, error) {
	settings, _, err := c.load(s, c.settings())
	if err != nil {
		return nil, err
	}
	request, err := c.request()
	if err != nil {
		return nil, err
	}
	request.Format = roomreel.MP4
	room, indexes, broken, err := readRoom(c.Room)
	if err != nil {
		return nil, err
	}
	defer room.Close()
	if err := checkOutput(c.Output, c.Room, room); err != nil {
		return nil, err
	}
	indexes = leaveOut(room, indexes)
	child, err := renderCommand(settings.Render)
	if err != nil {
		return nil, err
	}
	recordings, closeRecordings := openRecordings(room, indexes)
	defer closeRecordings()
	film, err := plan.NewStill(request, tracks(room, indexes), func(t int) (*media.IndexFile, error) {
		recording, err := recordings(t)
		return recording.Index, err
	}, planOptions(settings, nil), time.Duration(c.At*float64(time.Second)))
	if err != nil {
		return nil, ofFlag(err)
	}
	composer := &compose.Composer{Render: child, Log: slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	frame, err := composer.RenderStill(ctx, film, recordings, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	for _, u := range broken {
		fmt.Fprintln(s.stderr, "roomreel: warning: "+u.warning())
	}
	var image bytes.Buffer
	err = frame.Write(&image, format)
	return image.Bytes(), err
}

// fromServer has the server render the frame, by its settings.
func (c previewCommand) fromServer(ctx context.Context, room roomreel.RoomSID, format still.Format) ([]byte, error) {
	if c.Account == "" || c.Token == "" {
		return nil, usageError{errors.New("a preview of a room on a server needs --account and --token")}
	}
	if c.FPS != "" || c.Hold != "" || c.Copy != "" {
		return nil, usageError{errors.New("--fps, --hold and --copy are settings of the server; leave them out for a room on a server")}
	}
	request, err := c.request()
	if err != nil {
		return nil, err
	}
	server, err := client.New(c.Server, c.Account, c.Token)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	form := url.Values{
		"RoomSid": {string(room)}, "VideoLayout": {request.Layout.JSON()}, "Resolution": {c.Resolution},
		"AudioSources": request.AudioSources, "AudioSourcesExcluded": request.AudioExcluded,
		"Format": {string(roomreel.MP4)}, "Trim": {strconv.FormatBool(c.Trim)},
		"Second": {strconv.FormatFloat(c.At, 'f', 9, 64)}, "ImageFormat": {string(format)},
	}
	if c.Quality != "" {
		form.Set("Quality", c.Quality)
	}
	image, err := server.CompositionPreview(ctx, form)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", room, err)
	}
	return image, nil
}

// ofFlag names the flag in an error that names the parameter of the API.
func ofFlag(err error) error {
	if e, ok := err.(*roomreel.Error); ok && e.Param == "Second" {
		named := *e
		named.Param = "--at"
		return &named
	}
	return err
}
