package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	width, height = 1280, 720
	peopleCount   = 4
	joinInterval  = 2 // seconds

	// makeRoomScript makes the reference room from real webcam video. It exists only beside some checkouts.
	makeRoomScript = "../shared/tools/make-room.sh"
)

// room is the reference room. Four participants join two seconds apart, each with a webcam (640x480, 30 frames per second, VP8
// with one keyframe) and a microphone (Opus).
type room struct {
	manifest string
	people   []pair
}

// pair is one person's camera and microphone.
type pair struct {
	camera, microphone string // paths
	name               string // track name of the camera
	offset             int    // milliseconds
}

// openRoom reads the room in a folder. It makes the room if there is none.
func openRoom(ctx context.Context, folder string) (room, error) {
	r := room{manifest: filepath.Join(folder, "room.json")}
	if _, err := os.Stat(r.manifest); err != nil {
		if err := makeRoom(ctx, folder); err != nil {
			return r, err
		}
	}
	text, err := os.ReadFile(r.manifest)
	if err != nil {
		return r, err
	}
	var manifest struct {
		Recordings []struct {
			File      string `json:"file"`
			Type      string `json:"type"`
			TrackName string `json:"track_name"`
			Offset    int    `json:"offset_ms"`
		} `json:"recordings"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return r, err
	}
	for _, recording := range manifest.Recordings {
		path := filepath.Join(folder, recording.File)
		if recording.Type == "video" {
			r.people = append(r.people, pair{camera: path, name: recording.TrackName, offset: recording.Offset})
		} else {
			r.people[len(r.people)-1].microphone = path
		}
	}
	if len(r.people) != peopleCount {
		return r, fmt.Errorf("%s has %d people, the layout needs %d", r.manifest, len(r.people), peopleCount)
	}
	return r, nil
}

func makeRoom(ctx context.Context, folder string) error {
	if _, err := os.Stat(makeRoomScript); err == nil {
		output, err := exec.CommandContext(ctx, makeRoomScript, folder, strconv.Itoa(*length), strconv.Itoa(peopleCount)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", makeRoomScript, err, output)
		}
		return nil
	}
	fmt.Println("there is no webcam video here; the room is made of test patterns with noise, which compress differently")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var entries []string
	for i := range peopleCount {
		name, offset := fmt.Sprintf("guest%d", i+1), i*joinInterval
		seconds := *length - offset
		if err := ffmpeg(ctx, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=640x480:r=30:d=%d,hue=h=%d,noise=alls=6:allf=t,format=yuv420p", seconds, i*90),
			"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "6", "-b:v", "700k", "-maxrate", "900k", "-bufsize", "1400k", "-g", "100000", "-threads", "1",
			filepath.Join(folder, name+"-camera.mkv")); err != nil {
			return err
		}
		if err := ffmpeg(ctx, "-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='0.3*sin(2*PI*%d*t)*gt(sin(4*t),0)':s=48000:d=%d", 180+40*i, seconds),
			"-c:a", "libopus", "-b:a", "32k", "-application", "voip", filepath.Join(folder, name+"-microphone.mka")); err != nil {
			return err
		}
		for _, kind := range []string{"camera.mkv video", "microphone.mka audio"} {
			file, kind, _ := strings.Cut(kind, " ")
			track, _, _ := strings.Cut(file, ".")
			entries = append(entries, fmt.Sprintf(`{"file": "%s-%s", "type": "%s", "participant": "%[1]s", "track_name": "%[1]s-%[4]s", "offset_ms": %[5]d}`,
				name, file, kind, track, offset*1000))
		}
	}
	text := `{"unique_name": "reference-room", "recordings": [` + strings.Join(entries, ",\n") + "]}\n"
	return os.WriteFile(filepath.Join(folder, "room.json"), []byte(text), 0o644)
}

// corner returns the position of person i in both films.
func corner(i int) (x, y int) { return i % 2 * width / 2, i / 2 * height / 2 }

// layout has the same positions as the command by hand.
func (r room) layout() []byte {
	regions := map[string]any{}
	for i, p := range r.people {
		x, y := corner(i)
		regions["person"+strconv.Itoa(i)] = map[string]any{
			"video_sources": []string{p.name}, "x_pos": x, "y_pos": y, "width": width / 2, "height": height / 2, "max_columns": 1, "max_rows": 1,
		}
	}
	text, _ := json.Marshal(regions) // maps of plain values cannot fail
	return text
}

// byHand returns the ffmpeg arguments that users write today: scale and pad each video, stack them, mix the audio. Late
// participants are preceded by black frames and silence.
func (r room) byHand(out string, encode ...string) []string {
	return r.ffmpeg(ffmpegRule, out, encode...)
}

// rule says which frame of a source is shown when, and how it is scaled. Each film is compared with a lossless film that was
// made by the same rule, so that the SSIM shows the loss of the encoder only.
type rule struct{ fps, scale string }

var (
	ffmpegRule = rule{} // the nearest frame, bicubic
	// The newest frame that is not later, scaled as libyuv does, in the matrix of an HD film.
	roomreelRule = rule{":round=up", ":flags=bilinear:in_color_matrix=bt601:out_color_matrix=bt709"}
)

func (r room) ffmpeg(by rule, out string, encode ...string) []string {
	var arguments, graph []string
	var videos, audios, layout []string
	silent := strings.Contains(strings.Join(encode, " "), "-an")
	for i, p := range r.people {
		x, y := corner(i)
		layout = append(layout, fmt.Sprintf("%d_%d", x, y))
		arguments = append(arguments, "-i", p.camera, "-i", p.microphone)
		graph = append(graph, fmt.Sprintf("[%d:v]setpts=PTS-STARTPTS,fps=25%s,scale=%d:%d:force_original_aspect_ratio=decrease%s,pad=%[3]d:%[4]d:-1:-1,tpad=start_duration=%[6]dms[v%[7]d]",
			2*i, by.fps, width/2, height/2, by.scale, p.offset, i))
		videos = append(videos, fmt.Sprintf("[v%d]", i))
		if !silent {
			graph = append(graph, fmt.Sprintf("[%d:a]adelay=%d:all=1[a%d]", 2*i+1, p.offset, i))
			audios = append(audios, fmt.Sprintf("[a%d]", i))
		}
	}
	graph = append(graph, fmt.Sprintf("%sxstack=inputs=%d:layout=%s[v]", strings.Join(videos, ""), len(r.people), strings.Join(layout, "|")))
	maps := []string{"-map", "[v]"}
	if !silent {
		graph = append(graph, fmt.Sprintf("%samix=inputs=%d:normalize=0[a]", strings.Join(audios, ""), len(r.people)))
		maps = append(maps, "-map", "[a]")
	}
	arguments = append(arguments, "-filter_complex", strings.Join(graph, ";"))
	return append(append(append(arguments, maps...), encode...), out)
}
