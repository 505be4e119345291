package api

import (
	"context"
	"net/http"

	"roomreel"
)

var deliveryList = list{Key: "deliveries", Max: 1000}

// events is where a resource's callbacks are looked up. The resource has to be there, and to be the account's.
type events struct {
	api   *API
	there func(r *http.Request, sid string) error
}

// eventsOf makes handlers of the resources of one kind, which fetch finds.
func eventsOf[S roomreel.SID, T any](a *API, fetch func(context.Context, roomreel.AccountSID, S) (T, error)) events {
	return events{a, func(r *http.Request, text string) error {
		sid, err := roomreel.ParseSID[S](text)
		if err != nil {
			return notFound()
		}
		_, err = fetch(r.Context(), accountOf(r), sid)
		return err
	}}
}

// roomEvents are those of rooms, which the app finds by name too.
func (a *API) roomEvents() events {
	return eventsOf(a, func(ctx context.Context, account roomreel.AccountSID, sid roomreel.RoomSID) (roomreel.Room, error) {
		return a.app.Room(ctx, account, string(sid))
	})
}

// list lists the attempts to call back about a resource, newest first.
func (e events) list(w http.ResponseWriter, r *http.Request) error {
	a := e.api
	if err := e.there(r, r.PathValue("Resource")); err != nil {
		return err
	}
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, deliveryList)
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.Deliveries(r.Context(), q.account, r.PathValue("Resource"), q.page)
	if err != nil {
		return err
	}
	writePage(a, w, r, q, rows, deliveryShape)
	return nil
}

// redeliver sends an event once more.
func (e events) redeliver(w http.ResponseWriter, r *http.Request) error {
	if err := e.there(r, r.PathValue("Resource")); err != nil {
		return err
	}
	event := r.PathValue("Event")
	if err := e.api.app.Redeliver(r.Context(), accountOf(r), event); err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, map[string]string{"event_id": event, "resource_sid": r.PathValue("Resource")})
	return nil
}

var auditList = list{Key: "entries", Max: 1000}

// listAudit lists who changed or deleted what in the account, newest first.
func (a *API) listAudit(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, auditList)
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.AuditLog(r.Context(), q.account, q.page)
	if err != nil {
		return err
	}
	writePage(a, w, r, q, rows, auditShape)
	return nil
}

// healthy says that the process answers.
func (a *API) healthy(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// readiness says whether requests should be sent here.
func (a *API) readiness(w http.ResponseWriter, r *http.Request) error {
	if err := a.ready(r.Context()); err != nil {
		return &roomreel.Error{Code: roomreel.Unavailable, Detail: "the service is not ready: it is starting, stopping, or lacks its database", Err: err}
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	return nil
}
