package compose

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/plan"
	"roomreel/internal/render/protocol"
)

// soloRoom is a camera of 320x240 and a microphone, in the codecs of a format.
func soloRoom(t *testing.T, format roomreel.Format) *testRoom {
	t.Helper()
	dir := t.TempDir()
	camera, microphone := filepath.Join(dir, "camera.mkv"), filepath.Join(dir, "microphone.mka")
	video, audio := []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "40"}, []string{"-c:a", "aac"}
	if format == roomreel.WebM {
		video, audio = []string{"-c:v", "libvpx", "-deadline", "realtime", "-b:v", "300k", "-g", "40"}, []string{"-c:a", "libopus"}
	}
	ffmpeg(t, append(append([]string{"-f", "lavfi", "-i", "testsrc=s=320x240:r=30:d=5"}, video...), "-pix_fmt", "yuv420p", camera)...)
	ffmpeg(t, append(append([]string{"-f", "lavfi", "-i", "sine=440:r=48000:d=4.7"}, audio...), "-ac", "1", microphone)...)
	var room testRoom
	room.add(t, roomreel.Video, 0, camera)
	room.add(t, roomreel.Audio, 0, microphone)
	return &room
}

// chunked cuts the copied video of a plan into chunks of n packets, which begin anywhere.
func chunked(t *testing.T, p *plan.Plan, n int) *plan.Plan {
	t.Helper()
	if p.VideoCopy == nil || p.AudioCopy == nil {
		t.Fatalf("video: %s; audio: %s", p.VideoEncoded, p.AudioEncoded)
	}
	task := &p.Video[0]
	task.Chunks = nil
	for from := 0; from < p.Frames; from += n {
		task.Chunks = append(task.Chunks, protocol.Chunk{From: from, To: min(from+n, p.Frames)})
	}
	p.Chunks = len(task.Chunks)
	return p
}

var bothFormats = []roomreel.Format{roomreel.MP4, roomreel.WebM}

// A film that is copied has the frames and the samples of its recordings to the bit, in however many chunks.
func TestLocal_CopiesPackets(t *testing.T) {
	for _, format := range bothFormats {
		t.Run(string(format), func(t *testing.T) {
			room := soloRoom(t, format)
			out, result := room.compose(t, chunked(t, room.plan(t, format, nil), 47))
			r := result.Report
			if !r.VideoCopied || !r.AudioCopied || r.FPS != 0 || r.Frames != 150 || r.Chunks != 4 || len(r.Warnings) > 0 || result.Film.Checks.Keyframes != 4 {
				t.Errorf("%+v", r)
			}
			for _, track := range r.Tracks {
				if !track.Copied || track.Errors > 0 || track.Decoded == 0 || track.Decoded > 70 || track.Missing || track.Why != "" {
					t.Errorf("%+v", track)
				}
			}
			if d := cmp.Diff(framesOf(t, room.files[0]), framesOf(t, out)); d != "" {
				t.Error("the film has other frames than the recording", d)
			}
			// The last packets may not be heard to their end in the recording.
			want, got := audioOf(t, room.files[1]), audioOf(t, out)
			n := 48000*47/10 - 1100
			if len(got) < 48000*5 || len(got) > 48000*5+1024 || !slices.Equal(want[:n], got[:n]) {
				t.Errorf("%d and %d samples, the same: %t", len(want), len(got), slices.Equal(want[:n], got[:n]))
			}
			for i := 48000 * 48 / 10; i < len(got); i++ { // after the recording there is silence
				if math.Abs(got[i]) > 0.001 {
					t.Fatalf("sample %d is %v", i, got[i])
				}
			}
		})
	}
}

