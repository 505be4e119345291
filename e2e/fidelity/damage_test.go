package fidelity

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/e2e/fixture"
)

const (
	damagedPerRoom = 20
	damagedLength  = 1920 * time.Millisecond
	hangLimit      = 30 * time.Second
	processMemory  = 2 << 30 // bytes, render.memory's default
)

// A master is a recording that is damaged.
type master struct {
	recording fixture.Recording
	ending    string
	data      []byte
}

// makeMasters makes a recording of each codec in each container.
func makeMasters(t *testing.T, dir string) (list []master) {
	t.Helper()
	var names []string
	for name := range codecs {
		names = append(names, name)
	}
	slices.Sort(names) // seeds choose by number
	for _, name := range names {
		for _, ending := range codecs[name].files {
			k := track{
				name: name, codec: name, ending: ending, cycles: 1, event: 5 * frameStep, tone: 600,
				gaps: []fixture.Span{{Start: damagedLength, End: time.Hour}},
			}
			recording := k.make(t, dir)
			data, err := os.ReadFile(filepath.Join(dir, recording.File))
			if err != nil {
				t.Fatal(err)
			}
			if err := checkDamages(data); err != nil {
				t.Errorf("%s in %s: %v", name, ending, err)
			}
			list = append(list, master{recording, ending, data})
		}
	}
	return list
}

// A damaged recording is one of a room.
type damaged struct {
	fixture.Recording
	seed uint64
	what string
}

func (d damaged) String() string {
	return fmt.Sprintf("seed %d (%s: %s)", d.seed, d.File, d.what)
}

// results counts what became of damaged recordings.
type results struct {
	refused, warned, composed, lost, failed int
	memory                                  int64 // bytes
	slowest                                 time.Duration
}

// room is a folder of good recordings to which damaged ones are added.
type room struct {
	dir    string
	camera track
	good   []fixture.Recording
	results
}

func newRoom(t *testing.T, dir string) *room {
	t.Helper()
	r := &room{dir: dir, camera: track{
		name: "good-camera", codec: "vp8", ending: "mkv", cycles: 1, event: 10 * frameStep, gaps: []fixture.Span{{Start: damagedLength, End: time.Hour}},
	}}
	microphone := track{name: "good-microphone", codec: "opus", ending: "mka", cycles: 1, event: 10 * frameStep, tone: 3000, gaps: r.camera.gaps}
	r.good = []fixture.Recording{r.camera.make(t, dir), microphone.make(t, dir)}
	return r
}

func seeds(t *testing.T) (first, count uint64) {
	t.Helper()
	if text := os.Getenv("ROOMREEL_TEST_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seed, 1
	}
	return 1, sized[uint64](60, 2000)
}

// TestDamage composes rooms of damaged recordings and a good one. ROOMREEL_TEST_SEED=N tries one seed, and keeps its file.
func TestDamage(t *testing.T) {
	t.Parallel()
	masters := makeMasters(t, t.TempDir())
	r := newRoom(t, t.TempDir())
	first, count := seeds(t)
	for from := first; from < first+count; from += damagedPerRoom {
		var list []damaged
		for seed := from; seed < min(from+damagedPerRoom, first+count); seed++ {
			m := masters[seed%uint64(len(masters))]
			d := damaged{Recording: m.recording, seed: seed}
			var data []byte
			data, d.what = damage(m.data, seed)
			d.File = fmt.Sprintf("%d-%s", seed, m.recording.File)
			d.Name, d.Participant = d.File, d.File
			folder := r.dir
			if count == 1 {
				folder = os.TempDir()
				t.Logf("%v is kept in %s", d, folder)
			}
			for _, folder := range []string{r.dir, folder} {
				if err := os.WriteFile(filepath.Join(folder, d.File), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			list = append(list, d)
		}
		if err := r.try(t, list); err != nil {
			t.Error(err)
			r.failed++
			for _, d := range list { // which of them is it
				if err := r.try(t, []damaged{d}); err != nil {
					t.Errorf("alone, too: %v", err)
				}
			}
		}
		for _, d := range list {
			os.Remove(filepath.Join(r.dir, d.File))
		}
	}
	record(t, "damaged files", "seeds %d to %d of %d kinds of files: %d refused with a sentence, %d composed, %d composed with a warning, %d whose decoder died; %d rooms with a crash, a hang or a wrong film, at most %.0f MB in a process, slowest room of %d recordings %.1f s",
		first, first+count-1, len(masters), r.refused, r.composed, r.warned, r.lost, r.failed, float64(r.memory)/1e6, damagedPerRoom+2, r.slowest.Seconds())
	if r.lost > 0 {
		t.Errorf("%d decoders died", r.lost)
	}
}

// try composes the damaged recordings with the good ones. It returns what is wrong with the program or the film.
func (r *room) try(t *testing.T, list []damaged, arguments ...string) error {
	t.Helper()
	out := filepath.Join(r.dir, "film.mp4")
	recordings := slices.Clone(r.good)
	cameras := []string{r.camera.name}
	for _, d := range list {
		recordings = append(recordings, d.Recording)
		if d.Kind == roomreel.Video {
			cameras = append(cameras, d.Name)
		}
	}
	layout, _ := grid(t, r.dir, cameras...)
	os.Remove(out)
	run := tryCompose(t, fixture.Room{Recordings: recordings}.WriteManifest(t, r.dir), out, 2*hangLimit, nil, append(arguments, layout...)...)
	r.memory, r.slowest = max(r.memory, run.memory), max(r.slowest, run.took)
	if run.code != 0 && run.code != 3 || saysPanic(run.stderr) || run.took > hangLimit || run.memory > processMemory {
		return fmt.Errorf("compose ended with %d after %v, with %d MB: %v\n%.3000s", run.code, run.took, run.memory>>20, list, run.stderr)
	}
	for _, d := range list {
		lost, warned, refused := false, false, false
		for _, k := range run.line.Tracks {
			lost = lost || k.Name == d.Name && k.Lost
		}
		for _, w := range run.line.Warnings {
			ours := strings.HasPrefix(w, d.Name+": ")
			warned, refused = warned || ours, refused || ours && strings.HasSuffix(w, "; it is left out")
		}
		switch {
		case refused:
			r.refused++
		case lost:
			r.lost++
			t.Logf("the decoder died: %v\n%.1000s", d, run.stderr)
		case warned:
			r.warned++
		default:
			r.composed++
		}
	}
	checkClean(t, out)
	film := fixture.Open(t, out)
	seen := flashes(t, film, image.Rectangle{Max: cellSize})[0]
	if want := r.camera.event; len(seen) != 1 || seen[0].Start != want || film.Audio == nil {
		return fmt.Errorf("the good camera flashes at %v, want %v, beside %v", seen, want, list)
	}
	return nil
}
