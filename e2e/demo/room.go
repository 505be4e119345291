package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// person is a participant: a video with a moving gradient and the name, and audio of repeated notes.
type person struct {
	name        string
	from, until int // seconds of room time
	size        string
	dark, light string // the two ends of a moving gradient
	note        float64
	tempo       float64 // notes per second
}

// people join and leave, so that the grid of the film changes. The video of Hedy is in portrait.
var people = []person{
	{"Ada", 0, 26, "640x480", "0x7a1020", "0xff7a60", 440, 1},
	{"Alan", 3, 26, "640x480", "0x0a3a7a", "0x60b0ff", 554.37, 1.5},
	{"Grace", 7, 18, "640x360", "0x0a5a2a", "0x80e080", 659.26, 2},
	{"Hedy", 12, 26, "360x640", "0x5a2a7a", "0xf0b0ff", 880, 0.75},
}

func roomLength() time.Duration {
	last := 0
	for _, p := range people {
		last = max(last, p.until)
	}
	return time.Duration(last) * time.Second
}

// makeRoom writes the recordings and the manifest. It returns the path of the manifest.
func makeRoom(ctx context.Context, folder string) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	type recording struct {
		File        string `json:"file"`
		Type        string `json:"type"`
		Participant string `json:"participant"`
		TrackName   string `json:"track_name"`
		Offset      int    `json:"offset_ms"`
	}
	manifest := struct {
		UniqueName string      `json:"unique_name"`
		Recordings []recording `json:"recordings"`
	}{UniqueName: "demo"}
	for _, p := range people {
		name := strings.ToLower(p.name)
		camera, microphone := name+"-camera", name+"-microphone"
		if err := ffmpeg(ctx, append([]string{"-f", "lavfi", "-i", p.videoFilter()}, append(likeBrowserVideo, filepath.Join(folder, camera+".mkv"))...)...); err != nil {
			return "", err
		}
		if err := ffmpeg(ctx, append([]string{"-f", "lavfi", "-i", p.audioFilter()}, append(likeBrowserAudio, "-f", "matroska", filepath.Join(folder, microphone+".mka"))...)...); err != nil {
			return "", err
		}
		manifest.Recordings = append(manifest.Recordings,
			recording{camera + ".mkv", "video", name, camera, p.from * 1000},
			recording{microphone + ".mka", "audio", name, microphone, p.from * 1000})
	}
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "room.json")
	return path, os.WriteFile(path, append(text, '\n'), 0o644)
}

// Browsers encode in real time. They send a keyframe only when a participant joins or loses packets.
var (
	likeBrowserVideo = strings.Fields("-c:v libvpx -deadline realtime -cpu-used 8 -b:v 700k -maxrate 900k -bufsize 1400k -g 100000 -threads 1")
	likeBrowserAudio = strings.Fields("-c:a libopus -b:a 32k -application voip")
)

func (p person) length() int { return p.until - p.from }

func (p person) videoFilter() string {
	return fmt.Sprintf("gradients=s=%s:r=30:d=%d:c0=%s:c1=%s:nb_colors=2:speed=0.04:seed=7,"+
		"drawtext=text=%s:fontcolor=white:fontsize=w/5:x=(w-text_w)/2+w/12*sin(1.3*t):y=(h-text_h)/2+h/9*cos(1.7*t):shadowx=4:shadowy=4,"+
		"drawtext=text='%%{pts\\:hms}':fontcolor=white:fontsize=w/20:x=w/40:y=h-2*text_h,format=yuv420p",
		p.size, p.length(), p.dark, p.light, p.name)
}

// audioFilter repeats a note that fades out.
func (p person) audioFilter() string {
	return fmt.Sprintf("aevalsrc='0.25*sin(2*PI*%g*t)*exp(-5*mod(t*%g,1))':s=48000:d=%d", p.note, p.tempo, p.length())
}

func ffmpeg(ctx context.Context, arguments ...string) error {
	arguments = append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, arguments...)
	if text, err := exec.CommandContext(ctx, "ffmpeg", arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg: %w\n%s", err, text)
	}
	return nil
}
