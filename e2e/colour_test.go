package e2e

import (
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"roomreel/e2e/fixture"
)

// tagged is a recording of four coloured quarters, by the matrix, range and format of its samples.
type tagged struct{ matrix, span, format, output string }

// make writes the recording to a file.
func (r tagged) make(t *testing.T, path string) {
	graph := "color=0xfa0000:s=160x120:r=25:d=1[a];color=0x00fa00:s=160x120:r=25:d=1[b];color=0x0000fa:s=160x120:r=25:d=1[c];color=0xc89678:s=160x120:r=25:d=1[d];" +
		"[a][b][c][d]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0,format=gbrp," +
		fmt.Sprintf("scale=out_color_matrix=%s:out_range=%s:flags=accurate_rnd+full_chroma_int,format=%s", r.matrix, r.span, r.format)
	fixture.FFmpeg(t, append(append([]string{"-f", "lavfi", "-i", graph}, strings.Fields(r.output)...), "-color_range", r.span, path)...)
}

// shown returns what ffmpeg shows of the frame at half a second, by the tags of the file: red, green and blue of each point.
func shown(t *testing.T, path string, width int, points []image.Point) [][3]int {
	t.Helper()
	rgb, err := exec.Command("ffmpeg", "-v", "error", "-ss", "0.5", "-i", path, "-vf", "scale=flags=accurate_rnd+full_chroma_int", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-").Output()
	colours := make([][3]int, len(points))
	for i, p := range points {
		at := 3 * (p.Y*width + p.X)
		if err != nil || at+3 > len(rgb) {
			t.Fatalf("%s shows %d bytes: %v", path, len(rgb), err)
		}
		for c := range colours[i] {
			colours[i][c] = int(rgb[at+c])
		}
	}
	return colours
}

// TestCompose_ShowsColoursAsPlayersDo composes recordings of every matrix, range and depth into one film of each size and format.
func TestCompose_ShowsColoursAsPlayersDo(t *testing.T) {
	fixture.Need(t, "ffmpeg")
	const near = 3 // of 255
	dir := t.TempDir()
	var all []tagged
	for _, matrix := range [][2]string{{"bt601", "smpte170m"}, {"bt709", "bt709"}} {
		for _, span := range []string{"tv", "pc"} {
			for _, format := range []string{"yuv420p", "yuv420p10le"} {
				all = append(all, tagged{matrix[0], span, format, "-c:v libx264 -crf 10 -colorspace " + matrix[1]})
			}
		}
	}
	all = append(all,
		tagged{"bt709", "tv", "yuv420p", "-c:v libvpx-vp9 -b:v 2M -cpu-used 8 -deadline realtime -colorspace bt709"},
		tagged{"bt601", "tv", "yuv420p", "-c:v libvpx -b:v 2M"},
	)
	var want [][][3]int
	var entries []string
	for i, r := range all {
		file := fmt.Sprintf("%d.mkv", i)
		r.make(t, filepath.Join(dir, file))
		want = append(want, shown(t, filepath.Join(dir, file), 320, []image.Point{{80, 60}, {240, 60}, {80, 180}, {240, 180}}))
		entries = append(entries, fmt.Sprintf(`{"file": %q, "type": "video", "participant": "p%d", "track_name": "t%[2]d", "offset_ms": 0}`, file, i))
	}
	manifest := filepath.Join(dir, "room.json")
	if err := os.WriteFile(manifest, []byte(`{"recordings": [`+strings.Join(entries, ",")+`]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, film := range []struct {
		name   string
		w, h   int
		colour string
	}{
		{"sd.mp4", 1278, 718, "smpte170m"},
		{"hd.mp4", 1280, 720, "bt709"},
		{"sd.webm", 1278, 718, "smpte170m"},
		{"hd.webm", 1280, 720, "smpte170m"}, // VP8 knows BT.601 only
	} {
		t.Run(film.name, func(t *testing.T) {
			columns, w, h := 5, film.w/5&^1, film.h/2&^1
			var regions []string
			for i := range all {
				regions = append(regions, fmt.Sprintf(`"r%d": {"video_sources": ["t%[1]d"], "x_pos": %d, "y_pos": %d, "width": %d, "height": %d, "max_columns": 1, "max_rows": 1}`,
					i, i%columns*w, i/columns*h, w, h))
			}
			layout, out := filepath.Join(dir, "layout.json"), filepath.Join(dir, film.name)
			if err := os.WriteFile(layout, []byte("{"+strings.Join(regions, ",")+"}"), 0o644); err != nil {
				t.Fatal(err)
			}
			roomreel(t, "compose", "--room", manifest, "--layout", layout, "--resolution", fmt.Sprintf("%dx%d", film.w, film.h), "-o", out)
			checkColours(t, out, film.colour)
			for i, r := range all {
				x, y, fit := i%columns*w, i/columns*h+h/2, w*3/4 // the height of 4:3 in the cell
				got := shown(t, out, film.w, []image.Point{{x + w/4, y - fit/4}, {x + w*3/4, y - fit/4}, {x + w/4, y + fit/4}, {x + w*3/4, y + fit/4}})
				for q := range got {
					for c := range got[q] {
						if off := got[q][c] - want[i][q][c]; off > near || off < -near {
							t.Errorf("%+v: quarter %d is %v, and a player shows %v", r, q, got[q], want[i][q])
							break
						}
					}
				}
			}
		})
	}
}
