package compose

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/blob/dir"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// BenchmarkTask measures what planning a room and carrying out its tasks costs the parent: memory above what the process
// had before, and time. The rooms are synthetic: everybody is there from the start to the end with 30 video packets and 50
// audio packets a second, a keyframe every two minutes and an audio gap every minute. Children are left out: what a child
// would be sent is read and dropped.
func BenchmarkTask(b *testing.B) {
	for _, room := range []struct {
		people int
		length time.Duration
	}{{5, 10 * time.Minute}, {50, 4 * time.Hour}} {
		b.Run(fmt.Sprintf("%d_people_%v", room.people, room.length), func(b *testing.B) {
			benchmarkTasks(b, room.people, room.length)
		})
	}
}

func benchmarkTasks(b *testing.B, people int, length time.Duration) {
	dir := b.TempDir()
	var tracks []plan.Track
	for _, kind := range []roomreel.TrackKind{roomreel.Video, roomreel.Audio} {
		path := filepath.Join(dir, string(kind))
		storeSynthetic(b, path, kind, length)
		for i := range people {
			tracks = append(tracks, plan.Track{Name: fmt.Sprintf("%s-%d", kind, i), Kind: kind, Offset: time.Duration(i) * time.Second, Length: length})
		}
	}
	recordings := func(track int) (Recording, error) {
		index, err := openStored(b, filepath.Join(dir, string(tracks[track].Kind)))
		return Recording{index, zeros{}}, err
	}
	size := layout.Size{W: 1280, H: 720}
	req := plan.Request{Layout: layout.Default(size), AudioSources: []string{"*"}, Size: size, Format: roomreel.MP4, Trim: true}
	opts := plan.Options{FPS: 25, Chunk: 20 * time.Second, Parallel: 2, Encoder: plan.Standard}
	for b.Loop() {
		base := heap()
		began := time.Now()
		film, err := plan.New(req, tracks, func(i int) (*media.IndexFile, error) {
			recording, err := recordings(i)
			return recording.Index, err
		}, opts)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s/plan")
		b.ReportMetric(heap()-base, "MB/plan-kept")
		stored, err := os.Create(filepath.Join(dir, "plan"))
		if err != nil {
			b.Fatal(err)
		}
		checksum, err := film.Write(stored)
		if err != nil {
			b.Fatal(err)
		}
		info, err := stored.Stat()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "MB/stored-plan")
		film = nil

		base = heap()
		opened, err := plan.Open(stored, info.Size(), checksum)
		if err != nil {
			b.Fatal(err)
		}
		video, err := opened.Video(0)
		if err != nil {
			b.Fatal(err)
		}
		var packets feed
		for n, t := range video.Tracks {
			recording, err := recordings(t.Track)
			if err != nil {
				b.Fatal(err)
			}
			packets.add(n, t.Shift, t.Clock, recording, t.From(video.Chunks[0]))
		}
		reportTask(b, "video", &packets, base)
		runtime.KeepAlive(video)

		base = heap()
		audio, err := opened.Audio(opened.AudioTasks() / 2)
		if err != nil {
			b.Fatal(err)
		}
		packets = feed{}
		for n, t := range audio.Tracks {
			recording, err := recordings(t.Track)
			if err != nil {
				b.Fatal(err)
			}
			packets.add(n, t.Shift, t.Clock, recording, [][2]int{{t.Start, t.End}})
		}
		reportTask(b, "audio", &packets, base)
		runtime.KeepAlive(audio)
		stored.Close()
	}
}

// reportTask reads all packets of a task and reports the most memory that was held meanwhile.
func reportTask(b *testing.B, name string, packets *feed, base float64) {
	most, n := 0.0, 0
	for {
		_, err := packets.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if n++; n%200_000 == 1 {
			most = max(most, heap()-base)
		}
	}
	packets.Close()
	b.ReportMetric(most, "MB/"+name+"-task")
	b.ReportMetric(float64(n), "packets/"+name+"-task")
}

