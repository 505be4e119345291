package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestConnections_EndWhatWaitsForTheLongestTime fills the server with idle connections and one that is served.
func TestConnections_EndWhatWaitsForTheLongestTime(t *testing.T) {
	const most = 4
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
	}))
	limit := &connections{most: most, open: newConnections(0).open}
	server.Config.ConnState = limit.changed
	server.Start()
	defer server.Close()
	dial := func() net.Conn {
		t.Helper()
		connection, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { connection.Close() })
		connection.SetDeadline(time.Now().Add(10 * time.Second))
		return connection
	}
	get := func(connection net.Conn, path string) error {
		if _, err := io.WriteString(connection, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	slow := dial()
	served := make(chan error)
	go func() { served <- get(slow, "/slow") }()
	<-arrived
	var idle []net.Conn
	for range 3 * most { // each later one ends an earlier one
		connection := dial()
		if err := get(connection, "/"); err != nil {
			t.Errorf("a connection over the limit: %v", err)
		}
		idle = append(idle, connection)
		// The server answers before it reports that the connection waits.
		deadline := time.Now().Add(10 * time.Second)
		for want := min(len(idle), most-1); ; time.Sleep(time.Millisecond) {
			limit.mu.Lock()
			waiting := limit.waiting.Len()
			limit.mu.Unlock()
			if waiting == want {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d connections wait, want %d", waiting, want)
			}
		}
	}
	kept := 0
	for i, connection := range idle {
		err := get(connection, "/")
		if err == nil {
			kept++
		}
		if last := i == len(idle)-1; err == nil && i < most || last && err != nil {
			t.Errorf("connection %d of %d: %v", i, len(idle), err)
		}
	}
	if kept != most-1 {
		t.Errorf("%d connections are open beside the one that is served, want %d", kept, most-1)
	}
	close(release)
	if err := <-served; err != nil {
		t.Errorf("the request that was served: %v", err)
	}
}
