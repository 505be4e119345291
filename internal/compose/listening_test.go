package compose

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomreel"
)

// probe returns a property of a film's audio as ffprobe prints it.
func probe(t *testing.T, path, property string) string {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream="+property, "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A film sounds like the mix of its recordings. What encoders add is far below it, and it is as loud. The bounds are what was measured
// of four voices, less 1 dB; docs/performance.md has the figures. With libavcodec's default coder, AAC misses its bound by 11 dB.
func TestLocal_SoundsLikeItsMix(t *testing.T) {
	voices := func(channels int) (*testRoom, []float64) {
		dir := t.TempDir()
		var room testRoom
		var mix []float64
		for i := range 4 {
			offset := i * 250 // ms
			voice := func(scale float64) string {
				return fmt.Sprintf("%g*(0.4+0.3*sin(2*PI*%g*t))*gt(sin(%g*t)\\,-0.5)*(sin(2*PI*%[4]d*t)+sin(4*PI*%[4]d*t+sin(3*t))/2+sin(6*PI*%[4]d*t)/3+sin(14*PI*%[4]d*t)/5+0.1*(random(%[5]d)-0.5))",
					0.12*scale, 3+float64(i), 1+0.3*float64(i), 130+31*i, i)
			}
			source := voice(1)
			if channels == 2 {
				source += "|" + voice(0.5+0.4*float64(i%2))
			}
			file := filepath.Join(dir, fmt.Sprint(i, ".webm"))
			ffmpeg(t, "-f", "lavfi", "-i", "aevalsrc="+source+":s=48000:d=12", "-c:a", "libopus", "-b:a", "48k", "-application", "voip", file)
			room.add(t, roomreel.Audio, time.Duration(offset)*time.Millisecond, file)
			for k, v := range valuesOf(t, channels, "-request_sample_fmt", "flt", "-c:a", "libopus", "-i", file) {
				at := k + channels*offset*48
				for len(mix) <= at {
					mix = append(mix, 0)
				}
				mix[at] += v
			}
		}
		return &room, mix
	}
	for channels, bounds := range map[int]map[roomreel.Format]float64{
		1: {roomreel.MP4: 30, roomreel.WebM: 15}, 2: {roomreel.MP4: 20, roomreel.WebM: 10},
	} {
		room, mix := voices(channels)
		for format, bound := range bounds {
			path, result := room.compose(t, room.plan(t, format, nil))
			if found := probe(t, path, "channels"); found != fmt.Sprint(channels) {
				t.Errorf("%s: the film has %s channels, want %d", format, found, channels)
			}
			film := valuesOf(t, channels, "-i", path)
			var signal, noise, loud float64
			for i := range min(len(film), len(mix)) {
				signal += mix[i] * mix[i]
				noise += (film[i] - mix[i]) * (film[i] - mix[i])
				loud += film[i] * film[i]
			}
			ratio, louder := 10*math.Log10(signal/noise), 10*math.Log10(loud/signal)
			t.Logf("%s, %d channels: noise of encoding %.1f dB below the mix, %+.3f dB louder, %d kbit/s", format, channels, ratio, louder, result.Film.Bitrate)
			if len(film) < len(mix) || ratio < bound || math.Abs(louder) > 0.1 {
				t.Errorf("%s, %d channels: the noise is %.1f dB below the mix, want %g; it is %+.3f dB louder; %d of %d values", format, channels, ratio, bound, louder, len(film), len(mix))
			}
		}
	}
}
