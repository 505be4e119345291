package audio

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// source is a track whose audio is rendered in segments: all of its packets, and the runs that they make.
type source struct {
	track   protocol.Track
	packets []protocol.Packet // Track is not set
	lengths []int64           // of each packet at 48 kHz
	runs    []protocol.Run    // of the whole
}

// segment returns the plan and the packets of a film's samples [from, to). Each track's packets begin where preroll samples
// are decoded before the first that is heard, whichever runs they belong to.
func segment(sources []source, from, to, preroll int64, encoder protocol.Encoder) (protocol.AudioPlan, []protocol.Packet) {
	plan := protocol.AudioPlan{From: from, To: to, Encoder: encoder}
	var all [][]protocol.Packet
	for _, s := range sources {
		first, last := len(s.packets), 0 // packets that are needed
		begin := 0                       // first packet of the run
		for _, r := range s.runs {
			position := -int64(r.Skip) // of a packet in the run
			lo, hi := decodedAt(r, from)-protocol.AudioMargin, decodedAt(r, to)+protocol.AudioMargin
			for i := begin; i < begin+r.Packets; i++ {
				if position+s.lengths[i] > lo && position < hi && r.At < to && r.At+r.Length > from {
					first, last = min(first, i), max(last, i+1)
				}
				position += s.lengths[i]
			}
			begin += r.Packets
		}
		for sum := int64(0); first < last && first > 0 && sum < preroll; {
			first--
			sum += s.lengths[first]
		}
		var runs []protocol.Run
		begin = 0
		for _, r := range s.runs {
			end := begin + r.Packets
			if a, b := max(begin, first), min(end, last); a < b {
				for _, n := range s.lengths[begin:a] {
					r.Start += n
				}
				r.Packets = b - a
				runs = append(runs, r)
			}
			begin = end
		}
		if len(runs) == 0 {
			continue
		}
		packets := slices.Clone(s.packets[first:last])
		for i := range packets {
			packets[i].Track = len(plan.Tracks)
		}
		all = append(all, packets)
		plan.Tracks = append(plan.Tracks, s.track)
		plan.Runs = append(plan.Runs, runs)
	}
	return plan, merge(all...)
}

// decodedAt returns which decoded sample of the run lies at the output sample.
func decodedAt(r protocol.Run, at int64) int64 {
	if r.Length == 0 {
		return 0
	}
	return int64(float64(at-r.At) * float64(r.Decoded) / float64(r.Length))
}

// place gives the source's packets their times: those of a run follow each other from its At.
func (s *source) place() {
	i := 0
	for _, r := range s.runs {
		at := r.At
		for range r.Packets {
			s.packets[i].Time = timeline.SampleTime(at)
			s.packets[i].Need = s.packets[i].Time
			at += s.lengths[i] * r.Length / max(r.Decoded, 1)
			i++
		}
	}
}

// randomG711 makes a source of noise, of one to four runs of which some drift.
func randomG711(t *rapid.T) source {
	rates := []int{8000, 16000, 44100, 48000}
	rate := rapid.SampledFrom(rates).Draw(t, "rate")
	channels := rapid.IntRange(1, 2).Draw(t, "channels")
	s := source{track: protocol.Track{Codec: "pcmu", Rate: rate, Channels: channels, Mono: channels == 1 && rapid.Bool().Draw(t, "mono")}}
	at := rapid.Int64Range(-20000, 30000).Draw(t, "begin")
	random := rand.New(rand.NewPCG(uint64(rate), uint64(at)))
	for range rapid.IntRange(1, 4).Draw(t, "runs") {
		r := protocol.Run{At: at, Packets: rapid.IntRange(1, 30).Draw(t, "packets")}
		for range r.Packets {
			milliseconds := rapid.SampledFrom([]int{10, 20, 60}).Draw(t, "ms")
			data := make([]byte, rate*milliseconds/1000*channels)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			s.packets = append(s.packets, protocol.Packet{Data: data})
			s.lengths = append(s.lengths, int64(48*milliseconds))
			r.Decoded += int64(48 * milliseconds)
		}
		r.Length = r.Decoded
		if rapid.Bool().Draw(t, "drifts") {
			r.Length += r.Decoded * rapid.Int64Range(-500, 500).Draw(t, "drift") / 10_000
		}
		s.runs = append(s.runs, r)
		at += r.Length + rapid.Int64Range(0, 5000).Draw(t, "gap")
	}
	s.place()
	return s
}

