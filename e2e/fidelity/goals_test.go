package fidelity

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"roomreel/e2e/fixture"
)

// bin is the folder with the two binaries, which TestMain builds from this source.
var bin string

// long tells that the rooms of docs/fidelity.md are measured, which takes many minutes.
var long = os.Getenv("ROOMREEL_TEST_FIDELITY") == "long"

// sized returns the size of a measurement in the short or the long form.
func sized[T any](short, whole T) T {
	if long {
		return whole
	}
	return short
}

// A goal is a row of the table in docs/fidelity.md.
type goal struct {
	what, want, test string
	measured         []string
}

// goals are in the order of the table.
var goals = []*goal{
	{what: "audio against video", want: "within 20 ms; slope under 1 ms per hour", test: "TestSync"},
	{what: "one participant's audio against another's", want: "within 5 ms", test: "TestSync"},
	{what: "place in time against the room's clock", want: "video within 1/fps; audio within 1 ms of the packet's timestamp", test: "TestSync"},
	{what: "duration", want: "exact to 1 frame and 1 audio packet", test: "TestDuration"},
	{what: "DTX, 45 min with a gap every 420 ms", want: "drift under 1 ms", test: "TestDTX"},
	{what: "200 size changes", want: "every frame shown; at most 1.2 times the time of the unchanged track", test: "TestSizeChanges"},
	{what: "gap of 5 h", want: "under 300 MB in all processes together", test: "TestGap"},
	{what: "chunk borders", want: "no click; no repeated or missing frame; PSNR as elsewhere", test: "TestBorders"},
	{what: "loudness", want: "one speaker within 0.1 dB; 20 at once never clip", test: "TestLoudness"},
	{what: "colour", want: "within 3 of 255", test: "TestColour"},
	{what: "damaged files", want: "no crash, no hang over 30 s, within the memory limit", test: "TestDamage"},
	{what: "films as players read them", want: "no error or warning of ffmpeg and ffprobe", test: "every test"},
}

var goalsLock sync.Mutex

// record notes a figure for the row that begins with the given words.
func record(t *testing.T, what, format string, arguments ...any) {
	t.Helper()
	text := fmt.Sprintf(format, arguments...)
	t.Logf("%s: %s", what, text)
	goalsLock.Lock()
	defer goalsLock.Unlock()
	for _, g := range goals {
		if strings.HasPrefix(g.what, what) {
			g.measured = append(g.measured, text)
			return
		}
	}
	t.Fatalf("no goal is called %q", what)
}

// printTable prints the measured rows as docs/fidelity.md has them.
func printTable() {
	fmt.Print("\n| what | goal | measured | command |\n|---|---|---|---|\n")
	for _, g := range goals {
		command := "make fidelity RUN=" + g.test
		if !strings.HasPrefix(g.test, "Test") {
			command = "make fidelity"
		}
		if len(g.measured) > 0 {
			fmt.Printf("| %s | %s | %s | `%s` |\n", g.what, g.want, strings.Join(g.measured, "; "), command)
		}
	}
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "roomreel-fidelity-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		if err := fixture.Build(dir, "cmd/roomreel", "cmd/roomreel-render"); err != nil {
			return 1
		}
		code := m.Run()
		if read := readFilms.Load(); read > 0 {
			goals[len(goals)-1].measured = []string{fmt.Sprintf("%d films read, %d with a message", read, dirtyFilms.Load())}
		}
		if long {
			printTable()
		}
		return code
	}())
}
