package main

import (
	"container/list"
	"net"
	"net/http"
	"sync"

	"golang.org/x/sys/unix"
)

// connections bounds how many clients are connected. When there are too many, the connection ends that has waited for a request for
// the longest time; when all are busy, the new one ends.
type connections struct {
	most int

	mu      sync.Mutex
	open    map[net.Conn]*list.Element // of waiting; nil while a request is served
	waiting list.List                  // of net.Conn, which have sent no request, or have been answered; the earliest first
}

// newConnections bounds connections to most, or to the file descriptors that the process may have for them, if those are fewer. 0 is
// no limit but the latter.
func newConnections(most int) *connections {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil && files.Cur > 0 && files.Cur < 1<<31 {
		available := int(files.Cur) * 3 / 4 // the others are for the database, media and callbacks
		if most == 0 || most > available {
			most = available
		}
	}
	return &connections{most: most, open: map[net.Conn]*list.Element{}}
}

// changed is a http.Server's ConnState.
func (c *connections) changed(connection net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, known := c.open[connection]
	if !known && state != http.StateNew {
		return // it was ended here
	}
	if element != nil {
		c.waiting.Remove(element)
		c.open[connection] = nil
	}
	switch state {
	case http.StateNew:
		if c.most > 0 && len(c.open) >= c.most && !c.endOldest() {
			go connection.Close()
			return
		}
		c.open[connection] = c.waiting.PushBack(connection)
	case http.StateIdle:
		c.open[connection] = c.waiting.PushBack(connection)
	case http.StateClosed, http.StateHijacked:
		delete(c.open, connection)
	}
}

// endOldest ends the connection that has waited for the longest time, if one waits.
func (c *connections) endOldest() bool {
	element := c.waiting.Front()
	if element == nil {
		return false
	}
	oldest := c.waiting.Remove(element).(net.Conn)
	delete(c.open, oldest)
	go oldest.Close() // a connection with TLS says goodbye, which may take a while
	return true
}
