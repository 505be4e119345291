package clients

import (
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel/e2e/fixture"
)

// parts is what every client says when all is well. The command line cannot ask quickly enough for the last one.
var parts = []string{
	"room", "recording rules", "recordings", "participants", "composition hook", "completed room", "compositions", "media",
	"replaced hook", "deletions", "credentials", "settings", "errors", "rate limit",
}

// client is how one library's scenario is run.
type client struct {
	name    string
	command func(t *testing.T) []string
	parts   []string
}

var scenarios = []client{
	{"go", func(*testing.T) []string { return []string{filepath.Join(bin, "go")} }, parts},
	{"node", func(t *testing.T) []string { return []string{node(t), "node/scenario.js"} }, parts},
	{"python", func(t *testing.T) []string { return []string{python(t), "python/scenario.py"} }, parts},
	{"cli", func(t *testing.T) []string { return append(cli(t), "cli/scenario.sh") }, parts[:len(parts)-1]},
}

// node returns the path of Node, for which `npm ci` has fetched the libraries.
func node(t *testing.T) string {
	t.Helper()
	fixture.Need(t, "node")
	if _, err := os.Stat("node/node_modules/twilio"); err != nil {
		t.Skip("npm twilio is not installed; scripts/setup.sh test installs it")
	}
	return "node"
}

// cli returns how to run a program that runs twilio-cli, for which the same `npm ci` is, with redirect.cjs in its place.
func cli(t *testing.T) []string {
	t.Helper()
	return append(plainCLI(t), "NODE_OPTIONS=--require "+strconv.Quote(here(t, "cli/redirect.cjs")))
}

// plainCLI is twilio-cli alone.
func plainCLI(t *testing.T) []string {
	t.Helper()
	node(t)
	fixture.Need(t, "curl")
	return []string{"env", "PATH=" + here(t, "node/node_modules/.bin") + ":" + os.Getenv("PATH")}
}

func here(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return absolute
}

// python returns Debian's Python, for which python3-twilio is.
func python(t *testing.T) string {
	t.Helper()
	const path = "/usr/bin/python3"
	if err := exec.Command(path, "-c", "import twilio").Run(); err != nil {
		t.Skipf("python3-twilio is not installed (%v); scripts/setup.sh test installs it", err)
	}
	return path
}

// TestClients_PlayTheScenario has each library do everything with recordings and compositions, at the same time, each
// in an account of its own: the libraries over HTTP, the command line over TLS.
func TestClients_PlayTheScenario(t *testing.T) {
	ca := newAuthority(t)
	cert, certKey := ca.certificate(t, "127.0.0.1")
	// A scenario has 23 writes before it tries the limit: however quick it is, all of them come through.
	settings := []string{"--listen", "127.0.0.1:0", "--set", "webhook.allow=127.0.0.0/8", "--set", "limits.writes_per_second=30"}
	plain := serve(t, settings...)
	secure := serve(t, append(settings, "--tls-cert", cert, "--tls-key", certKey)...)
	files, key := makeRoom(t), publicKey(t)
	for _, c := range scenarios {
		s := plain
		if c.name == "cli" {
			s = secure
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			command, account, calls := c.command(t), s.account(t, c.name), receive(t)
			film := filepath.Join(t.TempDir(), "film.mp4")
			environment := append(s.environment(account), ca.trust(t)...)
			environment = append(environment, "ROOM_FILES="+files, "FILM="+film, "PUBLIC_KEY="+key, "CALLBACK="+calls.url)
			c.play(t, command, environment)
			checkFilm(t, film)
			checkSignatures(t, account, calls.wait(t))
		})
	}
}

// TestRedirect_LeadsToHTTPToo has the command line speak to a server without TLS.
func TestRedirect_LeadsToHTTPToo(t *testing.T) {
	command := append(cli(t), "cli/unchanged.sh")
	s := serve(t, "--listen", "127.0.0.1:0")
	if said, want := run(t, s.environment(s.account(t, "cli")), command...), "three two one 0\n"; said != want {
		t.Errorf("said %q, want %q", said, want)
	}
}

// play runs a scenario and compares what it says with the parts that there are.
func (c client) play(t *testing.T, command, environment []string) {
	t.Helper()
	began := time.Now()
	said := strings.Split(strings.TrimSpace(run(t, environment, command...)), "\n")
	if diff := cmp.Diff(c.parts, said); diff != "" {
		t.Errorf("parts that went well (-want +got):\n%s", diff)
	}
	t.Logf("%s took %v", c.name, time.Since(began).Round(10*time.Millisecond))
}

// run runs a command and returns what it writes. It fails the test with its other words when it fails.
func run(t *testing.T, environment []string, command ...string) string {
	t.Helper()
	var words strings.Builder
	process := exec.Command(command[0], command[1:]...)
	process.Env = append(environment, "HOME="+t.TempDir(), "NODE_NO_WARNINGS=1", "PYTHONDONTWRITEBYTECODE=1")
	process.Stderr = &words
	out, err := process.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, &words)
	}
	return string(out)
}

// makeRoom makes the recordings of a room in which bob comes a second after alice.
func makeRoom(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	tracks := append(fixture.Pair("alice", fixture.People[0], 0, 2*time.Second), fixture.Pair("bob", fixture.People[1], time.Second, 2*time.Second)...)
	fixture.Room{Tracks: tracks}.Make(t, dir)
	return dir
}

// checkFilm looks for alice on the left until she leaves and for bob on the right from when he came.
func checkFilm(t *testing.T, path string) {
	t.Helper()
	film := fixture.Open(t, path)
	if film.Video.Size != image.Pt(640, 480) || len(film.Video.Times) != 75 || film.Audio == nil {
		t.Errorf("the film is %v with %d pictures", film.Video.Size, len(film.Video.Times))
	}
	left, right := image.Rect(0, 120, 320, 360), image.Rect(320, 120, 640, 360)
	at := []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond}
	seen := [][2]int{}
	for _, picture := range film.Sample(t, at...) {
		seen = append(seen, [2]int{fixture.Who(picture, left, fixture.People), fixture.Who(picture, right, fixture.People)})
	}
	if want := [][2]int{{0, fixture.Nobody}, {0, 1}, {fixture.Nobody, 1}}; !cmp.Equal(seen, want) {
		t.Errorf("seen left and right: %v, want %v", seen, want)
	}
}