// Segments of copied packets that are damaged are copied again, once.
func TestLocal_CopiesDamagedSegmentsAgain(t *testing.T) {
	room := soloRoom(t, roomreel.WebM)
	p := chunked(t, room.plan(t, roomreel.WebM, nil), 47)
	whole, _, err := room.damaged(t, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, store, err := room.damaged(t, p, map[string]int{"chunk-00002": 9, "audio-00000": 9})
	if err != nil || result.Film.Checks.SHA256 != whole.Film.Checks.SHA256 {
		t.Errorf("%v, the film is the same: %t", err, result.Film.Checks.SHA256 == whole.Film.Checks.SHA256)
	}
	if store.read["chunk-again-00002"] == 0 || store.read["audio-again-00000"] == 0 || store.read["chunk-again-00001"] > 0 {
		t.Errorf("made again: %v", store.read)
	}
	if result.Report.Tracks[0].Packets != 150 {
		t.Errorf("%d packets are counted", result.Report.Tracks[0].Packets)
	}
}

// A recording that is not what its index says is not copied: the error says so, and the film is made without copying.
func TestLocal_FindsWhatCannotBeCopied(t *testing.T) {
	for name, test := range map[string]struct {
		format roomreel.Format
		damage func(t *testing.T, room *testRoom)
		want   string
	}{
		"a packet that is cut short": {roomreel.WebM, func(t *testing.T, room *testRoom) {
			room.change(t, 0, 77, func(b []byte) { b[2] |= 0x80 })
		}, "the packet at 2.567 s of it: one of its packets is cut short"},
		"frames of another size": {roomreel.WebM, func(t *testing.T, room *testRoom) {
			room.change(t, 0, 0, func(b []byte) { b[6] = 0x20 })
		}, "its frames have 288x240 pixels when they are decoded"},
		"a packet without slices": {roomreel.MP4, func(t *testing.T, room *testRoom) {
			room.change(t, 0, 120, func(b []byte) { b[4] = 6 })
		}, "it holds no slice"},
		"packets that are not decoded": {roomreel.MP4, func(t *testing.T, room *testRoom) {
			for i := range 60 {
				room.change(t, 0, i, func(b []byte) { clear(b[len(b)/2:]); b[5] ^= 0xff })
			}
		}, "cannot be decoded"},
		"Opus that lasts longer": {roomreel.WebM, func(t *testing.T, room *testRoom) {
			room.change(t, 1, 90, func(b []byte) { b[0] = b[0]&^3 | 1 })
		}, "lasts 40ms instead of 20ms"},
	} {
		t.Run(name, func(t *testing.T) {
			room := soloRoom(t, test.format)
			p := room.plan(t, test.format, nil)
			chunked(t, p, 47)
			test.damage(t, room)
			out := filepath.Join(t.TempDir(), "film."+string(test.format))
			_, err := room.local(t, p, out)
			if refused, ok := errors.AsType[*NotCopiedError](err); !ok || !strings.Contains(refused.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			p = room.plan(t, test.format, func(o *plan.Options) { o.NoCopy = err.Error() })
			_, result := room.compose(t, p)
			if r := result.Report; r.VideoCopied || r.AudioCopied || !strings.Contains(r.WhyVideoEncoded, test.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// change changes the bytes of a packet in the file of a recording, whose index stays as it was.
func (r *testRoom) change(t *testing.T, track, packet int, do func(b []byte)) {
	t.Helper()
	if r.indexes == nil {
		r.indexes = r.open(t)
	}
	recording, err := r.indexes(track)
	if err != nil {
		t.Fatal(err)
	}
	for p, err := range recording.Index.Packets(packet, packet+1) {
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(r.files[track], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		b := make([]byte, p.Size)
		if _, err := file.ReadAt(b, p.Pos); err != nil {
			t.Fatal(err)
		}
		do(b)
		if _, err := file.WriteAt(b, p.Pos); err != nil {
			t.Fatal(err)
		}
	}
}

// The check of a copied film compares its times and keyframes with the plan.
func TestWriteFilm_ChecksTheTimesOfCopiedFrames(t *testing.T) {
	for _, format := range bothFormats {
		room := soloRoom(t, format)
		p := chunked(t, room.plan(t, format, nil), 47)
		p.VideoCopy.Stamps = plan.NewStamps(format).Sum()
		_, err := room.local(t, p, filepath.Join(t.TempDir(), "film"))
		if _, ok := errors.AsType[*NotCopiedError](err); !ok || !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "not at the times") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestDecodeTimes_NoFrameIsShownBeforeItIsDecoded(t *testing.T) {
	for _, test := range []struct{ shown, want []int64 }{
		{[]int64{0}, []int64{0}},
		{[]int64{5, 15, 40}, []int64{5, 15, 40}},
		{[]int64{0, 30, 10, 20, 60, 40, 50}, []int64{-10, 0, 10, 20, 30, 40, 50}},
		{[]int64{0, 40, 20, 10, 30, 80, 60, 50, 70}, []int64{-20, -10, 0, 10, 20, 30, 40, 50, 60}},
	} {
		got, last := decodeTimes(test.shown)
		if d := cmp.Diff(test.want, got); d != "" || last != slices.Max(test.shown) {
			t.Errorf("%v: last %d\n%s", test.shown, last, d)
		}
	}
}
