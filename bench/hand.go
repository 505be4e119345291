package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// film says how a room is shown.
type film struct {
	w, h, fps int
	format    string // mp4 or webm
	cells     []cell // by camera; none is a film without video
}

type cell struct{ x, y, w, h int }

// grid fills a canvas with equal cells, row by row.
func grid(w, h, columns, rows int) (cells []cell) {
	for i := range columns * rows {
		cells = append(cells, cell{i % columns * w / columns &^ 1, i / columns * h / rows &^ 1, w / columns &^ 1, h / rows &^ 1})
	}
	return cells
}

// layout returns the VideoLayout that shows each camera in its cell.
func (f film) layout(r *room) string {
	regions := map[string]any{}
	for i, c := range f.cells {
		regions["person"+strconv.Itoa(i)] = map[string]any{
			"video_sources": []string{r.cameras[i].TrackName}, "x_pos": c.x, "y_pos": c.y, "width": c.w, "height": c.h, "max_columns": 1, "max_rows": 1,
		}
	}
	text, _ := json.Marshal(regions) // maps of plain values cannot fail
	return string(text)
}

// rule says which frame of a source is shown when, and how it is scaled.
type rule struct{ fps, scale string }

// ffmpegRule is ffmpeg's: the nearest frame, bicubic.
var ffmpegRule rule

// roomreelRule is that of roomreel: the newest frame that is not later, scaled as libyuv does, in the matrix of the film.
func roomreelRule(f film) rule {
	r := rule{":round=up", ":flags=bilinear"}
	if f.format == "mp4" && f.h >= 720 {
		r.scale += ":in_color_matrix=bt601:out_color_matrix=bt709"
	}
	return r
}

// graph returns ffmpeg's inputs and the filters that scale and pad each video and stack them, with the result as [v]. Late
// participants are preceded by black. The inputs' numbers begin at first.
func (f film) graph(r *room, by rule, first int) (inputs []string, filters string) {
	var graph, videos, layout []string
	for i, c := range f.cells {
		camera := r.cameras[i]
		inputs = append(inputs, "-i", camera.path)
		layout = append(layout, fmt.Sprintf("%d_%d", c.x, c.y))
		graph = append(graph, fmt.Sprintf("[%d:v]setpts=PTS-STARTPTS,fps=%d%s,scale=%d:%d:force_original_aspect_ratio=decrease%s,pad=%[4]d:%[5]d:-1:-1,setsar=1,tpad=start_duration=%[7]dms[v%[8]d]",
			first+i, f.fps, by.fps, c.w, c.h, by.scale, camera.Offset, i))
		videos = append(videos, fmt.Sprintf("[v%d]", i))
	}
	graph = append(graph, fmt.Sprintf("%sxstack=inputs=%d:layout=%s[v]", strings.Join(videos, ""), len(f.cells), strings.Join(layout, "|")))
	return inputs, strings.Join(graph, ";")
}

// byHand returns the ffmpeg command that a user writes who knows ffmpeg: one graph of all sources.
func (f film) byHand(r *room, out string, encode ...string) []string {
	var arguments, graph, maps []string
	if len(f.cells) > 0 {
		inputs, filters := f.graph(r, ffmpegRule, 0)
		arguments, graph, maps = inputs, []string{filters}, []string{"-map", "[v]"}
	}
	var audios string
	for i, microphone := range r.microphones {
		arguments = append(arguments, "-i", microphone.path)
		graph = append(graph, fmt.Sprintf("[%d:a]adelay=%d:all=1[a%d]", len(f.cells)+i, microphone.Offset, i))
		audios += fmt.Sprintf("[a%d]", i)
	}
	graph = append(graph, fmt.Sprintf("%samix=inputs=%d:normalize=0[a]", audios, len(r.microphones)))
	arguments = append(arguments, "-filter_complex", strings.Join(graph, ";"))
	arguments = append(append(arguments, maps...), "-map", "[a]")
	return ffmpegCommand(append(append(arguments, encode...), out)...)
}

var ssimAll = regexp.MustCompile(`All:([0-9.]+)`)

// ssim compares a film, frame by frame, with the same sources composed without loss. Each film is compared with what was composed by
// its own rule, so that the result shows the loss of the encoder only.
func ssim(ctx context.Context, path string, f film, r *room, by rule) (float64, error) {
	inputs, filters := f.graph(r, by, 1)
	line := append([]string{"ffmpeg", "-hide_banner", "-nostdin", "-i", path}, inputs...)
	line = append(line, "-filter_complex", filters+fmt.Sprintf(";[0:v]setpts=N/%d/TB[film];[v]setpts=N/%[1]d/TB[whole];[film][whole]ssim=shortest=1[out]", f.fps),
		"-map", "[out]", "-f", "null", "-")
	out, err := exec.CommandContext(ctx, line[0], line[1:]...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("ssim of %s: %w\n%s", path, err, out)
	}
	found := ssimAll.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("ssim of %s: ffmpeg printed none", path)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
