// Package api serves Twilio's REST API: paths, signing in, forms, pages, JSON bodies and errors.
//
// A handler reads a request into types, calls one method of package app and writes the answer. Package app decides what is
// allowed. Paths that Twilio does not have are under /roomreel/v1. Start with routes.go, which lists every path in the order of
// Twilio's documentation. Only problem.go chooses the HTTP status of an error, and only wire.go names JSON fields.
// docs/divergences.md says what was chosen where Twilio's documentation says nothing.
package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

// Config holds what an API uses. A zero field means the default that is named beside it.
type Config struct {
	App            *app.App
	Log            *slog.Logger
	Ready          func(context.Context) error // asked by /readyz; App.Ready
	PublicURL      string                      // scheme://host[:port] of the URLs in answers; the host of the request
	TrustForwarded bool                        // use X-Forwarded-Proto, -Host and -For; only behind a proxy that sets them
	Limits         Limits                      // requests a second of one account; 80 reads, 20 writes
	SignInFailures int                         // failed sign-ins a minute of one user name from one client address, ten times as many from the address; 0 for 60, negative for no limit
	MaxForm        int64                       // bytes of a form; 1 MiB
	BodyTimeout    time.Duration               // longest time that a form takes to arrive, and that an upload pauses; 1 min
	UploadRate     int64                       // bytes a second that an upload must have on average; 4 KiB
	Version        string                      // of the program, for the description of the API; 0.0.0
}

const defaultMaxForm = 1 << 20

// API is the handler that New returns.
type API struct {
	app            *app.App
	log            *slog.Logger
	ready          func(context.Context) error
	publicURL      string
	trustForwarded bool
	maxForm        int64
	bodyTimeout    time.Duration
	uploadRate     int64
	limiter        *limiter
	signIns        *signIns
	pages          signer
	media          signer
	openAPI        openAPI
	mux            *http.ServeMux
}

// A handler serves one method of one resource. writeProblem answers with the error that it returns.
type handler func(w http.ResponseWriter, r *http.Request) error

// New returns the handler of all paths.
func New(c Config) http.Handler {
	a := &API{
		app: c.App, log: c.Log, ready: c.Ready,
		publicURL: strings.TrimRight(c.PublicURL, "/"), trustForwarded: c.TrustForwarded,
		maxForm: c.MaxForm, bodyTimeout: cmp.Or(c.BodyTimeout, defaultBodyTimeout), uploadRate: cmp.Or(c.UploadRate, defaultUploadRate),
		limiter: newLimiter(c.Limits), signIns: newSignIns(c.SignInFailures),
		pages: signer{keys: c.App, purpose: "page token"},
		media: signer{keys: c.App, purpose: "media link"}, openAPI: newOpenAPI(c.Version),
		mux: http.NewServeMux(),
	}
	if a.ready == nil {
		a.ready = c.App.Ready
	}
	if a.maxForm == 0 {
		a.maxForm = defaultMaxForm
	}
	for _, route := range a.routes() {
		a.mux.Handle(route.Path, a.resource(route))
	}
	return a
}

// notFound is the error of a path that does not exist. writeProblem writes its message.
func notFound() error { return roomreel.Errorf(roomreel.NotFound, "") }

// ServeHTTP finds the resource. A slash at the end of a path is ignored: Twilio's documentation writes paths with and without it.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	id := "RQ" + randomHex()
	body := newBody(w, r, a.bodyTimeout)
	out := &response{ResponseWriter: w, settle: func(h http.Header) { body.settle(h, r.ProtoMajor) }}
	out.Header().Set("Twilio-Request-Id", id)
	out.Header().Set("X-Content-Type-Options", "nosniff")
	setCORS(out.Header())
	note := &logNote{}
	r = r.WithContext(context.WithValue(r.Context(), logNoteKey{}, note))
	r.Body = body
	defer func() {
		if crash := recover(); crash != nil {
			if crash == http.ErrAbortHandler {
				panic(crash)
			}
			note.err = fmt.Errorf("panic: %v\n%s", crash, debug.Stack())
			if out.status != 0 {
				a.logRequest(r, out, note, id, time.Since(begun))
				panic(http.ErrAbortHandler) // ends the connection, so that the client notices that the answer is incomplete
			}
			writeProblem(out, r, note.err)
		}
		a.logRequest(r, out, note, id, time.Since(begun))
	}()
	trimmed, ok := trimSlash(r)
	if !ok {
		writeProblem(out, r, notFound())
		return
	}
	if _, pattern := a.mux.Handler(trimmed); pattern == "" {
		writeProblem(out, r, notFound())
		return
	}
	a.mux.ServeHTTP(out, trimmed)
}

