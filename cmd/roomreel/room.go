package main

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"sync"

	"roomreel"
	"roomreel/internal/compose"
	"roomreel/internal/manifest"
	"roomreel/internal/media"
	"roomreel/internal/media/demux"
)

// unusable is a file of a room of which nothing can be used.
type unusable struct {
	recording manifest.Recording
	why       *roomreel.Error
}

func (u unusable) warning() string {
	return sentence(u.why) + "; it is left out"
}

// line is what the report says of it.
func (u unusable) line() compose.ReportTrack {
	return compose.ReportTrack{
		Participant: u.recording.Participant, Name: cmp.Or(u.recording.TrackName, u.recording.File), Kind: string(u.recording.Kind),
		Missing: true, Why: sentence(u.why),
	}
}

// readRoom reads a manifest and looks into every file it names, so that a mistake is found before anything is written
// or sent. The indexes are those of the recordings, in order; nil where a file is broken, as long as another is not. The caller
// closes the room.
func readRoom(path string) (*manifest.Room, []*media.IndexFile, []unusable, error) {
	room, err := manifest.Read(path)
	if err != nil {
		return nil, nil, nil, err
	}
	var indexes []*media.IndexFile
	var mistakes []error
	var broken []unusable
	for _, recording := range room.Recordings {
		index, err := readIndex(room, recording)
		if err != nil {
			mistake := &roomreel.Error{
				Code: roomreel.Invalid, Param: recording.File,
				Detail: "cannot be used as " + article(recording.Kind) + " recording", Err: err,
			}
			if reason, ok := err.(*roomreel.Error); ok && reason.Param == "Media" {
				broken = append(broken, unusable{recording, mistake})
			} else {
				mistakes = append(mistakes, mistake)
			}
		}
		indexes = append(indexes, index)
	}
	if len(broken) == len(room.Recordings) {
		for _, u := range broken {
			mistakes = append(mistakes, u.why)
		}
	}
	if len(mistakes) > 0 {
		room.Close()
		return nil, nil, nil, errors.Join(mistakes...)
	}
	return room, indexes, broken, nil
}

// leaveOut removes the recordings whose files are broken from a room and its indexes.
func leaveOut(room *manifest.Room, indexes []*media.IndexFile) []*media.IndexFile {
	var kept []manifest.Recording
	for i, recording := range room.Recordings {
		if indexes[i] != nil {
			kept = append(kept, recording)
		}
	}
	room.Recordings = kept
	return slices.DeleteFunc(indexes, func(x *media.IndexFile) bool { return x == nil })
}

// readIndex reads a recording. Its index is kept as it would be stored, which needs less memory than its packets.
func readIndex(room *manifest.Room, recording manifest.Recording) (*media.IndexFile, error) {
	file, err := room.Open(recording)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	index, _, err := demux.ReadTrack(file, recording.Size, recording.Kind, recording.Track)
	if err != nil {
		return nil, err
	}
	return index.File()
}

func article(kind roomreel.TrackKind) string {
	if kind == roomreel.Audio {
		return "an audio"
	}
	return "a video"
}

// files keeps the recordings of a room open while they are composed. Several render children may read one file.
type files struct {
	room   *manifest.Room
	mu     sync.Mutex
	opened map[int]*os.File
}

func newFiles(room *manifest.Room) *files {
	return &files{room: room, opened: map[int]*os.File{}}
}

func (f *files) open(t int) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file, ok := f.opened[t]; ok {
		return file, nil
	}
	file, err := f.room.Open(f.room.Recordings[t])
	if err != nil {
		return nil, err
	}
	f.opened[t] = file
	return file, nil
}

func (f *files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.opened {
		file.Close()
	}
	clear(f.opened)
}
