package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/client"
	"roomreel/internal/compose"
)

type reportCommand struct {
	Source  string `arg:"" placeholder:"FILE|CJ…" help:"A file that compose --report wrote, or the SID of a composition on the server."`
	Server  string `default:"http://127.0.0.1:8080" env:"ROOMREEL_URL" placeholder:"URL" help:"The server (default ${default})."`
	Account string `env:"ROOMREEL_ACCOUNT" placeholder:"SID" help:"Account SID or API key SID; needed with a composition's SID."`
	Token   string `env:"ROOMREEL_TOKEN" placeholder:"TEXT" help:"Auth token of the account, or secret of the key; better given in the environment, where other users do not see it."`
}

// localReport is what compose --report writes: the report as the API gives it, and what is known of the file.
type localReport struct {
	File          string  `json:"file,omitempty"`
	Size          int64   `json:"size,omitempty"` // bytes
	SHA256        string  `json:"sha256,omitempty"`
	TookSeconds   float64 `json:"took_seconds,omitempty"`
	TimesRealTime float64 `json:"times_real_time,omitempty"`
	compose.Report
}

// reportLimit is above any report: a track takes some 500 bytes, a place in the film some 150.
const reportLimit = 64 << 20

func (c reportCommand) Run(ctx context.Context, s *session) error {
	report, failure, err := c.read(ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	if failure != nil {
		fmt.Fprintf(&text, "The composition failed: %d, %s\n", failure.Code, failure.Message)
	}
	if report != nil {
		report.print(&text)
	}
	_, err = io.WriteString(s.stdout, printable(text.String()))
	return err
}

// printable replaces control characters, with which a participant's name could rewrite what a terminal shows.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

func (c reportCommand) read(ctx context.Context) (*localReport, *client.Failure, error) {
	sid, err := roomreel.ParseSID[roomreel.CompositionSID](c.Source)
	if err != nil {
		text, err := readFile(c.Source, reportLimit)
		if err != nil {
			return nil, nil, err
		}
		return parseReport(c.Source, text)
	}
	if c.Account == "" || c.Token == "" {
		return nil, nil, usageError{errors.New("the report of a composition on a server needs --account and --token")}
	}
	server, err := client.New(c.Server, c.Account, c.Token)
	if err != nil {
		return nil, nil, err
	}
	defer server.Close()
	text, err := server.CompositionReport(ctx, sid)
	if err != nil {
		return nil, nil, fmt.Errorf("composition %s: %w", sid, err)
	}
	return parseReport(string(sid), text)
}

// parseReport reads a report, alone or as the API answers with it.
func parseReport(source string, text []byte) (*localReport, *client.Failure, error) {
	var answer struct {
		Report  *localReport    `json:"report"`
		Failure *client.Failure `json:"failure"`
	}
	err := json.Unmarshal(text, &answer)
	if err == nil && (answer.Report != nil || answer.Failure != nil) {
		return answer.Report, answer.Failure, nil
	}
	var alone localReport
	if err == nil {
		err = json.Unmarshal(text, &alone)
	}
	if err == nil && alone.Tracks == nil {
		err = errors.New("it has no tracks")
	}
	if err != nil {
		return nil, nil, &roomreel.Error{Code: roomreel.Invalid, Param: source, Detail: "is not the report of a film", Err: err}
	}
	return &alone, nil, nil
}

// writeReport writes what compose --report promises, after the film is in its place.
func writeReport(path string, report localReport) error {
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// print writes the report for people.
func (r localReport) print(w io.Writer) {
	r.printFilm(w)
	printLines(w, "Missing from the film, in whole or in part", r.missing())
	printLines(w, "Warnings", r.Warnings)
	printLines(w, "Joins and leaves", r.visits())
	printLines(w, "Who is where", r.places())
	var tracks []string
	for _, t := range r.Tracks {
		tracks = append(tracks, trackLines(t)...)
	}
	printLines(w, "Recordings", tracks)
	if r.Checks != nil {
		printLines(w, "Checks, all passed", r.checkLines())
	}
	if r.Times != nil {
		printLines(w, "Times", r.timeLines())
	}
}

func printLines(w io.Writer, title string, lines []string) {
	fmt.Fprintf(w, "\n%s\n", title)
	if len(lines) == 0 {
		lines = []string{"none"}
	}
	for _, line := range lines {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(line, "\n", " "))
	}
}

// labeled is one line of a section whose second column is aligned.
func labeled(label, format string, args ...any) string {
	return fmt.Sprintf("%-11s %s", label, fmt.Sprintf(format, args...))
}

func (r localReport) printFilm(w io.Writer) {
	fmt.Fprintf(w, "%s: %s of %s\n", cmp.Or(r.File, "Film"), clock(r.Seconds), cmp.Or(strings.Join(r.Streams, " and "), "nothing"))
	line := func(label, format string, args ...any) { fmt.Fprintln(w, "  "+labeled(label, format, args...)) }
	if r.Frames > 0 {
		if r.VideoCopied {
			line("video", "%dx%d, %s, copied as the recording has them, in %s", r.Width, r.Height, count(r.Frames, "frame"), count(r.Chunks, "chunk"))
		} else {
			line("video", "%dx%d, %s at %d per second, in %s", r.Width, r.Height, count(r.Frames, "frame"), r.FPS, count(r.Chunks, "chunk"))
		}
	}
	if r.Samples > 0 && r.AudioCopied {
		line("audio", "%s, copied as the recording has them", count(r.Samples, "sample"))
	} else if r.Samples > 0 {
		line("audio", "%s, the loudest is %.2f of full scale before the limiter", count(r.Samples, "sample"), r.Peak)
	}
	if r.WhyVideoEncoded != "" {
		line("encoded", "the video: %s", r.WhyVideoEncoded)
	}
	if r.WhyAudioEncoded != "" {
		line("encoded", "the audio: %s", r.WhyAudioEncoded)
	}
	if r.Size > 0 {
		line("file", "%d bytes", r.Size)
	}
	if r.SHA256 != "" {
		line("SHA-256", "%s", r.SHA256)
	}
	if r.TookSeconds > 0 {
		line("made in", "%s, %.1f times real time", clock(r.TookSeconds), r.TimesRealTime)
	}
	for _, at := range r.Intervals {
		line("room time", "%s to %s is at %s of the film", clock(at.Room), clock(at.Room+at.Length), clock(at.Film))
	}
}

// missing lists the recordings that are not in the film, or not wholly, with the reason.
func (r localReport) missing() []string {
	var rows [][2]string
	for _, t := range r.Tracks {
		why := t.Why
		switch { // reports of earlier versions of the program have no reasons
		case why != "":
		case !t.Used:
			why = "not asked for"
		case t.Lost:
			why = "its decoder died"
		case t.Missing:
			why = "no packet of it could be decoded"
		case t.Truncated:
			why = "its file is truncated: nothing of it comes after " + clock(t.Start+t.Length)
		}
		if why != "" {
			rows = append(rows, [2]string{trackName(t), why})
		}
	}
	return aligned(rows)
}

// aligned writes rows of two columns.
func aligned(rows [][2]string) (lines []string) {
	const widest = 40
	width := 0
	for _, row := range rows {
		width = max(width, min(utf8.RuneCountInString(row[0]), widest))
	}
	for _, row := range rows {
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, row[0], row[1]))
	}
	return lines
}

