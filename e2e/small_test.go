package e2e

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

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
			found := playInBrowser(t, out, []time.Duration{13 * time.Second, 7 * time.Second, 0}) // it plays on from the last
			if found.Error != "" || found.Width != 640 || found.Height != 480 || math.Abs(found.Duration-14.48) > 0.05 || found.Frames < 340 || found.Audio == 0 {
				t.Errorf("Chromium played %+v", found)
			}
		})
	}
}
