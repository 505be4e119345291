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

// AcquireEventLease makes a node the only one that delivers a resource's events, for some time or until ReleaseEventLease,
// and reports whether it could. A node prolongs its lease by acquiring it again. The error is NotFound when the resource has
// no events, because it is gone. Leases expire by the database's clock, so that the clocks of nodes do not matter.
func (s *Store) AcquireEventLease(ctx context.Context, resource, node string, duration time.Duration) (bool, error) {
	n, err := s.read().Exec(ctx, `UPDATE event_sequence SET lease_node = $2, lease_expires = `+s.clockNow+` + $3
		WHERE resource = $1 AND (lease_node = $2 OR lease_expires <= `+s.clockNow+`)`, resource, node, duration.Microseconds())
	if err != nil || n > 0 {
		return n > 0, err
	}
	var known int
	err = s.read().QueryRow(ctx, `SELECT COUNT(*) FROM event_sequence WHERE resource = $1`, resource).Scan(&known)
	if err == nil && known == 0 {
		err = notFound("event of", resource)
	}
	return false, err
}

// ReleaseEventLease ends a lease.
func (s *Store) ReleaseEventLease(ctx context.Context, resource, node string) error {
	_, err := s.read().Exec(ctx, `UPDATE event_sequence SET lease_node = '', lease_expires = 0 WHERE resource = $1 AND lease_node = $2`, resource, node)
	return err
}

// EventStatus says what has become of an event.
type EventStatus string

const (
	EventPending   EventStatus = "pending"
	EventDelivered EventStatus = "delivered"
	EventFailed    EventStatus = "failed" // given up, until a caller asks to redeliver it
)

// RecordDelivery writes down an attempt and what it makes of the event. When the event is done with, the next one of its
// resource follows. The error is NotFound when the event is gone with its resource.
func (s *Store) RecordDelivery(ctx context.Context, acct roomreel.AccountSID, d Delivery, next EventStatus) error {
	return s.InTx(ctx, func(tx *Tx) error {
		var known string
		err := tx.QueryRow(ctx, `SELECT id FROM event WHERE id = $1`+s.forUpdate, d.EventID).Scan(&known)
		if isNoRow(err) {
			return notFound("event", d.EventID)
		}
		if err != nil {
			return err
		}
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
