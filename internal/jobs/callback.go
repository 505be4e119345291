package jobs

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"roomreel/internal/store"
	"roomreel/internal/webhook"
)

// holdFor is how long a node keeps others from a resource's events without being heard of: more than one delivery takes.
const holdFor = time.Minute

// turns lets one worker of this process at a time deliver the events of a resource. Whoever comes meanwhile need not wait:
// the one at work looks once more before it leaves.
type turns struct {
	mu   sync.Mutex
	busy map[string]bool // resources at work; true when somebody came meanwhile
}

// take reports whether the caller has the turn. If not, whoever has it will see what the caller came for.
func (t *turns) take(resource string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.busy[resource]; taken {
		t.busy[resource] = true
		return false
	}
	if t.busy == nil {
		t.busy = map[string]bool{}
	}
	t.busy[resource] = false
	return true
}

// done ends the turn, unless somebody came meanwhile: then the caller has to look once more.
func (t *turns) done(resource string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[resource] {
		t.busy[resource] = false
		return false
	}
	delete(t.busy, resource)
	return true
}

// leave ends the turn in any case: the caller's job will run again.
func (t *turns) leave(resource string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, resource)
}

// callback delivers a resource's pending events, in order, until one has to be tried again later or none is left.
func (r *Runner) callback(ctx context.Context, job args) error {
	resource := job.SID
	if !r.turns.take(resource) {
		return nil
	}
	over := false
	defer func() {
		if !over {
			r.turns.leave(resource)
		}
	}()
	for !over {
		if err := r.deliverEvents(ctx, resource); err != nil {
			return err
		}
		over = r.turns.done(resource)
	}
	return nil
}

// deliverEvents delivers until nothing is pending. A *laterError says when to go on.
func (r *Runner) deliverEvents(ctx context.Context, resource string) error {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer cancel()
		if err := r.Store.ReleaseEventLease(ctx, resource, r.node.ID); err != nil {
			r.Log.Warn("callbacks are held until the hold ends by itself", "resource", resource, "err", err)
		}
	}()
	for {
		now := r.Store.Now()
		held, err := r.Store.AcquireEventLease(ctx, resource, r.node.ID, now.Add(holdFor))
		if err != nil {
			return err
		}
		if !held {
			return later(time.Second) // another node is at it
		}
		pending, found, err := r.Store.PendingEvent(ctx, resource)
		if err != nil || !found {
			return err
		}
		if wait := pending.Due.Sub(now); wait > 0 {
			return later(wait)
		}
		if err := r.deliverEvent(ctx, pending); err != nil {
			return err
		}
	}
}

// deliverEvent makes one attempt and writes it down, with when to make the next.
func (r *Runner) deliverEvent(ctx context.Context, pending store.Pending) error {
	event := pending.Event
	token, err := r.App.AuthToken(ctx, event.AccountSID)
	if err != nil {
		return err
	}
	started := r.Store.Now()
	outcome := r.Sender.Deliver(ctx, event, token)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	attempt := store.Delivery{
		ID: rand.Text(), EventID: event.ID, Resource: event.Resource, Sequence: event.Sequence, Type: event.Type,
		URL: event.Callback.URL, Method: event.Callback.Method, Attempt: pending.Attempts + 1,
		Started: started, Duration: outcome.Took, Status: outcome.Status,
	}
	next := store.EventDelivered
	if !outcome.Delivered {
		attempt.Error = outcome.Err.Error()
		now := r.Store.Now()
		wait, giveUp := webhook.Next(event.ID, attempt.Attempt, pending.Since, now, r.CallbackMaxAge)
		next, attempt.Retry = store.EventPending, now.Add(wait)
		if giveUp {
			next, attempt.Retry = store.EventFailed, time.Time{}
		}
		r.Log.Warn("callback not delivered", "resource", event.Resource, "event", event.Type, "attempt", attempt.Attempt,
			"status", outcome.Status, "given_up", giveUp, "err", outcome.Err)
	}
	return r.Store.RecordDelivery(ctx, event.AccountSID, attempt, next)
}
