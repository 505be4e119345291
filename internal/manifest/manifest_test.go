package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"roomreel"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// write makes a folder with two recordings and a manifest of the given text, and returns the manifest's path.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "room")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"a.mkv": "footage", "sub/a.mka": "audio", "empty.mkv": "", "room.json": text, "../secret.mkv": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "room.json")
}

func recordings(list ...string) string {
	return fmt.Sprintf(`{"unique_name": "standup", "recordings": [%s]}`, strings.Join(list, ","))
}

// fine is a recording that nothing is wrong with.
const fine = `{"file": "a.mkv", "type": "video", "participant": "alice"}`

func TestRead_ReturnsTheRoom(t *testing.T) {
	room, err := Read(write(t, "\ufeff"+recordings(
		`{"file": "a.mkv", "type": "video", "participant": "alice", "track_name": "camera", "offset_ms": 1500.0, "duration_ms": 61250}`,
		`{"file": "sub/a.mka", "type": "audio", "participant": "alice", "track_name": null, "offset_ms": null, "track": null, "note": null}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	want := []Recording{
		{File: "a.mkv", Kind: roomreel.Video, Participant: "alice", TrackName: "camera", Offset: 1500 * time.Millisecond, Known: 61250 * time.Millisecond, Size: 7},
		{File: "sub/a.mka", Kind: roomreel.Audio, Participant: "alice", Size: 5},
	}
	if diff := cmp.Diff(&Room{UniqueName: "standup", Recordings: want}, room, cmpopts.IgnoreUnexported(Room{})); diff != "" {
		t.Error(diff)
	}
	if room.Bytes() != 12 {
		t.Errorf("Bytes() = %d, want 12", room.Bytes())
	}
	file, err := room.Open(room.Recordings[1])
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
}

func TestRead_RefusesAndSaysWhy(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":               {``, "is empty"},
		"no_json":             {`hello`, "not valid JSON at byte 1"},
		"ends_early":          {`{"recordings": [`, "not valid JSON"},
		"a_list":              {`[]`, "expected an object"},
		"two_objects":         {recordings(fine) + `{}`, "follows after the closing bracket"},
		"no_recordings":       {`{"unique_name": "x"}`, "names no recordings"},
		"empty_recordings":    {`{"recordings": []}`, "names no recordings"},
		"recordings_no_list":  {`{"recordings": 3}`, "recordings must be a list"},
		"recordings_null":     {`{"recordings": null}`, "names no recordings"},
		"half_a_character":    {recordings(`{"file": "a.mkv", "type": "video", "participant": "\ud800"}`), `holds \ud800, which is half of a character`},
		"nul_character":       {recordings(`{"file": "a.mkv", "type": "video", "participant": "a\u0000"}`), "NUL"},
		"participant_null":    {recordings(`{"file": "a.mkv", "type": "video", "participant": null}`), "participant is missing"},
		"unknown_room_field":  {`{"name": "x", "recordings": [` + fine + `]}`, `unknown field "name"`},
		"recording_no_object": {recordings(`3`), "recordings[0]: expected an object"},
		"unknown_field":       {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "offset": 5}`), `recordings[0] (a.mkv): unknown field "offset"`},
		"doubled_field":       {recordings(`{"file": "a.mkv", "file": "a.mkv", "type": "video", "participant": "a"}`), `"file" is given twice`},
		"no_file":             {recordings(`{"type": "video", "participant": "a"}`), "file is missing"},
		"no_participant":      {recordings(`{"file": "a.mkv", "type": "video"}`), "participant is missing"},
		"no_type":             {recordings(`{"file": "a.mkv", "participant": "a"}`), "type must be audio or video"},
		"type_data":           {recordings(`{"file": "a.mkv", "type": "data", "participant": "a"}`), `not "data"`},
		"file_number":         {recordings(`{"file": 3, "type": "video", "participant": "a"}`), "file must be a text"},
		"offset_negative":     {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "offset_ms": -1}`), "offset_ms must be a whole number"},
		"offset_fraction":     {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "offset_ms": 1.5}`), "offset_ms must be a whole number"},
		"offset_text":         {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "offset_ms": "1"}`), "offset_ms must be a whole number"},
		"offset_huge":         {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "offset_ms": 9223372036854775807}`), "offset_ms must be a whole number"},
		"duration_zero":       {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "duration_ms": 0}`), "duration_ms must be a whole number of milliseconds from 1 to"},
		"duration_text":       {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "duration_ms": "1"}`), "duration_ms must be a whole number"},
		"name_long":           {recordings(`{"file": "a.mkv", "type": "video", "participant": "` + strings.Repeat("é", 129) + `"}`), "129 characters"},
		"track_zero":          {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "track": 0}`), "track must be the number of a track"},
		"track_text":          {recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "track": "2"}`), "track must be the number of a track"},
		"first_track_twice":   {recordings(fine, strings.Replace(fine, `{`, `{"track": 1, `, 1)), "a.mkv: is recordings[0] once more"},
		"missing_file":        {recordings(`{"file": "b.mkv", "type": "video", "participant": "a"}`), "b.mkv: no such file"},
		"a_folder":            {recordings(`{"file": "sub", "type": "video", "participant": "a"}`), "sub: is a folder"},
		"outside":             {recordings(`{"file": "../secret.mkv", "type": "video", "participant": "a"}`), "../secret.mkv: points outside"},
		"absolute":            {recordings(`{"file": "/etc/passwd", "type": "video", "participant": "a"}`), "/etc/passwd: points outside"},
		"same_twice":          {recordings(fine, strings.Replace(fine, `"a.mkv"`, `"./a.mkv"`, 1)), "./a.mkv: is recordings[0] once more"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(write(t, test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one that says %q", err, test.want)
			}
			if roomreel.CodeOf(err) != roomreel.Invalid {
				t.Errorf("code %q, want invalid", roomreel.CodeOf(err))
			}
		})
	}
}

