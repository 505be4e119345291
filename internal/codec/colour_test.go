package codec_test

import (
	"fmt"
	"math"
	"os/exec"
	"testing"

	"roomreel/internal/codec"
	"roomreel/internal/codec/codectest"
)

// patches is a source of 64 fields of 16x12 pixels in different colours, and after it the conversion to the matrix and range of
// a recording.
const patches = "-f lavfi -i color=black:s=128x96:r=25:d=0.08,format=gbrp,geq=r='85*mod(floor(X/16)\\,4)':g='85*mod(floor(Y/12)\\,4)':b='85*(floor(X/64)+2*floor(Y/48))'"

func patched(matrix, span, format, encoder string) string {
	return fmt.Sprintf("%s,scale=out_color_matrix=%s:out_range=%s:flags=accurate_rnd+full_chroma_int,format=%s %s", patches, matrix, span, format, encoder)
}

// shownBy returns the first frame of a file as ffmpeg shows it, by the file's tags or those given: rows of R, G, B.
func shownBy(t *testing.T, file, tags string, w, h int) []byte {
	t.Helper()
	filter := "scale=flags=accurate_rnd+full_chroma_int" + tags
	if tags != "" {
		filter = "setparams=colorspace=unknown," + filter // FFmpeg 7.1's scale refuses a tag that it does not know
	}
	rgb, err := exec.Command("ffmpeg", "-v", "error", "-i", file, "-vf", filter, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-").Output()
	if err != nil || len(rgb) != 3*w*h {
		t.Fatalf("%d bytes, %v", len(rgb), err)
	}
	return rgb
}

// rgbOf returns what a pixel of a canvas is in R, G and B.
func rgbOf(c *codec.Canvas, kr, kb float64, x, y int) [3]float64 {
	luma, u, v := c.At(x, y)
	grey, cb, cr := (float64(luma)-16)/219, (float64(u)-128)/224, (float64(v)-128)/224
	r, b := grey+2*(1-kr)*cr, grey+2*(1-kb)*cb
	rgb := [3]float64{r, (grey - kr*r - kb*b) / (1 - kr - kb), b}
	for i := range rgb {
		rgb[i] = math.Round(255 * min(max(rgb[i], 0), 1))
	}
	return rgb
}

var canvases = map[string]struct {
	colour codec.Colour
	kr, kb float64
}{
	"sd": {codec.Colour{Primaries: 6, Transfer: 6, Matrix: 6}, 0.299, 0.114},
	"hd": {codec.Colour{Primaries: 1, Transfer: 1, Matrix: 1}, 0.2126, 0.0722},
}

// drawn decodes a file's first frame, which its container describes, and draws it on a canvas.
func drawn(t *testing.T, file string, container, colour codec.Colour) *codec.Canvas {
	t.Helper()
	track := codectest.Read(t, file)
	d, err := codec.OpenVideoDecoder(track.Codec, track.Private)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Colour = container
	f := codec.NewFrame()
	defer f.Close()
	for _, p := range append(track.Packets, codectest.Packet{}) {
		if err := d.Send(p.Data, int64(p.Time)); err != nil {
			t.Fatal(err)
		}
		ok, err := d.Receive(f)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			break
		}
	}
	canvas, err := codec.NewCanvas(f.Width, f.Height)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(canvas.Close)
	canvas.SetColour(colour)
	if err := canvas.Draw(f, 0, 0, f.Width, f.Height); err != nil {
		t.Fatal(err)
	}
	return canvas
}

// furthest returns by how much a canvas differs from what ffmpeg shows of the source, in the middle of all patches.
func furthest(t *testing.T, canvas *codec.Canvas, kr, kb float64, want []byte) (most float64, at string) {
	t.Helper()
	for y := 6; y < 96; y += 12 {
		for x := 8; x < 128; x += 16 {
			got := rgbOf(canvas, kr, kb, x, y)
			for i, v := range want[3*(y*128+x):][:3] {
				if off := math.Abs(got[i] - float64(v)); off > most {
					most, at = off, fmt.Sprintf("%d,%d is %v, ffmpeg shows %v", x, y, got, want[3*(y*128+x):][:3])
				}
			}
		}
	}
	return most, at
}

