package api

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"roomreel/internal/app"
	"roomreel/internal/still"
)

// estimateBody is what a film would cost.
type estimateBody struct {
	DurationSeconds float64      `json:"duration_seconds"` // of the film
	CoreSeconds     float64      `json:"core_seconds"`     // of processor time of the render children, all cores together
	WallSeconds     float64      `json:"wall_seconds"`     // until the film is there, when the work in progress is done first
	SizeBytes       int64        `json:"size_bytes"`       // of the film
	Load            loadBody     `json:"load"`
	Basis           estimateFrom `json:"basis"`
}

// loadBody is the work that is in progress now.
type loadBody struct {
	Compositions int     `json:"compositions"`   // that are in progress and planned
	CoreSeconds  float64 `json:"core_seconds"`   // of processor time that they still need
	Workers      int     `json:"render_workers"` // of all nodes that live
}

// estimateFrom says what the estimate rests on.
type estimateFrom struct {
	Finished  int     `json:"finished_compositions"` // of this kind, whose measured values correct the estimate
	CoreRatio float64 `json:"core_ratio"`            // what they took of processor time, divided by what the table of costs says
	WallRatio float64 `json:"wall_ratio"`            // of time until they were made, the same
	SizeRatio float64 `json:"size_ratio"`            // of bytes, the same
}

// estimateComposition is ours: what a composition with these parameters would cost.
func (a *API) estimateComposition(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	in := app.CreateComposition{RoomSID: p.text("RoomSid"), FilmParams: ourFilmRequest(p)}
	if p.err != nil {
		return p.err
	}
	e, err := a.app.EstimateComposition(r.Context(), accountOf(r), in)
	if err != nil {
		return numbered(err, filmNumbers)
	}
	writeJSON(w, http.StatusOK, estimateBody{
		DurationSeconds: e.Length.Seconds(), CoreSeconds: e.Core.Seconds(), WallSeconds: e.Wall.Seconds(), SizeBytes: e.Size,
		Load:  loadBody{Compositions: e.InProgress, CoreSeconds: e.Ahead.Seconds(), Workers: e.Workers},
		Basis: estimateFrom{Finished: e.Finished, CoreRatio: e.CoreRatio, WallRatio: e.WallRatio, SizeRatio: e.SizeRatio},
	})
	return nil
}

// previewComposition is ours: the frame that a composition with these parameters would show at a time, as an image.
func (a *API) previewComposition(w http.ResponseWriter, r *http.Request) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	in := app.CreateComposition{RoomSID: p.text("RoomSid"), FilmParams: ourFilmRequest(p)}
	at, format := p.seconds("Second"), choice(p, "ImageFormat", still.JPEG, still.PNG)
	if p.err != nil {
		return p.err
	}
	if format == "" {
		format = acceptedFormat(r.Header.Values("Accept"))
	}
	frame, err := a.app.PreviewComposition(r.Context(), accountOf(r), in, at)
	if err != nil {
		return numbered(err, filmNumbers)
	}
	var image bytes.Buffer
	if err := frame.Write(&image, format); err != nil {
		return err
	}
	w.Header().Set("Content-Type", format.ContentType())
	w.Header().Set("Content-Length", strconv.Itoa(image.Len()))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	w.Write(image.Bytes()) // an error means that the client has gone
	return nil
}

// acceptedFormat is PNG where the header Accept names it and not JPEG.
func acceptedFormat(accept []string) still.Format {
	header := strings.ToLower(strings.Join(accept, ","))
	if strings.Contains(header, still.PNG.ContentType()) && !strings.Contains(header, still.JPEG.ContentType()) {
		return still.PNG
	}
	return still.JPEG
}

var decimal = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?$`)

// seconds reads a time of a film in seconds, with a fraction or without; 0 when absent.
func (p *params) seconds(name string) time.Duration {
	text := p.text(name)
	if text == "" {
		return 0
	}
	at, err := time.ParseDuration(text + "s")
	if err != nil || !decimal.MatchString(text) {
		p.fail(name, "%q is not a number of seconds, such as 12.5", clip(text))
	}
	return at
}
