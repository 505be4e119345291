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

// parts are the lines that every client prints for the parts of the scenario that succeeded. The command line does without
// the last two parts: it is too slow to pass the rate limit.
var parts = []string{
	"room", "recording rules", "recordings", "participants", "composition hook", "completed room", "compositions", "media",
	"replaced hook", "deletions", "credentials", "settings", "errors", "anonymized participant", "many writes",
}

// client runs the scenario with one library.
type client struct {
	name    string
	command func(t *testing.T) []string
	parts   []string
}

var scenarios = []client{
	{"go", func(*testing.T) []string { return []string{filepath.Join(bin, "go")} }, parts},
	{"node", func(t *testing.T) []string { return []string{node(t), "node/scenario.js"} }, parts},
	{"python", func(t *testing.T) []string { return []string{python(t), "python/scenario.py"} }, parts},
	{"cli", func(t *testing.T) []string { return append(cli(t), "cli/scenario.sh") }, parts[:len(parts)-2]},
}

// node returns the path of Node. `npm ci` must have installed the libraries.
func node(t *testing.T) string {
	t.Helper()
	fixture.Need(t, "node")
	if _, err := os.Stat("node/node_modules/twilio"); err != nil {
		t.Skip("npm twilio is not installed; scripts/setup.sh test installs it")
	}
	return "node"
}

// cli returns the command prefix for a script that uses twilio-cli, redirected by redirect.cjs. `npm ci` installs twilio-cli.
func cli(t *testing.T) []string {
	t.Helper()
	return append(plainCLI(t), "NODE_OPTIONS=--require "+strconv.Quote(here(t, "cli/redirect.cjs")))
}

// plainCLI is cli without the redirection.
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

// python returns the path of Debian's Python, which has the package python3-twilio.
func python(t *testing.T) string {
	t.Helper()
	const path = "/usr/bin/python3"
	if err := exec.Command(path, "-c", "import twilio").Run(); err != nil {
		t.Skipf("python3-twilio is not installed (%v); scripts/setup.sh test installs it", err)
	}
	return path
}

// TestClients_RunTheScenario runs the whole scenario with all libraries in parallel, each with an account of its own. The
// libraries use HTTP, the command line uses TLS.
func TestClients_RunTheScenario(t *testing.T) {
	ca := newAuthority(t)
	cert, certKey := ca.certificate(t, "127.0.0.1")
	// A quarter of the many writes may be made at once. The others wait.
	settings := []string{"--listen", "127.0.0.1:0", "--set", "webhook.allow=127.0.0.0/8", "--set", "limits.writes_per_second=50"}
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
			c.runScenario(t, command, environment)
			checkFilm(t, film)
			checkSignatures(t, account, calls.wait(t))
		})
	}
}

// TestRedirect_SupportsHTTP uses the command line with a server without TLS.
func TestRedirect_SupportsHTTP(t *testing.T) {
	command := append(cli(t), "cli/unchanged.sh")
	s := serve(t, "--listen", "127.0.0.1:0")
	if got, want := run(t, s.environment(s.account(t, "cli")), command...), "three two one 0\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// runScenario runs the scenario and checks that all parts succeeded.
func (c client) runScenario(t *testing.T, command, environment []string) {
	t.Helper()
	began := time.Now()
	got := strings.Split(strings.TrimSpace(run(t, environment, command...)), "\n")
	if diff := cmp.Diff(c.parts, got); diff != "" {
		t.Errorf("parts that succeeded (-want +got):\n%s", diff)
	}
	t.Logf("%s took %v", c.name, time.Since(began).Round(10*time.Millisecond))
}

// run runs a command and returns its stdout. If it fails, it fails the test with the command's output.
func run(t *testing.T, environment []string, command ...string) string {
	t.Helper()
	var stderr strings.Builder
	process := exec.Command(command[0], command[1:]...)
	process.Env = append(environment, "HOME="+t.TempDir(), "NODE_NO_WARNINGS=1", "PYTHONDONTWRITEBYTECODE=1")
	process.Stderr = &stderr
	out, err := process.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, &stderr)
	}
	return string(out)
}

// makeRoom makes the recordings of a room that bob joins one second after alice.
func makeRoom(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	tracks := append(fixture.Pair("alice", fixture.People[0], 0, 2*time.Second), fixture.Pair("bob", fixture.People[1], time.Second, 2*time.Second)...)
	fixture.Room{Recordings: tracks}.Make(t, dir)
	return dir
}

// checkFilm checks that alice is on the left until she leaves, and bob on the right after he joined.
func checkFilm(t *testing.T, path string) {
	t.Helper()
	film := fixture.Open(t, path)
	if film.Video.Size != image.Pt(640, 480) || len(film.Video.Times) != 75 || film.Audio == nil {
		t.Errorf("the film is %v with %d frames", film.Video.Size, len(film.Video.Times))
	}
	left, right := image.Rect(0, 120, 320, 360), image.Rect(320, 120, 640, 360)
	at := []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond}
	seen := [][2]int{}
	for _, frame := range film.Sample(t, at...) {
		seen = append(seen, [2]int{fixture.Who(frame, left, fixture.People), fixture.Who(frame, right, fixture.People)})
	}
	if want := [][2]int{{0, fixture.Empty}, {0, 1}, {fixture.Empty, 1}}; !cmp.Equal(seen, want) {
		t.Errorf("visible on the left and right: %v, want %v", seen, want)
	}
}
