package audio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// parent plays the parent: it hands out packets and keeps what comes back.
type parent struct {
	packets []protocol.Packet
	header  protocol.Header
	out     []protocol.Packet
	done    int64
	broken  error // what Packet answers
}

func (p *parent) Next() (protocol.Packet, error) {
	if len(p.packets) == 0 {
		return protocol.Packet{}, io.EOF
	}
	next := p.packets[0]
	p.packets = p.packets[1:]
	return next, nil
}
func (p *parent) WorkingOn(int)                  {}
func (p *parent) Header(h protocol.Header) error { p.header = h; return nil }
func (p *parent) Packet(k protocol.Packet) error {
	k.Data = bytes.Clone(k.Data) // the child may reuse it
	p.out = append(p.out, k)
	return p.broken
}
func (p *parent) Progress(done int64) error { p.done = done; return nil }

// opus is a recorded track with a click each half second, beginning at a quarter.
func opus(t testing.TB, seconds float64, options string) codectest.Track {
	t.Helper()
	const clicks = "-f lavfi -i aevalsrc=0.8*eq(mod(n\\,24000)\\,12000):s=48000:d=%g -c:a libopus -b:a 200k -vbr off -application lowdelay "
	return codectest.Make(t, fmt.Sprintf(clicks, seconds)+options)
}

// addTrack adds a recorded track to the plan as one run that begins at sample at, and returns its packets as they are sent.
func addTrack(plan *protocol.AudioPlan, track codectest.Track, at int64) []protocol.Packet {
	number := len(plan.Tracks)
	plan.Tracks = append(plan.Tracks, protocol.Track{
		Codec: track.Codec, Private: track.Private, Channels: track.Channels, Rate: track.Rate,
	})
	run := protocol.Run{At: at, Packets: len(track.Packets), Skip: int((track.CodecDelay*timeline.SampleRate + time.Second/2) / time.Second)}
	var packets []protocol.Packet
	for _, p := range track.Packets {
		start := p.Time + time.Duration(at)*time.Second/timeline.SampleRate
		packets = append(packets, protocol.Packet{Track: number, Time: start, Need: start, Data: p.Data})
		run.Decoded += int64((p.Duration*timeline.SampleRate + time.Second/2) / time.Second)
	}
	run.Decoded -= int64(run.Skip)
	run.Length = run.Decoded
	plan.Runs = append(plan.Runs, []protocol.Run{run})
	return packets
}

func merge(tracks ...[]protocol.Packet) []protocol.Packet {
	all := slices.Concat(tracks...)
	slices.SortStableFunc(all, func(a, b protocol.Packet) int { return int(min(max(a.Need-b.Need, -1), 1)) })
	return all
}

// mixed is the mix of a plan before it is limited and encoded.
type mixed struct {
	stereo []float32 // or mono, as the plan says
	tracks []protocol.TrackStats
	peak   float64
	window int // the largest window, in samples
}

func mixPlan(t testing.TB, plan protocol.AudioPlan, packets []protocol.Packet) mixed {
	t.Helper()
	var out collector
	m := newMixer(plan.Encoder.AudioChannels(), plan.From, plan.To, &out)
	var tracks []*track
	for i, described := range plan.Tracks {
		track, err := newTrack(described, plan.Runs[i], m)
		if err != nil {
			t.Fatal(err)
		}
		defer track.close()
		tracks = append(tracks, track)
	}
	if err := mix(&parent{packets: packets}, m, tracks); err != nil {
		t.Fatal(err)
	}
	result := mixed{stereo: out.stereo, peak: m.peak, window: cap(m.window) / 2}
	for _, track := range tracks {
		result.tracks = append(result.tracks, track.stats)
	}
	if channels := int64(plan.Encoder.AudioChannels()); int64(len(result.stereo)) != channels*(plan.To-plan.From) || !out.ended {
		t.Fatalf("%d values of %d channels, want %d samples; ended: %v", len(result.stereo), channels, plan.To-plan.From, out.ended)
	}
	return result
}

// clicks returns where stereo audio peaks, one place per 200 ms.
func clicks(stereo []float32) []int {
	var places []int
	for i := 0; i < len(stereo); i += 2 {
		if stereo[i] < 0.2 {
			continue
		}
		if n := len(places); n > 0 && i/2-places[n-1] < timeline.SampleRate/5 {
			if stereo[i] > stereo[2*places[n-1]] {
				places[n-1] = i / 2
			}
			continue
		}
		places = append(places, i/2)
	}
	return places
}