// A recorder that was killed leaves an empty file. The room can be read; who reads the file says what is wrong.
func TestRead_TakesAnEmptyFile(t *testing.T) {
	room, err := Read(write(t, recordings(fine, `{"file": "empty.mkv", "type": "video", "participant": "b"}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	if len(room.Recordings) != 2 || room.Recordings[1].Size != 0 {
		t.Errorf("%+v", room.Recordings)
	}
}

func TestRead_FollowsLinksOnlyInsideTheFolder(t *testing.T) {
	path := write(t, recordings(
		`{"file": "in.mkv", "type": "video", "participant": "a"}`,
		`{"file": "out.mkv", "type": "video", "participant": "b"}`,
		`{"file": "up/secret.mkv", "type": "video", "participant": "c"}`))
	dir := filepath.Dir(path)
	for link, target := range map[string]string{"in.mkv": "a.mkv", "out.mkv": "../secret.mkv", "up": ".."} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Read(path)
	if err == nil {
		t.Fatal("a link out of the folder was followed")
	}
	for _, name := range []string{"out.mkv", "up/secret.mkv"} {
		if !strings.Contains(err.Error(), name+": cannot be reached inside") {
			t.Errorf("%v\ndoes not name %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "in.mkv") {
		t.Errorf("%v\nrefuses in.mkv, which stays inside", err)
	}
}

func TestRead_DoesNotWaitForAPipe(t *testing.T) {
	path := write(t, recordings(`{"file": "pipe.mkv", "type": "video", "participant": "a"}`))
	if err := syscall.Mkfifo(filepath.Join(filepath.Dir(path), "pipe.mkv"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "pipe.mkv: is not a regular file") {
		t.Fatalf("error %v, want one that names the pipe", err)
	}
}

func TestRead_ReportsAllMistakesTogether(t *testing.T) {
	_, err := Read(write(t, recordings(
		`{"file": "gone.mkv", "type": "video", "participant": "a"}`,
		`{"file": "a.mkv", "type": "film", "participant": "a"}`,
		`{"file": "../secret.mkv", "type": "video", "participant": "a", "offset_ms": -5}`)))
	for _, want := range []string{"gone.mkv: no such file", "type must be audio or video", "points outside", "offset_ms must be"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}

func TestRead_NamesAMissingManifest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.json")
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path+": no such file") {
		t.Fatalf("error %v, want one that names %s", err, path)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(recordings(`{"file": "a.mkv", "type": "video", "participant": "a", "offset_ms": 5}`)))
	f.Add([]byte(`{"recordings": [{"file": 3}, null, {}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		room, mistakes := parse(text)
		if len(mistakes) > 0 {
			return
		}
		for _, r := range room.Recordings {
			if r.File == "" || r.Participant == "" || r.Offset < 0 || r.Offset > maxOffset {
				t.Fatalf("accepted %+v", r)
			}
		}
	})
}

func TestRead_TakesOneFileForSeveralRecordings(t *testing.T) {
	room, err := Read(write(t, recordings(fine, strings.Replace(fine, `{`, `{"track": 2, `, 1),
		`{"file": "a.mkv", "type": "video", "participant": "bob"}`,
		`{"file": "a.mkv", "type": "video", "participant": "bob", "offset_ms": 2000}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	if len(room.Recordings) != 4 || room.Recordings[1].Track != 2 {
		t.Errorf("recordings %+v, want 4, the second of track 2", room.Recordings)
	}
}
