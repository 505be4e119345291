package plan

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// flickering is a camera of 15 frames a second that is off for 2.1 s in every period.
func flickering(t testing.TB, period, length time.Duration) *media.IndexFile {
	t.Helper()
	index := &media.Index{Codec: "vp8", Video: true, Width: 640, Height: 480}
	for at := time.Duration(0); at < length; at += time.Second / 15 {
		if at%period < period-2100*time.Millisecond {
			index.Packets = append(index.Packets, media.Packet{Time: at, Key: at == 0})
		}
	}
	file, err := index.File()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func flickeringRoom(t testing.TB, people int, length time.Duration) ([]Track, Indexes) {
	var tracks []Track
	var files []*media.IndexFile
	for i := range people {
		file := flickering(t, 4*time.Second+time.Duration(i)*37*time.Millisecond, length)
		files = append(files, file)
		tracks = append(tracks, Track{Name: fmt.Sprintf("camera-%d", i), Kind: roomreel.Video, Offset: time.Duration(i) * time.Second, Length: file.Length()})
	}
	return tracks, func(i int) (*media.IndexFile, error) { return files[i], nil }
}

// Cameras that are off again and again make a bounded number of scenes, and the longest gaps are those that are shown.
func TestHold_IsBounded(t *testing.T) {
	tracks, indexes := flickeringRoom(t, 50, 20*time.Minute)
	p, err := New(gridRequest(), tracks, indexes, Options{FPS: 25, Chunk: 20 * time.Second, Parallel: 2, Encoder: Standard, Hold: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	off, scenes, cells := 0, 0, 0
	for _, track := range p.Tracks {
		off += track.CameraOff
	}
	for _, task := range p.Video {
		scenes += len(task.Scenes)
		for _, scene := range task.Scenes {
			cells += len(scene.Cells)
		}
	}
	if off != maxGapCells/100 || scenes > 2*off+2*len(tracks)+len(p.Video) || cells > maxGapCells+2*50*50 {
		t.Errorf("%d gaps are shown in %d scenes with %d cells", off, scenes, cells)
	}
	v := &videoPlanner{times: map[int]*trackTimes{0: {}, 1: {gaps: []timeline.Span{{End: time.Hour}}}}}
	for n := range 15 {
		v.times[0].gaps = append(v.times[0].gaps, timeline.Span{End: time.Duration(n + 1)})
	}
	v.keepLongestGaps(10)
	if gaps := v.times[0].gaps; len(gaps) != 9 || gaps[0].End != 7 || len(v.times[1].gaps) != 1 {
		t.Errorf("%d gaps are left, the shortest lasts %d", len(gaps), gaps[0].End)
	}
}

// A film of many scenes is planned in time that does not grow with their square.
func BenchmarkHold(b *testing.B) {
	tracks, indexes := flickeringRoom(b, 50, 4*time.Hour)
	for b.Loop() {
		p, err := New(gridRequest(), tracks, indexes, Options{FPS: 25, Chunk: 20 * time.Second, Parallel: 2, Encoder: Standard, Hold: 2 * time.Second})
		if err != nil {
			b.Fatal(err)
		}
		var stored bytes.Buffer
		if _, err := p.Write(&stored); err != nil {
			b.Fatal(err)
		}
		scenes := 0
		for _, task := range p.Video {
			scenes += len(task.Scenes)
		}
		b.ReportMetric(float64(scenes), "scenes")
		b.ReportMetric(float64(stored.Len())/1e6, "MB")
	}
}

// Frames of an H.264 track are stored in another order than they are shown in. The camera is off between the latest time that
// was shown and the earliest that follows.
func TestHold_CountsTimesNotPackets(t *testing.T) {
	const ms = time.Millisecond
	index := &media.Index{Codec: "h264", Video: true, Width: 64, Height: 48}
	late := func(at time.Duration) time.Duration {
		if at >= 1760*ms {
			return at + 5*time.Second
		}
		return at
	}
	for base := time.Duration(0); base < 4*time.Second; base += 120 * ms {
		for _, at := range []time.Duration{80 * ms, 0, 40 * ms} { // so the frame after the gap is stored before the two that precede it
			index.Packets = append(index.Packets, media.Packet{Time: late(base + at), Key: base == 0 && at > 0})
		}
	}
	file, err := index.File()
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(gridRequest(), []Track{{Kind: roomreel.Video, Length: file.Length()}}, func(int) (*media.IndexFile, error) { return file, nil },
		Options{FPS: 25, Chunk: time.Minute, Parallel: 1, Encoder: Standard, Hold: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	var got []int
	for _, scene := range p.Video[0].Scenes {
		from = scene.From
		got = append(got, from)
	}
	// The last frame before the gap is at 1.72 s, the next at 6.76 s.
	if want := []int{0, 68, 169}; !slices.Equal(got, want) || p.Tracks[0].OffTime != 5040*ms {
		t.Errorf("scenes begin at %v, want %v; off for %v", got, want, p.Tracks[0].OffTime)
	}
	if cells := p.Video[0].Scenes[1].Cells; !slices.Equal(cells, []protocol.Cell(nil)) {
		t.Errorf("%v is seen while it is off", cells)
	}
}
