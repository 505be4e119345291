package store_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// eachDB runs test on both databases, with an account and a queue that remembers.
func eachDB(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) { test(t, newFixture(t, s)) })
}

type fixture struct {
	*store.Store
	queue   *queue
	account roomreel.AccountSID
}

func newFixture(t *testing.T, s *store.Store) *fixture {
	t.Helper()
	f := &fixture{Store: s, queue: &queue{}}
	s.SetQueue(f.queue)
	f.account = f.newAccount(t)
	return f
}

func (f *fixture) newAccount(t *testing.T) roomreel.AccountSID {
	t.Helper()
	account := f.NewAccount("test")
	check(t, f.CreateAccount(t.Context(), account, store.AccountSecrets{Token: []byte("sealed"), Hash: []byte("hash")}))
	return account.SID
}

var statusCallback = roomreel.Callback{URL: "https://example.com/status", Method: "POST"}

func (f *fixture) room(t *testing.T, name string) roomreel.Room {
	t.Helper()
	r, err := f.CreateRoom(t.Context(), roomreel.Room{
		SID: roomreel.NewSID[roomreel.RoomSID](), AccountSID: f.account, UniqueName: name, Type: "group", StatusCallback: statusCallback,
	})
	check(t, err)
	return r
}

func (f *fixture) upload(room roomreel.Room, identity, track string) store.Upload {
	sid := roomreel.NewSID[roomreel.RecordingSID]()
	return store.Upload{Digest: string(sid), Recording: roomreel.Recording{
		SID: sid, AccountSID: room.AccountSID, RoomSID: room.SID, Identity: identity, TrackName: track, Kind: roomreel.Video,
		Codec: "vp8", Container: "mkv", Media: roomreel.Media{Key: "a/" + string(sid) + ".mkv"}, Index: "a/" + string(sid) + ".index",
	}}
}

// add reserves the objects of an upload and adds its recording.
func (f *fixture) add(t *testing.T, u store.Upload) (roomreel.Recording, bool, error) {
	t.Helper()
	for _, object := range []store.PendingDeletion{
		{Store: store.MediaStore, Key: u.Recording.Media.Key},
		{Store: store.MediaStore, Key: u.Recording.Index},
		{Store: store.WorkingStore, Key: u.Recording.Media.CopyKey},
	} {
		if object.Key != "" {
			check(t, f.Reserve(t.Context(), string(u.Recording.SID), object))
		}
	}
	return f.AddRecording(t.Context(), u)
}

// reserve reserves an object in the working store for a composition.
func (f *fixture) reserve(t *testing.T, c roomreel.CompositionSID, key string) {
	t.Helper()
	check(t, f.Reserve(t.Context(), string(c), store.PendingDeletion{Store: store.WorkingStore, Key: key}))
}

func (f *fixture) recording(t *testing.T, room roomreel.Room, identity, track string) roomreel.Recording {
	t.Helper()
	r, added, err := f.add(t, f.upload(room, identity, track))
	check(t, err)
	if !added {
		t.Fatal("the recording was there before")
	}
	return r
}

func (f *fixture) composition(t *testing.T, room roomreel.Room) roomreel.Composition {
	t.Helper()
	c, err := f.CreateComposition(t.Context(), roomreel.Composition{
		SID: roomreel.NewSID[roomreel.CompositionSID](), AccountSID: room.AccountSID, RoomSID: room.SID,
		Spec: roomreel.FilmSpec{VideoLayout: "{}", AudioSources: []string{"*"}, Resolution: "640x480", Format: roomreel.MP4, Trim: true, StatusCallback: statusCallback},
	}, nil)
	check(t, err)
	return c
}

// events returns the types of the events of a resource that are to be delivered, in order.
func (f *fixture) events(t *testing.T, resource string) []roomreel.EventType {
	t.Helper()
	var types []roomreel.EventType
	for {
		p, found, err := f.PendingEvent(t.Context(), resource)
		check(t, err)
		if !found {
			return types
		}
		if p.Event.Sequence != len(types) {
			t.Errorf("event %s has number %d, want %d", p.Event.Type, p.Event.Sequence, len(types))
		}
		types = append(types, p.Event.Type)
		check(t, f.RecordDelivery(t.Context(), f.account, store.Delivery{
			ID: p.Event.ID + "1", EventID: p.Event.ID, Resource: resource, Started: f.Now(),
		}, store.EventDelivered))
	}
}

// queue remembers the jobs of transactions, whether they were committed or not.
type queue struct {
	mu   sync.Mutex
	jobs []store.Job
}

func (q *queue) Enqueue(_ context.Context, tx *store.Tx, jobs ...store.Job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, jobs...)
	return nil
}

// count says how many jobs of a kind were enqueued for a SID.
func (q *queue) count(kind, sid string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(slices.Collect(func(yield func(store.Job) bool) {
		for _, job := range q.jobs {
			if job.Kind == kind && job.SID == sid && !yield(job) {
				return
			}
		}
	}))
}

// numbers lists the numbers of the jobs of a kind that were enqueued for a SID, in their order.
func (q *queue) numbers(kind, sid string) (numbers []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, job := range q.jobs {
		if job.Kind == kind && job.SID == sid {
			numbers = append(numbers, job.Number)
		}
	}
	return numbers
}

// has reports whether a job was enqueued.
func (q *queue) has(job store.Job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(q.jobs, job)
}

// atOnce runs do n times at once and returns how often it succeeded. Any error but those allowed fails the test.
func atOnce(t *testing.T, n int, do func(i int) error, allowed func(error) bool) int {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	succeeded := 0
	for _, err := range errs {
		switch {
		case err == nil:
			succeeded++
		case allowed == nil || !allowed(err):
			t.Error(err)
		}
	}
	return succeeded
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code roomreel.Code) {
	t.Helper()
	if roomreel.CodeOf(err) != code {
		t.Errorf("got %v, want an error of code %s", err, code)
	}
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
