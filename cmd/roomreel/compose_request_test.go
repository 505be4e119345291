package main

import (
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/manifest"
	"roomreel/internal/media"
)

func TestTracks_OfOneFileKeepTheirDistance(t *testing.T) {
	room := &manifest.Room{Recordings: []manifest.Recording{
		{File: "a.webm", Kind: roomreel.Video, Participant: "alice", Offset: time.Second},
		{File: "a.webm", Kind: roomreel.Audio, Participant: "alice", Offset: time.Second},
	}}
	var indexes []*media.IndexFile
	for _, index := range []media.Index{{Codec: "vp8", Video: true}, {Codec: "opus", Start: 300 * time.Millisecond}} {
		file, err := index.File()
		if err != nil {
			t.Fatal(err)
		}
		indexes = append(indexes, file)
	}
	list := tracks(room, indexes)
	if list[0].Offset != time.Second || list[1].Offset != 1300*time.Millisecond {
		t.Errorf("offsets %v and %v, want 1 s and 1.3 s", list[0].Offset, list[1].Offset)
	}
}
