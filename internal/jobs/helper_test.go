package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"roomreel"
	"roomreel/e2e/fixture"
	"roomreel/internal/app"
	"roomreel/internal/blob/dir"
	"roomreel/internal/keyring"
	"roomreel/internal/plan"
	"roomreel/internal/queue"
	"roomreel/internal/render"
	"roomreel/internal/render/sandbox"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
	"roomreel/internal/webhook"
)

// people are in the made room: who, from when to when. carol's camera speaks VP9.
var people = []fixture.Recording{
	{Participant: "alice", Name: "alice-camera", Kind: roomreel.Video, Length: 4 * time.Second, Person: fixture.People[0]},
	{Participant: "alice", Name: "alice-microphone", Kind: roomreel.Audio, Length: 4 * time.Second, Person: fixture.People[0]},
	{Participant: "carol", Name: "carol-camera", Kind: roomreel.Video, Length: 3 * time.Second, Offset: time.Second, Person: fixture.People[2], Codec: "vp9"},
}

// recordings are the files of the room, made once for all tests.
var recordings struct {
	once sync.Once
	dir  string
}

func made(t *testing.T) string {
	t.Helper()
	recordings.once.Do(func() {
		var err error
		recordings.dir, err = os.MkdirTemp("", "roomreel-jobs-")
		check(t, err)
		fixture.Room{Recordings: people}.Make(t, recordings.dir)
	})
	return recordings.dir
}

// world is a service without its API: a database, stores, and the files beside its render children.
type world struct {
	config  store.Config
	offset  *atomic.Int64 // of its clock
	store   *store.Store
	app     *app.App
	media   *dir.Store
	working *dir.Store
	folder  string
	account roomreel.AccountSID
}

// each runs test in a world on each database, side by side.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, config(t)))
		})
	}
}

func newWorld(t *testing.T, config store.Config) *world {
	t.Helper()
	w := &world{config: config, offset: new(atomic.Int64), folder: t.TempDir()}
	w.config.Now = func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }
	w.store = storetest.Open(t, w.config)
	w.media, w.working = w.open(t, "media"), w.open(t, "working")
	keys, err := keyring.Open(filepath.Join(w.folder, "keys"))
	check(t, err)
	w.app = app.New(app.Config{
		Store: w.store, Keys: keys, Media: w.media, Working: w.working, Scratch: w.folder, Log: slog.New(slog.DiscardHandler),
		CallbackNetworks: loopback,
	})
	account, _, err := w.app.CreateAccount(t.Context(), "test")
	check(t, err)
	w.account = account.SID
	child, err := os.ReadFile("/proc/self/exe")
	check(t, err)
	check(t, os.WriteFile(w.beside("child"), child, 0o755))
	return w
}