// trackName is a recording's participant, track and SID.
func trackName(t compose.ReportTrack) string {
	name := t.Name
	if t.Recording != "" {
		name += ", " + t.Recording
	}
	return fmt.Sprintf("%s (%s)", t.Participant, name)
}

// visits says when each participant joins and leaves the film, in order of time.
func (r localReport) visits() []string {
	type event struct {
		at   float64
		text string
	}
	var events []event
	for _, v := range compose.Visits(r.Tracks) {
		events = append(events, event{v.From, v.Participant + " joins"}, event{v.To, v.Participant + " leaves"})
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text)) })
	var lines []string
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%-9s  %s", clock(e.at), e.text))
	}
	return lines
}

func (r localReport) places() []string {
	var lines []string
	for _, p := range r.Places {
		if p.Track < 0 || p.Track >= len(r.Tracks) {
			continue
		}
		t := r.Tracks[p.Track]
		lines = append(lines, fmt.Sprintf("%-9s to %-9s  %s (%s): %dx%d at %d,%d",
			clock(p.From), clock(p.To), t.Participant, t.Name, p.Width, p.Height, p.X, p.Y))
	}
	if r.PlacesOmitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", r.PlacesOmitted))
	}
	return lines
}

// trackLines describes one recording: a heading, and a line for each thing that is to be said of it.
func trackLines(t compose.ReportTrack) []string {
	head := fmt.Sprintf("%s: %s, %s", trackName(t), t.Kind, cmp.Or(t.Codec, "no codec known"))
	switch {
	case t.Missing && t.Packets == 0:
		return []string{head, "  its file is broken"}
	case !t.Used:
		return []string{head, "  not asked for"}
	}
	lines := []string{fmt.Sprintf("%s, from %s to %s", head, clock(t.Start), clock(t.Start+t.Length))}
	say := func(when bool, label, format string, args ...any) {
		if when {
			lines = append(lines, "  "+labeled(label, format, args...))
		}
	}
	video := t.Kind == string(roomreel.Video)
	say(!t.Copied, "packets", "%d, %d decoded, %s", t.Packets, t.Decoded, count(t.Errors, "error"))
	say(t.Copied, "packets", "%d, copied; the first %d were decoded to check them", t.Packets, t.Decoded)
	say(video, "shown", "in %s", count(t.Shown, "frame"))
	say(!video, "audible", "for %s", clock(t.Audible))
	say(len(t.Seen) > 0, "sizes", "%s", listed(t.Seen, t.Sizes+1, func(s compose.ReportSize) string {
		return fmt.Sprintf("%dx%d from %s", s.Width, s.Height, clock(s.At))
	}))
	say(len(t.Seen) == 0 && t.Sizes > 0, "sizes", "%s", count(t.Sizes, "size change"))
	if g := t.Gaps; g != nil && g.Count > 0 {
		say(true, "gaps", "%d, %s in all, the longest %s at %s; filled with %s", g.Count, clock(g.Seconds), clock(g.Longest), clock(g.LongestAt), gapFilling(g.Filled))
	}
	say(t.Concealed > 0, "concealed", "%s of packets that could not be decoded", clock(t.Concealed/1000))
	say(t.DriftMillis != 0, "clock", "drifts by %.4g ms, which is corrected", t.DriftMillis)
	say(t.DriftRefused, "clock", "drifts in places by more than a clock can, which is not followed")
	say(t.Off > 0, "camera off", "%s, for %s in all", count(t.Off, "time"), clock(t.OffSeconds))
	say(len(t.Parts) > 0, "parts", "%s", strings.Join(t.Parts, ", "))
	say(len(t.Omitted) > 0, "omitted", "%s", strings.Join(t.Omitted, "; "))
	say(t.Repaired > 0, "timestamps", "corrected in %s%s", count(t.Repaired, "place"), repairsOf(t))
	say(t.Truncated, "file", "truncated")
	say(len(t.LeftOut) > 0, "left out", "%s", strings.Join(t.LeftOut, ", "))
	say(t.Missing, "missing", "nothing of it could be decoded")
	say(t.Refusal != "", "decoder", "%s", t.Refusal)
	say(t.Lost, "lost", "its decoder died; it is left out from there on")
	return lines
}

