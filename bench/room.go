package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// spec describes a room. Its recordings are as browsers make them: VP8 at a constant bitrate with one keyframe, and Opus of one
// channel. Rooms of equal specs are made once.
type spec struct {
	name        string
	seconds     int
	loops       int // how often the recordings are repeated, packet by packet; 0 and 1 are once
	cameras     []camera
	microphones int // microphones
	joins       int // milliseconds between two people's arrivals
}

// camera is what one recording of a room shows.
type camera struct {
	w, h, fps int
	screen    bool // text that scrolls now and then
	held      bool // sends nothing between its first 6 s and its last second
}

func people(count int, c camera) []camera { return slices.Repeat([]camera{c}, count) }

// room is a room on disk.
type room struct {
	manifest    string
	cameras     []recording
	microphones []recording
	seconds     int
}

type recording struct {
	File        string `json:"file"`
	Type        string `json:"type"`
	Participant string `json:"participant"`
	TrackName   string `json:"track_name"`
	Offset      int    `json:"offset_ms"`

	path string
}

// room returns the room of a spec, and makes it if it is not there.
func (b *bench) room(ctx context.Context, s spec) (*room, error) {
	folder := filepath.Join(b.rooms, fmt.Sprintf("%s-%d", s.name, s.seconds*max(1, s.loops)))
	r := &room{manifest: filepath.Join(folder, "room.json"), seconds: s.seconds * max(1, s.loops)}
	for i := range s.cameras {
		r.cameras = append(r.cameras, recordingOf(folder, i, "camera.mkv", "video", s.joins))
	}
	for i := range s.microphones {
		r.microphones = append(r.microphones, recordingOf(folder, i, "microphone.mka", "audio", s.joins))
	}
	if _, err := os.Stat(r.manifest); err == nil {
		return r, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	var err error
	if s.loops > 1 {
		err = b.repeat(ctx, s, r)
	} else {
		note("making the room %s", filepath.Base(folder))
		err = b.record(ctx, s, r)
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"unique_name": s.name, "recordings": slices.Concat(r.cameras, r.microphones)})
	if err != nil {
		return nil, err
	}
	return r, os.WriteFile(r.manifest, text, 0o644)
}

func recordingOf(folder string, person int, file, kind string, joins int) recording {
	name := fmt.Sprintf("guest%d", person+1)
	track, _, _ := strings.Cut(file, ".")
	return recording{
		File: name + "-" + file, Type: kind, Participant: name, TrackName: name + "-" + track, Offset: person * joins,
		path: filepath.Join(folder, name+"-"+file),
	}
}

// record makes the recordings of a room, as many at a time as there are cores. Where people do the same, they share a file.
func (b *bench) record(ctx context.Context, s spec, r *room) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	distinct := len(b.footage) / 2
	var links [][2]string
	each := func(recordings []recording, same func(i, j int) bool, record func(i int, path string) error) {
		for i, to := range recordings {
			if j := i - distinct; j >= 0 && s.joins == 0 && same(i, j) {
				links = append(links, [2]string{recordings[j].path, to.path})
				continue
			}
			group.Go(func() error { return record(i, to.path) })
		}
	}
	each(r.cameras, func(i, j int) bool { return s.cameras[i] == s.cameras[j] }, func(i int, path string) error {
		seconds := s.seconds - r.cameras[i].Offset/1000
		if s.cameras[i].screen {
			return recordScreen(ctx, s.cameras[i], seconds, path)
		}
		return b.recordCamera(ctx, i, s.cameras[i], seconds, path)
	})
	each(r.microphones, func(int, int) bool { return true }, func(i int, path string) error {
		return ffmpeg(ctx, "-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='0.3*sin(2*PI*%d*t)*gt(sin(2*PI*(0.7+0.1*%d)*t),0)':s=48000:d=%d",
			180+40*i, i, s.seconds-r.microphones[i].Offset/1000), "-c:a", "libopus", "-b:a", "32k", "-application", "voip", path)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for _, link := range links {
		if err := os.Link(link[0], link[1]); err != nil {
			return err
		}
	}
	return nil
}

