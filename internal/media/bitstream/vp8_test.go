package bitstream

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"
)

// encodeVP8 returns frames of VP8, read from an IVF file that ffmpeg writes.
func encodeVP8(t *testing.T, options ...string) (frames [][]byte) {
	t.Helper()
	args := append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=0.5", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "800k", "-g", "10"}, options...)
	ivf, err := exec.Command("ffmpeg", append(args, "-f", "ivf", "-")...).Output()
	if err != nil {
		t.Skip("no ffmpeg: ", err)
	}
	for b := ivf[32:]; len(b) > 12; {
		n := binary.LittleEndian.Uint32(b)
		frames = append(frames, b[12:12+n])
		b = b[12+n:]
	}
	return frames
}

func TestCheckVP8_TakesWhatAnEncoderMakes(t *testing.T) {
	for _, options := range [][]string{nil, {"-slices", "8"}, {"-profile:v", "3"}, {"-error-resilient", "1"}} {
		for i, frame := range encodeVP8(t, options...) {
			for _, front := range []int{len(frame), min(len(frame), 4096), min(len(frame), 64)} {
				if why := CheckVP8(frame[:front], int64(len(frame))); why != "" {
					t.Fatalf("%v: frame %d of %d bytes: %s", options, i, len(frame), why)
				}
			}
		}
	}
}

func TestCheckVP8_FindsDamage(t *testing.T) {
	frames := encodeVP8(t, "-slices", "8")
	change := func(frame []byte, do func(b []byte) []byte) []byte { return do(bytes.Clone(frame)) }
	for name, test := range map[string]struct {
		frame []byte
		want  string
	}{
		"empty":          {nil, "no VP8 frame"},
		"no start code":  {change(frames[0], func(b []byte) []byte { b[4] = 0; return b }), "no VP8 frame"},
		"not shown":      {change(frames[1], func(b []byte) []byte { b[0] &^= 0x10; return b }), "not to be shown"},
		"scaled":         {change(frames[0], func(b []byte) []byte { b[7] |= 0x40; return b }), "scale"},
		"version":        {change(frames[1], func(b []byte) []byte { b[0] |= 0x0e; return b }), "version"},
		"first is short": {change(frames[1], func(b []byte) []byte { return b[:8] }), "cut short"},
		"last is short":  {change(frames[0], func(b []byte) []byte { return b[:len(b)/2] }), "cut short"},
		"nothing of it":  {change(frames[1], func(b []byte) []byte { b[0] &= 0x1f; b[1], b[2] = 0, 0; return b }), "cut short"},
	} {
		if why := CheckVP8(test.frame, int64(len(test.frame))); !strings.Contains(why, test.want) {
			t.Errorf("%s: %q", name, why)
		}
	}
	if why := CheckVP8(frames[1], 5); why == "" {
		t.Error("a size that is too small passes")
	}
}

func FuzzCheckVP8(f *testing.F) {
	f.Add([]byte{0x10, 2, 0, 0x9d, 1, 0x2a, 64, 1, 240, 0, 1, 2, 3}, int64(13))
	f.Fuzz(func(t *testing.T, front []byte, size int64) { CheckVP8(front, size) })
}

func TestOpusHead_IsReadAsItWasWritten(t *testing.T) {
	want := OpusHead{Channels: 2, PreSkip: 312, Gain: -256}
	if got, ok := ParseOpusHead(want.Append(nil)); !ok || got != want {
		t.Errorf("%+v", got)
	}
}
