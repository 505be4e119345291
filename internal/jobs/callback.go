package jobs

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"roomreel/internal/store"
	"roomreel/internal/webhook"
)

// turns lets one worker of this process at a time deliver the events of a resource, and not before their time.
type turns struct {
	mu   sync.Mutex
	busy map[string]bool
	due  map[string]time.Time // of the resource's next attempt, after a failed one
}

// take reports whether the caller may deliver now; if not, when to come back.
func (t *turns) take(resource string, now time.Time) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[resource] {
		return 200 * time.Millisecond, false
	}
	if due := t.due[resource]; due.After(now) {
		return due.Sub(now), false
	}
	delete(t.due, resource)
	if t.busy == nil {
		t.busy, t.due = map[string]bool{}, map[string]time.Time{}
	}
	t.busy[resource] = true
	return 0, true
}

// leave ends a turn. A due time that is not zero puts the next one off.
func (t *turns) leave(resource string, due time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, resource)
	if !due.IsZero() {
		t.due[resource] = due
	}
}

// callback delivers a resource's pending events, in order, until one fails or none is left.
func (r *Runner) callback(ctx context.Context, job args, _ bool) error {
	resource := job.SID
	wait, ok := r.turns.take(resource, time.Now())
	if !ok {
		return later(wait)
	}
	var due time.Time
	defer func() { r.turns.leave(resource, due) }()
	for {
		pending, found, err := r.Store.PendingEvent(ctx, resource)
		if err != nil || !found {
			return err
		}
		wait, err := r.deliverEvent(ctx, pending)
		if err != nil {
			return err
		}
		if wait > 0 {
			due = time.Now().Add(wait)
			return later(wait)
		}
	}
}

// deliverEvent makes one attempt and writes it down. A wait above 0 says when to make the next.
func (r *Runner) deliverEvent(ctx context.Context, pending store.Pending) (wait time.Duration, err error) {
	event := pending.Event
	token, err := r.App.AuthToken(ctx, event.AccountSID)
	if err != nil {
		return 0, err
	}
	started := r.Store.Now()
	outcome := r.Sender.Deliver(ctx, event, token)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	attempt := store.Delivery{
		ID: rand.Text(), EventID: event.ID, Resource: event.Resource, Sequence: event.Sequence, Type: event.Type,
		URL: event.Callback.URL, Method: event.Callback.Method, Attempt: pending.Attempts + 1,
		Started: started, Duration: outcome.Took, Status: outcome.Status,
	}
	next := store.EventDelivered
	if !outcome.Delivered {
		attempt.Error = outcome.Err.Error()
		var giveUp bool
		wait, giveUp = webhook.Next(event.ID, attempt.Attempt, pending.Since, r.Store.Now(), r.CallbackMaxAge)
		next = store.EventPending
		if giveUp {
			wait, next = 0, store.EventFailed
		}
		r.Log.Warn("callback not delivered", "resource", event.Resource, "event", event.Type, "attempt", attempt.Attempt,
			"status", outcome.Status, "given_up", giveUp, "err", outcome.Err)
	}
	return wait, r.Store.RecordDelivery(ctx, event.AccountSID, attempt, next)
}
