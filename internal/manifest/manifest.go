// Package manifest reads room.json: the file that says which recordings make up a room and when each began.
//
// A manifest is untrusted input. It can name files in its own folder only, not through ".." and not through a symbolic link.
// Unknown fields are refused by name, because a misspelt offset would place a participant at the wrong time. Package jsonparam
// has the rules for null, numbers and text. All mistakes are reported together. Start with [Read].
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/jsonparam"
)

const (
	// maxBytes bounds a manifest: at about 200 bytes for a recording, 16 MiB hold 80,000 of them.
	maxBytes = 16 << 20

	// maxOffset bounds offset_ms and duration_ms far from the overflow of time.Duration. No room lasts a year.
	maxOffset = 366 * 24 * time.Hour

	// maxName is Twilio's limit for the names of rooms, participants and tracks, in characters.
	// Source: twilio.com/docs/video/programmable-video-limits, "Names".
	maxName = 128
)

// Room is a manifest that was read and checked, with the folder of its files.
type Room struct {
	UniqueName string // "" when the manifest names none
	Recordings []Recording

	folder *os.Root
}

// Recording is one file of a room.
type Recording struct {
	File        string // as the manifest has it, relative to the manifest's folder
	Kind        roomreel.TrackKind
	Participant string        // the participant's identity
	TrackName   string        // "" when the manifest names none
	Track       int           // number among the file's usable tracks of the kind, from 1; 0 when the manifest names none: the first
	Offset      time.Duration // room time of the first packet of the file's tracks
	Known       time.Duration // how long it lasted in room time, as its recorder knows; 0 when the manifest does not say
	Size        int64         // bytes of the file when the manifest was read
}

// Read reads the manifest at path and checks it and every file it names. The caller closes the Room.
//
// The error joins one *roomreel.Error with code invalid for each mistake, whose Param is the manifest or the file at fault.
func Read(path string) (*Room, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	room, mistakes := parse(text)
	for _, mistake := range mistakes {
		if mistake.Param == "" {
			mistake.Param = path
		}
	}
	room.folder, err = os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, invalid(path, err, "its folder cannot be opened")
	}
	mistakes = append(mistakes, room.checkFiles()...)
	if len(mistakes) > 0 {
		room.Close()
		return nil, join(mistakes)
	}
	return room, nil
}

// Open opens a recording's file for reading, inside the manifest's folder.
func (r *Room) Open(recording Recording) (*os.File, error) {
	return r.folder.Open(filepath.FromSlash(recording.File))
}

// Bytes returns the size of all recordings together.
func (r *Room) Bytes() int64 {
	var total int64
	for _, recording := range r.Recordings {
		total += recording.Size
	}
	return total
}

// Close releases the folder. Files that were opened stay open.
func (r *Room) Close() error {
	if r.folder == nil {
		return nil
	}
	return r.folder.Close()
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, invalid(path, nil, "no such file")
	case err != nil:
		return nil, invalid(path, err, "cannot be read")
	case !info.Mode().IsRegular():
		return nil, invalid(path, nil, "is not a file; a room manifest is a JSON file, usually room.json")
	case info.Size() == 0:
		return nil, invalid(path, nil, "is empty")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, invalid(path, err, "cannot be read")
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, invalid(path, err, "cannot be read")
	}
	if len(text) > maxBytes {
		return nil, invalid(path, nil, "is larger than %d MiB; a room manifest is a short JSON file", maxBytes>>20)
	}
	return text, nil
}

// parse reads the text. Mistakes without a Param are the manifest's own.
func parse(text []byte) (*Room, []*roomreel.Error) {
	room := &Room{}
	var mistakes []*roomreel.Error
	say := func(format string, args ...any) {
		mistakes = append(mistakes, roomreel.Errorf(roomreel.Invalid, format, args...))
	}

	var list []json.RawMessage
	err := readObject(text, map[string]func(json.RawMessage) error{
		"unique_name": func(raw json.RawMessage) error { return readName(raw, &room.UniqueName) },
		"recordings": func(raw json.RawMessage) error {
			if json.Unmarshal(raw, &list) != nil {
				return errors.New("must be a list of recordings")
			}
			return nil
		},
	}, func(err error) { say("%v", err) })
	switch {
	case err != nil:
		say("is not a room manifest: %v", err)
	case len(list) == 0 && len(mistakes) == 0:
		say("names no recordings; a room manifest needs a list called recordings")
	}

	for i, raw := range list {
		recording, problems := parseRecording(raw)
		for _, problem := range problems {
			say("recordings[%d]%s: %v", i, called(recording.File), problem)
		}
		room.Recordings = append(room.Recordings, recording)
	}
	return room, mistakes
}

func called(file string) string {
	if file == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", file)
}

func parseRecording(raw json.RawMessage) (r Recording, problems []error) {
	say := func(err error) { problems = append(problems, err) }
	var kind string
	err := readObject(raw, map[string]func(json.RawMessage) error{
		"file":        func(raw json.RawMessage) error { return readText(raw, &r.File) },
		"type":        func(raw json.RawMessage) error { return readText(raw, &kind) },
		"participant": func(raw json.RawMessage) error { return readName(raw, &r.Participant) },
		"track_name":  func(raw json.RawMessage) error { return readName(raw, &r.TrackName) },
		"track":       func(raw json.RawMessage) error { return readTrack(raw, &r.Track) },
		"offset_ms":   func(raw json.RawMessage) error { return readMillis(raw, 0, &r.Offset) },
		"duration_ms": func(raw json.RawMessage) error { return readMillis(raw, 1, &r.Known) },
	}, say)
	if err != nil {
		return r, []error{err}
	}
	r.Kind = roomreel.TrackKind(kind)
	if r.File == "" {
		say(errors.New("file is missing"))
	}
	if r.Participant == "" {
		say(errors.New("participant is missing"))
	}
	if r.Kind != roomreel.Audio && r.Kind != roomreel.Video {
		say(fmt.Errorf("type must be audio or video, not %q", kind))
	}
	return r, problems
}

func readText(raw json.RawMessage, to *string) error {
	text, ok := jsonparam.Text(raw)
	if !ok {
		return errors.New("must be a text in quotes")
	}
	*to = text
	return nil
}

func readName(raw json.RawMessage, to *string) error {
	if err := readText(raw, to); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(*to); n > maxName {
		return fmt.Errorf("has %d characters, more than %d", n, maxName)
	}
	return nil
}

func readTrack(raw json.RawMessage, to *int) error {
	const most = 1_000_000
	n, ok := jsonparam.Whole(string(raw), 1, most)
	if !ok {
		return fmt.Errorf("must be the number of a track in its file, at least 1, not %.40s", raw)
	}
	*to = int(n)
	return nil
}

func readMillis(raw json.RawMessage, least int64, to *time.Duration) error {
	ms, ok := jsonparam.Whole(string(raw), least, maxOffset.Milliseconds())
	if !ok {
		return fmt.Errorf("must be a whole number of milliseconds from %d to %d, not %.40s", least, maxOffset.Milliseconds(), raw)
	}
	*to = time.Duration(ms) * time.Millisecond
	return nil
}

func invalid(param string, cause error, format string, args ...any) *roomreel.Error {
	e := roomreel.InvalidParam(param, format, args...)
	e.Err = cause
	return e
}

func join(mistakes []*roomreel.Error) error {
	all := make([]error, len(mistakes))
	for i, mistake := range mistakes {
		all[i] = mistake
	}
	return errors.Join(all...)
}
