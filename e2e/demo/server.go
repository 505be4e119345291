package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// server is a running roomreel. Its account was created at its first start.
type server struct {
	url            string
	account, token string
	log            string // path of its log
	command        *exec.Cmd
	data           string
}

// start runs the server on a free port, with an empty data folder.
func start(ctx context.Context) (*server, error) {
	data, err := os.MkdirTemp("", "roomreel-demo-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + address, data: data, log: filepath.Join(folder, "server.log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// By default, callbacks to loopback addresses are refused.
	s.command = exec.Command(program, "serve", "--data", data, "--listen", address, "--set", "webhook.allow=127.0.0.0/8")
	s.command.Stderr = log
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	var first struct {
		SID   string `json:"account_sid"`
		Token string `json:"auth_token"`
	}
	if err := json.NewDecoder(out).Decode(&first); err != nil {
		s.stop()
		return nil, fmt.Errorf("the server did not start; its log is %s: %w", s.log, err)
	}
	s.account, s.token = first.SID, first.Token
	return s, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// importRoom uploads the room with roomreel import and returns its SID.
func (s *server) importRoom(ctx context.Context, manifest string) (string, error) {
	command := exec.CommandContext(ctx, program, "import", "--room", manifest, "--complete")
	command.Env = append(os.Environ(), "ROOMREEL_URL="+s.url, "ROOMREEL_ACCOUNT="+s.account, "ROOMREEL_TOKEN="+s.token)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("roomreel import: %w", err)
	}
	var result struct {
		Room string `json:"room_sid"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return "", fmt.Errorf("roomreel import: %w", err)
	}
	return result.Room, nil
}

// stop stops the server and removes its data.
func (s *server) stop() {
	if err := s.command.Process.Signal(os.Interrupt); err == nil {
		timer := time.AfterFunc(20*time.Second, func() { s.command.Process.Kill() })
		s.command.Wait()
		timer.Stop()
	}
	os.RemoveAll(s.data)
}

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