func sameWithin(t testing.TB, got, want []int, distance int) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = got[i]-want[i] <= distance && want[i]-got[i] <= distance
	}
	if !ok {
		t.Errorf("clicks at %v, want %v", got, want)
	}
}

func TestMix_PlacesOpusToTheSample(t *testing.T) {
	codectest.NoLeaks(t)
	for _, options := range []string{"-ac 1", "-ac 2", "-ac 1 -frame_duration 2.5", "-ac 2 -frame_duration 10", "-ac 2 -frame_duration 40", "-ac 1 -frame_duration 60", "-ac 2 -frame_duration 120"} {
		track := opus(t, 2, options)
		for _, at := range []int64{0, 4321, -10000} {
			t.Run(fmt.Sprintf("%s at %d", options, at), func(t *testing.T) {
				plan := protocol.AudioPlan{To: 2 * timeline.SampleRate}
				packets := addTrack(&plan, track, at)
				m := mixPlan(t, plan, packets)
				var want []int
				for k := range 4 {
					if place := 12000 + 24000*k + int(at); place >= 0 && place < 2*timeline.SampleRate {
						want = append(want, place)
					}
				}
				sameWithin(t, clicks(m.stereo), want, 1)
				counted := 0 // packets that begin before the end
				for _, p := range packets {
					if p.Time < 2*time.Second+track.CodecDelay {
						counted++
					}
				}
				if f := m.tracks[0]; f.Errors != 0 || f.Decoded != counted || f.Packets != counted {
					t.Errorf("stats: %+v, want %d packets", f, counted)
				}
			})
		}
	}
}

// A browser changes between mono and stereo as its bandwidth changes, and its packets between 10 and 60 ms; the header stays as it
// was.
func TestMix_FollowsPacketsThatChangeTheirKind(t *testing.T) {
	codectest.NoLeaks(t)
	first, second := opus(t, 1.2, "-ac 2 -frame_duration 10"), opus(t, 1.2, "-ac 1 -frame_duration 60")
	for name, order := range map[string][2]codectest.Track{"stereo_to_mono": {first, second}, "mono_to_stereo": {second, first}} {
		t.Run(name, func(t *testing.T) {
			track := order[0]
			const change = 600 * time.Millisecond // both have packets that begin then
			track.Packets = nil
			for i, part := range order {
				for _, packet := range part.Packets {
					if (packet.Time < change) == (i == 0) {
						track.Packets = append(track.Packets, packet)
					}
				}
			}
			plan := protocol.AudioPlan{To: timeline.SampleRate}
			m := mixPlan(t, plan, addTrack(&plan, track, 0))
			sameWithin(t, clicks(m.stereo), []int{12000, 36000}, 1)
			for _, side := range []int{0, 1} {
				for _, at := range clicks(m.stereo) {
					if v := m.stereo[2*at+side]; v < 0.2 {
						t.Errorf("side %d is %g at %d", side, v, at)
					}
				}
			}
			if f := m.tracks[0]; f.Errors != 0 || f.Refusal != "" {
				t.Errorf("stats: %+v", f)
			}
		})
	}
}

func TestMix_LeavesExactSilenceBetweenRuns(t *testing.T) {
	codectest.NoLeaks(t)
	track := opus(t, 2, "-ac 1")
	plan := protocol.AudioPlan{To: 4 * timeline.SampleRate}
	packets := addTrack(&plan, track, 1000)
	first := plan.Runs[0][0]
	half := 50 // packets of 20 ms
	second := protocol.Run{At: 2*timeline.SampleRate + 77, Packets: len(packets) - half}
	second.Decoded = first.Decoded + int64(first.Skip) - int64(half)*960
	second.Length = second.Decoded
	first.Packets, first.Decoded = half, int64(half)*960-int64(first.Skip)
	first.Length = first.Decoded
	plan.Runs[0] = []protocol.Run{first, second}
	m := mixPlan(t, plan, packets)
	shift := 2*timeline.SampleRate + 77 - int(first.Length)
	sameWithin(t, clicks(m.stereo), []int{13000, 37000, shift + 60000, shift + 84000}, 1)
	ends := []int64{0, first.At, first.At + first.Length, second.At, second.At + second.Length, plan.To}
	for i := 0; i < len(ends); i += 2 {
		for k := 2 * ends[i]; k < 2*ends[i+1]; k++ {
			if m.stereo[k] != 0 {
				t.Fatalf("sample %d is %g between runs", k/2, m.stereo[k])
			}
		}
	}
	if m.tracks[0].Samples != first.Length+second.Length {
		t.Errorf("%d samples mixed, want %d", m.tracks[0].Samples, first.Length+second.Length)
	}
}

