// Package server runs the service as a child process, for the demo and the benchmarks.
package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"roomreel"
	"roomreel/internal/client"
)

// Server is a running `roomreel serve`.
type Server struct {
	URL            string
	Account, Token string // of the account that its first start on a database created; "" at a later start
	API            *client.Client

	program string
	command *exec.Cmd
}

// Options say what to run.
type Options struct {
	Program string   // path of roomreel
	Before  []string // a command that runs it, such as taskset with its arguments
	Data    string   // its data folder
	Log     string   // file that receives its log
	Flags   []string // of roomreel serve
	As      *Server  // whose account the API signs in with; nil for the account that the start creates
}

// Start runs the service on a free port, and returns when it is ready.
func Start(ctx context.Context, o Options) (*Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(o.Log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	printed, err := os.CreateTemp("", "roomreel-account-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(printed.Name())
	defer printed.Close()
	line := append(append([]string{}, o.Before...), o.Program, "serve", "--data", o.Data, "--listen", address)
	line = append(line, o.Flags...)
	s := &Server{URL: "http://" + address, program: o.Program, command: exec.Command(line[0], line[1:]...)}
	s.command.Stdout, s.command.Stderr = printed, log
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	if err := s.ready(ctx, printed.Name(), o.As); err != nil {
		s.Stop()
		return nil, fmt.Errorf("the server did not start; its log is %s: %w", o.Log, err)
	}
	return s, nil
}

func (s *Server) ready(ctx context.Context, printed string, as *Server) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	anyone, err := client.New(s.URL, "", "")
	if err != nil {
		return err
	}
	defer anyone.Close()
	if err := anyone.Ready(ctx); err != nil {
		return err
	}
	text, err := os.ReadFile(printed)
	if err != nil {
		return err
	}
	if as != nil {
		s.Account, s.Token = as.Account, as.Token
	} else {
		var first struct {
			SID   string `json:"account_sid"`
			Token string `json:"auth_token"`
		}
		if err := json.Unmarshal(text, &first); err != nil {
			return fmt.Errorf("it printed %q: %w", text, err)
		}
		s.Account, s.Token = first.SID, first.Token
	}
	s.API, err = client.New(s.URL, s.Account, s.Token)
	return err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ImportRoom uploads a room with `roomreel import`, completes it and returns its SID.
func (s *Server) ImportRoom(ctx context.Context, manifest string) (roomreel.RoomSID, error) {
	command := exec.CommandContext(ctx, s.program, "import", "--room", manifest, "--complete")
	command.Env = append(os.Environ(), "ROOMREEL_URL="+s.URL, "ROOMREEL_ACCOUNT="+s.Account, "ROOMREEL_TOKEN="+s.Token)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("roomreel import: %w", err)
	}
	var result struct {
		Room roomreel.RoomSID `json:"room_sid"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return "", fmt.Errorf("roomreel import: %w", err)
	}
	return result.Room, nil
}

// Stop stops the service and waits for its end.
func (s *Server) Stop() {
	if s.API != nil {
		s.API.Close()
	}
	if err := s.command.Process.Signal(os.Interrupt); err == nil {
		timer := time.AfterFunc(20*time.Second, func() { s.command.Process.Kill() })
		s.command.Wait()
		timer.Stop()
	}
}
