package e2e

import (
	_ "embed"
	"encoding/json"
	"image"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

//go:embed browser/record.html
var recorderPage []byte

// browserRecording is what MediaRecorder made of the page.
type browserRecording struct {
	mime string // with its codecs
	data []byte
}

// recordBrowser has a headless Chromium record itself, and returns the recordings and the types that it does not support.
func recordBrowser(t *testing.T) (recordings []browserRecording, unsupported []string) {
	t.Helper()
	arrived := make(chan browserRecording, 100)
	text := browse(t, recorderPage, "", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		arrived <- browserRecording{r.FormValue("type"), body}
	})
	if strings.HasPrefix(text, "error: ") {
		t.Fatalf("the page: %s", text)
	}
	for len(arrived) > 0 {
		recordings = append(recordings, <-arrived)
	}
	return recordings, strings.Fields(text)
}

// browse has a headless Chromium open a page with a query until the page posts to /done, and returns what it posted. other answers the other
// requests of the page.
func browse(t *testing.T, html []byte, query string, other http.HandlerFunc) string {
	t.Helper()
	fixture.Need(t, "chromium")
	done := make(chan string, 1)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			w.Write(html)
		case "/favicon.ico":
		case "/done":
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			done <- string(body)
		default:
			other(w, r)
		}
	}))
	defer page.Close()
	var said strings.Builder
	browser := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required",
		"--mute-audio", "--no-first-run", "--user-data-dir="+t.TempDir(), page.URL+"/"+query)
	browser.Stdout, browser.Stderr = &said, &said
	must(t, 0, browser.Start())
	defer func() {
		browser.Process.Signal(os.Interrupt) // so that it removes its children
		browser.Wait()
	}()
	select {
	case text := <-done:
		return text
	case <-time.After(2 * time.Minute):
		t.Fatalf("Chromium was not done within two minutes\n%s", &said)
	}
	return ""
}

// What a real browser records with MediaRecorder is composed, whatever codecs and container it chooses, and stays in sync.
func TestCompose_TakesWhatABrowserRecords(t *testing.T) {
	recordings, unsupported := recordBrowser(t)
	for _, mime := range unsupported {
		t.Logf("this Chromium does not record %s", mime)
	}
	found := map[string]bool{}
	for _, r := range recordings {
		found[r.mime] = true
		t.Run(r.mime, func(t *testing.T) {
			dir := t.TempDir()
			must(t, 0, os.WriteFile(filepath.Join(dir, "recording"), r.data, 0o644))
			manifest, out := filepath.Join(dir, "room.json"), filepath.Join(dir, "film.mp4")
			must(t, 0, os.WriteFile(manifest, []byte(`{"recordings": [
				{"file": "recording", "type": "video", "participant": "a", "track_name": "camera", "offset_ms": 0},
				{"file": "recording", "type": "audio", "participant": "a", "track_name": "microphone", "offset_ms": 0}]}`), 0o644))
			roomreel(t, "compose", "--room", manifest, "--resolution", "320x240", "-o", out)
			film := fixture.Open(t, out)
			// The browser draws late when it is busy. Its own distances, as ffmpeg finds them, are those of the film.
			own := filepath.Join(dir, "own.mkv")
			fixture.FFmpeg(t, "-i", filepath.Join(dir, "recording"), "-vf", "scale=32:24,fps=200:round=up", "-c:v", "ffv1",
				"-af", "aresample=48000:async=1:first_pts=0", "-c:a", "pcm_s16le", own)
			flashes, beeps := film.Flashes(t, image.Rect(0, 0, 320, 240)), fixture.Beeps(film.Samples(t), fixture.People[0].Tone)
			source := fixture.Open(t, own)
			wantFlashes, wantBeeps := source.Flashes(t, image.Rect(0, 0, 32, 24)), fixture.Beeps(source.Samples(t), fixture.People[0].Tone)
			compared := 0
			check := func(what string, want, got []fixture.Span, early, late time.Duration) {
				for _, w := range want {
					// A flash shorter than a frame may be between two. ffmpeg leaves out the first 80 ms of Chromium's mp4.
					if w.End-w.Start < frameTime || w.Start < 200*ms {
						continue
					}
					compared++
					if !slices.ContainsFunc(got, func(g fixture.Span) bool { return g.Start > w.Start-early && g.Start < w.Start+late }) {
						t.Errorf("the %s at %v is not in the film: %v", what, w.Start, got)
					}
				}
			}
			check("flash", wantFlashes, flashes, 6*ms, frameTime+ms)
			check("beep", wantBeeps, beeps, 10*ms, 10*ms)
			check("flash near a beep", beeps, flashes, 4*frameTime, 4*frameTime)
			if compared < 6 {
				t.Errorf("flashes %v and beeps %v, of the recording %v and %v", flashes, beeps, wantFlashes, wantBeeps)
			}
			t.Logf("%d bytes, flashes %v, beeps %v", len(r.data), starts(flashes), starts(beeps))
		})
	}
	for _, mime := range []string{"video/webm;codecs=vp8,opus", "video/webm;codecs=vp9,opus", "video/webm;codecs=av01.0.04M.08,opus"} {
		if !found[mime] {
			t.Errorf("Chromium did not record %s", mime)
		}
	}
}

