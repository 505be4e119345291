package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// listener receives the composition's callbacks.
type listener struct {
	url      string
	progress chan progressed
	server   *http.Server
}

// progressed is what a callback says of the composition's progress.
type progressed struct {
	percent float64
	left    time.Duration // a whole number of seconds
}

func listen() (*listener, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{url: "http://" + socket.Addr().String() + "/", progress: make(chan progressed, 100)}
	l.server = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		percent, err := strconv.ParseFloat(r.FormValue("PercentageDone"), 64)
		seconds, notSeconds := strconv.Atoi(r.FormValue("SecondsRemaining"))
		err = errors.Join(err, notSeconds)
		if r.FormValue("StatusCallbackEvent") == "composition-progress" && err == nil {
			select {
			case l.progress <- progressed{percent, time.Duration(seconds) * time.Second}:
			default: // the demo has ended
			}
		}
	})}
	go func() {
		if err := l.server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "demo: callbacks:", err)
		}
	}()
	return l, nil
}

func (l *listener) close() { l.server.Close() }
