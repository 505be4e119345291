package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

func testPlan(t *testing.T) *Plan {
	t.Helper()
	req, opts := parseRequest(t, "audio *\nparallel 3\nchunk 2s\nvideo-task 10s\naudio-task 5s\n", `{"a":{"video_sources":["*"]}}`)
	tracks, indexes := parseTracks(t, "video a cam-a length=60s key=0s,31s\nvideo b cam-b offset=3s length=50s\naudio a mic-a length=60s gap=10s+20s delay=6500us\n")
	p, err := New(req, tracks, indexes, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Video) < 6 || len(p.Audio) != 12 {
		t.Fatalf("%d video and %d audio tasks", len(p.Video), len(p.Audio))
	}
	return p
}

func TestFile_GivesBackEverySlice(t *testing.T) {
	p := testPlan(t)
	shown := protocol.Display{Width: 64, Height: 48, Left: 1, Top: 2, Right: 3, Bottom: 4, AspectNum: 5, AspectDen: 6, Mirror: true, Turn: 270}
	meant := protocol.Colour{Primaries: 1, Transfer: 2, Matrix: 3, Full: true}
	p.Video[0].Tracks[0].Media = renderTrack(media.Index{Codec: "vp8", Display: media.Display(shown), Colour: media.Colour(meant)})
	var b bytes.Buffer
	checksum, err := p.Write(&b)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), checksum)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	summary, err := f.Summary()
	if err != nil {
		t.Fatal(err)
	}
	back.Summary = *summary
	for i := range p.Video {
		task, err := f.Video(i)
		if err != nil {
			t.Fatal(err)
		}
		back.Video = append(back.Video, *task)
	}
	for i := range p.Audio {
		task, err := f.Audio(i)
		if err != nil {
			t.Fatal(err)
		}
		back.Audio = append(back.Audio, *task)
	}
	want, _ := json.Marshal(p) // nil and empty are the same in a stored plan
	got, _ := json.Marshal(back)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("plan (-want +got):\n%.3000s", diff)
	}
	if got := back.Video[0].Tracks[0].Media.Display; got != shown {
		t.Errorf("frames are shown by %+v, want %+v", got, shown)
	}
	if got := back.Video[0].Tracks[0].Media.Colour; got != meant {
		t.Errorf("samples mean %+v, want %+v", got, meant)
	}
	if _, err := f.Video(len(p.Video)); err == nil {
		t.Error("a task that is not there is given")
	}
	if _, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), "0000"); err == nil {
		t.Error("a plan with another checksum is taken")
	}
}

func TestFile_NoticesDamage(t *testing.T) {
	p := testPlan(t)
	var b bytes.Buffer
	checksum, err := p.Write(&b)
	if err != nil {
		t.Fatal(err)
	}
	readAll := func(stored []byte) error {
		f, err := Open(bytes.NewReader(stored), int64(len(stored)), checksum)
		if err != nil {
			return err
		}
		_, err = f.Summary()
		for i := range p.Video {
			_, e := f.Video(i)
			err = errors.Join(err, e)
		}
		for i := range p.Audio {
			_, e := f.Audio(i)
			err = errors.Join(err, e)
		}
		return err
	}
	if err := readAll(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < b.Len(); i += 61 {
		stored := bytes.Clone(b.Bytes())
		stored[i] ^= 1
		if readAll(stored) == nil {
			t.Errorf("a flipped bit in byte %d of %d is not noticed", i, b.Len())
		}
		if readAll(b.Bytes()[:i]) == nil {
			t.Errorf("a plan of %d of %d bytes is taken", i, b.Len())
		}
	}
}

// A worker declines a plan that it does not know, whether it is older or newer than all that it knows.
func TestOpen_DeclinesOtherVersions(t *testing.T) {
	for _, version := range []int{0, Version + 1} {
		var b bytes.Buffer
		checksum, err := testPlan(t).write(&b, version)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), checksum); !errors.Is(err, ErrVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// Plans of versions 1 and 2 say nothing about colour, and their chunks are joined with chunks that were encoded before: the
// child is told nothing, and the container says BT.601.
func TestFile_FilmsOfEarlierPlansAreBT601(t *testing.T) {
	for version := oldest; version <= Version; version++ {
		p := testPlan(t)
		p.Colour, p.Video[0].Colour = media.Colour{}, protocol.Colour{}
		want := media.BT601
		if version >= 3 {
			p.Colour, p.Video[0].Colour = media.BT709, protocol.Colour(media.BT709)
			want = media.BT709
		}
		var b bytes.Buffer
		checksum, err := p.write(&b, version)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), checksum)
		if err != nil {
			t.Fatal(err)
		}
		summary, err := f.Summary()
		if err != nil {
			t.Fatal(err)
		}
		task, err := f.Video(0)
		if err != nil {
			t.Fatal(err)
		}
		if summary.Colour != want || task.Colour != p.Video[0].Colour {
			t.Errorf("version %d: the film is %+v, and its child is told %+v", version, summary.Colour, task.Colour)
		}
	}
}
