package fidelity

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roomreel/e2e/fixture"
)

// patches are the colours of a recording, in two rows of four. No channel is at its end, because codecs would clip there.
var patches = [][3]uint8{
	{240, 20, 20},
	{20, 240, 20},
	{20, 20, 240},
	{235, 215, 25},
	{128, 128, 128},
	{24, 24, 24},
	{230, 230, 230},
	{200, 120, 80},
}

// A colouring says what the samples of a recording mean, and how they are stored.
type colouring struct {
	codec  string
	matrix string // 601 or 709
	full   bool   // range
	bits   int
	canvas image.Point
}

func (c colouring) String() string {
	return fmt.Sprintf("%s BT.%s %s range %d bits in %dx%d", c.codec, c.matrix, map[bool]string{true: "full", false: "limited"}[c.full], c.bits, c.canvas.X, c.canvas.Y)
}

// Words of ffmpeg and zscale for a matrix.
var (
	tagWords   = map[string]string{"601": "smpte170m", "709": "bt709"}
	scaleWords = map[string]string{"601": "170m", "709": "709"}
)

// make writes a recording of the patches.
func (c colouring) make(t *testing.T, path string) {
	t.Helper()
	graph, inputs := "", ""
	for i, p := range patches {
		graph += fmt.Sprintf("color=0x%02x%02x%02x:s=160x180:r=5:d=1,format=gbrp[c%d];", p[0], p[1], p[2], i)
		inputs += fmt.Sprintf("[c%d]", i)
	}
	scaleRange, tagRange := "limited", "tv"
	if c.full {
		scaleRange, tagRange = "full", "pc"
	}
	format := map[int]string{8: "yuv420p", 10: "yuv420p10le"}[c.bits]
	graph += inputs + "xstack=inputs=8:layout=0_0|w0_0|w0+w0_0|w0+w0+w0_0|0_h0|w0_h0|w0+w0_h0|w0+w0+w0_h0,"
	graph += fmt.Sprintf("zscale=matrixin=gbr:rangein=full:matrix=%s:range=%s:primariesin=709:transferin=709:primaries=709:transfer=709,format=%s,setparams=color_primaries=%s:color_trc=%[4]s:colorspace=%[4]s:range=%[5]s",
		scaleWords[c.matrix], scaleRange, format, tagWords[c.matrix], tagRange)
	encoder := map[string][]string{
		"h264": {"-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-g", "5", "-bf", "0"},
		"vp9":  {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "2", "-b:v", "0"},
		"vp8":  {"-c:v", "libvpx", "-deadline", "realtime", "-qmin", "1", "-qmax", "4", "-b:v", "20M"},
	}[c.codec]
	fixture.FFmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", graph}, encoder, []string{
		"-color_primaries", tagWords[c.matrix], "-color_trc", tagWords[c.matrix], "-colorspace", tagWords[c.matrix], "-color_range", tagRange, path,
	})...)
}

