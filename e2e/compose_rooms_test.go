package e2e

import (
	"encoding/json"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

// Of a room in which some files are broken, the film is made of the others, and each broken file is named.
func TestCompose_LeavesOutBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	room := fixture.Room{Recordings: append(fixture.Pair("alice", fixture.People[0], 0, 2*time.Second), fixture.Pair("bob", fixture.People[1], 0, 2*time.Second)...)}
	room.Recordings = append(room.Recordings, fixture.Pair("carol", fixture.People[2], 0, 2*time.Second)...)
	manifest := room.Make(t, dir)
	broken := map[string][]byte{"bob-camera.mkv": nil, "bob-microphone.mka": []byte("no media at all")}
	whole, err := os.ReadFile(filepath.Join(dir, "carol-camera.mkv"))
	broken["carol-camera.mkv"] = must(t, whole, err)[:400] // its header, and no packet
	for name, text := range broken {
		must(t, 0, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	out := filepath.Join(dir, "film.mp4")
	said := composeFails(t, 3, manifest, out, "--report", out+".json")
	text, err := exec.Command(filepath.Join(bin, "roomreel"), "report", out+".json").Output()
	if want := regexp.MustCompile(`(?s)Missing from the film.*bob \(bob-camera\) +bob-camera.mkv: .*carol \(carol-camera\) .*Warnings`); !want.Match(must(t, text, err)) {
		t.Errorf("the report says %s", text)
	}
	for _, want := range []string{
		"warning: bob-camera.mkv: cannot be used as a video recording: the file is empty; it is left out",
		"warning: bob-microphone.mka: cannot be used as an audio recording: ",
		"warning: carol-camera.mkv: cannot be used as a video recording: ",
		"done in part: bob-camera, bob-microphone, carol-camera is missing from the film",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("got %q, want %q", said, want)
		}
	}
	film := fixture.Open(t, out)
	if who := fixture.Who(film.Sample(t, 700*ms)[0], image.Rect(0, 0, 640, 480), fixture.People); who != 0 {
		t.Errorf("the film shows %d, want alice alone", who)
	}
	for _, person := range []int{0, 2} {
		if got := len(fixture.Beeps(film.Samples(t), fixture.People[person].Tone)); got != 2 {
			t.Errorf("person %d beeps %d times", person, got)
		}
	}
}

// Participants join at 0.00, 0.02 and 1 s. The second leaves and returns, to the same cell although another is free before it, and
// is heard once.
func TestCompose_KeepsTheCellOfWhoReturns(t *testing.T) {
	dir := t.TempDir()
	var room fixture.Room
	for i, part := range []struct{ from, until time.Duration }{{0, 4 * time.Second}, {20 * ms, 2020 * ms}, {time.Second, 8 * time.Second}, {5020 * ms, 8020 * ms}} {
		person := i
		if i == 3 {
			person = 1
		}
		pair := fixture.Pair([]string{"alice", "bob", "carol"}[person], fixture.People[person], part.from, part.until-part.from)
		for k := range pair {
			pair[k].File = fmt.Sprintf("%d-%s", i, pair[k].Name)
		}
		room.Recordings = append(room.Recordings, pair...)
	}
	out := filepath.Join(dir, "film.mp4")
	if said := roomreel(t, "compose", "--room", room.Make(t, dir), "-o", out); len(said.Warnings) > 0 {
		t.Errorf("warnings: %q", said.Warnings)
	}
	film := fixture.Open(t, out)
	times := []time.Duration{700 * ms, 1700 * ms, 3700 * ms, 4700 * ms, 5700 * ms, 7700 * ms}
	none := fixture.Empty
	wants := [][3]int{{0, 1, none}, {0, 1, 2}, {0, none, 2}, {none, none, 2}, {none, 1, 2}, {none, 1, 2}}
	for n, seen := range film.Sample(t, times...) {
		for cell, want := range wants[n] {
			corner := image.Pt(cell%2*320, cell/2*240)
			if who := fixture.Who(seen, image.Rectangle{corner, corner.Add(image.Pt(320, 240))}, fixture.People); who != want {
				t.Errorf("at %v cell %d shows %d, want %d", times[n], cell, who, want)
			}
		}
	}
	samples := film.Samples(t)
	beeps := fixture.Beeps(samples, fixture.People[1].Tone)
	want := []time.Duration{20 * ms, 1020 * ms, 5020 * ms, 6020 * ms, 7020 * ms}
	if len(beeps) != len(want) {
		t.Fatalf("bob beeps %d times", len(beeps))
	}
	for n, beep := range beeps {
		if off := beep.Start - want[n]; off.Abs() > 5*ms || beep.End-beep.Start > 130*ms {
			t.Errorf("bob's beep %d is from %v to %v, want it at %v", n, beep.Start, beep.End, want[n])
		}
	}
}

// Fifty participants are each in a cell of their own.
func TestCompose_ShowsFiftyParticipants(t *testing.T) {
	dir := t.TempDir()
	var room fixture.Room
	for i, person := range fixture.People {
		pair := fixture.Pair(fmt.Sprint("person-", i), person, 0, time.Second)
		pair[0].Sizes = []image.Point{{64, 48}}
		room.Recordings = append(room.Recordings, pair...)
	}
	manifest := room.Make(t, dir)
	var list []map[string]any
	for i := range 50 {
		for _, r := range room.Recordings[i%len(fixture.People)*2:][:2] {
			ending := ".mkv"
			if r.Kind == "audio" {
				ending = ".mka"
			}
			list = append(list, map[string]any{"file": r.Name + ending, "type": r.Kind, "participant": fmt.Sprint(i), "track_name": fmt.Sprint(r.Kind, i), "offset_ms": 10 * i})
		}
	}
	text, err := json.Marshal(map[string]any{"recordings": list})
	must(t, 0, os.WriteFile(manifest, must(t, text, err), 0o644))
	out := filepath.Join(dir, "film.mp4")
	if said := roomreel(t, "compose", "--room", manifest, "--resolution", "640x480", "-o", out); len(said.Warnings) > 0 {
		t.Errorf("warnings: %q", said.Warnings)
	}
	seen := fixture.Open(t, out).Sample(t, 900*ms)[0]
	for i := range 50 { // 8 columns, 7 rows
		cell := image.Rect(i%8*80, i/8*68, i%8*80+80, i/8*68+68).Inset(20)
		if who := fixture.Who(seen, cell, fixture.People); who != i%len(fixture.People) {
			t.Errorf("cell %d shows %d", i, who)
		}
	}
}

// A camera is off from 1 s to 5 s. How long its last frame stays is the caller's choice.
func TestCompose_HoldsTheLastFrameForAsLongAsAsked(t *testing.T) {
	dir := t.TempDir()
	room := fixture.Room{Recordings: fixture.Pair("alice", fixture.People[0], 0, 6*time.Second)[:1]}
	room.Recordings[0].Gaps = []fixture.Span{{Start: time.Second, End: 5 * time.Second}}
	manifest, out := room.Make(t, dir), filepath.Join(dir, "film.mp4")
	for _, test := range []struct {
		flags []string
		black []bool // at 2.5 s, 3.5 s and 5.5 s
	}{
		{nil, []bool{false, true, false}},
		{[]string{"--hold", "1s"}, []bool{true, true, false}},
		{[]string{"--hold", "0s"}, []bool{false, false, false}},
	} {
		roomreel(t, append([]string{"compose", "--room", manifest, "--resolution", "160x120", "-o", out}, test.flags...)...)
		for n, seen := range fixture.Open(t, out).Sample(t, 2500*ms, 3500*ms, 5500*ms) {
			if who := fixture.Who(seen, image.Rect(0, 0, 160, 120), fixture.People); (who == fixture.Empty) != test.black[n] {
				t.Errorf("%v: frame %d shows %d", test.flags, n, who)
			}
		}
	}
}