// gapFilling says what a film has in the gaps of a recording.
func gapFilling(with string) string {
	return strings.Replace(with, "held frame", "the last frame", 1)
}

// repairsOf lists where timestamps were corrected.
func repairsOf(t compose.ReportTrack) string {
	if len(t.Repairs) == 0 {
		return ""
	}
	return ": " + listed(t.Repairs, t.Repaired, func(r compose.ReportRepair) string {
		return fmt.Sprintf("%s of %s at %s", strings.ReplaceAll(string(r.Kind), "_", " "), clock(r.By), clock(r.At))
	})
}

// checkLines lists what was found when the film was read back.
func (r localReport) checkLines() (lines []string) {
	c := r.Checks
	say := func(when bool, label, format string, args ...any) {
		if when {
			lines = append(lines, labeled(label, format, args...))
		}
	}
	say(c.Frames > 0 && !r.VideoCopied, "frames", "%d, each at a multiple of 1/%d s", c.Frames, r.FPS)
	say(r.VideoCopied, "frames", "%d, each at the time that the recording has", c.Frames)
	say(c.Samples > 0, "samples", "%d, in %s", c.Samples, count(c.Packets, "packet"))
	say(c.Monotone, "stamps", "rise strictly")
	say(c.Frames > 0 && c.Samples > 0, "ends", "%.3f ms between the end of the video and of the audio", c.EndsApart)
	limit := ""
	if c.DistanceMost > 0 {
		limit = ", with a limit of " + clock(c.DistanceMost)
	}
	say(c.Frames > 0, "keyframes", "%d, at most %s from one to the next%s", c.Keyframes, clock(c.Distance), limit)
	say(c.FastStart, "tables", "before the media")
	say(c.Cues, "cues", "before the media")
	say(true, "duration", "%s", clock(c.Duration))
	say(r.SHA256 == "" && c.SHA256 != "", "SHA-256", "%s", c.SHA256)
	return lines
}

// timeLines say when the film was made, and how long that took.
func (r localReport) timeLines() (lines []string) {
	t := r.Times
	say := func(label string, at time.Time, took float64) {
		if !at.IsZero() {
			lines = append(lines, labeled(label, "%s, after %s", at.UTC().Format("2006-01-02 15:04:05.000 UTC"), clock(took)))
		}
	}
	lines = append(lines, labeled("queued", "%s", t.Queued.UTC().Format("2006-01-02 15:04:05.000 UTC")))
	say("started", t.Started, t.WaitSeconds)
	say("rendered", t.Rendered, t.RenderSeconds)
	say("assembled", t.Assembled, t.AssembleSeconds)
	say("delivered", t.Delivered, t.DeliverSeconds)
	speed := fmt.Sprintf("%.1f s of film in a second", t.Speed)
	if r.CPUSeconds > 0 {
		speed += fmt.Sprintf(", with %.1f s of processor time", r.CPUSeconds)
	}
	return append(lines, labeled("speed", "%s", speed))
}

// checkReport refuses a report that could not be written, or that would replace the film.
func (c composeCommand) checkReport() error {
	if filepath.Clean(c.Report) == filepath.Clean(c.Output) {
		return roomreel.InvalidParam("--report", "names the film; the report needs a name of its own")
	}
	return nil
}
