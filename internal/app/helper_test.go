package app_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/dir"
	"roomreel/internal/keyring"
	"roomreel/internal/media"
	"roomreel/internal/media/matroska"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// eachDB runs test on both databases, with the media store in a folder.
func eachDB(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) { test(t, newFixture(t, s, nil)) })
}

type fixture struct {
	*app.App
	store   *store.Store
	queue   *queue
	media   *dir.Store
	working *dir.Store
	bucket  *bucket
	keys    string
	account roomreel.AccountSID
	token   string
}

func newFixture(t *testing.T, s *store.Store, change func(*app.Config)) *fixture {
	t.Helper()
	folder := t.TempDir()
	f := &fixture{store: s, queue: &queue{}, bucket: &bucket{}, keys: filepath.Join(folder, "keys")}
	s.SetQueue(f.queue)
	f.media, f.working = openDir(t, filepath.Join(folder, "media")), openDir(t, filepath.Join(folder, "working"))
	keys, err := keyring.Open(f.keys)
	check(t, err)
	config := app.Config{
		Store: s, Keys: keys, Media: f.media, Working: f.working, Buckets: f.bucket, Scratch: folder, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	f.App = app.New(config)
	account, token, err := f.CreateAccount(t.Context(), "test")
	check(t, err)
	f.account, f.token = account.SID, token
	return f
}

func openDir(t *testing.T, folder string) *dir.Store {
	t.Helper()
	s, err := dir.Open(folder)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func (f *fixture) room(t *testing.T, in app.CreateRoom) roomreel.Room {
	t.Helper()
	r, err := f.CreateRoom(t.Context(), f.account, in)
	check(t, err)
	return r
}

func (f *fixture) upload(t *testing.T, room roomreel.Room, in app.UploadRecording) roomreel.Recording {
	t.Helper()
	if in.Media == nil {
		in.Media = bytes.NewReader(audioFile(t, 50))
	}
	r, err := f.UploadRecording(t.Context(), f.account, string(room.SID), in)
	check(t, err)
	return r
}

// bucket is a customer's bucket that answers as it is told to.
type bucket struct {
	err   error
	asked []string
}

func (b *bucket) Check(_ context.Context, url, accessKey, secret string) error {
	b.asked = append(b.asked, url+" "+accessKey+" "+secret)
	return b.err
}

func (b *bucket) Open(string, string, string) (blob.Store, error) {
	return nil, &blob.PermanentError{Kind: blob.BadURL, Err: errors.New("there is no bucket in this test")}
}

type queue struct {
	mu   sync.Mutex
	jobs []store.Job
}

func (q *queue) Enqueue(_ context.Context, _ *store.Tx, jobs ...store.Job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, jobs...)
	return nil
}

func (q *queue) count(kind string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, job := range q.jobs {
		if job.Kind == kind {
			n++
		}
	}
	return n
}

// audioFile returns a recording of n Opus packets of 20 ms of silence; with several numbers, of as many tracks.
func audioFile(t testing.TB, counts ...int) []byte {
	t.Helper()
	packet := []byte{0xfc, 0xff, 0xfe} // RFC 6716: CELT, fullband, stereo, one frame of 20 ms
	var tracks []media.OutputTrack
	for _, n := range counts {
		track := media.OutputTrack{
			Codec: "opus", Private: opusHead(), Rate: 48000, Channels: 2, TickNum: 1, TickDen: 48000, Length: int64(n) * 960,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bytes.Repeat(packet, n))), nil },
		}
		for range n {
			track.Samples = append(track.Samples, media.OutputSample{Size: uint32(len(packet)), Len: 960, Key: true})
		}
		tracks = append(tracks, track)
	}
	var file bytes.Buffer
	check(t, matroska.WebM{}.Write(&file, tracks))
	return file.Bytes()
}

// lateTrack returns a file of audioFile whose second track begins later.
func lateTrack(t testing.TB, file []byte, by time.Duration) []byte {
	t.Helper()
	file = bytes.Clone(file)
	found := false
	block := []byte{0xa3, 0x87, 0x82} // a SimpleBlock of 7 bytes of track 2: its time and flags and three bytes of payload
	for i := range file {
		if at := file[i:]; bytes.HasPrefix(at, block) {
			binary.BigEndian.PutUint16(at[3:], binary.BigEndian.Uint16(at[3:])+uint16(by.Milliseconds()))
			found = true
		}
	}
	if !found {
		t.Fatal("the file has no block of a second track")
	}
	return file
}

// opusHead is the header of a stereo stream without pre-skip. Source: RFC 7845, section 5.1.
func opusHead() []byte {
	head := append([]byte("OpusHead"), 1, 2, 0, 0)
	head = binary.LittleEndian.AppendUint32(head, 48000)
	return append(head, 0, 0, 0)
}

func blobs(t *testing.T, s blob.Store, keys ...string) (there int) {
	t.Helper()
	for _, key := range keys {
		_, err := s.Stat(t.Context(), key)
		if err == nil {
			there++
		} else if !errors.Is(err, blob.ErrNotExist) {
			t.Error(err)
		}
	}
	return there
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError compares what a caller would be told.
func wantError(t *testing.T, err error, code roomreel.Code, param string) {
	t.Helper()
	var e *roomreel.Error
	if !errors.As(err, &e) || e.Code != code || e.Param != param {
		t.Errorf("got %v, want %s of %q", err, code, param)
	}
}

func ptr[T any](v T) *T { return &v }