func TestMix_KeepsItsPlaceOverDamage(t *testing.T) {
	codectest.NoLeaks(t)
	track := opus(t, 2, "-ac 1")
	for name, data := range map[string][]byte{
		"empty":     nil,
		"malformed": {0xff, 0xff},
		"too_long":  {0xfb, 0x3f, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			plan := protocol.AudioPlan{To: 2 * timeline.SampleRate}
			packets := addTrack(&plan, track, 0)
			for i := 30; i < 33; i++ {
				packets[i].Data = data
			}
			m := mixPlan(t, plan, packets)
			sameWithin(t, clicks(m.stereo), []int{12000, 36000, 60000, 84000}, 1)
			if f := m.tracks[0]; f.Errors != 3 || f.Decoded != len(packets)-3 {
				t.Errorf("stats: %+v", f)
			}
			skip := plan.Runs[0][0].Skip
			for k := 2 * (30*960 - skip); k < 2*(33*960-skip); k++ {
				if m.stereo[k] != 0 {
					t.Fatalf("sample %d is %g where packets were damaged", k/2, m.stereo[k])
				}
			}
		})
	}
}

func TestMix_CountsOnlyWhatADecoderMade(t *testing.T) {
	codectest.NoLeaks(t)
	track := opus(t, 2, "-ac 1")
	for _, longer := range []int64{0, 1000} {
		plan := protocol.AudioPlan{To: 3 * timeline.SampleRate}
		packets := addTrack(&plan, track, 500)
		run := &plan.Runs[0][0]
		run.Length += longer
		for i := 30; i < 40; i++ {
			packets[i].Data = []byte{0xff, 0xff}
		}
		m := mixPlan(t, plan, packets)
		want := (run.Decoded - 10*960) * run.Length / run.Decoded
		if got := m.tracks[0]; got.Samples < want-1 || got.Samples > want+1 || !strings.Contains(got.Refusal, "decode opus") {
			t.Errorf("stats: %+v, want %d samples", got, want)
		}
	}
	plan := protocol.AudioPlan{To: 3 * timeline.SampleRate}
	track.Private = bytes.Clone(track.Private)
	track.Private[18] = 2 // ambisonics
	packets := addTrack(&plan, track, 0)
	if got := mixPlan(t, plan, packets).tracks[0]; got.Samples != 0 || got.Decoded != 0 || !strings.Contains(got.Refusal, "mapping family 2") {
		t.Errorf("of a track that cannot be decoded: %+v", got)
	}
}

func TestMix_ChangesSpeedEvenly(t *testing.T) {
	codectest.NoLeaks(t)
	plan := protocol.AudioPlan{To: 3 * timeline.SampleRate}
	packets := addTrack(&plan, opus(t, 2, "-ac 2"), 500)
	run := &plan.Runs[0][0]
	run.Length = run.Decoded * 103 / 100
	m := mixPlan(t, plan, packets)
	var want []int
	for k := range 4 {
		want = append(want, 500+(12000+24000*k)*103/100)
	}
	sameWithin(t, clicks(m.stereo), want, 1)
	for k := 2 * (run.At + run.Length); k < 2*plan.To; k++ {
		if m.stereo[k] != 0 {
			t.Fatalf("sample %d is %g after the run", k/2, m.stereo[k])
		}
	}
}

func TestMix_BringsG711To48kHz(t *testing.T) {
	codectest.NoLeaks(t)
	for _, name := range []string{"pcm_mulaw", "pcm_alaw"} {
		track := codectest.Make(t, "-f lavfi -i aevalsrc=0.8*eq(mod(n\\,4000)\\,2000):s=8000:d=2 -c:a "+name)
		plan := protocol.AudioPlan{To: 2 * timeline.SampleRate}
		m := mixPlan(t, plan, addTrack(&plan, track, 600))
		sameWithin(t, clicks(m.stereo), []int{12600, 36600, 60600, 84600}, 1)
	}
}

