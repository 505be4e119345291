package api

import (
	"net/http"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/twilio"
)

// Twilio's compositions and hooks have no quality. Under /roomreel/v1, the same requests take the parameter Quality, and the same
// answers have the field quality.

// ourFilmRequest reads the parameters of our compositions and hooks.
func ourFilmRequest(p *params) app.FilmParams {
	film := filmRequest(p)
	quality := choice(p, "Quality", roomreel.QualityDraft, roomreel.QualityStandard, roomreel.QualityArchive, roomreel.QualitySmall)
	film.Quality = &quality
	return film
}

// ourCompositionBody is ours: a composition with its quality, and how far it is.
type ourCompositionBody struct {
	compositionBody
	Quality          *roomreel.Quality `json:"quality"`           // null for compositions of an earlier version of the program
	PercentageDone   int               `json:"percentage_done"`   // of the time that it takes; it never goes back
	SecondsRemaining *int              `json:"seconds_remaining"` // null before a part of the work is done, and at the end
}

func ourCompositionShape(origin string, c roomreel.Composition, now time.Time) ourCompositionBody {
	body := ourCompositionBody{compositionBody: compositionShape(origin, c), Quality: orNull(c.Spec.Quality), PercentageDone: c.Progress}
	if remaining, known := c.RemainingAt(now); known {
		seconds := twilio.Seconds(remaining)
		body.SecondsRemaining = &seconds
	}
	return body
}

// ourHookBody is ours: a hook with the quality of its compositions.
type ourHookBody struct {
	hookBody
	Quality *roomreel.Quality `json:"quality"` // null: the server's (compose.encoder) when a composition is made
}

func ourHookShape(origin string, h roomreel.Hook) ourHookBody {
	return ourHookBody{hookShape(origin, h), orNull(h.Spec.Quality)}
}

func (a *API) createOurComposition(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	composition, err := a.compose(r, p, ourFilmRequest(p))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, ourCompositionShape(a.origin(r), composition, time.Now()))
	return nil
}

func (a *API) fetchOurComposition(w http.ResponseWriter, r *http.Request) error {
	composition, err := a.compositionOf(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, ourCompositionShape(a.origin(r), composition, time.Now()))
	return nil
}

func (a *API) createOurHook(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	hook, err := a.newHook(r, p, ourFilmRequest(p))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, ourHookShape(a.origin(r), hook))
	return nil
}

func (a *API) fetchOurHook(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.hookOf(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, ourHookShape(a.origin(r), hook))
	return nil
}

func (a *API) updateOurHook(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	hook, err := a.replaceHook(r, p, ourFilmRequest(p))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, ourHookShape(a.origin(r), hook))
	return nil
}
