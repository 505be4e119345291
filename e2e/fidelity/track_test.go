package fidelity

import (
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/e2e/fixture"
)

// cycle is the distance of two events of a track. An event is a flash and a burst of a tone. Packets of all codecs fit in a
// cycle without a rest: 20 ms of Opus and PCM, 1024 samples of AAC, 80 ms of video. Those of Vorbis do not.
var cycle = sized(1920*time.Millisecond, 20480*time.Millisecond)

const (
	eventLength = 240 * time.Millisecond
	frameStep   = 80 * time.Millisecond // of recorded video
	packetStep  = 20 * time.Millisecond // of recorded Opus and PCM
	toneLevel   = 0.25                  // 1 is full scale
	edge        = 10 * time.Millisecond // a burst fades in and out this long; it has half its level at its time
)

var cellSize = image.Pt(64, 48)

// A codec says how ffmpeg makes a track of it.
type codec struct {
	kind    roomreel.TrackKind
	encoder []string
	rate    int           // Hz
	step    time.Duration // of a packet; 0 for packets of several lengths, of which the first cycle is recorded
	lead    int           // packets before the first sample
	unit    string        // ending of the file of one cycle
	files   []string      // endings of files that can hold it
}

// codecs are those that recordings may have. A new one needs a line here: TestDamage damages files of each.
var codecs = map[string]codec{
	"vp8": {
		kind: roomreel.Video, step: frameStep, unit: "mkv", files: []string{"webm", "mkv"},
		encoder: []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k", "-g", "100000", "-threads", "1"},
	},
	"vp9": {
		kind: roomreel.Video, step: frameStep, unit: "mkv", files: []string{"webm", "mkv", "mp4"},
		encoder: []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k", "-g", "100000", "-threads", "1", "-pix_fmt", "yuv420p"},
	},
	"h264": {
		kind: roomreel.Video, step: frameStep, unit: "mkv", files: []string{"mkv", "mp4", "frag.mp4"},
		encoder: []string{"-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "100000", "-threads", "1", "-pix_fmt", "yuv420p"},
	},
	"av1": {
		kind: roomreel.Video, step: frameStep, unit: "mkv", files: []string{"webm", "mkv", "mp4"},
		encoder: []string{"-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-b:v", "200k", "-g", "100000", "-threads", "1", "-pix_fmt", "yuv420p"},
	},
	"hevc": {
		kind: roomreel.Video, step: frameStep, unit: "mkv", files: []string{"mkv", "mp4", "frag.mp4"},
		encoder: []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0:bframes=0:keyint=100000:pools=1", "-pix_fmt", "yuv420p"},
	},
	"opus": {
		kind: roomreel.Audio, step: packetStep, rate: 48000, unit: "mka", files: []string{"webm", "mka", "ogg", "mp4"},
		encoder: []string{"-c:a", "libopus", "-b:a", "32k", "-application", "voip"},
	},
	"aac": {
		kind: roomreel.Audio, step: 1024 * time.Second / 48000, rate: 48000, lead: 1, unit: "aac", files: []string{"mka", "mp4", "frag.mp4"},
		encoder: []string{"-c:a", "aac", "-b:a", "96k"},
	},
	"vorbis": {
		kind: roomreel.Audio, rate: 48000, files: []string{"webm", "mka", "ogg"}, encoder: []string{"-c:a", "libvorbis", "-q:a", "4"},
	},
	"g722": {kind: roomreel.Audio, step: packetStep, rate: 16000, unit: "mka", files: []string{"mka"}, encoder: []string{"-c:a", "g722"}},
	"pcmu": {kind: roomreel.Audio, step: packetStep, rate: 8000, unit: "mka", files: []string{"mka"}, encoder: []string{"-c:a", "pcm_mulaw"}},
	"pcma": {kind: roomreel.Audio, step: packetStep, rate: 8000, unit: "mka", files: []string{"mka"}, encoder: []string{"-c:a", "pcm_alaw"}},
}

// muxers are the options of ffmpeg for the ending of a file.
var muxers = map[string][]string{
	"mkv":      {"-f", "matroska"},
	"mka":      {"-f", "matroska"},
	"webm":     {"-f", "webm"},
	"mp4":      {"-f", "mp4"},
	"frag.mp4": {"-f", "mp4", "-movflags", "empty_moov+delay_moov+default_base_moof", "-frag_duration", "700000"},
	"ogg":      {"-f", "ogg", "-page_duration", "20000"},
}

// A track is one recording, made of a cycle that is repeated.
type track struct {
	name   string
	codec  string
	ending string
	offset time.Duration // room time
	cycles int
	event  time.Duration // of the event in each cycle; a multiple of frameStep
	tone   float64       // Hz; a multiple of 100
	ppm    float64       // how much faster the sender's clock is than the room's
	gaps   []fixture.Span
	dtx    bool          // of the silence, only one packet in 420 ms was sent
	sizes  []image.Point // of each cycle in turn; default: cellSize

	late time.Duration // by how much the encoded burst is later than event; measured by make
}

func (k track) kind() roomreel.TrackKind { return codecs[k.codec].kind }

// make writes the recording to dir.
func (k *track) make(tb testing.TB, dir string) fixture.Recording {
	tb.Helper()
	c := codecs[k.codec]
	recording := fixture.Recording{
		File: k.name + "." + k.ending, Name: k.name, Participant: strings.SplitN(k.name, "-", 2)[0], Kind: c.kind, Offset: k.offset,
		Length: time.Duration(k.cycles) * cycle,
	}
	if c.step == 0 {
		fixture.FFmpeg(tb, slices.Concat([]string{"-f", "lavfi", "-i", k.toneFilter(c.rate), "-t", fmt.Sprint(cycle.Seconds())}, c.encoder, muxers[k.ending],
			[]string{filepath.Join(dir, recording.File)})...)
		return recording
	}
	packets := int(math.Round(cycle.Seconds() / c.step.Seconds()))
	sizes := k.sizes
	if len(sizes) == 0 {
		sizes = []image.Point{cellSize}
	}
	var units []string
	for i, size := range sizes {
		unit := fmt.Sprintf("%s.%d.%s", k.name, i, c.unit)
		input := k.toneFilter(c.rate)
		count := "-frames:a"
		if c.kind == roomreel.Video {
			input, count = k.flashFilter(size), "-frames:v"
		}
		fixture.FFmpeg(tb, slices.Concat([]string{"-f", "lavfi", "-i", input}, c.encoder, []string{count, fmt.Sprint(packets), filepath.Join(dir, unit)})...)
		if c.kind == roomreel.Audio {
			k.late = k.lateness(tb, filepath.Join(dir, unit))
		}
		units = append(units, unit)
	}
	var list strings.Builder
	for n := range k.cycles {
		fmt.Fprintf(&list, "file '%s'\nduration %f\n", units[n%len(units)], cycle.Seconds())
	}
	parts := filepath.Join(dir, k.name+".list")
	if err := os.WriteFile(parts, []byte(list.String()), 0o644); err != nil {
		tb.Fatal(err)
	}
	// The timestamp of packet N is that of the sender's clock, as the room's clock sees it, in units of the container.
	second := 1000.0
	if k.ending == "ogg" || c.kind == roomreel.Audio && strings.HasSuffix(k.ending, "mp4") {
		second = 48000
	}
	filter := fmt.Sprintf("setts=ts='round((N-%d)*%g)'", c.lead, c.step.Seconds()*second/(1+k.ppm/1e6))
	if k.codec == "aac" {
		filter = "aac_adtstoasc," + filter
	}
	if drop := k.dropped(); drop != "" {
		filter += ",noise=drop='" + drop + "'"
	}
	stream := map[roomreel.TrackKind]string{roomreel.Audio: "a", roomreel.Video: "v"}[c.kind]
	fixture.FFmpeg(tb, slices.Concat([]string{"-f", "concat", "-i", parts, "-c", "copy", "-video_track_timescale", "1000", "-bsf:" + stream, filter}, muxers[k.ending], []string{filepath.Join(dir, recording.File)})...)
	return recording
}

// lateness decodes the first cycle. Codecs delay what they encode by a part of a millisecond that no container tells.
func (k *track) lateness(tb testing.TB, unit string) time.Duration {
	tb.Helper()
	found := bursts(tb, unit, k.tone)[0]
	if len(found) != 1 {
		tb.Fatalf("%s has %d bursts, want 1", unit, len(found))
	}
	late := (found[0].Start+found[0].End)/2 - k.event - eventLength/2
	if k.codec == "aac" { // the file of the cycle does not tell that its first packet is the encoder's delay
		late -= 1024 * time.Second / 48000
	}
	return late
}

// dropped is the condition under which ffmpeg drops a packet; "" if it drops none.
func (k track) dropped() string {
	var when []string
	for _, gap := range k.gaps {
		when = append(when, fmt.Sprintf("gte(pts*tb,%f)*lt(pts*tb,%f)", gap.Start.Seconds(), gap.End.Seconds()))
	}
	if k.dtx {
		from, until := k.event-100*time.Millisecond, k.event+eventLength+100*time.Millisecond
		when = append(when, fmt.Sprintf("gt(mod(n,21),0)*(lt(mod(pts*tb,%[1]f),%[2]f)+gt(mod(pts*tb,%[1]f),%[3]f))", cycle.Seconds(), from.Seconds(), until.Seconds()))
	}
	return strings.Join(when, "+")
}

func (k track) toneFilter(rate int) string {
	filter := fmt.Sprintf("aevalsrc='%g*sin(2*PI*%g*t)*clip((t-%[3]g)/%[4]g+0.5,0,1)*clip((%[5]g-t)/%[4]g+0.5,0,1)':s=%[6]d:d=%[7]g",
		toneLevel, k.tone, k.event.Seconds(), edge.Seconds(), (k.event + eventLength).Seconds(), rate, (cycle + time.Second).Seconds())
	if rate != 48000 {
		filter += fmt.Sprintf(",asetnsamples=%d", rate/50)
	}
	return filter
}

func (k track) flashFilter(size image.Point) string {
	return fmt.Sprintf("color=c=0x203040:s=%dx%d:r=12.5:d=%g,drawbox=c=white:t=fill:enable='gte(t,%g)*lt(t,%g)'",
		size.X, size.Y, (cycle + time.Second).Seconds(), k.event.Seconds()-0.001, (k.event+eventLength).Seconds()-0.001)
}

// events returns the room times at which the track's events begin, without those in gaps.
func (k track) events() []time.Duration {
	var at []time.Duration
	for n := range k.cycles {
		sent := time.Duration(n)*cycle + k.event
		stamp := time.Duration(math.Round(float64(sent) / (1 + k.ppm/1e6)))
		if k.kind() == roomreel.Video {
			stamp = stamp.Round(time.Millisecond) // frames have whole milliseconds in all containers but mp4, where there is no drift
		}
		if !slices.ContainsFunc(k.gaps, func(gap fixture.Span) bool { return stamp >= gap.Start && stamp < gap.End }) {
			at = append(at, k.offset+stamp)
		}
	}
	return at
}
