package demux

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/media"
)

// ffmpeg runs ffmpeg with arguments that are split at spaces, and returns the file that it writes.
func ffmpeg(t *testing.T, name, args string) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("ROOMREEL_TEST_REQUIRE") != "" {
			t.Fatal("ffmpeg is required")
		}
		t.Skip("no ffmpeg")
	}
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("ffmpeg", append(strings.Fields("-v error -y "+args), path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Real files with a video track and two audio tracks. The first audio begins at 0.5 s and lasts 1 s, the second begins at 2 s and
// lasts 0.4 s. Ogg has the audio only.
func TestReadTrack_ChoosesByNumber(t *testing.T) {
	const kinds = "-f lavfi -i testsrc=s=160x120:d=3:r=25 -f lavfi -i sine=f=440:d=1 -f lavfi -i sine=f=1000:d=0.4 " +
		"-filter_complex [1]asetpts=PTS+0.5/TB[a];[2]asetpts=PTS+2/TB[b] "
	for name, args := range map[string]string{
		"three.mkv": kinds + "-map [a] -map 0:v -map [b] -c:v libvpx -c:a libopus -metadata:s:a:0 title=alice -metadata:s:a:1 title=bob",
		"three.mp4": kinds + "-map [a] -map 0:v -map [b] -c:v libx264 -bf 0 -c:a aac",
		"two.ogg":   kinds + "-map [a] -map [b] -map 0:v -c:a libopus -vn",
	} {
		t.Run(name, func(t *testing.T) {
			file := ffmpeg(t, name, args)
			read := func(kind roomreel.TrackKind, number int) *media.Index {
				x, _, err := ReadTrack(bytes.NewReader(file), int64(len(file)), kind, number)
				if err != nil {
					t.Fatal(err)
				}
				return x
			}
			ogg := name == "two.ogg"
			first, second := read(roomreel.Audio, 1), read(roomreel.Audio, 2)
			if d := cmp.Diff(read(roomreel.Audio, 0), first); d != "" {
				t.Errorf("without a number another track is read: %s", d)
			}
			for n, x := range []*media.Index{first, second} {
				length, start := []time.Duration{time.Second, 400 * time.Millisecond}[n], []time.Duration{500 * time.Millisecond, 2 * time.Second}[n]
				if (x.Length()-length).Abs() > 40*time.Millisecond || x.Track != n+1 {
					t.Errorf("audio track %d is number %d and lasts %v", n+1, x.Track, x.Length())
				}
				if !ogg && (x.Start-start).Abs() > 30*time.Millisecond {
					t.Errorf("audio track %d begins at %v, want %v", n+1, x.Start, start)
				}
			}
			used := func(kind roomreel.TrackKind, number int) bool { return kind == roomreel.Audio && number == 1 }
			want := map[string][]string{
				"three.mkv": {"video track 1 (vp8)", `audio track 2 (opus, "bob")`},
				"three.mp4": {"video track 1 (h264)", "audio track 2 (aac)"},
				"two.ogg":   {"audio track 2 (opus)"},
			}[name]
			if d := cmp.Diff(want, first.LeftOut(used)); d != "" {
				t.Error(d)
			}
			if !ogg {
				if v := read(roomreel.Video, 1); !v.Video || v.Track != 1 || v.Start > 10*time.Millisecond || len(v.Packets) != 75 {
					t.Errorf("video track is number %d, begins at %v, has %d packets", v.Track, v.Start, len(v.Packets))
				}
				if x := read("", 2); !x.Video {
					t.Error("without a kind, track 2 is not the second track of the file")
				}
			}
			var e *roomreel.Error
			_, _, err := ReadTrack(bytes.NewReader(file), int64(len(file)), roomreel.Audio, 3)
			if !errors.As(err, &e) || e.Param != "Track" || e.Detail != "is 3, and the file has 2 audio tracks that can be read" {
				t.Errorf("for track 3: %v", err)
			}
		})
	}
}
