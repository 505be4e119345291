package jobs

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
	"roomreel/internal/webhook"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// receiver is an application's callback.
type receiver struct {
	url   string
	mu    sync.Mutex
	down  bool
	taken []string
}

func listen(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.taken = append(r.taken, q.FormValue("StatusCallbackEvent"))
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) events() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken)
}

func (r *receiver) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// endedRoom makes a room with two events to deliver: that it was created, and that it ended.
func (w *world) endedRoom(t *testing.T, received *receiver) roomreel.Room {
	t.Helper()
	room, err := w.app.CreateRoom(t.Context(), w.account, app.CreateRoom{StatusCallback: received.url})
	check(t, err)
	w.complete(t, room)
	return room
}

// snoozed returns for how long err snoozes a job, and fails the test when it does not.
func snoozed(t *testing.T, err error) time.Duration {
	t.Helper()
	after, ok := queue.Snoozed(err)
	if !ok {
		t.Fatalf("the job ended with %v, want it snoozed", err)
	}
	return after
}

func TestCallbacks_KeepTheirOrderThroughFailures(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, received := w.worker(t, nil), listen(t)
		received.set(true)
		room := w.endedRoom(t, received)
		job := queue.Job{Job: store.Job{SID: string(room.SID)}}
		wait := snoozed(t, r.callback(t.Context(), job))
		received.set(false)
		if again := snoozed(t, r.callback(t.Context(), job)); again > wait || len(received.events()) > 0 {
			t.Errorf("snoozed for %v, then for %v and %v delivered, want nothing before its time", wait, again, received.events())
		}
		w.offset.Add(int64(wait))
		check(t, r.callback(t.Context(), job))
		if got := received.events(); !slices.Equal(got, []string{"room-created", "room-ended"}) {
			t.Errorf("received %v", got)
		}
		log, err := w.store.Deliveries(t.Context(), w.account, string(room.SID), store.Page{Size: 10})
		check(t, err)
		if len(log.Items) != 3 {
			t.Errorf("%d attempts in the log, want 3", len(log.Items))
		}
	})
}

// TestCallbacks_ToForbiddenAddressesNameTheSetting: an operator who looks for a callback finds the setting in the log, and a user
// in the deliveries.
func TestCallbacks_ToForbiddenAddressesNameTheSetting(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	var lines bytes.Buffer
	r, received := w.worker(t, func(_ *queue.Config, c *Config) {
		c.Sender = webhook.New(webhook.Config{})
		t.Cleanup(func() { c.Sender.Close() })
		c.Log = slog.New(slog.NewTextHandler(&lines, nil))
	}), listen(t)
	room := w.endedRoom(t, received)
	snoozed(t, r.callback(t.Context(), queue.Job{Job: store.Job{SID: string(room.SID)}}))
	log, err := w.store.Deliveries(t.Context(), w.account, string(room.SID), store.Page{Size: 10})
	check(t, err)
	if len(log.Items) != 1 || !strings.Contains(log.Items[0].Error, "webhook.allow") {
		t.Errorf("deliveries %+v do not name webhook.allow", log.Items)
	}
	if !strings.Contains(lines.String(), "webhook.allow") {
		t.Errorf("the log does not name webhook.allow: %s", &lines)
	}
}

func TestCallbacks_AreGivenUpAfterADayAndRedeliveredByHand(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, received := w.worker(t, nil), listen(t)
		received.set(true)
		room := w.endedRoom(t, received)
		job := queue.Job{Job: store.Job{SID: string(room.SID)}}
		begun := w.store.Now()
		attempts := 0
		for {
			err := r.callback(t.Context(), job)
			if err == nil {
				break
			}
			w.offset.Add(int64(snoozed(t, err)))
			if attempts++; attempts > 200 {
				t.Fatal("it is never given up")
			}
		}
		if took := w.store.Now().Sub(begun); took < 24*time.Hour-time.Second || took > 25*time.Hour {
			t.Errorf("given up after %v, want a day", took)
		}
		log, err := w.store.Deliveries(t.Context(), w.account, string(room.SID), store.Page{Size: 1000})
		check(t, err)
		received.set(false)
		for _, attempt := range log.Items {
			if attempt.Sequence == 0 && attempt.Attempt == 1 {
				check(t, w.app.Redeliver(t.Context(), w.account, attempt.EventID))
			}
		}
		check(t, r.callback(t.Context(), job))
		if got := received.events(); !slices.Equal(got, []string{"room-created"}) {
			t.Errorf("received %v, want what was asked for", got)
		}
	})
}

