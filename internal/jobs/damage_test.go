package jobs

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/blobtest"
	"roomreel/internal/queue"
	"roomreel/internal/twilio"
)

// damagingStore changes a byte of what it reads of objects whose key has a part.
type damagingStore struct {
	blob.Store
	mu    sync.Mutex
	part  string
	times int             // how many objects are damaged, and
	keys  map[string]bool // which
}

func (s *damagingStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, err := s.Store.Get(ctx, key, offset, length)
	if err != nil || offset != 0 || !strings.Contains(key, s.part) {
		return body, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.keys[key] && len(s.keys) == s.times {
		return body, nil
	}
	s.keys[key] = true
	return blobtest.Damage(body)
}

func TestAssemble_RendersDamagedSegmentsAgainOnce(t *testing.T) {
	for name, test := range map[string]struct {
		part   string // of the keys of what is damaged
		times  int
		frames []int // with which the video children begin
		fails  bool
	}{
		"a chunk":          {"chunk-00002", 1, []int{0, 50}, false},
		"two chunks":       {"chunk-0000", 2, []int{0, 0}, false},
		"the film's audio": {"audio-", 1, []int{0}, false},
		"each time":        {"chunk-00001", 2, []int{0, 25}, true},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				store := &damagingStore{Store: w.working, part: test.part, times: test.times, keys: map[string]bool{}}
				start(t, w.worker(t, func(_ *queue.Config, c *Config) { c.Working = store }))
				room := w.room(t, "")
				w.complete(t, room)
				sid := w.compose(t, room, everyone)
				if test.fails {
					c := w.ended(t, sid)
					if c.Status != roomreel.CompositionFailed || c.Failure.Code != twilio.CompositionFailed ||
						!strings.Contains(c.Failure.Message, "segments are damaged, also after they were rendered again") {
						t.Errorf("the composition is %s with %+v", c.Status, c.Failure)
					}
					w.nothingLeft(t)
					return
				}
				c := w.completed(t, sid)
				var frames []int
				for _, child := range w.children(t) {
					frames = append(frames, child.Chunks[0].From)
				}
				if len(store.keys) != test.times || !slices.Equal(frames, test.frames) {
					t.Errorf("children began at %v, want %v; damaged %v", frames, test.frames, store.keys)
				}
				report := reported(t, c)
				wantCounted(t, report)
				if len(report.Warnings) > 0 || report.Checks == nil || report.Checks.Frames != report.Frames || report.Checks.SHA256 == "" {
					t.Errorf("%+v", report)
				}
			})
		})
	}
}

// Samples that several audio tasks left are found to be damaged when they are encoded.
func TestEncodeAudio_RendersDamagedSamplesAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		store := &damagingStore{Store: w.working, part: "audio-00001", times: 1, keys: map[string]bool{}}
		start(t, w.worker(t, func(_ *queue.Config, c *Config) { c.Working, c.Options.AudioTask = store, time.Second }))
		room := w.room(t, "")
		w.complete(t, room)
		c := w.completed(t, w.compose(t, room, app.FilmParams{AudioSources: []string{"*"}, Format: "mp4"}))
		if report := reported(t, c); len(store.keys) != 1 || len(report.Warnings) > 0 || report.Tracks[1].Decoded != report.Tracks[1].Packets {
			t.Errorf("damaged %v, report %+v", store.keys, report)
		}
	})
}
