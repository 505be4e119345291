package main

import (
	"errors"

	"roomreel"
	"roomreel/internal/manifest"
	"roomreel/internal/media"
	"roomreel/internal/media/demux"
)

// readRoom reads a manifest and looks into every file it names, so that a mistake is found before anything is written
// or sent. The indexes are those of the recordings, in order. The caller closes the room.
func readRoom(path string) (*manifest.Room, []*media.Index, error) {
	room, err := manifest.Read(path)
	if err != nil {
		return nil, nil, err
	}
	var indexes []*media.Index
	var mistakes []error
	for _, recording := range room.Recordings {
		index, err := readIndex(room, recording)
		if err != nil {
			mistakes = append(mistakes, &roomreel.Error{
				Code: roomreel.Invalid, Param: recording.File,
				Detail: "cannot be used as " + article(recording.Kind) + " recording", Err: err,
			})
		}
		indexes = append(indexes, index)
	}
	if len(mistakes) > 0 {
		room.Close()
		return nil, nil, errors.Join(mistakes...)
	}
	return room, indexes, nil
}

func readIndex(room *manifest.Room, recording manifest.Recording) (*media.Index, error) {
	file, err := room.Open(recording)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	index, _, err := demux.ReadIndex(file, recording.Size, recording.Kind)
	return index, err
}

func article(kind roomreel.TrackKind) string {
	if kind == roomreel.Audio {
		return "an audio"
	}
	return "a video"
}
