package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	width, height, fps = 1280, 720, 25

	// browser is how WebRTC encodes a camera or a screen.
	browser = "-c:v libvpx -deadline realtime -cpu-used 6 -b:v 700k -maxrate 900k -bufsize 1400k -g 100000 -threads 1"
)

// film is a film before it is encoded: frames one after another in a file.
type film struct{ name, frames string }

// input returns ffmpeg's arguments that read the film, and more.
func (f film) input(more ...string) []string {
	return append([]string{
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", width, height), "-r", strconv.Itoa(fps), "-threads", "1", "-filter_threads", "1", "-i", f.frames,
	}, more...)
}

// makeFilms draws two films as roomreel draws them, from recordings as browsers make them: a grid of four webcams; and a shared screen
// whose text scrolls every 4 s, with two webcams of 15 frames per second and two that stopped beside it.
func makeFilms(ctx context.Context, work string) ([]film, error) {
	footage, err := filepath.Glob(filepath.Join(*clips, "*.mkv"))
	if err != nil {
		return nil, err
	}
	if len(footage) < 2 {
		return nil, fmt.Errorf("there are fewer than two clips in %q", *clips)
	}
	record := func(name string, input []string, filter string) (string, error) {
		path := filepath.Join(work, name+".mkv")
		arguments := append(append(input, "-vf", filter, "-t", strconv.Itoa(*seconds)), strings.Fields(browser)...)
		_, err := run(ctx, append(arguments, path)...)
		return path, err
	}
	var cameras, slow []string
	for i := range 4 {
		input := []string{"-i", footage[i%len(footage)]}
		const again = "split[a][b];[b]reverse[r];[a][r]concat,loop=loop=-1:size=2000,scale=640:480,fps=" // forwards and backwards
		camera, err := record(fmt.Sprintf("camera%d", i), input, again+"30")
		if err != nil {
			return nil, err
		}
		cameras = append(cameras, camera)
		filter := again + "15"
		if i >= 2 {
			filter = "fps=30,scale=640:480,loop=loop=-1:size=1:start=30"
		}
		if camera, err = record(fmt.Sprintf("slow%d", i), input, filter); err != nil {
			return nil, err
		}
		slow = append(slow, camera)
	}
	page := fmt.Sprintf("drawtext=fontfile=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:textfile=%s:fontsize=16:line_spacing=6:fontcolor=0x202020:expansion=none:x=30:y=20-240*floor(t/4)", *text)
	screen, err := record("screen", []string{"-f", "lavfi", "-i", fmt.Sprintf("color=0xf4f4f4:s=%dx%d:r=5", width, height)}, page)
	if err != nil {
		return nil, err
	}
	grid, still := film{"four webcams", filepath.Join(work, "grid.yuv")}, film{"screen and webcams, most stands still", filepath.Join(work, "still.yuv")}
	if err := draw(ctx, grid.frames, cameras, "640:360", "0_0|640_0|0_360|640_360"); err != nil {
		return nil, err
	}
	return []film{grid, still}, draw(ctx, still.frames, append(slow, screen), "320:180", "960_0|960_180|960_360|960_540|0_90")
}

// draw draws recordings in cells of one size; a fifth is a screen of 960x540.
func draw(ctx context.Context, frames string, recordings []string, size, places string) error {
	var arguments, graph, stacked []string
	for i, path := range recordings {
		if i == 4 {
			size = "960:540"
		}
		arguments = append(arguments, "-i", path)
		graph = append(graph, fmt.Sprintf("[%d:v]fps=%d:round=up,scale=%s:force_original_aspect_ratio=decrease:flags=bilinear:in_color_matrix=bt601:out_color_matrix=bt709,pad=%[3]s:-1:-1,setsar=1[v%[1]d]", i, fps, size))
		stacked = append(stacked, fmt.Sprintf("[v%d]", i))
	}
	graph = append(graph, fmt.Sprintf("%sxstack=inputs=%d:layout=%s,pad=%d:%d,trim=end_frame=%d", strings.Join(stacked, ""), len(recordings), places, width, height, *seconds*fps))
	arguments = append(arguments, "-filter_complex", strings.Join(graph, ";"), "-f", "rawvideo", "-pix_fmt", "yuv420p", frames)
	_, err := run(ctx, arguments...)
	return err
}
