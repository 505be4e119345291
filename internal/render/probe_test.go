package render

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"roomreel/internal/render/sandbox"
)

func TestProbe_NothingEscapes(t *testing.T) {
	c := testCommand(t)
	c.Mode = sandbox.Require
	r, err := Probe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if missing := r.Missing(); len(missing) > 0 || len(r.Escapes) > 0 {
		t.Errorf("missing %v, possible %v", missing, r.Escapes)
	}
}

// The claims hold for the program that is shipped, whose C libraries have threads and allocators of their own.
func TestProbe_NothingEscapesFromTheRealChild(t *testing.T) {
	r, err := Probe(t.Context(), realChild(t))
	if err != nil {
		t.Fatal(err)
	}
	if missing := r.Missing(); len(missing) > 0 || len(r.Escapes) > 0 {
		t.Errorf("missing %v, possible %v", missing, r.Escapes)
	}
}

// Without this the other tests could pass because the attempts are wrong.
func TestProbe_EverythingEscapesWithoutASandbox(t *testing.T) {
	c := testCommand(t)
	c.Mode = sandbox.Off
	r, err := Probe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"read a file", "write a file", "list a folder", "connect", "make a process", "run a program",
		"signal its parent", "make memory executable", "take a terabyte of memory", "raise its limits",
	} {
		if !slices.Contains(r.Escapes, want) {
			t.Errorf("not able to %s, only to %v", want, r.Escapes)
		}
	}
	if !slices.Contains(r.Missing(), "seccomp") {
		t.Errorf("missing %v", r.Missing())
	}
}

// The strictest isolation is for root, the next for an unprivileged user. Each must start a child.
func TestIsolations_EachStartsAChild(t *testing.T) {
	c := testCommand(t).withDefaults()
	for _, isolation := range sandbox.Isolations(sandbox.Auto) {
		t.Run(fmt.Sprintf("%+v", isolation), func(t *testing.T) {
			p, err := startIn(t.Context(), c, isolation)
			if isolation.User && errors.Is(err, os.ErrPermission) {
				t.Skip("optional: this machine gives no user namespaces:", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.release()
			p.in.Close()
			p.out.Close()
			if state := p.wait(); state.ExitCode() != exitFailed {
				t.Errorf("%v: %s", state, p.stderr)
			}
		})
	}
}