func starts(spans []fixture.Span) (list []time.Duration) {
	for _, s := range spans {
		list = append(list, s.Start)
	}
	return list
}

//go:embed browser/play.html
var playerPage []byte

// played is what a browser found when it played a film.
type played struct {
	Error         string
	Duration      float64
	Width, Height int
	Audio         int // bytes that were decoded
	Frames        int // that were decoded, also of seeking
	Colours       [][3]uint8
}

// playInBrowser has a headless Chromium seek to times of a film, and then play it to its end.
func playInBrowser(t *testing.T, film string, times []time.Duration) (found played) {
	t.Helper()
	var list []string
	for _, at := range times {
		list = append(list, strconv.FormatFloat(at.Seconds(), 'f', 3, 64))
	}
	text := browse(t, playerPage, "?times="+strings.Join(list, ","), func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, film) })
	must(t, 0, json.Unmarshal([]byte(text), &found))
	return found
}

// A real browser plays films whose packets were copied, from any time on, also where a recording begins late.
func TestCompose_CopiedFilmsPlayInABrowser(t *testing.T) {
	camera := fixture.Recording{Offset: 230 * ms}
	for format, manifest := range map[string]string{
		"webm": soloRoom(t, camera, fixture.Recording{}, nil, nil),
		"mp4":  soloRoom(t, camera, fixture.Recording{}, append(cameraEncoder, "-f", "matroska"), []string{"-c:a", "aac", "-f", "mp4"}),
	} {
		t.Run(format, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "film."+format)
			if r := composeCopied(t, manifest, out); !r.VideoCopied || !r.AudioCopied {
				t.Fatalf("%+v", r)
			}
			// In the middle of a flash and between flashes, and the frames around the beginning of a flash.
			var times []time.Duration
			for second := range 4 {
				times = append(times, camera.Offset+time.Duration(second)*time.Second+50*ms, camera.Offset+time.Duration(second)*time.Second+500*ms)
			}
			times = append(times, camera.Offset+2*time.Second-15*ms, camera.Offset+2*time.Second+15*ms, 3900*ms)
			found := playInBrowser(t, out, times)
			if found.Error != "" || found.Width != 320 || found.Height != 240 || found.Audio == 0 || found.Duration < 4.2 || found.Duration > 4.3 {
				t.Fatalf("%+v", found)
			}
			for i, c := range found.Colours {
				into := (times[i] - camera.Offset) % time.Second
				flash := min(c[0], c[1], c[2]) > 200
				if want := into < 100*ms; flash != want {
					t.Errorf("at %v it shows %v, want a flash: %t", times[i], c, want)
				}
			}
		})
	}
}