func TestCanvas_ShowsTheColoursOfEveryMatrixAndRange(t *testing.T) {
	codectest.NoLeaks(t)
	const x264, vp9 = "-c:v libx264 -preset ultrafast -crf 8", "-c:v libvpx-vp9 -b:v 4M -cpu-used 8 -deadline realtime"
	for _, test := range []struct{ matrix, span, format, encoder string }{
		{"bt601", "tv", "yuv420p", x264 + " -colorspace smpte170m"},
		{"bt601", "tv", "yuv420p", x264 + " -colorspace bt470bg"},
		{"bt601", "tv", "yuv420p", x264},
		{"bt601", "tv", "yuv420p10le", x264 + " -colorspace smpte170m"},
		{"bt601", "pc", "yuv420p", x264 + " -colorspace smpte170m -color_range pc"},
		{"bt601", "pc", "yuv420p10le", x264 + " -colorspace smpte170m -color_range pc"},
		{"bt709", "tv", "yuv420p", x264 + " -colorspace bt709"},
		{"bt709", "tv", "yuv422p", x264 + " -colorspace bt709"},
		{"bt709", "tv", "yuv444p", x264 + " -colorspace bt709"},
		{"bt709", "tv", "yuv420p10le", x264 + " -colorspace bt709"},
		{"bt709", "pc", "yuv420p", x264 + " -colorspace bt709 -color_range pc"},
		{"bt709", "pc", "yuv420p10le", x264 + " -colorspace bt709 -color_range pc"},
		{"fcc", "tv", "yuv420p", x264 + " -colorspace fcc"},
		{"smpte240m", "tv", "yuv420p", x264 + " -colorspace smpte240m"},
		{"bt2020", "tv", "yuv420p10le", x264 + " -colorspace bt2020nc"},
		{"bt601", "tv", "yuv420p", vp9 + " -colorspace smpte170m"},
		{"bt709", "tv", "yuv420p", vp9 + " -colorspace bt709"},
		{"bt709", "pc", "yuv444p", vp9 + " -colorspace bt709 -color_range pc"},
		{"bt709", "tv", "yuv420p10le", vp9 + " -colorspace bt709"},
		{"bt709", "tv", "yuv420p12le", vp9 + " -colorspace bt709"},
		{"bt2020", "tv", "yuv444p12le", vp9 + " -colorspace bt2020nc"},
		{"bt601", "pc", "gray", x264 + " -color_range pc"},
		{"bt709", "tv", "gbrp", vp9},
		{"bt709", "tv", "gbrp10le", vp9},
		{"bt709", "tv", "rgb24", "-c:v libx264rgb -preset ultrafast -crf 8"},
	} {
		file := codectest.File(t, patched(test.matrix, test.span, test.format, test.encoder))
		want := shownBy(t, file, "", 128, 96)
		for name, to := range canvases {
			canvas := drawn(t, file, codec.Colour{}, to.colour)
			off, at := furthest(t, canvas, to.kr, to.kb, want)
			t.Logf("%s %s %s %.14s on %s: %v", test.matrix, test.span, test.format, test.encoder, name, off)
			if off > 3 {
				t.Errorf("%s %s %s %s on %s is %v off: %s", test.matrix, test.span, test.format, test.encoder, name, off, at)
			}
		}
	}
}

// The stream comes before the container, and BT.601 in limited range is the default. For VP8 the container comes first, as in
// Chromium, because VP8 says nothing itself.
func TestVideoDecoder_BelievesTheStreamThenTheContainer(t *testing.T) {
	codectest.NoLeaks(t)
	const x264, vp8, vp9 = "-c:v libx264 -preset ultrafast -crf 8 ", "-c:v libvpx -b:v 4M ", "-c:v libvpx-vp9 -b:v 4M -cpu-used 8 -deadline realtime "
	const untagged = " -bsf:v h264_metadata=matrix_coefficients=2:video_full_range_flag=0"
	bt601, bt709 := codec.Colour{Primaries: 6, Transfer: 6, Matrix: 6}, codec.Colour{Primaries: 1, Transfer: 1, Matrix: 1}
	for _, test := range []struct {
		matrix, span, encoder string
		container             codec.Colour
	}{
		{"bt709", "tv", x264 + "-colorspace bt709", bt601},
		{"bt709", "tv", x264 + untagged, bt709},
		{"bt601", "tv", x264 + untagged, codec.Colour{}},
		{"bt601", "tv", x264 + untagged, codec.Colour{Matrix: 200}},
		{"bt601", "tv", x264 + "-bsf:v h264_metadata=matrix_coefficients=8:video_full_range_flag=0", codec.Colour{}},
		{"bt709", "tv", x264 + "-bsf:v h264_metadata=matrix_coefficients=8:video_full_range_flag=0", bt709},
		{"bt601", "pc", x264 + "-colorspace smpte170m -color_range pc", bt709},
		{"bt709", "tv", vp9 + "-colorspace bt709", bt601},
		{"bt709", "tv", vp9 + "-colorspace unknown", bt709},
		{"bt601", "tv", vp9 + "-colorspace unknown", codec.Colour{}},
		{"bt709", "tv", vp8, bt709},
		{"bt601", "tv", vp8, codec.Colour{}},
		{"bt601", "pc", vp8, codec.Colour{Matrix: 6, Full: true}},
	} {
		file := codectest.File(t, patched(test.matrix, test.span, "yuv420p", test.encoder))
		want := shownBy(t, file, ":in_color_matrix="+test.matrix+":in_range="+test.span, 128, 96)
		for name, to := range canvases {
			canvas := drawn(t, file, test.container, to.colour)
			if off, at := furthest(t, canvas, to.kr, to.kb, want); off > 3 {
				t.Errorf("%s %s, %s, in a container of %+v, on %s is %v off: %s", test.matrix, test.span, test.encoder, test.container, name, off, at)
			}
		}
	}
}

// BenchmarkCanvas_Draw draws a webcam's frame into a quarter of a canvas of 1280x720.
func BenchmarkCanvas_Draw(b *testing.B) {
	track := codectest.Make(b, "-f lavfi -i testsrc2=s=640x480:r=25:d=0.04 -c:v libvpx -b:v 4M")
	for name, to := range canvases {
		b.Run(name, func(b *testing.B) {
			canvas, err := codec.NewCanvas(1280, 720)
			if err != nil {
				b.Fatal(err)
			}
			defer canvas.Close()
			canvas.SetColour(to.colour)
			decode(b, track, func(f *codec.Frame) {
				for b.Loop() {
					if err := canvas.Draw(f, 80, 0, 480, 360); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
