package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"roomreel/e2e/fixture"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"roomreel": func() { os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command line as its users do. $ROOM is the folder of a room of one second, with room.json in it.
func TestScripts(t *testing.T) {
	room := t.TempDir()
	fixture.Room{UniqueName: "standup", Recordings: fixture.Pair("alice", fixture.People[0], 0, time.Second)}.Make(t, room)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOM", room)
			for _, name := range []string{"alice-camera.mkv", "alice-microphone.mka", "room.json"} {
				text, err := os.ReadFile(filepath.Join(room, name))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), text, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// code CODE COMMAND…: runs a command and checks its exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want := args[0]
	_ = ts.Exec("sh", append([]string{"-c", `"$@" >out.txt 2>err.txt; echo $? >code.txt`, "sh"}, args[1:]...)...)
	if got := ts.ReadFile("code.txt"); got != want+"\n" {
		ts.Fatalf("%v ended with code %s, want %s:\n%s", args[1:], got, want, ts.ReadFile("err.txt"))
	}
}
