// Package demux is the one place where recordings of all containers are read. What a file is is decided by its first bytes,
// never by its name. A new container is one more row of the table in this file.
package demux

import (
	"bytes"
	"fmt"
	"io"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/matroska"
	"roomreel/internal/media/mp4"
	"roomreel/internal/media/ogg"
)

// front is how many bytes decide about the container.
const front = 64

// format is a container that can be read.
type format struct {
	is   func(head []byte) bool
	read func(r io.ReaderAt, size int64, kind roomreel.TrackKind, number int) (*media.Index, media.Container, error)
}

var formats = []format{
	{matroska.Is, matroska.ReadTrack},
	{mp4.Is, mp4.ReadTrack},
	{ogg.Is, ogg.ReadTrack},
}

// ReadIndex reads the recording that r holds in size bytes and says what its first usable track of the given kind holds
// ("" for either kind), and how the file is packed.
//
// It keeps every whole packet that it can find, however damaged the file is; Index.Truncated says that something is missing
// at the end. Memory grows with the number of packets only, time with the size of the file. A *roomreel.Error with code
// invalid and Param "Media" says in a sentence why a file holds nothing usable; any other error is r's.
func ReadIndex(r io.ReaderAt, size int64, kind roomreel.TrackKind) (*media.Index, media.Container, error) {
	return ReadTrack(r, size, kind, 0)
}

// ReadTrack is ReadIndex for the track with a number: of the tracks of the kind that can be read, in the order of the file's track
// list, from 1. 0 is the first. The error for a number that the file does not have names Param "Track".
func ReadTrack(r io.ReaderAt, size int64, kind roomreel.TrackKind, number int) (*media.Index, media.Container, error) {
	head := make([]byte, min(size, front))
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, "", fmt.Errorf("read recording: %w", err)
	}
	head = head[:n]
	for _, f := range formats {
		if f.is(head) {
			return f.read(r, size, kind, number)
		}
	}
	if len(head) == 0 {
		return nil, "", media.Invalid("the file is empty")
	}
	return nil, "", media.Invalid("%s: recordings are Matroska or WebM, MP4, or Ogg files", describe(head))
}

// describe says what a file that cannot be read seems to be.
func describe(head []byte) string {
	for _, known := range []struct {
		at          int
		magic, name string
	}{
		{8, "WAVE", "a WAV"},
		{8, "AVI ", "an AVI"},
		{0, "ID3", "an MP3"},
		{0, "FLV", "a Flash video"},
		{0, "fLaC", "a FLAC"},
		{0, "#EXTM3U", "an HLS playlist, not a media"},
		{0, "DKIF", "an IVF"},
		{0, "MJR0", "a Janus recording"},
		{0, "MEETECHO", "a Janus recording"},
		{0, "\x30\x26\xb2\x75", "a Windows Media"},
		{0, "PK\x03\x04", "a ZIP"},
		{0, "\x1f\x8b", "a gzip"},
		{0, "{", "a JSON"},
	} {
		if len(head) > known.at && bytes.HasPrefix(head[known.at:], []byte(known.magic)) {
			return "this is " + known.name + " file"
		}
	}
	return fmt.Sprintf("a file that begins with the bytes % X is of no kind that is read", head[:min(len(head), 8)])
}