// heap returns the megabytes of live objects.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// zeros is a recording's file.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// storeSynthetic stores the index of a synthetic track.
func storeSynthetic(b *testing.B, path string, kind roomreel.TrackKind, length time.Duration) {
	x := &media.Index{Codec: "opus", Rate: timeline.SampleRate, Channels: 2, Size: math.MaxInt64 / 2}
	step, size := 20*time.Millisecond, 90
	if kind == roomreel.Video {
		x.Codec, x.Video, x.Width, x.Height, x.Rate = "vp8", true, 640, 480, 0
		step, size = time.Second/30, 1800
	}
	var pos int64
	for at := time.Duration(0); at < length; at += step {
		if !x.Video && at%time.Minute > 50*time.Second {
			continue // muted
		}
		p := media.Packet{Time: at, Pos: pos, Size: size, Key: !x.Video || at%(2*time.Minute) < step}
		if !x.Video {
			p.Duration = step
		}
		x.Packets = append(x.Packets, p)
		pos += int64(size) + 8
	}
	data, err := x.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
}

func openStored(b *testing.B, path string) (*media.IndexFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return media.OpenIndex(f, info.Size())
}

// BenchmarkWriteFilm joins and checks films of an hour: 640x480, with the packets of a noisy chunk over and over. s/checks is
// how long reading the film back takes, and MB how large it is.
func BenchmarkWriteFilm(b *testing.B) {
	for _, format := range []roomreel.Format{roomreel.MP4, roomreel.WebM} {
		b.Run(string(format), func(b *testing.B) { benchmarkWriteFilm(b, format, 180) })
	}
}

func benchmarkWriteFilm(b *testing.B, format roomreel.Format, chunks int) {
	store, err := dir.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	const each = 500 // frames
	film := &plan.Summary{
		Format: format, Canvas: layout.Size{W: 640, H: 480}, FPS: 25, Frames: each * chunks, Samples: int64(each*chunks) * timeline.SampleRate / 25,
		VideoEncoder: protocol.Encoder{Codec: "h264", GOP: 100}, AudioEncoder: protocol.Encoder{Codec: "aac"},
	}
	var video, audio protocol.Header
	length, front := 1024, []byte{0x21}
	video.Private = []byte{0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x84, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80}
	audio = protocol.Header{Private: []byte{0x11, 0x90}, Delay: 1024}
	frame := func(key bool) []byte {
		data := append([]byte{0, 0, 0, 1, 0x41}, bytes.Repeat([]byte{0x55}, 4000)...)
		if key {
			data[4] = 0x65
		}
		return data
	}
	if format == roomreel.WebM {
		film.VideoEncoder.Codec, film.AudioEncoder.Codec = "vp8", "opus"
		video.Private, length, front = nil, 960, []byte{0xfc}
		audio = protocol.Header{Private: []byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"), Delay: 312}
		frame = func(key bool) []byte {
			data := bytes.Repeat([]byte{0x55}, 4000)
			if key {
				copy(data, []byte{0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1})
			}
			return data
		}
	}
	w := newSegmentWriter(b.Context(), store, "chunk", video)
	for n := range each {
		if err := w.add(protocol.Packet{PTS: int64(n), Len: 1, Key: n%100 == 0, Data: frame(n%100 == 0)}); err != nil {
			b.Fatal(err)
		}
	}
	chunk, err := w.commit()
	if err != nil {
		b.Fatal(err)
	}
	w = newSegmentWriter(b.Context(), store, "audio", audio)
	for at := int64(0); at < film.Samples+int64(audio.Delay); at += int64(length) {
		if err := w.add(protocol.Packet{PTS: at / int64(length), Len: int64(length), Key: true, Data: append(front, make([]byte, 200)...)}); err != nil {
			b.Fatal(err)
		}
	}
	segments := Segments{}
	if segments.Audio, err = w.commit(); err != nil {
		b.Fatal(err)
	}
	for range chunks {
		segments.Chunks = append(segments.Chunks, chunk)
	}
	c := &Composer{Store: store, Log: slog.New(slog.DiscardHandler)}
	for n := 0; b.Loop(); n++ {
		result, err := c.WriteFilm(b.Context(), film, segments, filepath.Join(b.TempDir(), fmt.Sprintf("film-%d", n)))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(result.Checks.Seconds, "s/checks")
		b.ReportMetric(float64(result.Size)/1e6, "MB")
	}
}
