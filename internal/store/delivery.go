package store

import (
	"context"
	"time"

	"roomreel"
)

// Delivery is one attempt to tell a callback of an event.
type Delivery struct {
	ID       string
	EventID  string
	Resource string // SID of what the event happened to
	Sequence int    // of the event within Resource
	Type     roomreel.EventType
	URL      string
	Method   string
	Attempt  int // 1 for the first
	Started  time.Time
	Duration time.Duration
	Status   int    // HTTP status of the answer; 0 when there was none
	Error    string // why it counts as failed; "" when it was delivered

	// Retry is when the event may be tried again; zero for at once. The log does not keep it.
	Retry time.Time
}

// Pending is an event that its callback has not taken yet.
type Pending struct {
	Event    roomreel.Event
	Attempts int       // made so far
	Since    time.Time // when delivery was asked for: the event's time, or that of the last Redeliver
	Due      time.Time // when the next attempt may be made; zero for at once
}

// PendingEvent returns the first undelivered event of a resource, and whether there is one. The others wait for it.
func (s *Store) PendingEvent(ctx context.Context, resource string) (Pending, bool, error) {
	var p Pending
	e := &p.Event
	err := s.read().QueryRow(ctx, `SELECT id, account_sid, resource, sequence, type, created, url, method, params, attempts, since, due
		FROM event WHERE resource = $1 AND status = 'pending' ORDER BY sequence LIMIT 1`, resource).
		Scan(&e.ID, &e.AccountSID, &e.Resource, &e.Sequence, &e.Type, instant{&e.Created}, &e.Callback.URL, &e.Callback.Method,
			fromText{&e.Params}, &p.Attempts, instant{&p.Since}, instant{&p.Due})
	if isNoRow(err) {
		return p, false, nil
	}
	return p, err == nil, err
}

// AcquireEventLease makes a node the only one that delivers a resource's events, until that time or ReleaseEventLease, and reports
// whether it could. A node may hold on for longer by calling it again.
func (s *Store) AcquireEventLease(ctx context.Context, resource, node string, until time.Time) (bool, error) {
	n, err := s.read().Exec(ctx, `UPDATE event_sequence SET holder = $2, held_until = $3
		WHERE resource = $1 AND (holder = $2 OR held_until <= $4)`, resource, node, micros(until), micros(s.now()))
	return n > 0, err
}

// ReleaseEventLease ends a hold.
func (s *Store) ReleaseEventLease(ctx context.Context, resource, node string) error {
	_, err := s.read().Exec(ctx, `UPDATE event_sequence SET holder = '', held_until = 0 WHERE resource = $1 AND holder = $2`, resource, node)
	return err
}

// EventStatus says what has become of an event.
type EventStatus string

const (
	EventPending   EventStatus = "pending"
	EventDelivered EventStatus = "delivered"
	EventFailed    EventStatus = "failed" // given up, until somebody asks to redeliver it
)

// RecordDelivery writes down an attempt and what it makes of the event. When the event is done with, the next of its
// resource has its turn.
func (s *Store) RecordDelivery(ctx context.Context, acct roomreel.AccountSID, d Delivery, next EventStatus) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO delivery (`+deliveryColumns+`, account_sid)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
			d.ID, d.EventID, d.Resource, d.Sequence, d.Type, d.URL, d.Method, d.Attempt, micros(d.Started), int64(d.Duration),
			d.Status, d.Error, acct); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE event SET status = $2, attempts = $3, due = $4 WHERE id = $1 AND status = 'pending'`,
			d.EventID, next, d.Attempt, micros(d.Retry)); err != nil {
			return err
		}
		if next == EventPending {
			return nil
		}
		var more int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM event WHERE resource = $1 AND status = 'pending'`, d.Resource).Scan(&more); err != nil || more == 0 {
			return err
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobCallback, SID: d.Resource})
	})
}

// Redeliver makes an event pending again.
func (s *Store) Redeliver(ctx context.Context, acct roomreel.AccountSID, event string) error {
	if !storable(event) {
		return notFound("event", "of this name")
	}
	return s.InTx(ctx, func(tx *Tx) error {
		var resource string
		err := tx.QueryRow(ctx, `UPDATE event SET status = 'pending', attempts = 0, since = $3, due = 0
			WHERE account_sid = $1 AND id = $2 RETURNING resource`, acct, event, micros(s.now())).Scan(&resource)
		if isNoRow(err) {
			return notFound("event", event)
		}
		if err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobCallback, SID: resource})
	})
}

const deliveryColumns = `id, event_id, resource, sequence, type, url, method, attempt, started, duration, status, error`

var deliveryTable = table[Delivery]{
	name: "delivery", columns: deliveryColumns, created: "started", id: "id",
	scan: func(row scanner) (d Delivery, err error) {
		err = row.Scan(&d.ID, &d.EventID, &d.Resource, &d.Sequence, &d.Type, &d.URL, &d.Method, &d.Attempt, instant{&d.Started},
			&d.Duration, &d.Status, &d.Error)
		return d, err
	},
	cursor: func(d Delivery) Cursor { return Cursor{d.Started, d.ID} },
}

// Deliveries lists the attempts to tell of what happened to one resource.
func (s *Store) Deliveries(ctx context.Context, acct roomreel.AccountSID, resource string, page Page) (List[Delivery], error) {
	var w where
	w.and("account_sid = ?", acct)
	w.and("resource = ?", resource)
	return list(ctx, s.read(), deliveryTable, w, page)
}