func TestCallbacks_AreOneNodesAtATime(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, received := w.worker(t, nil), listen(t)
		room := w.endedRoom(t, received)
		job := queue.Job{Job: store.Job{SID: string(room.SID)}}
		held, err := w.store.AcquireEventLease(t.Context(), job.SID, "another", eventLease)
		if err != nil || !held {
			t.Fatal(held, err)
		}
		snoozed(t, r.callback(t.Context(), job))
		if got := received.events(); len(got) > 0 {
			t.Errorf("received %v while another node was at it", got)
		}
		check(t, w.store.RemoveNode(t.Context(), "another")) // it died
		check(t, r.callback(t.Context(), job))
		if got := received.events(); len(got) != 2 {
			t.Errorf("received %v", got)
		}
	})
}

// TestCallbacks_EndWithTheirResource removes a resource whose callback is still to be delivered.
func TestCallbacks_EndWithTheirResource(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, received := w.worker(t, nil), listen(t)
		received.set(true)
		room := w.room(t, received.url)
		all, err := w.store.RecordingsOf(t.Context(), room.SID)
		check(t, err)
		job := queue.Job{Job: store.Job{SID: string(all[0].SID)}}
		snoozed(t, r.callback(t.Context(), job))
		check(t, w.store.DeleteRecording(t.Context(), w.account, all[0].SID))
		w.offset.Add(int64(31 * 24 * time.Hour))
		check(t, r.expire(t.Context(), queue.Job{}))
		check(t, r.callback(t.Context(), job))
	})
}

func TestKeyedMutex_HolderLooksOnceMore(t *testing.T) {
	var m keyedMutex
	if !m.tryLock("a") || m.tryLock("a") || !m.tryLock("b") {
		t.Fatal("a key has one holder at a time, and each key its own")
	}
	if m.unlockIfQuiet("a") {
		t.Error("unlocked although another goroutine came")
	}
	if !m.unlockIfQuiet("a") || !m.tryLock("a") {
		t.Error("not unlocked")
	}
}

func TestHooks_MakeOneCompositionForEachRoom(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, received := w.worker(t, nil), listen(t)
		on, off := true, false
		film := everyone
		film.StatusCallback = received.url
		hook, err := w.app.CreateHook(t.Context(), w.account, app.CreateHook{FriendlyName: "all", Enabled: &on, FilmParams: film})
		check(t, err)
		_, err = w.app.CreateHook(t.Context(), w.account, app.CreateHook{FriendlyName: "none", Enabled: &off, FilmParams: film})
		check(t, err)
		start(t, r)
		room := w.room(t, "")
		w.complete(t, room)
		var made []roomreel.Composition
		compositions := func() []roomreel.Composition {
			list, err := w.store.Compositions(t.Context(), w.account, store.CompositionFilter{RoomSID: room.SID}, store.Page{Size: 10})
			check(t, err)
			return list.Items
		}
		eventually(t, "composition of the hook", func() bool { made = compositions(); return len(made) > 0 })
		check(t, r.runHooks(t.Context(), queue.Job{Job: store.Job{SID: string(room.SID)}})) // as a node that died too early would again
		if made = compositions(); len(made) != 1 || made[0].HookSID != hook.SID {
			t.Fatalf("compositions %+v, want one of the hook", made)
		}
		w.completed(t, made[0].SID)
		eventually(t, "callback of the film", func() bool { return slices.Contains(received.events(), "composition-available") })
		events := received.events()
		if events[0] != "composition-enqueued" || events[1] != "composition-started" || count(events, "composition-available") != 1 {
			t.Errorf("received %v", events)
		}
	})
}

// TestRooms_EndByThemselves: without a request that completes the room, its hooks make their film.
func TestRooms_EndByThemselves(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil)
		film := everyone
		_, err := w.app.CreateHook(t.Context(), w.account, app.CreateHook{FriendlyName: "all", FilmParams: film})
		check(t, err)
		room := w.room(t, "")
		storetest.TimeOut(t, w.store, room.SID)
		start(t, r)
		var made []roomreel.Composition
		eventually(t, "composition of the hook", func() bool {
			list, err := w.store.Compositions(t.Context(), w.account, store.CompositionFilter{RoomSID: room.SID}, store.Page{Size: 10})
			check(t, err)
			made = list.Items
			return len(made) > 0
		})
		w.completed(t, made[0].SID)
	})
}

func count(events []string, name string) (n int) {
	for _, event := range events {
		if event == name {
			n++
		}
	}
	return n
}
