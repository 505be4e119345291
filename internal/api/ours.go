package api

import (
	"net/http"

	"roomreel"
)

var deliveryList = list{Key: "deliveries", Max: 1000}

// listDeliveries lists the attempts to call back about a resource.
func (a *API) listDeliveries(w http.ResponseWriter, r *http.Request) error {
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
func (a *API) redeliver(w http.ResponseWriter, r *http.Request) error {
	event := r.PathValue("Event")
	if err := a.app.Redeliver(r.Context(), accountOf(r), event); err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, map[string]string{"event_id": event, "resource_sid": r.PathValue("Resource")})
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
