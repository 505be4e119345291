package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var errMissing = errors.New("PostgreSQL is not installed: apt-get install postgresql")

// leash is the keeper's standard input, open for as long as this process lives.
//
//lint:ignore U1000 it is only held: were it collected, its pipe would close and the server stop
var leash io.WriteCloser

// Server returns the URL of this process's PostgreSQL. The first call starts it.
var Server = sync.OnceValues(start)

// server returns the URL of this test binary's PostgreSQL.
func server(t testing.TB) string {
	t.Helper()
	url, err := Server()
	if errors.Is(err, errMissing) && !slices.Contains(strings.Split(os.Getenv("ROOMREEL_TEST_REQUIRE"), ","), "postgres") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// keeper outlives the test binary by a moment: its standard input ends when the binary does, whichever way that happens;
// then it stops the server and removes what the server wrote.
const keeper = `"$1/postgres" -D "$2" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$2" \
	-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200 -c shared_buffers=32MB >"$2/log" 2>&1 &
cat >/dev/null
kill -INT $! 2>/dev/null
wait $!
rm -rf "$2"`

func start() (url string, err error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		return "", errMissing
	}
	bin := found[len(found)-1]
	folder, err := os.MkdirTemp("", "roomreel-postgres-")
	if err != nil {
		return "", err
	}
	run := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if run, err = as("postgres", folder); err != nil {
			return "", err
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = folder, run
	if output, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(output))
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	keep := exec.Command("/bin/sh", "-c", keeper, "sh", bin, folder, strconv.Itoa(port))
	keep.Dir = "/"
	keep.SysProcAttr = &syscall.SysProcAttr{Credential: run.Credential, Setpgid: true}
	if leash, err = keep.StdinPipe(); err != nil {
		return "", err
	}
	if err := keep.Start(); err != nil {
		return "", err
	}
	url = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port)
	return url, await(url, filepath.Join(folder, "log"))
}

// as returns what runs a command as another user, to whom it gives a folder.
func as(name, folder string) (*syscall.SysProcAttr, error) {
	who, err := user.Lookup(name)
	if err != nil {
		return nil, errMissing
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	if err := os.Chown(folder, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// await returns when the server takes connections.
func await(url, log string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		conn, err := pgx.Connect(context.Background(), url)
		if err == nil {
			return conn.Close(context.Background())
		}
		select {
		case <-tick.C:
		case <-deadline:
			said, _ := os.ReadFile(log)
			return fmt.Errorf("PostgreSQL does not start: %w: %s", err, said)
		}
	}
}
