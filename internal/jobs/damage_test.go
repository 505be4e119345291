package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/blobtest"
	"roomreel/internal/queue"
	"roomreel/internal/seal"
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
				if report.Again != test.times || len(report.Warnings) != 1 || report.Checks == nil || report.Checks.Frames != report.Frames || report.Checks.SHA256 == "" {
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
		if report := reported(t, c); len(store.keys) != 1 || report.Again != 1 || len(report.Warnings) != 1 || report.Tracks[1].Decoded != report.Tracks[1].Packets {
			t.Errorf("damaged %v, report %+v", store.keys, report)
		}
	})
}

// damagingFilm changes a byte of a film in its file, after it was checked and before it is stored.
type damagingFilm struct {
	blob.Store
	films string // the folder of films in the making
	times *atomic.Int64
}

func (s damagingFilm) Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error) {
	made, _ := filepath.Glob(filepath.Join(s.films, "*", "*", "film"))
	if len(made) == 1 && s.times.Add(-1) >= 0 {
		data, err := os.ReadFile(made[0])
		if err != nil {
			return blob.Info{}, err
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(made[0], data, 0o600); err != nil {
			return blob.Info{}, err
		}
	}
	info, err := s.Store.Put(ctx, key, r, size, opts)
	if err != nil {
		err = errors.New(err.Error()) // as a library for buckets may do that does not wrap what a reader says
	}
	return info, err
}

// A film that is damaged after its check is joined again, once, and never delivered: not to the media store, sealed or not, and not to
// a bucket.
func TestAssemble_JoinsAFilmAgainThatChangesAfterItsCheck(t *testing.T) {
	for name, test := range map[string]struct {
		sealed, bucket bool
		file           int // how often its file changes before it is stored
		working        int // how often it changes in the working store
		fails          bool
	}{
		"to the media store":        {file: 1},
		"each time":                 {file: 2, fails: true},
		"sealed":                    {sealed: true, file: 1, working: 1},
		"to a bucket":               {bucket: true, working: 1},
		"in the working store each": {sealed: true, bucket: true, working: 2, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				var left atomic.Int64
				left.Store(int64(test.file))
				working := &damagingStore{Store: w.working, part: "film", times: test.working, keys: map[string]bool{}}
				r, d := sending(t, w, w.media)
				check(t, w.working.Delete(t.Context(), d.copyKey))
				settings := roomreel.Settings{AccountSID: w.account, Kind: roomreel.CompositionSettings, FriendlyName: "x"}
				if test.sealed {
					settings.EncryptionKeyEnabled, settings.EncryptionKeySID = true, d.destination.KeySID
				}
				if test.bucket {
					settings.AWSStorageEnabled, settings.AWSCredentialsSID, settings.AWSS3URL = true, d.destination.CredentialSID, d.destination.S3URL
				}
				check(t, w.store.SetSettings(t.Context(), settings))
				r = w.worker(t, func(_ *queue.Config, c *Config) {
					c.Seal, c.OpenBucket = seal.Twilio, r.OpenBucket
					c.Media, c.Working = damagingFilm{w.media, w.beside("films"), &left}, damagingFilm{working, w.beside("films"), &left}
				})
				start(t, r)
				room := w.room(t, "")
				w.complete(t, room)
				c := w.ended(t, w.compose(t, room, everyone))
				w.nothingLeft(t)
				if left.Load() > 0 || len(working.keys) != test.working {
					t.Errorf("damaged %v in the working store, and %d times less than asked for in the file", working.keys, left.Load())
				}
				if test.fails {
					if c.Status != roomreel.CompositionFailed || !strings.Contains(c.Failure.Message, errFilmChanged.Error()) {
						t.Errorf("the composition is %s with %+v", c.Status, c.Failure)
					}
					return
				}
				if c.Status != roomreel.CompositionCompleted {
					t.Fatalf("the composition is %s with %+v", c.Status, c.Failure)
				}
				if test.sealed || test.bucket {
					return
				}
				body, err := w.media.Get(t.Context(), c.Media.Key, 0, -1)
				check(t, err)
				defer body.Close()
				sum := sha256.New()
				_, err = io.Copy(sum, body)
				check(t, err)
				if found := hex.EncodeToString(sum.Sum(nil)); found != reported(t, c).Checks.SHA256 {
					t.Errorf("the film has SHA-256 %s, and %s was checked", found, reported(t, c).Checks.SHA256)
				}
			})
		})
	}
}