// randomBorders cuts a film into segments.
func randomBorders(t *rapid.T, samples int64) []int64 {
	borders := append(rapid.SliceOfN(rapid.Int64Range(1, samples-1), 0, 4).Draw(t, "borders"), 0, samples)
	slices.Sort(borders)
	return slices.Compact(borders)
}

func TestMix_SegmentsEqualTheWhole(t *testing.T) {
	codectest.NoLeaks(t)
	rapid.Check(t, func(r *rapid.T) {
		var sources []source
		for range rapid.IntRange(1, 4).Draw(r, "tracks") {
			sources = append(sources, randomG711(r))
		}
		samples := rapid.Int64Range(10_000, 120_000).Draw(r, "samples")
		plan, packets := segment(sources, 0, samples, 0, protocol.Encoder{})
		whole := mixPlan(t, plan, packets)
		borders := randomBorders(r, samples)
		var parts []float32
		var packetsIn, errorsIn int
		var samplesIn int64
		for i := 1; i < len(borders); i++ {
			plan, packets := segment(sources, borders[i-1], borders[i], 0, protocol.Encoder{})
			part := mixPlan(t, plan, packets)
			parts = append(parts, part.stereo...)
			for _, track := range part.tracks {
				packetsIn += track.Packets
				errorsIn += track.Errors
				samplesIn += track.Samples
			}
		}
		for i := range whole.stereo {
			if parts[i] != whole.stereo[i] {
				r.Fatalf("sample %d is %g in its segment and %g in the whole; borders %v", i/2, parts[i], whole.stereo[i], borders)
			}
		}
		for _, track := range whole.tracks {
			packetsIn -= track.Packets
			errorsIn -= track.Errors
			samplesIn -= track.Samples
		}
		if packetsIn != 0 || errorsIn != 0 || samplesIn != 0 {
			r.Fatalf("the segments count %d packets, %d errors and %d samples more than the whole", packetsIn, errorsIn, samplesIn)
		}
	})
}

// renderSegments renders a film's audio in segments without loss, and returns what is needed to read them as one track.
func renderSegments(t testing.TB, sources []source, borders []int64, preroll int64) source {
	t.Helper()
	samples := borders[len(borders)-1]
	joined := source{track: protocol.Track{Codec: "f32", Rate: timeline.SampleRate, Channels: 2}}
	for i := 1; i < len(borders); i++ {
		from, to := borders[i-1], borders[i]
		plan, packets := segment(sources, from, to, preroll, protocol.Encoder{Codec: "f32"})
		p := &parent{packets: packets}
		stats, err := Run(plan, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.header.Private) != 0 || p.header.Delay != 0 || stats.Samples != to-from || p.done != to-from {
			t.Fatalf("segment %d: header %+v, %d samples, progress to %d", i, p.header, stats.Samples, p.done)
		}
		at := int64(0)
		for _, packet := range p.out {
			if packet.PTS != at || packet.Len*8 != int64(len(packet.Data)) || packet.Len > losslessSamples {
				t.Fatalf("segment %d: packet at %d of length %d with %d bytes, want it at %d", i, packet.PTS, packet.Len, len(packet.Data), at)
			}
			at += packet.Len
			joined.packets = append(joined.packets, protocol.Packet{Data: packet.Data})
			joined.lengths = append(joined.lengths, packet.Len)
		}
	}
	joined.runs = []protocol.Run{{Packets: len(joined.packets), Decoded: samples, Length: samples}}
	joined.place()
	return joined
}

// encodePlan encodes the whole of a film's audio.
func encodePlan(t testing.TB, sources []source, samples int64, encoder protocol.Encoder) *parent {
	t.Helper()
	plan, packets := segment(sources, 0, samples, 0, encoder)
	p := &parent{packets: packets}
	stats, err := Run(plan, p)
	if err != nil {
		t.Fatal(err)
	}
	if stats.Samples != samples {
		t.Fatalf("%d samples", stats.Samples)
	}
	return p
}