func TestMix_PlacesAACToTheSample(t *testing.T) {
	codectest.NoLeaks(t)
	for _, rate := range []int{48000, 44100, 32000, 22050} {
		track := codectest.Make(t, fmt.Sprintf("-f lavfi -i aevalsrc=0.8*eq(mod(n\\,%d)\\,%d):s=%d:d=2 -c:a aac -b:a 128k", rate/2, rate/4, rate))
		track.CodecDelay = 1024 * time.Second / time.Duration(rate) // which ffmpeg does not write into Matroska
		s := recordedSource(track, 4321)
		plan, packets := segment([]source{s}, 0, 2*timeline.SampleRate, 0, protocol.Encoder{})
		m := mixPlan(t, plan, packets)
		sameWithin(t, clicks(m.stereo), []int{16321, 40321, 64321, 88321}, 3)
		if m.tracks[0].Errors != 0 {
			t.Errorf("stats: %+v", m.tracks[0])
		}
	}
}

// SBR doubles the rate of AAC, which only the decoder knows. Here a track begins with half of the true rate instead.
func TestMix_FollowsADecoderThatDoublesTheRate(t *testing.T) {
	codectest.NoLeaks(t)
	recorded := codectest.Make(t, "-f lavfi -i aevalsrc=0.8*eq(mod(n\\,24000)\\,12000):s=48000:d=2 -c:a aac -b:a 128k")
	recorded.CodecDelay = 1024 * time.Second / timeline.SampleRate
	for _, damaged := range []int{0, 3} {
		s := recordedSource(recorded, 0)
		for i := range damaged {
			s.packets[i].Data = nil
		}
		plan, packets := segment([]source{s}, 0, 2*timeline.SampleRate, 0, protocol.Encoder{})
		var out collector
		m := newMixer(plan.Encoder.AudioChannels(), plan.From, plan.To, &out)
		halved, err := newTrack(plan.Tracks[0], plan.Runs[0], m)
		if err != nil {
			t.Fatal(err)
		}
		defer halved.close()
		halved.rate, halved.usual, halved.grid = 24000, 512, 512 // what a config for SBR at 48 kHz would say
		halved.begin()
		if err := mix(&parent{packets: packets}, m, []*track{halved}); err != nil {
			t.Fatal(err)
		}
		sameWithin(t, clicks(out.stereo), []int{12000, 36000, 60000, 84000}, 3)
	}
}

func TestMix_AddsTracksUpAndPutsMonoOnBothSides(t *testing.T) {
	codectest.NoLeaks(t)
	const tone = "-f lavfi -i aevalsrc=0.25*sin(2*PI*250*t)%s:s=8000:d=1 -c:a pcm_mulaw"
	mono := codectest.Make(t, fmt.Sprintf(tone, ""))
	right := codectest.Make(t, fmt.Sprintf(tone, "*0|0.25*sin(2*PI*250*t)"))
	plan := protocol.AudioPlan{To: timeline.SampleRate}
	m := mixPlan(t, plan, merge(addTrack(&plan, mono, 0), addTrack(&plan, mono, 0), addTrack(&plan, right, 0)))
	loudest := [2]float32{}
	for i, v := range m.stereo[timeline.SampleRate/2 : 3*timeline.SampleRate/2] { // away from the edges
		loudest[i%2] = max(loudest[i%2], v)
	}
	for side, want := range []float64{0.5, 0.75} {
		if math.Abs(float64(loudest[side])-want) > 0.02 {
			t.Errorf("side %d reaches %g, want %g", side, loudest[side], want)
		}
	}
	if math.Abs(m.peak-0.75) > 0.02 {
		t.Errorf("peak %g", m.peak)
	}
}

func TestMix_DoesNotBufferWhatComesLate(t *testing.T) {
	codectest.NoLeaks(t)
	plan := protocol.AudioPlan{To: 602 * timeline.SampleRate}
	early, late := opus(t, 1, "-ac 1"), opus(t, 1, "-ac 1")
	m := mixPlan(t, plan, merge(addTrack(&plan, early, 0), addTrack(&plan, late, 600*timeline.SampleRate)))
	sameWithin(t, clicks(m.stereo), []int{12000, 36000, 600*timeline.SampleRate + 12000, 600*timeline.SampleRate + 36000}, 1)
	if m.window > timeline.SampleRate {
		t.Errorf("%d samples waited", m.window)
	}
}

