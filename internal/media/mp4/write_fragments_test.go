package mp4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/media"
)

func fragmented(t testing.TB, m Fragmented, tracks ...media.OutputTrack) (path string, film []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := m.Write(&b, tracks); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, b.Bytes()
}

func TestFragmented_PlaysAsTheFaststartFilmDoes(t *testing.T) {
	video, audio := videoH264(t, 153, 30000, 1001), audioAAC(t, "sin(2*PI*440*t)", 245000)
	path, b := fragmented(t, Fragmented{Length: time.Second}, video, audio)
	whole := write(t, video, audio)
	hashes := func(path string) (list []string) {
		for line := range strings.Lines(string(run(t, "ffmpeg", "-v", "error", "-xerror", "-i", path, "-map", "0:v", "-f", "framemd5", "-"))) {
			if columns := strings.Split(line, ","); len(columns) == 6 {
				list = append(list, columns[5])
			}
		}
		return list
	}
	if d := cmp.Diff(hashes(whole), hashes(path)); d != "" {
		t.Error(d)
	}
	pcm := func(path string) []byte {
		return run(t, "ffmpeg", "-v", "error", "-xerror", "-i", path, "-map", "0:a", "-f", "s16le", "-")
	}
	// ffmpeg gives the priming of fragmented files too, at negative times.
	const priming = 1024 * 2 * 2
	if got, want := pcm(path), pcm(whole); !bytes.Equal(got[priming:], want) {
		t.Errorf("%d bytes of audio after the priming, want %d", len(got)-priming, len(want))
	}
	var p struct{ Streams []struct{ Start_time string } }
	if err := json.Unmarshal(run(t, "ffprobe", "-v", "error", "-show_streams", "-of", "json", path), &p); err != nil {
		t.Fatal(err)
	}
	if p.Streams[0].Start_time != "0.000000" || p.Streams[1].Start_time != "-0.021333" {
		t.Errorf("%+v", p)
	}
	v, a := index(t, b, "video"), index(t, b, "audio")
	if len(v.Packets) != 153 || a.CodecDelay != 1024*time.Second/48000 || v.Start != 0 || a.Start != 0 {
		t.Errorf("%d frames, delay %v, starts %v and %v", len(v.Packets), a.CodecDelay, v.Start, a.Start)
	}
}

func TestFragments_AreSegmentsThatBeginWithAKeyframe(t *testing.T) {
	tests := map[string]struct {
		tracks []media.OutputTrack
		want   []string
	}{
		"video_and_audio": {[]media.OutputTrack{videoH264(t, 153, 25, 1), audioAAC(t, "sin(2*PI*440*t)", 293760)}, []string{"0s+2s", "2s+2s", "4s+2s", "6s+120ms"}},
		"audio":           {[]media.OutputTrack{audioAAC(t, "sin(2*PI*440*t)", 96000)}, []string{"0s+1.514666666s", "1.514666666s+485.333334ms"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := Fragmented{Length: 1500 * time.Millisecond}.Open(test.tracks)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			init := f.Init()
			var got []string
			total := 0
			for {
				var b bytes.Buffer
				fragment, err := f.Next(&b)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%v+%v", fragment.Start, fragment.Length))
				if fragment.Size != int64(b.Len()) {
					t.Errorf("a fragment of %d bytes says %d", b.Len(), fragment.Size)
				}
				// Each plays alone after the initialization segment.
				file := append(bytes.Clone(init), b.Bytes()...)
				x := index(t, file, "")
				if !x.Packets[0].Key || x.Truncated {
					t.Errorf("fragment %d: %+v", len(got), x.Packets[0])
				}
				total += len(x.Packets)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
			if want := len(f.w.tracks[0].Samples); total != want {
				t.Errorf("%d samples, want %d", total, want)
			}
		})
	}
}
