package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/timeline"
)

var update = flag.Bool("update", false, "rewrite the golden plans")

// Each golden case is one text file: options, a layout and tracks in; the plan out.
func TestPlan_Golden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]string{}
			for _, f := range archive.Files {
				part[f.Name] = string(f.Data)
			}
			req, opts := parseRequest(t, part["request"], part["layout"])
			tracks, indexes := parseTracks(t, part["tracks"])
			plan, err := New(req, tracks, indexes, opts)
			got := ""
			if err != nil {
				got = "error: " + err.Error() + "\n"
			} else {
				got = planText(plan)
			}
			if *update {
				for i := range archive.Files {
					if archive.Files[i].Name == "plan" {
						archive.Files[i].Data = []byte(got)
					}
				}
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(part["plan"], got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// parseRequest reads lines of "key value" and a layout, empty for none.
func parseRequest(t *testing.T, text, layoutText string) (Request, Options) {
	t.Helper()
	req := Request{Size: layout.Size{W: 640, H: 480}, Format: roomreel.MP4, Trim: true}
	opts := Options{FPS: 25, Chunk: 20 * time.Second, Parallel: 1, Encoder: Standard}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var err error
		switch key {
		case "size":
			req.Size, err = layout.ParseResolution(value, layout.Largest)
		case "format":
			req.Format = roomreel.Format(value)
		case "trim":
			req.Trim, err = strconv.ParseBool(value)
		case "audio":
			req.AudioSources = strings.Fields(value)
		case "audio-excluded":
			req.AudioExcluded = strings.Fields(value)
		case "fps":
			opts.FPS, err = strconv.Atoi(value)
		case "chunk":
			opts.Chunk, err = time.ParseDuration(value)
		case "video-task":
			opts.VideoTask, err = time.ParseDuration(value)
		case "audio-task":
			opts.AudioTask, err = time.ParseDuration(value)
		case "hold":
			opts.Hold, err = time.ParseDuration(value)
		case "parallel":
			opts.Parallel, err = strconv.Atoi(value)
		default:
			t.Fatalf("unknown request line %q", line)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if strings.TrimSpace(layoutText) == "" {
		layoutText = "{}"
	}
	parsed, err := layout.Parse(layoutText, req.Size)
	if err != nil {
		t.Fatal(err)
	}
	req.Layout = parsed
	return req, opts
}

// parseTracks reads lines such as "video alice camera offset=2s length=10s key=0s,5s". Video has 10 packets a second,
// audio 50, unless every=2s says otherwise; gap=2s+3s,9s+1s leaves out the packets of the 3 s from 2 s on, and of the second from
// 9 s on.
func parseTracks(t *testing.T, text string) ([]Track, Indexes) {
	t.Helper()
	var tracks []Track
	var files []*media.IndexFile
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 {
			t.Fatalf("track line %q", line)
		}
		track := Track{Kind: roomreel.TrackKind(words[0]), Identity: words[1], Name: words[2]}
		track.Participant = roomreel.ParticipantSID("PA" + words[1])
		index := &media.Index{Codec: "opus", Rate: 48000, Channels: 1}
		step, length := 20*time.Millisecond, time.Duration(0)
		keys := map[time.Duration]bool{0: true}
		var gaps []timeline.Span
		if track.Kind == roomreel.Video {
			index = &media.Index{Codec: "vp8", Video: true, Width: 640, Height: 480}
			step = 100 * time.Millisecond
		}
		for _, word := range words[3:] {
			key, value, _ := strings.Cut(word, "=")
			switch key {
			case "offset":
				track.Offset = mustDuration(t, value)
			case "length":
				length = mustDuration(t, value)
			case "known":
				track.Known = mustDuration(t, value)
			case "delay":
				index.CodecDelay = mustDuration(t, value)
			case "gap":
				for gap := range strings.SplitSeq(value, ",") {
					a, b, _ := strings.Cut(gap, "+")
					gaps = append(gaps, timeline.Span{Start: mustDuration(t, a), End: mustDuration(t, a) + mustDuration(t, b)})
				}
			case "every":
				step = mustDuration(t, value)
			case "key":
				clear(keys)
				for _, at := range strings.Split(value, ",") {
					keys[mustDuration(t, at)] = true
				}
			default:
				t.Fatalf("unknown word %q", word)
			}
		}
		for at := time.Duration(0); at < length; at += step {
			if slices.ContainsFunc(gaps, func(gap timeline.Span) bool { return at >= gap.Start && at < gap.End }) {
				continue
			}
			packet := media.Packet{Time: at, Key: keys[at] || !index.Video}
			if !index.Video {
				packet.Duration = step
			}
			index.Packets = append(index.Packets, packet)
		}
		file, err := index.File()
		if err != nil {
			t.Fatal(err)
		}
		track.Length = file.Length()
		tracks, files = append(tracks, track), append(files, file)
	}
	return tracks, func(i int) (*media.IndexFile, error) { return files[i], nil }
}

func mustDuration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func planText(p *Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "film %s %dx%d %v frames=%d samples=%d\n", p.Format, p.Canvas.W, p.Canvas.H, p.Length, p.Frames, p.Samples)
	for _, at := range p.Intervals {
		fmt.Fprintf(&b, "interval room %v-%v at %v\n", at.Room.Start, at.Room.End, at.Output)
	}
	for _, t := range p.Tracks {
		if t.CameraOff > 0 {
			fmt.Fprintf(&b, "%s is off %d times, for %v\n", t.Name, t.CameraOff, t.OffTime)
		}
	}
	for _, t := range p.Tracks {
		if t.Ending != "" {
			fmt.Fprintf(&b, "%s: %s by %v, drift %v, clock %v, stall %s\n", t.Name, t.Ending, t.KnownLater, t.Drift, t.Clock, t.Stall)
		}
	}
	last := -1
	for _, task := range p.Video {
		for _, scene := range task.Scenes {
			if scene.From <= last { // it goes on from the task before
				continue
			}
			last = scene.From
			fmt.Fprintf(&b, "scene %d", scene.From)
			for _, c := range scene.Cells {
				fmt.Fprintf(&b, " %s@%dx%d+%d+%d", p.Tracks[task.Tracks[c.Track].Track].Name, c.W, c.H, c.X, c.Y)
			}
			b.WriteByte('\n')
		}
	}
	for i, task := range p.Video {
		fmt.Fprintf(&b, "video task %d:", i)
		for _, c := range task.Chunks {
			fmt.Fprintf(&b, " %d-%d", c.From, c.To)
		}
		b.WriteByte('\n')
		for _, t := range task.Tracks {
			for _, r := range t.From(task.Chunks[0]) {
				fmt.Fprintf(&b, "  packets of %s %d-%d\n", p.Tracks[t.Track].Name, r[0], r[1])
			}
		}
	}
	for i, task := range p.Audio {
		if len(p.Audio) > 1 {
			fmt.Fprintf(&b, "audio task %d: %d-%d\n", i, task.From, task.To)
		}
		for _, t := range task.Tracks {
			fmt.Fprintf(&b, "audio %s", p.Tracks[t.Track].Name)
			if len(p.Audio) > 1 {
				fmt.Fprintf(&b, " packets %d-%d", t.Start, t.End)
			}
			for _, r := range t.Runs {
				fmt.Fprintf(&b, " at=%d packets=%d length=%d/%d skip=%d", r.At, r.Packets, r.Length, r.Decoded, r.Skip)
				if len(p.Audio) > 1 {
					fmt.Fprintf(&b, " start=%d", r.Start)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestPlan_IsDeterministic(t *testing.T) {
	req, opts := parseRequest(t, "audio *\nparallel 3\n", `{"a":{"video_sources":["*"]},"b":{"video_sources":["*"],"z_pos":3,"width":100,"height":100}}`)
	tracks, indexes := parseTracks(t, "video a cam-a length=60s key=0s,31s\nvideo b cam-b offset=3s length=50s\naudio a mic-a length=60s gap=10s+20s\n")
	first, err := New(req, tracks, indexes, opts)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := New(req, tracks, indexes, opts)
		if err != nil {
			t.Fatal(err)
		}
		if planText(first) != planText(again) {
			t.Fatal("the same request and tracks gave another plan")
		}
	}
}

func TestPlaces_AreInTheOrderOfTimeAndBounded(t *testing.T) {
	at := func(source, from int) layout.Placement {
		return layout.Placement{Source: source, From: time.Duration(from), To: time.Duration(from + 1), Rect: layout.Rect{X: source, W: 2, H: 4}}
	}
	got, omitted := places([]layout.Placement{at(0, 5), at(0, 7), at(1, 5), at(1, 2)})
	want := []Place{
		{Track: 1, From: 2, To: 3, Rect: layout.Rect{X: 1, W: 2, H: 4}},
		{Track: 0, From: 5, To: 6, Rect: layout.Rect{W: 2, H: 4}},
		{Track: 1, From: 5, To: 6, Rect: layout.Rect{X: 1, W: 2, H: 4}},
		{Track: 0, From: 7, To: 8, Rect: layout.Rect{W: 2, H: 4}},
	}
	if diff := cmp.Diff(want, got); diff != "" || omitted != 0 {
		t.Errorf("%d are omitted\n%s", omitted, diff)
	}
	many := make([]layout.Placement, MaxPlaces+7)
	for i := range many {
		many[i] = at(i, len(many)-i)
	}
	if got, omitted := places(many); len(got) != MaxPlaces || omitted != 7 || got[0].Track != len(many)-1 {
		t.Errorf("%d places, %d omitted, the first of track %d", len(got), omitted, got[0].Track)
	}
}

func TestColour_IsThatOfTheCanvas(t *testing.T) {
	for _, test := range []struct {
		codec  string
		canvas layout.Size
		want   media.Colour
	}{
		{"h264", layout.Size{W: 640, H: 480}, media.BT601},
		{"h264", layout.Size{W: 1278, H: 718}, media.BT601},
		{"h264", layout.Size{W: 1280, H: 360}, media.BT709},
		{"h264", layout.Size{W: 960, H: 720}, media.BT709},
		{"h264", layout.Size{W: 720, H: 1280}, media.BT709},
		{"h264", layout.Size{W: 3840, H: 2160}, media.BT709},
		{"av1", layout.Size{W: 640, H: 480}, media.BT601},
		{"av1", layout.Size{W: 1920, H: 1080}, media.BT709},
		{"vp8", layout.Size{W: 640, H: 480}, media.BT601},
		{"vp8", layout.Size{W: 1920, H: 1080}, media.BT601},
	} {
		if got := colour(test.codec, test.canvas); got != test.want {
			t.Errorf("%s of %v is %+v, want %+v", test.codec, test.canvas, got, test.want)
		}
	}
}

// A film may be as large as what decoders and encoders take.
func TestLargest_IsTheLimitOfTheCodecs(t *testing.T) {
	if l := layout.Largest; l.W != media.MaxFrameSide || l.W*l.H != media.MaxFramePixels {
		t.Errorf("films have up to %v, frames %d on a side and %d pixels", l, media.MaxFrameSide, media.MaxFramePixels)
	}
}

// A device encodes H.264 of draft and standard. What it does not encode, and every film without a device, is encoded in software.
func TestEncoders_OfADevice(t *testing.T) {
	for _, test := range []struct {
		policy Policy
		format roomreel.Format
		device string
		want   string
	}{
		{Standard, roomreel.MP4, "", "h264"},
		{Standard, roomreel.MP4, "vaapi", "h264_vaapi"},
		{Draft, roomreel.MP4, "nvenc", "h264_nvenc"},
		{Archive, roomreel.MP4, "vaapi", "h264"},
		{Standard, roomreel.WebM, "vaapi", "vp8"},
		{Small, roomreel.MP4, "vaapi", "av1"},
		{Small, roomreel.WebM, "", "av1"},
		{Standard, roomreel.MP4, "abacus", "h264"},
	} {
		video := videoEncoder(test.policy, test.device, test.format, layout.Size{W: 640, H: 480}, 25)
		if video.Kind() != test.want {
			t.Errorf("%s in %s on %q is encoded by %s, want %s", test.policy, test.format, test.device, video.Kind(), test.want)
		}
	}
}
