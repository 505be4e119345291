package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/twilio"
)

// gridRequest is a film of everything.
func gridRequest() Request {
	size := layout.Size{W: 640, H: 480}
	return Request{Layout: layout.Default(size), AudioSources: []string{"*"}, Size: size, Format: roomreel.MP4, Trim: true}
}

// Whatever the offsets are, no request makes a film without bound; the error names the recording that asks for it.
func TestArrange_KeepsTheLimits(t *testing.T) {
	const year = 365 * 24 * time.Hour
	limits := roomreel.FilmLimits{FilmLength: time.Hour, OffsetSpread: 10 * time.Hour, Frames: 1000, Tracks: 3}
	track := func(name string, offset, length time.Duration) Track {
		return Track{Name: name, Kind: roomreel.Video, Offset: offset, Length: length}
	}
	for name, c := range map[string]struct {
		tracks []Track
		trim   bool
		want   string
	}{
		"offset_spread": {[]Track{track("early", 0, time.Second), track("late", 11*year, time.Second)}, true, `recording "late" ends 96360h0m1s after recording "early" begins`},
		"film_length":   {[]Track{track("early", 0, time.Second), track("late", 2*time.Hour, time.Second)}, false, `the film would last 2h0m1s and may last 1h0m0s (limits.film_length); recording "late"`},
		"gap_is_cut":    {[]Track{track("early", 0, time.Second), track("late", 2*time.Hour, time.Second)}, true, ""},
		"tracks":        {[]Track{track("a", 0, time.Second), track("b", 0, time.Second), track("c", 0, time.Second), track("d", 0, time.Second)}, true, "the room has 4 recordings"},
		"film_frames":   {[]Track{track("a", 0, 41*time.Second)}, true, "the film would have 1025 frames and may have 1000 (limits.film_frames)"},
		"within":        {[]Track{track("a", 11*year, 39*time.Second)}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := gridRequest()
			req.Trim = c.trim
			index := &media.Index{Codec: "vp8", Video: true, Packets: []media.Packet{{Key: true, Size: 1}}, Size: 1}
			file, err := index.File()
			if err != nil {
				t.Fatal(err)
			}
			_, err = New(req, c.tracks, func(int) (*media.IndexFile, error) { return file, nil },
				Options{FPS: 25, Chunk: 20 * time.Second, Parallel: 1, Encoder: Standard, Limits: limits})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var refused *roomreel.Error
			if !errors.As(err, &refused) || refused.Twilio != twilio.CompositionTooLarge || !strings.Contains(refused.Detail, c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// A recording that has a packet is seen or heard: one frame at any rate, 20 ms of audio.
func TestNew_ShowsTheShortestRecording(t *testing.T) {
	for _, fps := range []int{1, 10, 25, 60} {
		video := &media.Index{Codec: "vp8", Video: true, Width: 64, Height: 48, Size: 1, Packets: []media.Packet{{Key: true, Size: 1}}}
		audio := &media.Index{Codec: "opus", Rate: 48000, Channels: 1, Size: 1, Packets: []media.Packet{{Key: true, Size: 1}}} // lasts 0
		var files []*media.IndexFile
		for _, x := range []*media.Index{video, audio, video} {
			f, err := x.File()
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		tracks := []Track{
			{Name: "cam", Kind: roomreel.Video, Offset: 123456789},
			{Name: "mic", Kind: roomreel.Audio, Offset: 123456789},
			{Name: "later", Kind: roomreel.Video, Offset: 10*time.Second + 7},
		}
		p, err := New(gridRequest(), tracks, func(i int) (*media.IndexFile, error) { return files[i], nil },
			Options{FPS: fps, Chunk: time.Second, Parallel: 3, Encoder: Standard})
		if err != nil {
			t.Fatal(err)
		}
		shown := map[int]bool{}
		for _, task := range p.Video {
			for _, track := range task.Tracks {
				for _, r := range track.Ranges {
					if r.From >= r.To || r.Start != 0 || r.End != 1 {
						t.Errorf("fps %d: %+v of track %d", fps, r, track.Track)
					}
					shown[track.Track] = true
				}
			}
		}
		if p.Frames < 2 || !shown[0] || !shown[2] || p.Samples < 960 || len(p.Audio) != 1 {
			t.Errorf("fps %d: %d frames, shown %v, %d samples, %d audio tasks", fps, p.Frames, shown, p.Samples, len(p.Audio))
		}
	}
}

// Rooms of 1 to 50 participants, of whom each joins 20 ms after the one before: everyone is seen and heard, each in a cell of his own.
func TestNew_TakesRoomsOfAnySize(t *testing.T) {
	camera := &media.Index{Codec: "vp8", Video: true, Width: 64, Height: 48}
	microphone := &media.Index{Codec: "opus", Rate: 48000, Channels: 1}
	for n := range 50 {
		at := time.Duration(n) * 20 * time.Millisecond
		camera.Packets = append(camera.Packets, media.Packet{Time: at, Key: n == 0})
		microphone.Packets = append(microphone.Packets, media.Packet{Time: at, Duration: 20 * time.Millisecond, Key: true})
	}
	for people := 1; people <= 50; people++ {
		var tracks []Track
		for i := range people {
			person := Track{
				Name: "camera", Participant: roomreel.ParticipantSID(rune('A' + i)), Kind: roomreel.Video,
				Offset: time.Duration(i) * 20 * time.Millisecond, Length: time.Second,
			}
			tracks = append(tracks, person)
			person.Kind = roomreel.Audio
			tracks = append(tracks, person)
		}
		p, err := New(gridRequest(), tracks, func(i int) (*media.IndexFile, error) {
			return []*media.Index{camera, microphone}[i%2].File()
		}, Options{FPS: 25, Chunk: time.Second, Parallel: 2, Encoder: Standard, Hold: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		at := map[layout.Rect]int{}
		for _, place := range p.Places {
			at[place.Rect] = place.Track
		}
		if len(p.Places) != people || len(at) != people || len(p.Audio[0].Tracks) != people || p.Length != time.Duration(people-1)*20*time.Millisecond+time.Second {
			t.Fatalf("%d people: %d places in %d cells, %d are heard in %v", people, len(p.Places), len(at), len(p.Audio[0].Tracks), p.Length)
		}
	}
}

// Of a file with three tracks, two are recordings of the room: the third is left out, and said once. Another file with the same
// tracks and another size is a file of its own.
func TestNew_NamesTheTracksOfAFileThatAreNoRecording(t *testing.T) {
	tracks := []media.FileTrack{
		{Kind: roomreel.Audio, Number: 1, Codec: "opus"}, {Kind: roomreel.Audio, Number: 2, Codec: "opus"}, {Kind: roomreel.Video, Number: 1, Codec: "vp8"},
	}
	index := func(number int, size int64) *media.Index {
		return &media.Index{
			Codec: "opus", Rate: 48000, Channels: 1, Size: size, Track: number, Tracks: tracks,
			Packets: []media.Packet{{Key: true, Size: 1, Duration: 20 * time.Millisecond}},
		}
	}
	indexes := []*media.Index{index(2, 10), index(1, 10), index(1, 11)}
	var list []Track
	for range indexes {
		list = append(list, Track{Name: "mic", Kind: roomreel.Audio, Length: 20 * time.Millisecond})
	}
	p, err := New(Request{AudioSources: []string{"*"}, Size: layout.Size{W: 64, H: 48}, Format: roomreel.MP4}, list,
		func(i int) (*media.IndexFile, error) { return indexes[i].File() }, Options{FPS: 25, Chunk: time.Second, Parallel: 1, Encoder: Standard})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"video track 1 (vp8)"}, nil, {"audio track 2 (opus)", "video track 1 (vp8)"}}
	for i, track := range p.Tracks {
		if !slices.Equal(track.LeftOut, want[i]) {
			t.Errorf("recording %d: left out %q, want %q", i, track.LeftOut, want[i])
		}
	}
}
