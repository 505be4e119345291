package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/dir"
	"roomreel/internal/keyring"
	"roomreel/internal/store"
)

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   map[string]any // of a JSON body
}

// text is a field of the body, or of an object in it: text("links.media").
func (a answer) text(path string) string {
	var at any = a.JSON
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	text, _ := at.(string)
	return text
}

// rows are the entries of a list's body.
func (a answer) rows(key string) []map[string]any {
	list, _ := a.JSON[key].([]any)
	rows := make([]map[string]any, len(list))
	for i, row := range list {
		rows[i], _ = row.(map[string]any)
	}
	return rows
}

// caller signs in with user and password.
type caller struct {
	*service
	user, password string
	header         string // Authorization instead, as it is
}

// do sends a request as it is and checks the answer against Twilio's descriptions and ours.
func (c caller) do(t testing.TB, r *http.Request) answer {
	t.Helper()
	if c.user != "" {
		r.SetBasicAuth(c.user, c.password)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: response.StatusCode, Header: response.Header, Body: body}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") && len(body) > 0 {
		if err := json.Unmarshal(body, &a.JSON); err != nil {
			t.Fatalf("%s %s: %v: %s", r.Method, r.URL, err, body)
		}
	}
	c.contract.check(t, r, a.Status, a.Header, body)
	c.description.check(t, c.service, r, a)
	return a
}

// request makes a request of a path or a whole URL. A form goes into the query of a GET and into the body of the rest.
func (c caller) request(t testing.TB, method, path, form string) *http.Request {
	t.Helper()
	if !strings.Contains(path, "://") {
		path = c.URL + path
	}
	var body io.Reader
	if method == http.MethodGet || method == http.MethodHead {
		if form != "" {
			path += "?" + form
		}
	} else if form != "" {
		body = strings.NewReader(form)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// want sends a request and fails the test unless it is answered with the status.
func (c caller) want(t testing.TB, status int, method, path string, form ...string) answer {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	a := c.do(t, c.request(t, method, path, values.Encode()))
	if a.Status != status {
		t.Fatalf("%s %s %v: status %d, want %d: %s", method, path, form, a.Status, status, a.Body)
	}
	return a
}

// upload sends a multipart body of fields, in order; a name that begins with @ is the file of that path.
func (c caller) upload(t testing.TB, path string, fields ...string) answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if name, isFile := strings.CutPrefix(fields[i], "@"); isFile {
			content, err := os.ReadFile(fields[i+1])
			if err != nil {
				t.Fatal(err)
			}
			part, err := form.CreateFormFile(name, "file")
			if err != nil {
				t.Fatal(err)
			}
			part.Write(content)
		} else if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	form.Close()
	r, err := http.NewRequest(http.MethodPost, c.URL+path, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	return c.do(t, r)
}

var update = flag.Bool("update", false, "rewrite golden files and docs/errors.md")

// golden compares text with a file below the package, or writes the file with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; go test -update rewrites):\n%s", path, diff)
	}
}

// pretty is a wire shape as a golden file holds it.
func pretty(t *testing.T, body any) []byte {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(body); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// service is a booted service on a fresh database, with two accounts.
type service struct {
	*httptest.Server
	api            *API
	app            *app.App
	store          *store.Store
	media          *dir.Store
	account, other caller
	contract       *contract
	description    *description
	log            *logText
	ready          error // what /readyz hears
	panics         bool  // or how it dies
}

// boot starts a service with what config says; what it does not say is filled in. Rate limits are off unless they are
// said.
func boot(t *testing.T, config Config) *service {
	t.Helper()
	ctx, folder := context.Background(), t.TempDir()
	s := &service{log: &logText{}}
	var err error
	if s.contract, err = openContract(); err != nil {
		t.Fatal(err)
	}
	if s.description, err = openDescription(); err != nil {
		t.Fatal(err)
	}
	if s.store, err = store.Open(ctx, store.Config{Path: filepath.Join(folder, "roomreel.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	if s.media, err = dir.Open(filepath.Join(folder, "media")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.media.Close() })
	working, err := dir.Open(filepath.Join(folder, "working"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { working.Close() })
	keys, err := keyring.Open(filepath.Join(folder, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	config.Log = slog.New(slog.NewTextHandler(s.log, nil))
	s.app = app.New(app.Config{Store: s.store, Keys: keys, Media: s.media, Working: working, Scratch: t.TempDir(), Log: config.Log, Buckets: noBuckets{}, MaxUpload: 8 << 10})
	config.App = s.app
	if config.Limits == (Limits{}) {
		config.Limits = Limits{Reads: -1, Writes: -1}
	}
	config.Ready = func(ctx context.Context) error {
		if s.panics {
			panic("boom")
		}
		return s.ready
	}
	handler := New(config)
	s.api = handler.(*API)
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)
	s.account, s.other = s.signUp(t, "ours"), s.signUp(t, "theirs")
	return s
}

// noBuckets stands where there is no bucket to reach: everything is tried and fails for a reason that is ours.
type noBuckets struct{}

func (noBuckets) Check(context.Context, string, string, string) error { return errNoBucket }

func (noBuckets) Open(string, string, string) (blob.Store, error) { return nil, errNoBucket }

var errNoBucket = errors.New("no bucket is reached from here")

func (s *service) signUp(t *testing.T, name string) caller {
	t.Helper()
	account, token, err := s.app.CreateAccount(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return caller{service: s, user: string(account.SID), password: token}
}

// logText is a log that is read while others write to it.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logText) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}
