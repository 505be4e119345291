package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/compose"
	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/progress"
)

type composeCommand struct {
	configFlags
	filmFlags
	Room   string `required:"" placeholder:"FILE" help:"The room's manifest, room.json."`
	Format string `placeholder:"mp4|webm" help:"Container; default is what the output's name ends in."`
	Report string `placeholder:"FILE" help:"Write a report of the film as JSON; roomreel report prints it for people."`
	Output string `short:"o" required:"" placeholder:"FILE" help:"The film, with a name that ends in .mp4 or .webm; what was there is replaced when the new one is whole."`
}

// composed is what compose says on standard output, as one line of JSON.
type composed struct {
	File          string                `json:"file"`
	Format        roomreel.Format       `json:"format"`
	Streams       []string              `json:"streams"`
	Width         int                   `json:"width,omitempty"`
	Height        int                   `json:"height,omitempty"`
	FPS           int                   `json:"fps,omitempty"`
	Seconds       float64               `json:"seconds"`
	Frames        int                   `json:"frames"`
	Samples       int64                 `json:"samples"`
	Size          int64                 `json:"size"`    // bytes
	Bitrate       int                   `json:"bitrate"` // kbit/s
	TookSeconds   float64               `json:"took_seconds"`
	TimesRealTime float64               `json:"times_real_time"`
	Warnings      []string              `json:"warnings"`
	Tracks        []compose.ReportTrack `json:"tracks"`
}

func (c composeCommand) Run(ctx context.Context, s *session) error {
	began := time.Now()
	settings, _, err := c.load(s, c.settings())
	if err != nil {
		return err
	}
	format, err := c.format()
	request, other := c.request()
	if err := errors.Join(err, other); err != nil {
		return err
	}
	request.Format = format
	room, indexes, broken, err := readRoom(c.Room)
	if err != nil {
		return err
	}
	defer room.Close()
	if err := checkOutput(c.Output, c.Room, room); err != nil {
		return err
	}
	if c.Report != "" {
		if err := errors.Join(c.checkReport(), checkOutput(c.Report, c.Room, room)); err != nil {
			return err
		}
	}
	indexes = leaveOut(room, indexes)
	child, err := renderCommand(settings.Render)
	if err != nil {
		return err
	}
	encoders, err := encodersFor(ctx, child, settings)
	if err != nil {
		return err
	}
	recordings, closeRecordings := openRecordings(room, indexes)
	defer closeRecordings()
	options := planOptions(settings, encoders)
	log := slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	attempt := func() (compose.LocalResult, error) {
		film, err := plan.New(request, tracks(room, indexes), func(t int) (*media.IndexFile, error) {
			recording, err := recordings(t)
			return recording.Index, err
		}, options)
		if err != nil {
			return compose.LocalResult{}, err
		}
		bar := progress.New(s.stderr, "composing")
		defer bar.Close()
		return compose.Local(ctx, compose.LocalOptions{
			Plan: film, Recordings: recordings, Parallel: options.Parallel,
			Render: child, Out: c.Output, Began: began, Log: log,
			Progress: func(p plan.Progress) { bar.Set(p.Share, p.Left) },
		})
	}
	result, err := attempt()
	if refused, ok := errors.AsType[*compose.NotCopiedError](err); ok {
		options.NoCopy = refused.Error()
		result, err = attempt()
	}
	if err != nil {
		return err
	}
	took := time.Since(began)
	for _, u := range broken {
		result.Report.Warnings = append(result.Report.Warnings, u.warning())
		result.Report.Tracks = append(result.Report.Tracks, u.line())
	}
	if c.Report != "" {
		if err := writeReport(c.Report, localReport{
			File: c.Output, Size: result.Film.Size, SHA256: result.Film.Checks.SHA256, TookSeconds: took.Seconds(), TimesRealTime: result.Film.Seconds / took.Seconds(),
			Report: result.Report,
		}); err != nil {
			return err
		}
	}
	return c.tell(s, request.Format, result, took)
}

// tell prints the result on standard output and what is missing from the film on standard error.
func (c composeCommand) tell(s *session, format roomreel.Format, result compose.LocalResult, took time.Duration) error {
	report := result.Report
	line := composed{
		File: c.Output, Format: format, Streams: report.Streams, Width: report.Width, Height: report.Height, FPS: report.FPS,
		Seconds: result.Film.Seconds, Frames: report.Frames, Samples: report.Samples,
		Size: result.Film.Size, Bitrate: result.Film.Bitrate,
		TookSeconds: took.Seconds(), TimesRealTime: result.Film.Seconds / took.Seconds(),
		Warnings: report.Warnings, Tracks: report.Tracks,
	}
	if err := json.NewEncoder(s.stdout).Encode(line); err != nil {
		return err
	}
	for _, warning := range report.Warnings {
		fmt.Fprintln(s.stderr, "roomreel: warning: "+warning)
	}
	if missing := report.Missing(); len(missing) > 0 {
		return fmt.Errorf("%w: %s is missing from the film", errPartial, strings.Join(missing, ", "))
	}
	return nil
}
