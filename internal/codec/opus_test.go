package codec_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roomreel/internal/codec"
	"roomreel/internal/codec/codectest"
)

// speech is a source that makes Opus encoders use all their modes.
const speech = "-f lavfi -i aevalsrc=(0.2+0.2*sin(9*t))*sin(2*PI*150*t+3*sin(5*t))+0.02*random(0)*gt(sin(3*t)\\,0):s=48000:d=3 "

// floats runs ffmpeg and returns the samples that it writes.
func floats(t *testing.T, args ...string) []float32 {
	t.Helper()
	raw, err := exec.Command("ffmpeg", append(append([]string{"-v", "error"}, args...), "-f", "f32le", "-")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]float32, len(raw)/4)
	for i := range all {
		all[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return all
}

func decodeAll(t *testing.T, private []byte, packets [][]byte, wanted int) []float32 {
	t.Helper()
	d, err := codec.OpenAudioDecoder("opus", private, 48000, 2, wanted)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var all []float32
	for _, p := range packets {
		all, _ = d.Decode(all, p) // after an error, nothing is appended
	}
	return all
}

func TestOpusDecoder_ReturnsWhatTheReferenceDoes(t *testing.T) {
	codectest.NoLeaks(t)
	for _, output := range []string{
		"-ac 1 -b:a 8k -application voip", "-ac 1 -b:a 16k -application voip -frame_duration 60", "-ac 1 -b:a 32k -application voip",
		"-ac 1 -b:a 24k -application voip -fec 1 -packet_loss 20", "-ac 1 -b:a 64k", "-ac 2 -b:a 24k", "-ac 2 -b:a 96k -application lowdelay -frame_duration 2.5",
	} {
		file := codectest.File(t, speech+"-c:a libopus "+output)
		track := codectest.Read(t, file)
		var packets [][]byte
		for _, p := range track.Packets {
			packets = append(packets, p.Data)
		}
		want := floats(t, "-request_sample_fmt", "flt", "-c:a", "libopus", "-i", file)
		got := decodeAll(t, track.Private, packets, track.Channels)
		skip := track.Channels * int(track.CodecDelay.Seconds()*48000+0.5)
		if len(want) < 100_000 || !slices.Equal(got[skip:][:len(want)], want) {
			t.Errorf("%s: others than ffmpeg with libopus decodes", output)
		}
	}
}

// WebRTC says that all its Opus has two channels. A decoder of one channel makes of packets of one channel what a decoder of two has on
// its left side.
func TestOpusDecoder_DecodesMonoAsStereo(t *testing.T) {
	codectest.NoLeaks(t)
	const stereoBit = 4
	random := rand.New(rand.NewPCG(3, 4))
	for _, damaged := range []bool{false, true} {
		var packets [][]byte
		for _, output := range []string{"-b:a 8k -application voip", "-b:a 32k -application voip", "-b:a 64k", "-b:a 12k -application voip -frame_duration 40", "-b:a 128k -application lowdelay"} {
			for _, p := range codectest.Make(t, speech+"-ac 1 -c:a libopus "+output).Packets {
				data := bytes.Clone(p.Data)
				if damaged && random.IntN(3) == 0 {
					data[random.IntN(len(data))] ^= byte(1 + random.IntN(255))
					data = data[:1+random.IntN(len(data))]
				}
				data[0] &^= stereoBit
				packets = append(packets, data)
			}
		}
		two := []byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00")
		stereo, mono := decodeAll(t, two, packets, 2), decodeAll(t, two, packets, 1)
		if len(stereo) != 2*len(mono) || len(mono) < 48000 {
			t.Fatalf("%d values of stereo, %d of mono", len(stereo), len(mono))
		}
		worst := float32(0)
		for i, v := range mono {
			left, right := stereo[2*i], stereo[2*i+1]
			worst = max(worst, max(left, right, v)-min(left, right, v))
			if !damaged && left != v {
				t.Fatalf("sample %d is %g on the left, and %g in mono", i, left, v)
			}
		}
		most := float32(1e-6) // libopus computes the right side with another order of operations
		if damaged {
			most = 0.05 // and conceals losses in ways that a difference of rounding may change
		}
		if worst > most {
			t.Errorf("damaged %v: samples differ by up to %g", damaged, worst)
		}
	}
}

// The packets are those that ffmpeg makes.
func TestOpusEncoder_MakesWhatFFmpegDoes(t *testing.T) {
	codectest.NoLeaks(t)
	file := filepath.Join(t.TempDir(), "samples")
	for _, test := range []struct {
		channels int
		level    string
	}{{1, "10"}, {2, "10"}, {1, "5"}, {2, "0"}} {
		channels := []string{"-ac", string(rune('0' + test.channels))}
		samples := floats(t, append(strings.Fields(speech), channels...)...)
		samples = samples[:len(samples)-test.channels*333] // the last frame is short
		var raw []byte
		for _, v := range samples {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		want := codectest.Make(t, "-f f32le -ar 48000 -ac "+channels[1]+" -i "+file+" -c:a libopus -b:a 64k -compression_level "+test.level)
		config := codec.EncoderConfig{Codec: "opus", Bitrate: 64_000, Options: map[string]string{"compression_level": test.level}}
		e, err := codec.OpenAudioEncoder(config, test.channels)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		var got [][]byte
		receive := func() {
			for {
				p, ok, err := e.Receive()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					return
				}
				got = append(got, bytes.Clone(p.Data))
			}
		}
		for frame := range slices.Chunk(samples, test.channels*e.FrameSize()) {
			if err := e.Send(frame, 0); err != nil {
				t.Fatal(err)
			}
			receive()
		}
		if err := e.End(); err != nil {
			t.Fatal(err)
		}
		receive()
		if !bytes.Equal(e.Header(), want.Private) || e.Delay() != 312 {
			t.Errorf("%+v: header %x, want %x", test, e.Header(), want.Private)
		}
		if len(got) != len(want.Packets) {
			t.Fatalf("%+v: %d packets, want %d", test, len(got), len(want.Packets))
		}
		for i, p := range want.Packets {
			if !bytes.Equal(got[i], p.Data) {
				t.Fatalf("%+v: packet %d of %d bytes is not ffmpeg's of %d", test, i, len(got[i]), len(p.Data))
			}
		}
	}
	if _, err := codec.OpenAudioEncoder(codec.EncoderConfig{Codec: "opus", Options: map[string]string{"complexity": "5"}}, 1); err == nil || !strings.Contains(err.Error(), `"complexity"`) {
		t.Errorf("an option that does not exist: %v", err)
	}
}
