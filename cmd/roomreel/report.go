package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

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
	film, err := os.Open(report.File)
	if err != nil {
		return err
	}
	defer film.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, film); err != nil {
		return fmt.Errorf("read the film back: %w", err)
	}
	report.SHA256 = hex.EncodeToString(sum.Sum(nil))
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
	printLines(w, "Warnings", r.Warnings)
	printLines(w, "Joins and leaves", r.visits())
	printLines(w, "Who is where", r.places())
	var tracks []string
	for _, t := range r.Tracks {
		tracks = append(tracks, trackLines(t)...)
	}
	printLines(w, "Recordings", tracks)
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

func (r localReport) printFilm(w io.Writer) {
	fmt.Fprintf(w, "%s: %s of %s\n", cmp.Or(r.File, "Film"), clock(r.Seconds), cmp.Or(strings.Join(r.Streams, " and "), "nothing"))
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-9s %s\n", label, fmt.Sprintf(format, args...))
	}
	if r.Frames > 0 {
		line("video", "%dx%d, %s at %d per second, in %s", r.Width, r.Height, count(r.Frames, "frame"), r.FPS, count(r.Chunks, "chunk"))
	}
	if r.Samples > 0 {
		line("audio", "%s, the loudest is %.2f of full scale before the limiter", count(r.Samples, "sample"), r.Peak)
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
	if r.Resumed {
		line("resumed", "after an interruption: what was decoded before it is not counted below")
	}
	for _, at := range r.Intervals {
		line("room time", "%s to %s is at %s of the film", clock(at.Room), clock(at.Room+at.Length), clock(at.Film))
	}
}

// away is how long a participant must have no track before that counts as a leave: between two recordings of a track that
// is replaced, some time passes.
const away = 1.0 // seconds

// visits says when each participant joins and leaves the film, in order of time.
func (r localReport) visits() []string {
	type span struct{ from, to float64 }
	spans := map[string][]span{}
	for _, t := range r.Tracks {
		if t.Used {
			spans[t.Participant] = append(spans[t.Participant], span{t.Start, t.Start + t.Length})
		}
	}
	type visit struct {
		at   float64
		text string
	}
	var visits []visit
	for participant, list := range spans {
		slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.from, b.from) })
		there := list[0]
		add := func() {
			visits = append(visits, visit{there.from, participant + " joins"}, visit{there.to, participant + " leaves"})
		}
		for _, next := range list[1:] {
			if next.from > there.to+away {
				add()
				there = next
			}
			there.to = max(there.to, next.to)
		}
		add()
	}
	slices.SortFunc(visits, func(a, b visit) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text)) })
	var lines []string
	for _, v := range visits {
		lines = append(lines, fmt.Sprintf("%-9s  %s", clock(v.at), v.text))
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

// trackLines describes one recording.
func trackLines(t compose.ReportTrack) []string {
	name := t.Name
	if t.Recording != "" {
		name += ", " + t.Recording
	}
	head := fmt.Sprintf("%s (%s): %s, %s", t.Participant, name, t.Kind, t.Codec)
	if !t.Used {
		return []string{head, "  not asked for"}
	}
	lines := []string{
		fmt.Sprintf("%s, from %s to %s", head, clock(t.Start), clock(t.Start+t.Length)),
		fmt.Sprintf("  %s, %d decoded, %s", count(t.Packets, "packet"), t.Decoded, count(t.Errors, "error")),
	}
	if t.Kind == string(roomreel.Video) {
		lines[1] += fmt.Sprintf("; %s with it, %s", count(t.Shown, "frame"), count(t.Sizes, "size change"))
	} else {
		lines[1] += fmt.Sprintf("; audible for %s", clock(t.Audible))
	}
	if t.DriftMillis != 0 {
		lines = append(lines, fmt.Sprintf("  its clock drifts by %.4g ms, which is corrected", t.DriftMillis))
	}
	if t.Off > 0 {
		lines = append(lines, fmt.Sprintf("  its camera is off %s, for %s in all", count(t.Off, "time"), clock(t.OffSeconds)))
	}
	if len(t.Parts) > 0 {
		lines = append(lines, "  its file has several parts: "+strings.Join(t.Parts, ", "))
	}
	for _, omitted := range t.Omitted {
		lines = append(lines, "  "+omitted)
	}
	if t.Repaired > 0 {
		lines = append(lines, fmt.Sprintf("  its timestamps are corrected in %s", count(t.Repaired, "place")))
	}
	if t.Truncated {
		lines = append(lines, "  the file is truncated")
	}
	if t.Missing {
		lines = append(lines, "  it is missing: nothing of it could be decoded")
	}
	if t.Refusal != "" {
		lines = append(lines, "  the decoder says: "+t.Refusal)
	}
	if t.Lost {
		lines = append(lines, "  its decoder died; it is left out from there on")
	}
	return lines
}

// checkReport refuses a report that could not be written, or that would replace the film.
func (c composeCommand) checkReport() error {
	if filepath.Clean(c.Report) == filepath.Clean(c.Output) {
		return roomreel.InvalidParam("--report", "names the film; the report needs a name of its own")
	}
	return nil
}
