package fidelity

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

// syncFPS is such that a frame is shorter than the goal of 20 ms: an event between two frames is seen at the later one.
const syncFPS = 50

// A participant has a camera and a microphone whose events are at the same time.
type participant struct {
	name           string
	camera, sender track
}

// participants are the cases that audio and video must stay in sync in.
func participants(cycles int) []participant {
	mute := fixture.Span{Start: 3*cycle + cycle/2, End: 5*cycle + cycle/2}
	if long {
		mute.End = mute.Start + 5*time.Minute
	}
	video, audio := track{codec: "vp8", ending: "mkv"}, track{codec: "opus", ending: "mka"}
	cases := []participant{
		{"plain", video, audio},
		{"dtx", video, track{codec: "opus", ending: "webm", dtx: true}},
		{"fast clock", track{codec: "vp8", ending: "webm", ppm: 200}, track{codec: "opus", ending: "mka", ppm: 200}},
		{"slow clock", track{codec: "vp9", ending: "webm", ppm: -200}, track{codec: "opus", ending: "mka", ppm: -200}},
		{"late", track{codec: "vp8", ending: "mkv", offset: 1020 * time.Millisecond}, track{codec: "opus", ending: "mka", offset: 1020 * time.Millisecond}},
		{"sizes", track{codec: "vp8", ending: "mkv", sizes: []image.Point{{64, 48}, {160, 120}, {322, 242}}}, audio},
		{"mute", video, track{codec: "opus", ending: "mka", gaps: []fixture.Span{mute}}},
		{"mp4", track{codec: "h264", ending: "mp4", offset: 13 * time.Millisecond}, track{codec: "aac", ending: "mp4", offset: 13 * time.Millisecond}},
		{"fragments", track{codec: "h264", ending: "frag.mp4"}, track{codec: "aac", ending: "frag.mp4"}},
		{"ogg", track{codec: "h264", ending: "mkv"}, track{codec: "opus", ending: "ogg"}},
	}
	for i := range cases {
		p := &cases[i]
		short := strings.ReplaceAll(p.name, " ", "")
		p.camera.name, p.sender.name = short+"-camera", short+"-microphone"
		for _, k := range []*track{&p.camera, &p.sender} {
			k.cycles = cycles
			k.event = frameStep * time.Duration(2+i*int(cycle/frameStep-6)/len(cases))
			k.tone = float64(500 + 600*i)
			if p.name == "late" && long {
				k.offset = 20020 * time.Millisecond
			}
		}
	}
	return cases
}

// A place is how far an event of the film is from its time in the room, in milliseconds.
type place struct {
	at      time.Duration
	audio   float64 // of the burst's middle
	video   float64 // of the first white frame
	frame   float64 // of the first white frame from the first frame that is not earlier than the event
	audible bool
	between float64 // audio after video
}

// places compares the events of a participant with what was measured. A muted event has no burst.
func places(t *testing.T, p participant, fps int, seen, audible []fixture.Span) []place {
	t.Helper()
	events, tones := p.camera.events(), p.sender.events()
	if len(seen) != len(events) || len(audible) != len(tones) {
		t.Errorf("%s: %d flashes and %d bursts, want %d and %d", p.name, len(seen), len(audible), len(events), len(tones))
		return nil
	}
	milliseconds := func(d time.Duration) float64 { return float64(d) / 1e6 }
	var result []place
	next := 0
	for i, at := range events {
		step := time.Second / time.Duration(fps)
		first := (at + step - 1) / step * step
		e := place{at: at, video: milliseconds(seen[i].Start - at), frame: milliseconds(seen[i].Start - first)}
		if next < len(tones) && (tones[next]-at).Abs() < cycle/2 {
			want := tones[next] + p.sender.late + time.Duration(float64(eventLength/2)/(1+p.sender.ppm/1e6))
			e.audio, e.audible = milliseconds((audible[next].Start+audible[next].End)/2-want), true
			e.between = e.audio - e.video
			next++
		}
		result = append(result, e)
	}
	return result
}

