package clients

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// delivery is a received callback, in the form that the libraries' validators take.
type delivery struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Params    map[string]string `json:"params"` // from the body; a GET request has them in its URL
	Signature string            `json:"signature"`
}

// receiver records callbacks.
type receiver struct {
	url, host string

	mu         sync.Mutex
	deliveries []delivery
	film       bool          // a composition-available arrived as a GET request
	complete   chan struct{} // closed when film becomes true
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{complete: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(server.Close)
	// The password is in no URL that the receiver sees, and the space arrives as %20.
	r.host = server.Listener.Addr().String()
	r.url = strings.Replace(server.URL, "://", "://app:secret@", 1) + "/callbacks?of=an+application&caf%C3%A9&to='a b'"
	return r
}

func (r *receiver) take(w http.ResponseWriter, q *http.Request) {
	d := delivery{Method: q.Method, URL: "http://" + q.Host + q.URL.String(), Params: map[string]string{}, Signature: q.Header.Get("X-Twilio-Signature")}
	q.ParseForm()
	for name := range q.PostForm {
		d.Params[name] = q.PostForm.Get(name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries = append(r.deliveries, d)
	if !r.film && q.Method == http.MethodGet && q.Form.Get("StatusCallbackEvent") == "composition-available" {
		r.film = true
		close(r.complete)
	}
}

// wait waits until the composition with GET callbacks is available. It returns all callbacks so far.
func (r *receiver) wait(t *testing.T) []delivery {
	t.Helper()
	select {
	case <-r.complete:
	case <-time.After(30 * time.Second):
		t.Fatal("no composition-available arrived")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deliveries
}

// write writes deliveries to a file for the libraries' validators.
func write(t *testing.T, deliveries []delivery) string {
	t.Helper()
	text, err := json.Marshal(deliveries)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "deliveries.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
