package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twilio/twilio-go"

	"roomreel/e2e/fixture"
	"roomreel/internal/compose"
)

// question sends a form to a path of ours, as the account.
func (s *service) question(t *testing.T, path, accept string, form url.Values) (*http.Response, []byte) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/roomreel/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Accept", accept)
	q.SetBasicAuth(s.account, s.token)
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// difference returns the mean difference of the samples of two images, of 255.
func difference(t *testing.T, a, b image.Image) float64 {
	t.Helper()
	if a.Bounds() != b.Bounds() {
		t.Fatalf("one image is %v, the other %v", a.Bounds(), b.Bounds())
	}
	sum, n := 0.0, 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, pair := range [][2]uint32{{r, r2}, {g, g2}, {b1, b2}} {
				sum += math.Abs(float64(pair[0])-float64(pair[1])) / 257
				n++
			}
		}
	}
	return sum / float64(n)
}

// A preview is the film's frame of that second, from the service and from the command line, before the room is completed.
func TestPreview_IsTheFrameOfTheFilm(t *testing.T) {
	dir := t.TempDir()
	var recordings []fixture.Recording
	for i, name := range []string{"alice", "bob", "carol"} {
		recordings = append(recordings, fixture.Pair(name, fixture.People[i], time.Duration(i)*time.Second, 4*time.Second)...)
	}
	manifest := fixture.Room{UniqueName: "previewed", Recordings: recordings}.Make(t, dir)
	s := serve(t, filepath.Join(dir, "data"))
	room, _, _ := s.importRoom(t, manifest)
	film := url.Values{"RoomSid": {room}, "VideoLayout": {`{"grid":{"video_sources":["*"]}}`}, "Resolution": {"1280x720"}, "Format": {"mp4"}, "AudioSources": {"*"}}
	moments := []float64{0.2, 1.5, 2.5, 4.7, 5.9}
	previews := map[float64]image.Image{}
	for _, at := range moments {
		form := url.Values{"Second": {fmt.Sprint(at)}}
		for name, values := range film {
			form[name] = values
		}
		response, body := s.question(t, "CompositionPreviews", "image/png", form)
		shown, err := png.Decode(bytes.NewReader(body))
		if err != nil || response.StatusCode != 200 || response.Header.Get("Content-Type") != "image/png" {
			t.Fatalf("at %v: %d %s, %v: %.200s", at, response.StatusCode, response.Header.Get("Content-Type"), err, body)
		}
		previews[at] = shown
		response, body = s.question(t, "CompositionPreviews", "*/*", form)
		small, err := jpeg.Decode(bytes.NewReader(body))
		if err != nil || response.Header.Get("Content-Type") != "image/jpeg" {
			t.Fatalf("at %v: %s, %v", at, response.Header.Get("Content-Type"), err)
		}
		if d := difference(t, shown, small); d > 3 {
			t.Errorf("at %v: the JPEG differs from the PNG by %.2f", at, d)
		}
		for source, more := range map[string][]string{
			manifest: nil,
			room:     {"--server", s.url, "--account", s.account, "--token", s.token},
		} {
			out := filepath.Join(dir, "frame.png")
			roomreel(t, append([]string{"preview", source, "--at", fmt.Sprint(at), "--resolution", "1280x720", "-o", out}, more...)...)
			text, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			same, err := png.Decode(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if d := difference(t, shown, same); d != 0 {
				t.Errorf("at %v: roomreel preview %s differs by %.2f", at, source, d)
			}
		}
	}
	composed := filepath.Join(dir, "film.mp4")
	roomreel(t, "compose", "--room", manifest, "--resolution", "1280x720", "-o", composed)
	var times []time.Duration
	for _, at := range moments {
		times = append(times, time.Duration(at*float64(time.Second)))
	}
	for i, frame := range fixture.Open(t, composed).Sample(t, times...) {
		if d := difference(t, previews[moments[i]], frame); d > 3 {
			t.Errorf("at %v s the film differs from the preview by %.2f", moments[i], d)
		}
	}
}

// estimate is the answer of CompositionEstimates.
type estimate struct {
	Length float64 `json:"duration_seconds"`
	Core   float64 `json:"core_seconds"`
	Wall   float64 `json:"wall_seconds"`
	Size   float64 `json:"size_bytes"`
	Load   struct {
		Workers int `json:"render_workers"`
	} `json:"load"`
	Basis struct {
		Finished  int     `json:"finished_compositions"`
		CoreRatio float64 `json:"core_ratio"`
	} `json:"basis"`
}

// compared asks what a film costs, has it made, and says what it cost.
func (s *service) compared(t *testing.T, api *twilio.RestClient, room, size string) (said, took estimate) {
	t.Helper()
	layout := map[string]any{"grid": map[string]any{"video_sources": []string{"*"}}}
	text, _ := json.Marshal(layout)
	response, body := s.question(t, "CompositionEstimates", "", url.Values{
		"RoomSid": {room}, "VideoLayout": {string(text)}, "Resolution": {size}, "Format": {"mp4"}, "AudioSources": {"*"},
	})
	if err := json.Unmarshal(body, &said); err != nil || response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	film, report := s.composeWithLayout(t, api, room, size, layout, "*")
	info, err := os.Stat(film.Path)
	if err != nil {
		t.Fatal(err)
	}
	took.Length, took.Core, took.Size, took.Wall = report.Seconds, report.CPUSeconds, float64(info.Size()), wall(report)
	return said, took
}

func wall(report compose.Report) float64 {
	return report.Times.Delivered.Sub(report.Times.Started).Seconds()
}

// After a film was made, the estimate of another one is about right: of the same people, twice as many, for twice as long.
//
// With ROOMREEL_TEST_ESTIMATES, a list of manifests, it prints what is expected of their rooms and what they take: the table of
// docs/performance.md.
func TestEstimate_IsAboutRight(t *testing.T) {
	var manifests []string
	if list := os.Getenv("ROOMREEL_TEST_ESTIMATES"); list != "" {
		manifests = filepath.SplitList(list)
	} else {
		for name, length := range map[string]time.Duration{"short": 6 * time.Second, "long": 12 * time.Second} {
			var recordings []fixture.Recording
			for i := range int(length / (6 * time.Second) * 2) {
				recordings = append(recordings, fixture.Pair(fmt.Sprint(name, i), fixture.People[i], 0, length)...)
			}
			manifests = append(manifests, fixture.Room{UniqueName: name, Recordings: recordings}.Make(t, t.TempDir()))
		}
	}
	s := serve(t, t.TempDir())
	api := s.twilio(t)
	for i, manifest := range manifests {
		room, _, _ := s.importRoom(t, manifest, "--complete")
		said, took := s.compared(t, api, room, cmp.Or(os.Getenv("ROOMREEL_TEST_ESTIMATES_SIZE"), "640x480"))
		t.Logf("%-40s core %6.2f s, took %6.2f (%.2f); wall %6.2f s, took %6.2f (%.2f); size %9.0f, is %9.0f (%.2f); %.0f s, of %d films, ratio %.2f",
			manifest, said.Core, took.Core, said.Core/took.Core, said.Wall, took.Wall, said.Wall/took.Wall, said.Size, took.Size, said.Size/took.Size,
			took.Length, said.Basis.Finished, said.Basis.CoreRatio)
		if said.Basis.Finished != i || said.Load.Workers < 1 || math.Abs(said.Length-took.Length) > 0.1 {
			t.Errorf("%s: %+v", manifest, said)
		}
		if ratio := said.Core / took.Core; i > 0 && os.Getenv("ROOMREEL_TEST_ESTIMATES") == "" && (ratio < 0.5 || ratio > 2) {
			t.Errorf("%s: expected %.2f core-seconds, took %.2f", manifest, said.Core, took.Core)
		}
	}
}
