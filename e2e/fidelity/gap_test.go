package fidelity

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

const memoryLimit = 300e6 // bytes, of roomreel and its children together

// residents adds up the resident memory of a process and its descendants. What they share counts in each of them.
func residents(root int) int64 {
	parents, sizes := map[int]int{}, map[int]int64{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile("/proc/" + entry.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			number, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			switch name {
			case "PPid":
				parents[pid] = int(number)
			case "VmRSS":
				sizes[pid] = number << 10
			}
		}
	}
	var total int64
	for pid, size := range sizes {
		for at := pid; at > 1; at = parents[at] {
			if at == root {
				total += size
				break
			}
		}
	}
	return total
}

// TestGap composes a recording of camera and microphone that were off for 5 h.
func TestGap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	length := sized(10*time.Minute, 5*time.Hour+time.Minute)
	cycles := int(length / cycle)
	gap := []fixture.Span{{Start: 2*cycle - frameStep, End: time.Duration(cycles-2) * cycle}}
	camera := track{name: "a-camera", codec: "vp8", ending: "mkv", cycles: cycles, event: 5 * frameStep, gaps: gap}
	microphone := track{name: "a-microphone", codec: "opus", ending: "mka", cycles: cycles, event: 5 * frameStep, tone: 1000, gaps: gap}
	manifest := makeRoom(t, dir, &camera, &microphone)
	arguments, cells := grid(t, dir, camera.name)
	var most int64
	stop, stopped := make(chan bool), make(chan bool)
	watch := func(pid int) {
		defer close(stopped)
		for {
			most = max(most, residents(pid))
			select {
			case <-stop:
				return
			case <-time.After(25 * time.Millisecond):
			}
		}
	}
	out := dir + "/film.mp4"
	r := tryCompose(t, manifest, out, time.Hour, watch, append(arguments, "--fps", "5")...)
	close(stop)
	<-stopped
	if r.code != 0 {
		t.Fatalf("compose ended with %d: %s", r.code, r.stderr)
	}
	checkClean(t, out)
	film := fixture.Open(t, out)
	p := participant{"gap", camera, microphone}
	seen, audible := flashes(t, film, cells...), bursts(t, film.Path, microphone.tone)
	found := places(t, p, 5, seen[0], audible[0])
	audio := largest(found, func(p place) float64 { return p.audio })
	record(t, "gap of 5 h", "%.0f MB resident in all processes together at most, in %v of film made in %v; after the gap, audio is %+.2f ms and video %.0f frames off", float64(most)/1e6,
		film.Duration.Round(time.Second), r.took.Round(time.Second), audio, largest(found, func(p place) float64 { return p.frame })/200)
	if most > memoryLimit || most == 0 {
		t.Errorf("%d bytes were resident, want at most %d", most, int64(memoryLimit))
	}
	if audio > 1 || audio < -1 {
		t.Errorf("audio is %v ms off", audio)
	}
}
