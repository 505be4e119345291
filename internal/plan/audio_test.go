package plan

import (
	"bytes"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

// A film is mono when all that is heard in it is mono, and a single stereo recording makes it stereo.
func TestPlan_IsMonoWhenAllIsMono(t *testing.T) {
	microphone := func(name string, mono bool) (Track, *media.Index) {
		x := &media.Index{Codec: "opus", Rate: 48000, Channels: 2, Mono: mono, Size: 1 << 20}
		for i := range 200 {
			x.Packets = append(x.Packets, media.Packet{Time: time.Duration(i) * 20 * time.Millisecond, Duration: 20 * time.Millisecond, Key: true, Size: 1})
		}
		return Track{Name: name, Kind: roomreel.Audio, Length: x.Length()}, x
	}
	var tracks []Track
	var files []*media.Index
	for name, mono := range map[string]bool{"mono1": true, "mono2": true, "music": false} {
		track, x := microphone(name, mono)
		tracks, files = append(tracks, track), append(files, x)
	}
	indexes := func(i int) (*media.IndexFile, error) { return files[i].File() }
	for _, test := range []struct {
		sources  []string
		task     time.Duration
		channels int
	}{
		{[]string{"*"}, 0, 2},
		{[]string{"mono*"}, 0, 1},
		{[]string{"music"}, 0, 2},
		{[]string{"*"}, time.Second, 2},
		{[]string{"mono*"}, time.Second, 1},
	} {
		for _, format := range []roomreel.Format{roomreel.MP4, roomreel.WebM} {
			req := Request{AudioSources: test.sources, Format: format}
			p, err := New(req, tracks, indexes, Options{FPS: 25, Chunk: time.Second, Parallel: 1, AudioTask: test.task})
			if err != nil {
				t.Fatal(err)
			}
			var stored bytes.Buffer
			sum, err := p.Write(&stored)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Open(bytes.NewReader(stored.Bytes()), int64(stored.Len()), sum)
			if err != nil {
				t.Fatal(err)
			}
			film, err := f.Summary()
			if err != nil {
				t.Fatal(err)
			}
			if film.AudioEncoder.Channels != test.channels {
				t.Errorf("%+v: the film has %d channels", test, film.AudioEncoder.Channels)
			}
			for i := range f.AudioTasks() {
				task, err := f.Audio(i)
				if err != nil {
					t.Fatal(err)
				}
				if task.Encoder.Channels != test.channels || (task.Encoder.Codec == protocol.Lossless) != (test.task > 0) {
					t.Errorf("%+v: a task has %+v", test, task.Encoder)
				}
				for _, track := range task.Tracks {
					if want := files[track.Track].Mono; track.Media.Mono != want {
						t.Errorf("%+v: track %d is mono: %v, want %v", test, track.Track, track.Media.Mono, want)
					}
				}
			}
			if mono := test.channels == 1; format == roomreel.WebM && mono != (film.AudioEncoder.Options != nil) {
				t.Errorf("%+v: options %v", test, film.AudioEncoder.Options)
			}
		}
	}
}