// recordCamera encodes two clips, each forwards and backwards, again and again. Person i has the clips 2i and 2i+1.
func (b *bench) recordCamera(ctx context.Context, i int, c camera, seconds int, path string) error {
	first, second := b.footage[2*i%len(b.footage)], b.footage[(2*i+1)%len(b.footage)]
	const heldFrom, heldAgain = 6, 1 // seconds
	frames, show := seconds*c.fps, ""
	if c.held && seconds > heldFrom+heldAgain {
		frames = (heldFrom + heldAgain) * c.fps
		show = fmt.Sprintf(",setpts=(N+gte(N\\,%d)*%d)/%d/TB", heldFrom*c.fps, (seconds-heldFrom-heldAgain)*c.fps, c.fps)
	}
	graph := fmt.Sprintf("[0:v]setpts=PTS-STARTPTS,split[a][ar];[ar]reverse[ra];[1:v]setpts=PTS-STARTPTS,split[b][br];[br]reverse[rb];"+
		"[a][ra][b][rb]concat=n=4,loop=loop=-1:size=2000,fps=%d,trim=end_frame=%d,scale=%d:%d:force_original_aspect_ratio=increase,crop=%[3]d:%[4]d,setsar=1%[5]s[v]",
		c.fps, frames, c.w, c.h, show)
	const most = "10" // seconds of a clip: ffmpeg holds in memory what it plays backwards
	arguments := append([]string{"-t", most, "-i", first, "-t", most, "-i", second, "-filter_complex", graph, "-map", "[v]", "-fps_mode", "passthrough"}, realtime(c)...)
	return ffmpeg(ctx, append(arguments, path)...)
}

// realtime returns how a browser encodes a camera: 700 kbit/s for 640x480.
func realtime(c camera) []string {
	bitrate := 700 * c.w * c.h / (640 * 480)
	if bitrate > 700 {
		bitrate = 700 + (bitrate-700)/2
	}
	bitrate = max(40, bitrate)
	kbit := func(n int) string { return strconv.Itoa(n) + "k" }
	return []string{
		"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "6", "-b:v", kbit(bitrate), "-maxrate", kbit(bitrate * 9 / 7),
		"-bufsize", kbit(bitrate * 2), "-g", "100000", "-threads", "1",
	}
}

// repeat makes a long room of a short one by copying its packets, so that it costs no encoding.
func (b *bench) repeat(ctx context.Context, s spec, long *room) error {
	times := s.loops
	s.loops = 1
	short, err := b.room(ctx, s)
	if err != nil {
		return err
	}
	note("repeating the room %s %d times", s.name, times)
	from, to := slices.Concat(short.cameras, short.microphones), slices.Concat(long.cameras, long.microphones)
	made := map[uint64]string{} // by the inode of the short file
	for i := range from {
		info, err := os.Stat(from[i].path)
		if err != nil {
			return err
		}
		inode := info.Sys().(*syscall.Stat_t).Ino
		if before, ok := made[inode]; ok {
			if err := os.Link(before, to[i].path); err != nil {
				return err
			}
			continue
		}
		made[inode] = to[i].path
		looped := to[i].path
		if from[i].Type == "audio" {
			looped = filepath.Join(b.work, "looped.mka")
		}
		if err := ffmpeg(ctx, "-stream_loop", strconv.Itoa(times-1), "-i", from[i].path, "-c", "copy", looped); err != nil {
			return err
		}
		if looped == to[i].path {
			continue
		}
		// What ffmpeg leaves between two rounds of audio looks like a clock that drifts. The packets have 20 ms.
		if err := ffmpeg(ctx, "-i", looped, "-c", "copy", "-bsf:a", "setts=ts=N*20", to[i].path); err != nil {
			return err
		}
	}
	return nil
}

// footage returns the clips of a folder.
func footage(folder string) ([]string, error) {
	clips, err := filepath.Glob(filepath.Join(folder, "*.m*"))
	if err != nil {
		return nil, err
	}
	clips = slices.DeleteFunc(clips, func(path string) bool { return filepath.Ext(path) == ".md" })
	slices.Sort(clips)
	if len(clips) < 2 {
		return nil, fmt.Errorf("%s has %d clips (mkv, mp4), and people need two at least", folder, len(clips))
	}
	return clips, nil
}

func ffmpegCommand(arguments ...string) []string {
	return append([]string{"ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, arguments...)
}

func ffmpeg(ctx context.Context, arguments ...string) error {
	line := ffmpegCommand(arguments...)
	if output, err := exec.CommandContext(ctx, line[0], line[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(line, " "), err, output)
	}
	return nil
}