func TestRun_EncodesSegmentsLikeTheWhole(t *testing.T) {
	codectest.NoLeaks(t)
	const samples = 3*timeline.SampleRate + 77
	var sources []source
	for i, rate := range []int{8000, 48000} {
		s := source{track: protocol.Track{Codec: "pcmu", Rate: rate, Channels: 1}}
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for range 140 {
			data := make([]byte, rate/50)
			for k := range data {
				data[k] = byte(random.Uint32()) // loud: the limiter works all the time
			}
			s.packets = append(s.packets, protocol.Packet{Data: data})
			s.lengths = append(s.lengths, 960)
		}
		s.runs = []protocol.Run{{At: int64(500 * i), Packets: 140, Decoded: 140 * 960, Length: 140*960 + int64(i)*100}}
		s.place()
		sources = append(sources, s)
	}
	joined := renderSegments(t, sources, []int64{0, 1, 48_000, 77_777, samples}, 0)
	for _, encoder := range []protocol.Encoder{{Codec: "aac", Bitrate: 96_000}, {Codec: "opus", Bitrate: 64_000}} {
		direct := encodePlan(t, sources, samples, encoder)
		after := encodePlan(t, []source{joined}, samples, encoder)
		if !bytes.Equal(direct.header.Private, after.header.Private) || direct.header.Delay != after.header.Delay || len(direct.out) != len(after.out) {
			t.Fatalf("%s: %d packets with header %+v, directly %d with %+v", encoder.Codec, len(after.out), after.header, len(direct.out), direct.header)
		}
		for i := range direct.out {
			if a, b := direct.out[i], after.out[i]; a.PTS != b.PTS || a.Len != b.Len || !bytes.Equal(a.Data, b.Data) {
				t.Fatalf("%s: packet %d differs", encoder.Codec, i)
			}
		}
	}
}

