package e2e

import (
	_ "embed"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"roomreel/e2e/fixture"
)

//go:embed browser/play.html
var playerPage []byte

// play has a headless Chromium play a film to its end, and returns what it saw.
func play(t *testing.T, film string) (size string, seconds float64, frames int, brightness float64) {
	t.Helper()
	text := browse(t, playerPage, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, film) })
	if _, err := fmt.Sscan(text, &size, &seconds, &frames, &brightness); err != nil {
		t.Fatalf("%s: Chromium says %q", film, text)
	}
	return size, seconds, frames, brightness
}

// Films of the quality small are AV1 in both containers. They show and play everything, and a browser plays them to the end. Chunks of a second
// are joined without a seam.
func TestCompose_SmallFilmsAreAV1InBothContainers(t *testing.T) {
	manifest := makeMeeting(t)
	dir := t.TempDir()
	layout := filepath.Join(dir, "layout.json")
	must(t, 0, os.WriteFile(layout, []byte(meetingLayout), 0o644))
	for _, test := range []struct{ name, audio string }{{"film.mp4", "aac"}, {"film.webm", "opus"}} {
		t.Run(test.name, func(t *testing.T) {
			out := filepath.Join(dir, test.name)
			roomreel(t, "compose", "--room", manifest, "--layout", layout, "--set", "compose.chunk=1s", "--quality", "small", "-o", out)
			checkColours(t, out, "smpte170m")
			film := fixture.Open(t, out)
			if film.Video.Codec != "av1" || film.Audio.Codec != test.audio {
				t.Errorf("streams %s and %s, want av1 and %s", film.Video.Codec, film.Audio.Codec, test.audio)
			}
			checkFrameTimes(t, film)
			checkVisible(t, film)
			checkSync(t, film)
			size, seconds, frames, brightness := play(t, out)
			if size != "640x480" || math.Abs(seconds-14.48) > 0.05 || frames < 340 || brightness < 10 {
				t.Errorf("Chromium played %s, %v s, %d frames, brightness %v", size, seconds, frames, brightness)
			}
			t.Logf("Chromium played %s, %v s, %d frames, brightness %.0f", size, seconds, frames, brightness)
		})
	}
}