// trimSlash removes one slash at the end of the path, and one of two at its front, which comes from a base URL with a slash at its end.
// It refuses paths that ServeMux would redirect, such as those with // or /../ in them.
func trimSlash(r *http.Request) (*http.Request, bool) {
	escaped := r.URL.EscapedPath()
	trimmed := strings.TrimSuffix(escaped, "/")
	if strings.HasPrefix(trimmed, "//") {
		trimmed = trimmed[1:]
	}
	if trimmed == "" || path.Clean(trimmed) != trimmed || r.Method == http.MethodConnect {
		return r, false
	}
	plain, err := url.PathUnescape(trimmed)
	if err != nil || badText(plain) != "" {
		return r, false
	}
	if trimmed == escaped {
		return r, true
	}
	copied := *r
	copied.URL = new(url.URL)
	*copied.URL = *r.URL
	copied.URL.Path, copied.URL.RawPath = plain, trimmed
	return &copied, true
}

// resource serves all methods of one path.
func (a *API) resource(route route) http.Handler {
	allowed := route.allowed()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note := noteOf(r)
		note.route = route.Path
		err := func() error {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			serve := route.Methods[method]
			w.Header().Set("Access-Control-Allow-Methods", allowed)
			switch {
			case method == http.MethodOptions:
				w.Header().Set("Allow", allowed)
				w.WriteHeader(http.StatusNoContent)
				return nil
			case serve == nil:
				w.Header().Set("Allow", allowed)
				return &roomreel.Error{Code: methodNotAllowed}
			case route.Open:
				return serve(w, r)
			}
			r, err := a.signIn(w, r)
			if err != nil {
				return err
			}
			return serve(w, r)
		}()
		if err != nil {
			err = bodyOf(r).explain(err)
			note.err = err
			writeProblem(w, r, err)
		}
	})
}

// setCORS lets pages of any origin read answers, with the credentials that a page sends itself in Authorization. Cookies
// and credentials that the browser keeps are not used, so Access-Control-Allow-Credentials is not sent: the Fetch standard
// does not allow it together with *.
func setCORS(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since, Range")
	h.Set("Access-Control-Expose-Headers", "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location, Retry-After, Twilio-Request-Id, "+
		"x-amz-meta-x-amz-iv, x-amz-meta-x-amz-key, x-amz-meta-x-amz-matdesc, x-amz-meta-x-amz-unencrypted-content-length")
}

// logNote collects what is known of a request only while it is served, for its log line.
type logNote struct {
	route   string
	account roomreel.AccountSID
	err     error
	attrs   []slog.Attr // of a sign-in that failed
}

type logNoteKey struct{}

func noteOf(r *http.Request) *logNote { return r.Context().Value(logNoteKey{}).(*logNote) }

// logRequest writes one line per request. It logs the route instead of the path, because a path may hold a signature or the name
// of a room.
func (a *API) logRequest(r *http.Request, out *response, note *logNote, id string, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request", id), slog.String("method", r.Method), slog.String("route", note.route),
		slog.Int("status", out.status), slog.Int64("bytes", out.bytes), slog.Int64("duration_ms", took.Milliseconds()),
	}
	if note.account != "" {
		attrs = append(attrs, slog.String("account", string(note.account)))
	}
	if len(note.attrs) > 0 {
		attrs, level = append(attrs, note.attrs...), slog.LevelWarn
	}
	if note.err != nil {
		attrs = append(attrs, errorAttrs(note.err)...)
		if out.status >= 500 && r.Context().Err() == nil { // else the client has gone
			level = slog.LevelError
		}
	}
	a.log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// errorAttrs describe an error without the message for the caller, which may repeat what the caller sent.
func errorAttrs(err error) []slog.Attr {
	var e *roomreel.Error
	if !errors.As(err, &e) {
		return []slog.Attr{slog.String("err", err.Error())}
	}
	attrs := []slog.Attr{slog.String("code", string(e.Code))}
	if e.Param != "" {
		attrs = append(attrs, slog.String("param", e.Param))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	return attrs
}

// response counts what is sent.
type response struct {
	http.ResponseWriter
	settle func(http.Header) // called before the header is sent
	status int
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
		w.settle(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is called by http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func randomHex() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails, see crypto/rand
	return hex.EncodeToString(raw[:])
}
