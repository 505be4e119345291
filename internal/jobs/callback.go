package jobs

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/webhook"
)

// eventLease is how long a node keeps others from a resource's events without a sign of life: more than a delivery takes.
const eventLease = time.Minute

// keyedMutex lets one goroutine of this process at a time deliver the events of a resource. Another one does not wait: the
// one at work looks once more before it ends.
type keyedMutex struct {
	mu   sync.Mutex
	busy map[string]bool // keys that are locked; true when another goroutine came since
}

// tryLock reports whether the caller holds the lock. If not, the holder is told to look once more.
func (m *keyedMutex) tryLock(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, locked := m.busy[key]; locked {
		m.busy[key] = true
		return false
	}
	if m.busy == nil {
		m.busy = map[string]bool{}
	}
	m.busy[key] = false
	return true
}

// unlockIfQuiet ends the lock and returns true, unless another goroutine came since: then the holder looks once more.
func (m *keyedMutex) unlockIfQuiet(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy[key] {
		m.busy[key] = false
		return false
	}
	delete(m.busy, key)
	return true
}

// unlock ends the lock in any case: the holder's job will run again.
func (m *keyedMutex) unlock(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.busy, key)
}

// callback delivers a resource's pending events, in order, until one has to be tried again later or none is left.
func (w *Worker) callback(ctx context.Context, job queue.Job) error {
	resource := job.SID
	if !w.callbacks.tryLock(resource) {
		return nil
	}
	unlocked := false
	defer func() {
		if !unlocked {
			w.callbacks.unlock(resource)
		}
	}()
	for !unlocked {
		if err := w.deliverEvents(ctx, resource); err != nil {
			return err
		}
		unlocked = w.callbacks.unlockIfQuiet(resource)
	}
	return nil
}

// deliverEvents delivers until nothing is pending. A snooze says when to go on.
func (w *Worker) deliverEvents(ctx context.Context, resource string) error {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalizeTimeout)
		defer cancel()
		if err := w.Store.ReleaseEventLease(ctx, resource, w.Queue.NodeID()); err != nil {
			w.Log.Warn("lease of events not released; it expires by itself", "resource", resource, "err", err)
		}
	}()
	for {
		acquired, err := w.Store.AcquireEventLease(ctx, resource, w.Queue.NodeID(), eventLease)
		if err != nil {
			return ignoreSettled(err) // the resource and its events are gone
		}
		if !acquired {
			return queue.Snooze(time.Second) // another node delivers
		}
		pending, found, err := w.Store.PendingEvent(ctx, resource)
		if err != nil || !found {
			return err
		}
		if wait := pending.Due.Sub(w.Store.Now()); wait > 0 {
			return queue.Snooze(wait)
		}
		if err := w.deliverEvent(ctx, pending); err != nil {
			return err
		}
	}
}

// deliverEvent makes one attempt and writes it down, with when to make the next.
func (w *Worker) deliverEvent(ctx context.Context, pending store.Pending) error {
	event := pending.Event
	token, err := w.App.AuthToken(ctx, event.AccountSID)
	if err != nil {
		return err
	}
	started := w.Store.Now()
	result := w.Sender.Deliver(ctx, event, token)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	attempt := store.Delivery{
		ID: rand.Text(), EventID: event.ID, Resource: event.Resource, Sequence: event.Sequence, Type: event.Type,
		URL: event.Callback.URL, Method: event.Callback.Method, Attempt: pending.Attempts + 1,
		Started: started, Duration: result.Duration, Status: result.Status,
	}
	next := store.EventDelivered
	if !result.Delivered {
		attempt.Error = result.Err.Error()
		now := w.Store.Now()
		wait, giveUp := webhook.Next(event.ID, attempt.Attempt, pending.Since, now, w.CallbackMaxAge)
		next, attempt.Retry = store.EventPending, now.Add(wait)
		if giveUp {
			next, attempt.Retry = store.EventFailed, time.Time{}
		}
		w.Log.Warn("callback not delivered", "resource", event.Resource, "event", event.Type, "attempt", attempt.Attempt,
			"status", result.Status, "given_up", giveUp, "err", result.Err)
	}
	// The event may be gone with its resource since the attempt began.
	return ignoreSettled(w.Store.RecordDelivery(ctx, event.AccountSID, attempt, next))
}