func (w *world) open(t *testing.T, name string) *dir.Store {
	t.Helper()
	s, err := dir.Open(filepath.Join(w.folder, name))
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// beside is a file beside the children.
func (w *world) beside(name string) string { return filepath.Join(w.folder, name) }

// worker makes a node that does not work yet. Chunks are a second long.
func (w *world) worker(t *testing.T, change func(*queue.Config, *Config)) *Worker {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	sender := webhook.New(webhook.Config{Allow: loopback})
	t.Cleanup(func() { sender.Close() })
	options := plan.Options{FPS: 25, Chunk: time.Second, Parallel: 1, Encoder: plan.Standard}
	settings := queue.Config{Store: w.store, Log: log, Role: "all", Alone: true, Renders: 2}
	config := Config{
		Store: w.store, App: w.app, Media: w.media, Working: w.working, Sender: sender, Log: log, Scratch: w.beside("films"),
		Render: render.Command{Path: w.beside("child"), Mode: sandbox.Off}, Encoders: []string{"av1", "h264", "vp8"}, Options: options, DeliverFor: time.Hour,
	}
	if change != nil {
		change(&settings, &config)
	}
	check(t, queue.Migrate(t.Context(), w.store, log))
	var err error
	config.Queue, err = queue.New(settings)
	check(t, err)
	w.store.SetQueue(config.Queue)
	return New(config)
}

// start makes a node work until the end of the test.
func start(t *testing.T, r *Worker) *Worker {
	t.Helper()
	check(t, r.Queue.Start(t.Context()))
	t.Cleanup(func() { r.Queue.Stop(context.Background()) })
	return r
}

// room makes a room in progress, with the recordings of people.
func (w *world) room(t *testing.T, callback string) roomreel.Room {
	t.Helper()
	room, err := w.app.CreateRoom(t.Context(), w.account, app.CreateRoom{StatusCallback: callback})
	check(t, err)
	for _, track := range people {
		name := track.Name + ".mkv"
		if track.Kind == roomreel.Audio {
			name = track.Name + ".mka"
		}
		file, err := os.Open(filepath.Join(made(t), name))
		check(t, err)
		_, err = w.app.UploadRecording(t.Context(), w.account, string(room.SID), app.UploadRecording{
			Media: file, Identity: track.Participant, TrackName: track.Name, Offset: track.Offset,
		})
		file.Close()
		check(t, err)
	}
	return room
}

func (w *world) complete(t *testing.T, room roomreel.Room) {
	t.Helper()
	_, err := w.store.CompleteRoom(t.Context(), w.account, room.SID)
	check(t, err)
}

// everyone is a film of all that was recorded, small so that it is quick.
var everyone = app.FilmParams{
	VideoLayout: `{"grid":{"video_sources":["*"]}}`, AudioSources: []string{"*"}, Format: "mp4", Resolution: "160x120",
}

func (w *world) compose(t *testing.T, room roomreel.Room, film app.FilmParams) roomreel.CompositionSID {
	t.Helper()
	c, err := w.app.CreateComposition(t.Context(), w.account, app.CreateComposition{RoomSID: string(room.SID), FilmParams: film})
	check(t, err)
	return c.SID
}

// ended waits until a composition is no longer in progress.
func (w *world) ended(t *testing.T, sid roomreel.CompositionSID) roomreel.Composition {
	t.Helper()
	var c roomreel.Composition
	eventually(t, "end of the composition", func() bool {
		var err error
		c, err = w.store.CompositionBySID(t.Context(), sid)
		check(t, err)
		return !c.Status.InProgress()
	})
	return c
}

// completed waits for a film and checks what every film promises: that it is there, whole, and nothing else is.
func (w *world) completed(t *testing.T, sid roomreel.CompositionSID) roomreel.Composition {
	t.Helper()
	c := w.ended(t, sid)
	if c.Status != roomreel.CompositionCompleted {
		t.Fatalf("the composition is %s: %+v", c.Status, c.Failure)
	}
	info, err := w.media.Stat(t.Context(), c.Media.Key)
	check(t, err)
	if info.Size != c.Size || c.Size == 0 || c.Bitrate == 0 || c.Progress != 100 {
		t.Errorf("the film has %d bytes, the composition says %+v", info.Size, c)
	}
	w.nothingLeft(t)
	return c
}

// nothingLeft waits until no composition has left anything on its way.
func (w *world) nothingLeft(t *testing.T) {
	t.Helper()
	var left []string
	defer func() {
		if t.Failed() {
			t.Logf("the working store, or scratch, holds %v", left)
		}
	}()
	eventually(t, "empty working store", func() bool { left = files(t, w.beside("working")); return len(left) == 0 })
	eventually(t, "empty scratch", func() bool { left = files(t, w.beside("films")); return len(left) == 0 })
}

func files(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.Type().IsRegular() && entry.Name() != "lock" { // the folder's own
			names = append(names, path)
		}
		return err
	})
	check(t, err)
	return names
}

// published lists the chunks that are done, and waits until there are at least n.
func (w *world) published(t *testing.T, sid roomreel.CompositionSID, n int) (done []store.Chunk) {
	t.Helper()
	eventually(t, "published chunks", func() bool {
		saved, err := w.store.Plan(t.Context(), sid)
		if errors.Is(err, store.ErrLeaseLost) {
			return false
		}
		check(t, err)
		done = nil
		for _, chunk := range saved.Chunks {
			if chunk.Number >= 0 && chunk.Done() {
				done = append(done, chunk)
			}
		}
		return len(done) >= n
	})
	return done
}

// children lists the video children so far.
func (w *world) children(t *testing.T) (video []diary) {
	t.Helper()
	text, err := os.ReadFile(w.beside(diaryFile))
	if !errors.Is(err, fs.ErrNotExist) {
		check(t, err)
	}
	for line := range strings.Lines(string(text)) {
		var d diary
		check(t, json.Unmarshal([]byte(line), &d))
		if len(d.Chunks) > 0 {
			video = append(video, d)
		}
	}
	return video
}

// gate makes video children wait after each chunk.
func (w *world) gate(t *testing.T) {
	t.Helper()
	check(t, syscall.Mkfifo(w.beside(gateFile), 0o600))
	t.Cleanup(func() { os.Remove(w.beside(gateFile)) })
}

// atGate waits for a child at the gate, and lets it go when the result is closed.
func (w *world) atGate(t *testing.T) *os.File {
	t.Helper()
	var gate *os.File
	eventually(t, "a child at the gate", func() bool {
		var err error
		gate, err = os.OpenFile(w.beside(gateFile), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, syscall.ENXIO) {
			return false
		}
		check(t, err)
		return true
	})
	return gate
}

// openGate lets everyone pass from now on, the child that is held by a gate too.
func (w *world) openGate(t *testing.T, held *os.File) {
	t.Helper()
	check(t, os.Remove(w.beside(gateFile)))
	check(t, held.Close())
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("there was no %s within 30 s", what)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