// shownColours decodes the last frame of a file to RGB, as its tags say, and returns the mean colour in the middle of each
// patch. Without a tag, players take video of 720 rows or more for BT.709. If managed is set, the primaries are converted to
// those of BT.709, too.
func shownColours(tb testing.TB, path string, managed bool) (list [][3]float64, tags string) {
	tb.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json", "-show_entries",
		"stream=width,height,color_range,color_space,color_primaries", path).Output()
	if err != nil {
		tb.Fatal(err)
	}
	var probe struct {
		Streams []struct {
			Width, Height int
			Range         string `json:"color_range"`
			Space         string `json:"color_space"`
			Primaries     string `json:"color_primaries"`
		}
	}
	if err := json.Unmarshal(out, &probe); err != nil || len(probe.Streams) != 1 {
		tb.Fatalf("ffprobe printed %s: %v", out, err)
	}
	s := probe.Streams[0]
	byMatrix := map[string]string{"bt709": "709", "smpte170m": "601", "bt470bg": "601"}
	matrix, ok := byMatrix[s.Space]
	if !ok {
		matrix = map[bool]string{true: "709", false: "601"}[s.Height >= 720]
	}
	primaries, ok := byMatrix[s.Primaries]
	if !ok {
		primaries = matrix
	}
	depth := map[bool]string{true: "full", false: "limited"}[s.Range == "pc"]
	filter := fmt.Sprintf("zscale=matrixin=%s:rangein=%s:matrix=gbr:range=full:primariesin=709:transferin=709:primaries=709:transfer=709,format=gbrp", scaleWords[matrix], depth)
	if managed {
		filter = strings.Replace(filter, "primariesin=709", "primariesin="+scaleWords[primaries], 1)
	}
	pipe := fixture.Decode(tb, path, "-map", "0:v:0", "-vf", "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown:range=unknown,"+filter, "-f", "rawvideo", "-")
	defer pipe.Close(tb)
	var planes [3]*image.Gray
	for i := range planes {
		planes[i] = image.NewGray(image.Rect(0, 0, s.Width, s.Height))
	}
	for frames := 0; ; frames++ { // an encoder needs some frames until a still image has its quality
		_, err := io.ReadFull(pipe, planes[1].Pix) // planes are green, blue, red
		if errors.Is(err, io.EOF) && frames > 0 {
			break
		}
		if err == nil {
			_, err = io.ReadFull(pipe, planes[2].Pix)
		}
		if err == nil {
			_, err = io.ReadFull(pipe, planes[0].Pix)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	for i := range patches {
		at := image.Pt(i%4*s.Width/4, i/4*s.Height/2)
		r := image.Rectangle{at, at.Add(image.Pt(s.Width/4, s.Height/2))}.Inset(s.Height / 8)
		var colour [3]float64
		for c, plane := range planes {
			sum := 0
			for y := r.Min.Y; y < r.Max.Y; y++ {
				for x := r.Min.X; x < r.Max.X; x++ {
					sum += int(plane.GrayAt(x, y).Y)
				}
			}
			colour[c] = float64(sum) / float64(r.Dx()*r.Dy())
		}
		list = append(list, colour)
	}
	return list, fmt.Sprintf("%s %s %s", s.Space, s.Range, s.Primaries)
}

// differ returns the largest difference of two lists of colours in any channel, and at which patch it is.
func differ(a, b [][3]float64) (most float64, patch int) {
	for i := range a {
		for c := range 3 {
			if d := max(a[i][c]-b[i][c], b[i][c]-a[i][c]); d > most {
				most, patch = d, i
			}
		}
	}
	return most, patch
}

func TestColour(t *testing.T) {
	t.Parallel()
	sd, hd := image.Pt(640, 360), image.Pt(1280, 720)
	cases := []colouring{
		{"h264", "601", false, 8, sd},
		{"h264", "709", false, 8, sd},
		{"vp9", "709", true, 8, sd},
		{"vp9", "709", false, 10, sd},
		{"h264", "601", false, 8, hd},
		{"h264", "709", false, 8, hd},
	}
	formats := []string{"mp4"}
	if long {
		cases, formats = nil, []string{"mp4", "webm"}
		for _, canvas := range []image.Point{sd, hd} {
			for _, codec := range []string{"h264", "vp9"} {
				for _, matrix := range []string{"601", "709"} {
					for _, full := range []bool{false, true} {
						for _, bits := range []int{8, 10} {
							cases = append(cases, colouring{codec, matrix, full, bits, canvas})
						}
					}
				}
			}
			cases = append(cases, colouring{"vp8", "601", false, 8, canvas})
		}
	}
	worst, worstManaged, worstCase := 0.0, 0.0, ""
	within := 0
	for _, c := range cases {
		dir := t.TempDir()
		recording := filepath.Join(dir, "camera.mkv")
		c.make(t, recording)
		for _, format := range formats {
			film, _ := compose(t, oneCamera(t, dir, "camera.mkv"), dir+"/film."+format, "--resolution", fmt.Sprintf("%dx%d", c.canvas.X, c.canvas.Y))
			want, tags := shownColours(t, recording, false)
			got, filmTags := shownColours(t, film.Path, false)
			off, patch := differ(got, want)
			managedWant, _ := shownColours(t, recording, true)
			managedGot, _ := shownColours(t, film.Path, true)
			managed, _ := differ(managedGot, managedWant)
			t.Logf("%s %v (%s -> %s): %.1f off at %v: %.0f instead of %.0f; %.1f with primaries", format, c, tags, filmTags, off, patches[patch], got[patch], want[patch], managed)
			if off > 3 {
				t.Errorf("%s %v: colours are up to %.1f off", format, c, off)
			} else {
				within++
			}
			worstManaged = max(worstManaged, managed)
			if off > worst {
				worst, worstCase = off, fmt.Sprint(format, " ", c)
			}
		}
	}
	record(t, "colour", "%d of %d films within 3; at most %.1f of 255 off (%s); %.1f where a player converts primaries too", within, len(cases)*len(formats), worst, worstCase, worstManaged)
}