func TestMix_BoundsWhatWaitsForWrongTimes(t *testing.T) {
	codectest.NoLeaks(t)
	plan := protocol.AudioPlan{To: 200 * timeline.SampleRate}
	track := opus(t, 1, "-ac 1")
	right := addTrack(&plan, track, 0)
	wrong := addTrack(&plan, track, 100*timeline.SampleRate)
	for i := range wrong {
		wrong[i].Need = 0 // comes at once, though it is placed 100 s later
	}
	m := mixPlan(t, plan, merge(wrong, right))
	sameWithin(t, clicks(m.stereo), []int{100*timeline.SampleRate + 12000, 100*timeline.SampleRate + 36000}, 1)
	if m.window > 2*maxWindow {
		t.Errorf("%d samples waited", m.window)
	}
}

func TestRun_EncodesExactlyWithItsPriming(t *testing.T) {
	codectest.NoLeaks(t)
	track := opus(t, 3, "-ac 2")
	for _, encoder := range []protocol.Encoder{{Codec: "aac", Bitrate: 192_000}, {Codec: "opus", Bitrate: 192_000}} {
		for _, samples := range []int64{2*timeline.SampleRate + 123, 2 * 47 * 1024, 1} {
			t.Run(fmt.Sprintf("%s_%d", encoder.Codec, samples), func(t *testing.T) {
				plan := protocol.AudioPlan{To: samples, Encoder: encoder}
				p := &parent{packets: addTrack(&plan, track, 0)}
				stats, err := Run(plan, p)
				if err != nil {
					t.Fatal(err)
				}
				end := int64(0)
				for _, packet := range p.out {
					if packet.PTS != end || !packet.Key {
						t.Fatalf("packet at %d, want %d", packet.PTS, end)
					}
					end += packet.Len
				}
				if stats.Samples != samples || p.done != samples || end < int64(p.header.Delay)+samples {
					t.Errorf("%d samples, progress to %d, packets for %d", stats.Samples, p.done, end)
				}
				decoded := listen(t, encoder.Codec, p)[2*p.header.Delay:]
				var want []int
				for k := range 4 {
					if place := 12000 + 24000*k; place < int(samples) {
						want = append(want, place)
					}
				}
				sameWithin(t, clicks(decoded), want, 1)
			})
		}
	}
}