func TestRun_RefusesLosslessAudioThatIsIncomplete(t *testing.T) {
	codectest.NoLeaks(t)
	const samples = 20_000
	for name, spoil := range map[string]func(*source){
		"missing packet":   func(s *source) { s.packets = s.packets[:2] },
		"missing samples":  func(s *source) { s.packets[1].Data = s.packets[1].Data[:800] },
		"half a sample":    func(s *source) { s.packets[0].Data = s.packets[0].Data[:801] },
		"empty packet":     func(s *source) { s.packets[2].Data = nil },
		"nothing whatever": func(s *source) { s.packets = nil },
	} {
		t.Run(name, func(t *testing.T) {
			whole := source{track: protocol.Track{Codec: "pcmu", Rate: 48_000}, lengths: []int64{samples}}
			whole.packets = []protocol.Packet{{Data: make([]byte, samples)}}
			whole.runs = []protocol.Run{{Packets: 1, Decoded: samples, Length: samples}}
			s := renderSegments(t, []source{whole}, []int64{0, samples}, 0)
			plan, _ := segment([]source{s}, 0, samples, 0, protocol.Encoder{Codec: "opus", Bitrate: 64_000})
			spoil(&s)
			if _, err := Run(plan, &parent{packets: s.packets}); err == nil || !strings.Contains(err.Error(), "lossless") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// recordedSource is a recorded track as one run from output sample at on.
func recordedSource(track codectest.Track, at int64) source {
	s := source{track: protocol.Track{Codec: track.Codec, Private: track.Private, Channels: track.Channels, Rate: track.Rate}}
	skip := timeline.Samples(track.CodecDelay)
	r := protocol.Run{At: at, Packets: len(track.Packets), Skip: int(skip)}
	var duration time.Duration
	for _, p := range track.Packets {
		s.packets = append(s.packets, protocol.Packet{Data: p.Data})
		s.lengths = append(s.lengths, timeline.Samples(duration+p.Duration)-timeline.Samples(duration))
		duration += p.Duration
	}
	r.Decoded = timeline.Samples(duration) - skip
	r.Length = r.Decoded
	s.runs = []protocol.Run{r}
	s.place()
	return s
}

// decibels returns the largest difference of two signals relative to full scale.
func decibels(a, b []float32) float64 {
	largest := 0.0
	for i := range a {
		largest = max(largest, math.Abs(float64(a[i])-float64(b[i])))
	}
	return 20 * math.Log10(max(largest, 1e-10))
}

// speech is like speech: a buzz with moving formants, syllables and pauses, and hiss.
const speech = "-f lavfi -i aevalsrc=" +
	"0.5*(0.6+0.4*sin(2*PI*0.4*t))*gt(sin(2*PI*2.3*t)\\,-0.3)*" +
	"(0.3*sin(2*PI*120*t+3*sin(2*PI*5*t))+0.3*sin(2*PI*(700+300*sin(2*PI*1.7*t))*t/4)+0.2*sin(2*PI*2400*t)*sin(2*PI*120*t))" +
	"+0.02*(random(0)-0.5):s=48000:d=%d "

var opusOptions = []string{
	"-b:a 16k -application voip -ac 1",
	"-b:a 32k -application voip -ac 1",
	"-b:a 32k -application voip -ac 1 -frame_duration 60",
	"-b:a 64k -application audio -ac 2",
	"-b:a 24k -application audio -ac 2",
	"-b:a 48k -application lowdelay -ac 1 -frame_duration 10",
}

func TestMix_OpusSegmentsJoinWithoutAClick(t *testing.T) {
	codectest.NoLeaks(t)
	const samples = 8 * timeline.SampleRate
	for _, options := range opusOptions {
		t.Run(options, func(t *testing.T) {
			s := recordedSource(codectest.Make(t, fmt.Sprintf(speech, 8)+"-c:a libopus "+options), 321)
			plan, packets := segment([]source{s}, 0, samples, 0, protocol.Encoder{})
			whole := mixPlan(t, plan, packets).stereo
			for _, preroll := range []int64{0, 3840, 24_000, protocol.AudioPreroll, 2 * protocol.AudioPreroll} {
				worst := math.Inf(-1)
				for border := int64(3 * timeline.SampleRate); border < 7*timeline.SampleRate; border += 41_337 {
					plan, packets := segment([]source{s}, border, border+timeline.SampleRate/4, preroll, protocol.Encoder{})
					part := mixPlan(t, plan, packets).stereo
					worst = max(worst, decibels(part, whole[2*border:]))
				}
				t.Logf("the largest difference after a preroll of %v is %.0f dBFS", timeline.SampleTime(preroll), worst)
				if preroll >= protocol.AudioPreroll && worst > -90 {
					t.Error("that may be heard")
				}
			}
		})
	}
}

// Packets of AAC at 44.1 kHz last neither whole samples at 48 kHz nor whole nanoseconds. Each segment must begin at the very
// sample all the same. Without noise substitution (PNS), whose noise differs each time, nothing differs.
func TestMix_AACSegmentsEqualTheWhole(t *testing.T) {
	codectest.NoLeaks(t)
	const samples = 10 * timeline.SampleRate
	for _, options := range []string{"-ac 1 -ar 44100", "-ac 2 -ar 48000", "-ac 1 -ar 22050"} {
		s := recordedSource(codectest.Make(t, fmt.Sprintf(speech, 10)+"-c:a aac -aac_pns 0 "+options), 321)
		s.runs[0].Length += 77 // drifted a little
		plan, packets := segment([]source{s}, 0, samples, 0, protocol.Encoder{})
		whole := mixPlan(t, plan, packets).stereo
		for border := int64(1000); border < 10*timeline.SampleRate; border += 131_337 {
			plan, packets := segment([]source{s}, border, border+timeline.SampleRate/4, protocol.AudioPreroll, protocol.Encoder{})
			part := mixPlan(t, plan, packets).stereo
			for i := range part {
				if part[i] != whole[2*int(border)+i] {
					t.Fatalf("%s: sample %d is %g in its segment and %g in the whole", options, int(border)+i/2, part[i], whole[2*int(border)+i])
				}
			}
		}
	}
}

func TestTrack_FindsThePacketAfterADay(t *testing.T) {
	codectest.NoLeaks(t)
	recorded := codectest.Make(t, "-f lavfi -i sine=440:d=0.1:r=44100 -c:a aac")
	const packets = 86_400 * 44_100 / 1024
	duration := recorded.Packets[0].Duration * packets // of so many, each rounded to a nanosecond
	run := protocol.Run{Packets: 1, Decoded: 2 * timeline.Samples(duration), Length: 2 * timeline.Samples(duration), Skip: 2299, Start: timeline.Samples(duration)}
	described := protocol.Track{Codec: "aac", Private: recorded.Private, Rate: 44_100, Channels: 1}
	track, err := newTrack(described, []protocol.Run{run}, newMixer(2, 0, 1, discard{}))
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(packets*1024 - 2112); track.position != want || track.skip != 0 {
		t.Errorf("it begins at sample %d, want %d", track.position, want)
	}
}
