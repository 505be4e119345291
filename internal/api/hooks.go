package api

import (
	"net/http"

	"roomreel"
	"roomreel/internal/app"
)

var hookList = list{
	Key: "composition_hooks", Max: 1000,
	Filters: []string{"Enabled", "DateCreatedAfter", "DateCreatedBefore", "FriendlyName"},
}

func (a *API) listHooks(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, hookList)
	filter := app.HookFilter{Enabled: p.boolean("Enabled"), FriendlyName: p.text("FriendlyName"), Created: p.created()}
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.Hooks(r.Context(), q.account, filter, q.page)
	if err != nil {
		return err
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(h roomreel.Hook) hookBody { return hookShape(origin, h) })
	return nil
}

func (a *API) createHook(w http.ResponseWriter, r *http.Request) error {
	in, err := a.hookForm(w, r)
	if err != nil {
		return err
	}
	hook, err := a.app.CreateHook(r.Context(), accountOf(r), in)
	if err != nil {
		return numbered(err, filmNumbers)
	}
	writeJSON(w, http.StatusCreated, hookShape(a.origin(r), hook))
	return nil
}

func (a *API) hookForm(w http.ResponseWriter, r *http.Request) (app.CreateHook, error) {
	p, err := a.form(w, r)
	if err != nil {
		return app.CreateHook{}, err
	}
	in := app.CreateHook{FriendlyName: p.text("FriendlyName"), Enabled: p.boolean("Enabled"), FilmParams: filmRequest(p)}
	return in, p.err
}

func (a *API) fetchHook(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.HookSID](r, "Hook")
	if err != nil {
		return err
	}
	hook, err := a.app.Hook(r.Context(), accountOf(r), sid)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, hookShape(a.origin(r), hook))
	return nil
}

func (a *API) updateHook(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.HookSID](r, "Hook")
	if err != nil {
		return err
	}
	in, err := a.hookForm(w, r)
	if err != nil {
		return err
	}
	hook, err := a.app.UpdateHook(r.Context(), accountOf(r), sid, in)
	if err != nil {
		return numbered(err, filmNumbers)
	}
	writeJSON(w, http.StatusOK, hookShape(a.origin(r), hook))
	return nil
}

func (a *API) deleteHook(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.HookSID](r, "Hook")
	if err != nil {
		return err
	}
	if err := a.app.DeleteHook(r.Context(), accountOf(r), sid); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