// listen decodes what Run encoded, priming and all.
func listen(t testing.TB, name string, p *parent) []float32 {
	t.Helper()
	d, err := codec.OpenAudioDecoder(name, p.header.Private, timeline.SampleRate, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var stereo []float32
	for _, packet := range p.out {
		if stereo, err = d.Decode(stereo, packet.Data); err != nil {
			t.Fatal(err)
		}
	}
	return stereo
}

func TestRun_IsSilentWithoutTracks(t *testing.T) {
	codectest.NoLeaks(t)
	p := &parent{}
	stats, err := Run(protocol.AudioPlan{To: timeline.SampleRate, Encoder: protocol.Encoder{Codec: "aac", Bitrate: 96_000}}, p)
	if err != nil || stats.Samples != timeline.SampleRate || stats.Peak != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestRun_CountsATrackThatCannotBeDecoded(t *testing.T) {
	codectest.NoLeaks(t)
	plan := protocol.AudioPlan{To: timeline.SampleRate, Encoder: protocol.Encoder{Codec: "aac", Bitrate: 96_000}}
	packets := addTrack(&plan, opus(t, 1, "-ac 1"), 0)
	plan.Tracks[0].Private = []byte("OpusHead")
	stats, err := Run(plan, &parent{packets: packets})
	if err != nil || stats.Tracks[0].Errors != len(packets) || stats.Peak != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestRun_EndsWhenTheConnectionBreaks(t *testing.T) {
	codectest.NoLeaks(t)
	plan := protocol.AudioPlan{To: timeline.SampleRate, Encoder: protocol.Encoder{Codec: "aac", Bitrate: 96_000}}
	gone := errors.New("gone")
	if _, err := Run(plan, &parent{packets: addTrack(&plan, opus(t, 1, "-ac 1"), 0), broken: gone}); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestRun_RefusesPlansNoParentMakes(t *testing.T) {
	codectest.NoLeaks(t)
	for name, spoil := range map[string]func(*protocol.AudioPlan){
		"no samples":      func(p *protocol.AudioPlan) { p.To = 0 },
		"backwards":       func(p *protocol.AudioPlan) { p.From = 200 },
		"before the film": func(p *protocol.AudioPlan) { p.From = -1 },
		"negative start":  func(p *protocol.AudioPlan) { p.Runs[0][0].Start = -1 },
		"no runs":         func(p *protocol.AudioPlan) { p.Runs = nil },
		"negative run":    func(p *protocol.AudioPlan) { p.Runs[0][0].Decoded = -1 },
		"stretched run":   func(p *protocol.AudioPlan) { p.Runs[0][0].Length = longestRun },
		"empty run":       func(p *protocol.AudioPlan) { p.Runs[0][0].Packets = 0 },
		"endless run":     func(p *protocol.AudioPlan) { p.Runs[0][0].Length = math.MaxInt64 },
		"no such codec":   func(p *protocol.AudioPlan) { p.Encoder.Codec = "mp3" },
		"no such option":  func(p *protocol.AudioPlan) { p.Encoder.Options = map[string]string{"speed": "high"} },
	} {
		plan := protocol.AudioPlan{
			To: 100, Tracks: []protocol.Track{{Codec: "opus"}}, Encoder: protocol.Encoder{Codec: "aac", Bitrate: 96_000},
			Runs: [][]protocol.Run{{{Packets: 1, Decoded: 960, Length: 960}}},
		}
		spoil(&plan)
		if _, err := Run(plan, &parent{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What is too short to be heard, or claims an impossible rate, is silent and harms nothing else.
func TestRun_EndsWellWithHardlyAnything(t *testing.T) {
	codectest.NoLeaks(t)
	for name, test := range map[string]struct {
		track protocol.Track
		run   protocol.Run
	}{
		"run of nothing":      {protocol.Track{Codec: "opus"}, protocol.Run{Packets: 1}},
		"less than a sample":  {protocol.Track{Codec: "pcmu", Rate: 8000}, protocol.Run{Packets: 1, Decoded: 3, Length: 3}},
		"all skipped":         {protocol.Track{Codec: "opus"}, protocol.Run{Packets: 1, Skip: 960}},
		"starts at its end":   {protocol.Track{Codec: "pcmu", Rate: 8000}, protocol.Run{Packets: 1, Decoded: 960, Length: 960, Start: 960}},
		"one sample squeezed": {protocol.Track{Codec: "pcmu", Rate: 8000}, protocol.Run{Packets: 1, Decoded: 960, Length: 1}},
		"days squeezed":       {protocol.Track{Codec: "pcmu", Rate: 8000}, protocol.Run{Packets: 1, Decoded: longestRun, Length: 1}},
		"no such rate":        {protocol.Track{Codec: "pcmu", Rate: -8000}, protocol.Run{Packets: 1, Decoded: 960, Length: 970}},
		"too many channels":   {protocol.Track{Codec: "pcmu", Channels: 1 << 30}, protocol.Run{Packets: 1, Decoded: 960, Length: 970}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := protocol.AudioPlan{
				To: 1, Encoder: protocol.Encoder{Codec: "opus", Bitrate: 64_000},
				Tracks: []protocol.Track{test.track}, Runs: [][]protocol.Run{{test.run}},
			}
			stats, err := Run(plan, &parent{packets: []protocol.Packet{{Data: make([]byte, 160)}}})
			if err != nil || stats.Samples != 1 {
				t.Errorf("%+v, %v", stats, err)
			}
		})
	}
}

// BenchmarkRun mixes a minute of four microphones.
func BenchmarkRun(b *testing.B) {
	const seconds = 60
	plan := protocol.AudioPlan{To: seconds * timeline.SampleRate, Encoder: protocol.Encoder{Codec: "aac", Bitrate: 96_000}}
	var tracks [][]protocol.Packet
	for i := range 4 {
		microphone := codectest.Make(b, fmt.Sprintf("-f lavfi -i sine=%d:d=%d:r=48000 -c:a libopus -b:a 32k -application voip", 200+40*i, seconds))
		tracks = append(tracks, addTrack(&plan, microphone, 0))
	}
	packets := merge(tracks...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(plan, &parent{packets: packets}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(seconds*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}
