package jobs

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/queue"
)

// alone is a film of alice, whose packets it has. Chunks of copied packets hold 1.5 s.
var alone = app.FilmParams{
	VideoLayout: `{"grid":{"video_sources":["alice-camera"]}}`, AudioSources: []string{"*"}, Format: "webm", Resolution: "320x240",
}

func shortChunks(_ *queue.Config, c *Config) { c.Options.Chunk = 50 * time.Millisecond }

// puttingStore counts what is put, and calls before first.
type puttingStore struct {
	blob.Store
	mu     sync.Mutex
	keys   []string
	before func(key string) error
}

func (s *puttingStore) Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error) {
	name, _, _ := strings.Cut(filepath.Base(key), ".")
	s.mu.Lock()
	s.keys = append(s.keys, name)
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(name); err != nil {
			return blob.Info{}, err
		}
	}
	return s.Store.Put(ctx, key, r, size, opts)
}

func (s *puttingStore) count(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.keys {
		if strings.HasPrefix(key, name) {
			n++
		}
	}
	return n
}

func TestComposition_IsCopied(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		start(t, w.worker(t, shortChunks))
		room := w.room(t, "")
		w.complete(t, room)
		c := w.completed(t, w.compose(t, room, alone))
		r := reported(t, c)
		if !r.VideoCopied || !r.AudioCopied || r.Chunks != 3 || r.Frames != 120 || r.Tracks[0].Packets != 120 || !r.Tracks[0].Copied || len(r.Warnings) > 0 {
			t.Errorf("%+v", r)
		}
		if c.Duration < 4*time.Second || c.Duration > 4*time.Second+20*time.Millisecond {
			t.Errorf("it lasts %v", c.Duration)
		}
	})
}

// A node that dies between two chunks of copied packets loses the second only.
func TestComposition_IsCopiedOnAfterADeath(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		reached, proceed := make(chan struct{}), make(chan struct{})
		var once sync.Once
		first := &puttingStore{Store: w.working, before: func(key string) error {
			if strings.HasPrefix(key, "chunk-00001") {
				once.Do(func() { close(reached) })
				<-proceed
				return context.Canceled
			}
			return nil
		}}
		node := start(t, w.worker(t, func(q *queue.Config, c *Config) { shortChunks(q, c); c.Working = first }))
		room := w.room(t, "")
		w.complete(t, room)
		sid := w.compose(t, room, alone)
		<-reached
		w.published(t, sid, 1)
		time.AfterFunc(100*time.Millisecond, func() { close(proceed) })
		w.crashed(t, node)

		second := &puttingStore{Store: w.working}
		start(t, w.worker(t, func(q *queue.Config, c *Config) { shortChunks(q, c); c.Working = second }))
		r := reported(t, w.completed(t, sid))
		if first.count("chunk-00000") != 1 || second.count("chunk-00000") != 0 || second.count("chunk-00001") != 1 || second.count("chunk-00002") != 1 {
			t.Errorf("the first node stored %v, the second %v", first.keys, second.keys)
		}
		if !r.VideoCopied || r.Tracks[0].Packets != 120 || r.Tracks[0].Shown != 120 || r.Tracks[0].Decoded == 0 {
			t.Errorf("%+v", r.Tracks[0])
		}
	})
}

// A recording that turns out not to be what its index says is planned again, and encoded.
func TestComposition_IsPlannedAgainWhenPacketsCannotBeCopied(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		store := &puttingStore{Store: w.working}
		start(t, w.worker(t, func(q *queue.Config, c *Config) { shortChunks(q, c); c.Working = store }))
		room := w.room(t, "")
		all, err := w.store.RecordingsOf(t.Context(), room.SID)
		check(t, err)
		camera := slices.IndexFunc(all, func(r roomreel.Recording) bool { return r.TrackName == "alice-camera" })
		// The version of the packet in the middle is changed to one that is not defined.
		index, err := w.media.Stat(t.Context(), all[camera].Index)
		check(t, err)
		path := ""
		for _, file := range files(t, w.beside("media")) {
			if strings.HasSuffix(file, filepath.Base(all[camera].Media.Key)) {
				path = file
			}
		}
		data, err := os.ReadFile(path)
		check(t, err)
		reader := blob.NewReaderAt(t.Context(), w.media, all[camera].Index, index.Size)
		defer reader.Close()
		changePacket(t, reader, index.Size, 60, data)
		check(t, os.WriteFile(path, data, 0o600))
		w.complete(t, room)
		r := reported(t, w.completed(t, w.compose(t, room, alone)))
		if r.VideoCopied || r.AudioCopied || !strings.Contains(r.WhyVideoEncoded, "unknown version") || store.count("plan") != 2 {
			t.Errorf("%+v\n%d plans", r, store.count("plan"))
		}
	})
}

// changePacket changes the version of a VP8 packet in the bytes of its recording.
func changePacket(t *testing.T, index io.ReaderAt, size int64, packet int, data []byte) {
	t.Helper()
	opened, err := media.OpenIndex(index, size)
	check(t, err)
	for p, err := range opened.Packets(packet, packet+1) {
		check(t, err)
		data[p.Pos] |= 0x0e
	}
}
