package fidelity

import (
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

// TestDuration composes rooms that end at odd times, and counts the frames and samples that ffmpeg decodes.
func TestDuration(t *testing.T) {
	t.Parallel()
	const fps = 25
	var worstVideo, worstAudio, worstFile time.Duration
	films := 0
	for _, end := range sized([]time.Duration{1500, 2011, 3333}, []time.Duration{1500, 2011, 3333, 61_001, 61_017, 121_039, 600_007, 901_111, 1800_013}) {
		end *= time.Millisecond
		dir := t.TempDir()
		cycles := int(end/cycle) + 1
		cut := []fixture.Span{{Start: end, End: time.Duration(cycles+1) * cycle}}
		camera := track{name: "a-camera", codec: "vp8", ending: "webm", cycles: cycles, event: frameStep, gaps: cut}
		microphone := track{name: "a-microphone", codec: "opus", ending: "mka", cycles: cycles, event: frameStep, tone: 1000, gaps: cut}
		manifest := makeRoom(t, dir, &camera, &microphone)
		// The last packet begins before the cut, and the file's CodecDelay of 6.5 ms moves each packet of Opus ahead.
		last := (end-1)/packetStep*packetStep + packetStep - 6500*time.Microsecond
		want := max(last, (end-1)/frameStep*frameStep+frameStep)
		for _, format := range []string{"mp4", "webm"} {
			arguments, _ := grid(t, dir, camera.name)
			film, run := compose(t, manifest, dir+"/film."+format, arguments...)
			films++
			samples := 0
			eachSamples(t, film.Path, func(block []float32) { samples += len(block) / film.Audio.Channels })
			video := time.Duration(len(film.Video.Times))*time.Second/fps - want
			audio := time.Duration(samples)*time.Second/sampleRate - want
			file := film.Duration - want
			t.Logf("%s of %v: video %+v, audio %+v, file %+v, planned %.4f s", format, want, video, audio, file, run.line.Seconds)
			worstVideo, worstAudio, worstFile = farther(worstVideo, video), farther(worstAudio, audio), farther(worstFile, file)
			packet := map[string]time.Duration{"mp4": 1024 * time.Second / sampleRate, "webm": packetStep}[format]
			if video.Abs() > time.Second/fps || audio.Abs() > packet || file.Abs() > time.Second/fps {
				t.Errorf("%s of %v: video is %v longer, audio %v, the file says %v", format, want, video, audio, file)
			}
		}
	}
	record(t, "duration", "%d films: video %+.1f ms of 40, audio %+.1f ms of 20, container %+.1f ms at most", films,
		worstVideo.Seconds()*1000, worstAudio.Seconds()*1000, worstFile.Seconds()*1000)
}

func farther(a, b time.Duration) time.Duration {
	if b.Abs() > a.Abs() {
		return b
	}
	return a
}
