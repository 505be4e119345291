package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // the driver named sqlite

	"roomreel/e2e/fixture"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"roomreel": func() { os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command line as its users do. $ROOM is the folder of a room of one second, with room.json in it. $TAKEN is an
// address on which another program listens. cert.pem is a certificate; other-key.pem is the key of another one.
func TestScripts(t *testing.T) {
	room := t.TempDir()
	fixture.Room{UniqueName: "standup", Recordings: fixture.Pair("alice", fixture.People[0], 0, time.Second)}.Make(t, room)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOM", room)
			env.Setenv("TAKEN", taken.Addr().String())
			writeCertificate(t, filepath.Join(env.WorkDir, "cert.pem"), filepath.Join(env.WorkDir, "key.pem"))
			writeCertificate(t, filepath.Join(env.WorkDir, "other-cert.pem"), filepath.Join(env.WorkDir, "other-key.pem"))
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "sql": sqlite, "oneline": oneLine},
	})
}

// writeCertificate writes a certificate for localhost that signs itself, and its key.
func writeCertificate(t *testing.T, certPath, keyPath string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certPath: {Type: "CERTIFICATE", Bytes: cert}, keyPath: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// sqlite DATABASE STATEMENT: changes a database.
func sqlite(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[1])
	ts.Check(err)
}

// oneLine FILE: checks that a file has one line.
func oneLine(ts *testscript.TestScript, neg bool, args []string) {
	if text := ts.ReadFile(args[0]); strings.Count(text, "\n") != 1 {
		ts.Fatalf("%s has not one line:\n%s", args[0], text)
	}
}

// code CODE COMMAND…: runs a command and checks its exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want := args[0]
	_ = ts.Exec("sh", append([]string{"-c", `"$@" >out.txt 2>err.txt; echo $? >code.txt`, "sh"}, args[1:]...)...)
	if got := ts.ReadFile("code.txt"); got != want+"\n" {
		ts.Fatalf("%v ended with code %s, want %s:\n%s", args[1:], got, want, ts.ReadFile("err.txt"))
	}
}