// largest returns the value with the largest magnitude.
func largest(list []place, of func(place) float64) float64 {
	most := 0.0
	for _, p := range list {
		if v := of(p); math.Abs(v) > math.Abs(most) {
			most = v
		}
	}
	return most
}

// slope is the change of audio against video in ms per hour, by least squares. Video counts by the frame that should show it,
// because the place of an event between two frames is no drift.
func slope(list []place) float64 {
	var n, x, y, xx, xy float64
	for _, p := range list {
		if p.audible {
			at, off := p.at.Hours(), p.audio-p.frame
			n, x, y, xx, xy = n+1, x+at, y+off, xx+at*at, xy+at*off
		}
	}
	return (n*xy - x*y) / (n*xx - x*x)
}

// measureSync finds all events of the participants in a film.
func measureSync(t *testing.T, film *fixture.Film, list []participant, cells []image.Rectangle, fps int) map[string][]place {
	t.Helper()
	var tones []float64
	for _, p := range list {
		tones = append(tones, p.sender.tone)
	}
	seen, audible := flashes(t, film, cells...), bursts(t, film.Path, tones...)
	result := map[string][]place{}
	for i, p := range list {
		result[p.name] = places(t, p, fps, seen[i], audible[i])
	}
	return result
}

func TestSync(t *testing.T) {
	t.Parallel()
	list := participants(sized(10, 352))
	dir := t.TempDir()
	var tracks []*track
	var cameras []string
	for i := range list {
		p := &list[i]
		tracks = append(tracks, &p.camera, &p.sender)
		cameras = append(cameras, p.camera.name)
	}
	manifest := makeRoom(t, dir, tracks...)
	arguments, cells := grid(t, dir, cameras...)
	for _, format := range sized([]string{"mp4"}, []string{"mp4", "webm"}) {
		film, run := compose(t, manifest, dir+"/film."+format, append(arguments, "--fps", fmt.Sprint(syncFPS))...)
		t.Logf("%s: %v of film in %v", format, film.Duration, run.took)
		all := measureSync(t, film, list, cells, syncFPS)
		var together []place
		least, most := math.Inf(1), math.Inf(-1)
		worst, worstSlope := "", 0.0
		for _, p := range list {
			found := all[p.name]
			together = append(together, found...)
			sloping := slope(found)
			t.Logf("%-10s %4d events, codec's delay %v, audio %+.2f ms, video %+.2f ms, by frame %+.2f ms, between %+.2f ms, slope %+.3f ms/h", p.name, len(found), p.sender.late,
				largest(found, func(p place) float64 { return p.audio }), largest(found, func(p place) float64 { return p.video }),
				largest(found, func(p place) float64 { return p.frame }), largest(found, func(p place) float64 { return p.between }), sloping)
			for _, e := range found {
				if e.audible {
					least, most = min(least, e.audio), max(most, e.audio)
				}
			}
			if math.Abs(sloping) > math.Abs(worstSlope) {
				worst, worstSlope = p.name, sloping
			}
		}
		between := largest(together, func(p place) float64 { return p.between })
		audio, video := largest(together, func(p place) float64 { return p.audio }), largest(together, func(p place) float64 { return p.video })
		record(t, "audio against video", "%s, %s, %d events of %d cases: within %.1f ms at %d frames/s, slope %+.3f ms/h (%s)",
			format, film.Duration.Round(time.Second), len(together), len(list), math.Abs(between), syncFPS, worstSlope, worst)
		record(t, "one participant's audio", "%s: %.2f ms", format, most-least)
		record(t, "place in time", "%s: video 0 to %.1f ms late, audio %+.2f ms", format, video, audio)
		if math.Abs(between) > 20 || long && math.Abs(worstSlope) > 1 {
			t.Errorf("%s: audio is %v ms from video, with a slope of %v ms per hour", format, between, worstSlope)
		}
		if most-least > 5 {
			t.Errorf("%s: the audio of two participants is %v ms apart", format, most-least)
		}
		early := slices.ContainsFunc(together, func(p place) bool { return p.frame != 0 })
		if math.Abs(audio) > 1 || early {
			t.Errorf("%s: audio is %v ms off, video by frames %v", format, audio, largest(together, func(p place) float64 { return p.frame }))
		}
	}
}
