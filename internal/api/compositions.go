package api

import (
	"cmp"
	"encoding/json"
	"net/http"

	"roomreel"
	"roomreel/internal/app"
)

var compositionList = list{
	Key: "compositions", Max: 100,
	Filters: []string{"Status", "DateCreatedAfter", "DateCreatedBefore", "RoomSid"},
}

func (a *API) listCompositions(w http.ResponseWriter, r *http.Request) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, compositionList)
	filter := app.CompositionFilter{
		Status: choice(p, "Status", roomreel.CompositionEnqueued, roomreel.CompositionProcessing, roomreel.CompositionCompleted,
			roomreel.CompositionDeleted, roomreel.CompositionFailed),
		Created: p.created(),
		RoomSID: sidParam[roomreel.RoomSID](p, "RoomSid"),
	}
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.Compositions(r.Context(), q.account, filter, q.page)
	if err != nil {
		return err
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(c roomreel.Composition) compositionBody { return compositionShape(origin, c) })
	return nil
}

func (a *API) createComposition(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	composition, err := a.compose(r, p, filmRequest(p))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, compositionShape(a.origin(r), composition))
	return nil
}

// compose creates a composition of the room that a form names.
func (a *API) compose(r *http.Request, p *params, film app.FilmParams) (roomreel.Composition, error) {
	in := app.CreateComposition{RoomSID: p.text("RoomSid"), FilmParams: film}
	if p.err != nil {
		return roomreel.Composition{}, p.err
	}
	composition, err := a.app.CreateComposition(r.Context(), accountOf(r), in)
	return composition, numbered(err, filmNumbers)
}

// filmRequest reads the parameters of compositions and hooks alike.
func filmRequest(p *params) app.FilmParams {
	return app.FilmParams{
		VideoLayout:          p.json("VideoLayout"),
		AudioSources:         p.list("AudioSources"),
		AudioSourcesExcluded: p.list("AudioSourcesExcluded"),
		Resolution:           p.text("Resolution"),
		Format:               p.text("Format"),
		Trim:                 p.boolean("Trim"),
		StatusCallback:       p.text("StatusCallback"),
		StatusCallbackMethod: p.text("StatusCallbackMethod"),
	}
}

func (a *API) fetchComposition(w http.ResponseWriter, r *http.Request) error {
	composition, err := a.compositionOf(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, compositionShape(a.origin(r), composition))
	return nil
}

// compositionOf returns the composition that a path names.
func (a *API) compositionOf(r *http.Request) (roomreel.Composition, error) {
	sid, err := pathSID[roomreel.CompositionSID](r, "Composition")
	if err != nil {
		return roomreel.Composition{}, err
	}
	return a.app.Composition(r.Context(), accountOf(r), sid)
}

func (a *API) deleteComposition(w http.ResponseWriter, r *http.Request) error {
	return a.removeComposition(w, r, false)
}

// deleteAnyComposition is ours: it also deletes a failed composition, which Twilio's path refuses.
func (a *API) deleteAnyComposition(w http.ResponseWriter, r *http.Request) error {
	return a.removeComposition(w, r, true)
}

func (a *API) removeComposition(w http.ResponseWriter, r *http.Request, failedToo bool) error {
	sid, err := pathSID[roomreel.CompositionSID](r, "Composition")
	if err != nil {
		return err
	}
	if err := a.app.DeleteComposition(r.Context(), accountOf(r), sid, failedToo); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) compositionMedia(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.CompositionSID](r, "Composition")
	if err != nil {
		return err
	}
	return a.redirectToMedia(w, r, func(in app.MediaRequest) (app.MediaLink, error) {
		return a.app.CompositionMedia(r.Context(), accountOf(r), sid, in)
	})
}

// compositionReport is ours: what a film contains and what was left out, or why the composition failed.
func (a *API) compositionReport(w http.ResponseWriter, r *http.Request) error {
	sid, err := pathSID[roomreel.CompositionSID](r, "Composition")
	if err != nil {
		return err
	}
	report, failure, err := a.app.CompositionReport(r.Context(), accountOf(r), sid)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, compositionReportBody{sid, json.RawMessage(cmp.Or(report, "null")), failureShape(failure)})
	return nil
}

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
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	hook, err := a.newHook(r, p, filmRequest(p))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, hookShape(a.origin(r), hook))
	return nil
}

// newHook creates the hook that a form describes.
func (a *API) newHook(r *http.Request, p *params, film app.FilmParams) (roomreel.Hook, error) {
	in := hookRequest(p, film)
	if p.err != nil {
		return roomreel.Hook{}, p.err
	}
	hook, err := a.app.CreateHook(r.Context(), accountOf(r), in)
	return hook, numbered(err, filmNumbers)
}

func hookRequest(p *params, film app.FilmParams) app.CreateHook {
	return app.CreateHook{FriendlyName: p.text("FriendlyName"), Enabled: p.boolean("Enabled"), FilmParams: film}
}

func (a *API) fetchHook(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.hookOf(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, hookShape(a.origin(r), hook))
	return nil
}

// hookOf returns the hook that a path names.
func (a *API) hookOf(r *http.Request) (roomreel.Hook, error) {
	sid, err := pathSID[roomreel.HookSID](r, "Hook")
	if err != nil {
		return roomreel.Hook{}, err
	}
	return a.app.Hook(r.Context(), accountOf(r), sid)
}

func (a *API) updateHook(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	hook, err := a.replaceHook(r, p, filmRequest(p))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, hookShape(a.origin(r), hook))
	return nil
}

// replaceHook replaces the hook that a path names with the one that a form describes.
func (a *API) replaceHook(r *http.Request, p *params, film app.FilmParams) (roomreel.Hook, error) {
	sid, err := pathSID[roomreel.HookSID](r, "Hook")
	if err != nil {
		return roomreel.Hook{}, err
	}
	in := hookRequest(p, film)
	if p.err != nil {
		return roomreel.Hook{}, p.err
	}
	hook, err := a.app.UpdateHook(r.Context(), accountOf(r), sid, in)
	return hook, numbered(err, filmNumbers)
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
