package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// callbacks is an application that receives status callbacks. It records all of them.
type callbacks struct {
	url string

	mu      sync.Mutex
	events  []url.Values
	changed chan struct{} // closed at the next event
}

// allowLoopback is the setting that allows callbacks to this machine.
const allowLoopback = "webhook.allow=127.0.0.0/8"

func receiveCallbacks(t *testing.T) *callbacks {
	t.Helper()
	c := &callbacks{changed: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, r.Form)
		close(c.changed)
		c.changed = make(chan struct{})
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// of returns the events of a resource in the order in which they arrived: their names, and the parameters of the last one.
func (c *callbacks) of(sid string) (names []string, last url.Values) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, event := range c.events {
		if event.Get("CompositionSid") == sid || event.Get("RecordingSid") == sid {
			names = append(names, event.Get("StatusCallbackEvent"))
			last = event
		}
	}
	return names, last
}

// named returns the events of a resource that have the given name.
func (c *callbacks) named(sid, name string) []url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	var events []url.Values
	for _, event := range c.events {
		if (event.Get("CompositionSid") == sid || event.Get("RecordingSid") == sid) && event.Get("StatusCallbackEvent") == name {
			events = append(events, event)
		}
	}
	return events
}

// wait waits for a resource's event of the given name and returns its parameters.
func (c *callbacks) wait(t *testing.T, s *service, sid, name string) url.Values {
	t.Helper()
	timeout := time.After(90 * time.Second)
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if events := c.named(sid, name); len(events) > 0 {
			return events[0]
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: no %s\n%s", sid, name, s.stderr)
		}
	}
}
