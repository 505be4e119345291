package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"roomreel"
	"roomreel/internal/compose"
	"roomreel/internal/config"
	"roomreel/internal/layout"
	"roomreel/internal/manifest"
	"roomreel/internal/media"
	"roomreel/internal/plan"
)

// filmFlags say what a film shows and plays.
type filmFlags struct {
	Layout               string   `placeholder:"JSON" help:"VideoLayout as JSON, or a file with it; default is one grid of all video, {} is no video."`
	AudioSources         []string `default:"*" sep:"none" placeholder:"NAME" help:"Tracks to hear, by name; may be repeated, * stands for any text, an empty name is no audio (default *)."`
	AudioSourcesExcluded []string `sep:"none" placeholder:"NAME" help:"Tracks not to hear, by name."`
	Resolution           string   `default:"640x480" placeholder:"WxH" help:"Size of the video (default ${default})."`
	Quality              string   `placeholder:"draft|standard|archive|small" help:"Quickest, in between, best looking, or AV1 with the fewest bytes (compose.encoder)."`
	FPS                  string   `name:"fps" placeholder:"N" help:"Frames per second (compose.fps)."`
	Hold                 string   `placeholder:"DURATION" help:"How long the last frame of a camera that is off stays, such as 2s; 0 is until it is on again (compose.hold)."`
	Copy                 string   `placeholder:"auto|never" help:"Whether packets of a recording that alone fills the film are copied (compose.copy)."`
	Trim                 bool     `default:"true" negatable:"" help:"Leave out times in which no participant is there (default true)."`
}

// settings are those of the configuration that the flags replace.
func (c filmFlags) settings() map[string]string {
	return map[string]string{"compose.fps": c.FPS, "compose.hold": c.Hold, "compose.copy": c.Copy, "compose.encoder": c.Quality}
}

// request reads the flags as the API reads a request's parameters. The format is the caller's to set.
func (c filmFlags) request() (plan.Request, error) {
	request := plan.Request{Trim: c.Trim}
	var mistakes []error
	note := func(err error) {
		if err != nil {
			mistakes = append(mistakes, err)
		}
	}
	request.AudioSources, request.AudioExcluded = given(c.AudioSources), given(c.AudioSourcesExcluded)
	note(layout.ValidateSelectors("--audio-sources", request.AudioSources))
	note(layout.ValidateSelectors("--audio-sources-excluded", request.AudioExcluded))
	var err error
	// compose.max_resolution bounds what callers of the API may ask for. Here the operator asks.
	if request.Size, err = layout.ParseResolution(c.Resolution, layout.Largest); err != nil {
		note(err)
	} else {
		request.Layout, err = c.layout(request.Size)
		note(err)
	}
	return request, errors.Join(mistakes...)
}

// endings are those of a film's name, with the container that players expect under it.
var endings = map[string]roomreel.Format{".mp4": roomreel.MP4, ".m4v": roomreel.MP4, ".webm": roomreel.WebM}

// format is the container that --format names, else the one that the output's ending names. The ending must not name another:
// players trust it. An ending that names none is refused without --format.
func (c composeCommand) format() (roomreel.Format, error) {
	ending := filepath.Ext(c.Output)
	named := endings[strings.ToLower(ending)]
	asked := roomreel.Format(c.Format)
	switch {
	case asked != "" && asked != roomreel.MP4 && asked != roomreel.WebM:
		return "", roomreel.InvalidParam("--format", "must be mp4 or webm, not %q", c.Format)
	case asked != "" && named != "" && named != asked:
		return "", roomreel.InvalidParam(c.Output, "its name is that of a film in %s, and --format asks for %s", named, asked)
	case asked != "":
		return asked, nil
	case named != "":
		return named, nil
	case ending == "":
		return "", roomreel.InvalidParam(c.Output, "its name does not say which container is wanted: let it end in .mp4 or .webm, or give --format")
	}
	return "", roomreel.InvalidParam(c.Output, "films do not end in %s: let the name end in .mp4 or .webm, or give --format", ending)
}

// given leaves out empty selectors: an empty name is how one asks for none.
func given(list []string) []string {
	var result []string
	for _, item := range list {
		if item != "" {
			result = append(result, item)
		}
	}
	return result
}

// layoutLimit is far above any layout that fits into a request.
const layoutLimit = 1 << 20

func (c filmFlags) layout(canvas layout.Size) (layout.Layout, error) {
	if c.Layout == "" {
		return layout.Default(canvas), nil
	}
	from, text := "--layout", []byte(c.Layout)
	if !strings.HasPrefix(strings.TrimSpace(c.Layout), "{") { // the name of a file
		from = c.Layout
		var err error
		if text, err = readFile(c.Layout, layoutLimit); err != nil {
			return layout.Layout{}, err
		}
	}
	parsed, err := layout.Parse(string(text), canvas)
	if err != nil {
		return parsed, &roomreel.Error{Code: roomreel.Invalid, Param: from, Detail: "is not a layout that can be used", Err: err}
	}
	return parsed, nil
}

// readFile reads a regular file of at most limit bytes that a flag names.
func readFile(path string, limit int64) ([]byte, error) {
	wrong := func(detail string, err error) error {
		return &roomreel.Error{Code: roomreel.Invalid, Param: path, Detail: detail, Err: err}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, wrong("no such file", nil)
	case err != nil:
		return nil, wrong("cannot be read", err)
	case !info.Mode().IsRegular():
		return nil, wrong("is not a file", nil)
	case info.Size() > limit:
		return nil, wrong(fmt.Sprintf("is larger than %s", config.Bytes(limit)), nil)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("cannot be read", err)
	}
	return text, nil
}

// checkOutput refuses an output that could not be written, or that would replace a file of the room with that manifest.
func checkOutput(path, manifestPath string, room *manifest.Room) error {
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil || !folder.IsDir() {
		return roomreel.InvalidParam(path, "its folder does not exist")
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &roomreel.Error{Code: roomreel.Invalid, Param: path, Detail: "cannot be written", Err: err}
	}
	if !info.Mode().IsRegular() {
		return roomreel.InvalidParam(path, "is there and is not a file")
	}
	for _, recording := range room.Recordings {
		file, err := room.Open(recording)
		if err != nil {
			return err
		}
		source, err := file.Stat()
		file.Close()
		if err == nil && os.SameFile(source, info) {
			return roomreel.InvalidParam(path, "is a recording of the room; it must not be replaced")
		}
	}
	if manifestInfo, err := os.Stat(manifestPath); err == nil && os.SameFile(manifestInfo, info) {
		return roomreel.InvalidParam(path, "is the manifest; it must not be replaced")
	}
	return nil
}

// tracks describes the manifest's recordings. They have no identifiers, so selectors name them by their track names. The
// recordings of one participant share a participant SID made of the name.
func tracks(room *manifest.Room, indexes []*media.IndexFile) []plan.Track {
	var list []plan.Track
	for i, recording := range room.Recordings {
		name := recording.TrackName
		if name == "" {
			name = recording.File
		}
		sum := sha256.Sum256([]byte(recording.Participant))
		list = append(list, plan.Track{
			Participant: roomreel.ParticipantSID("PA" + hex.EncodeToString(sum[:16])), Identity: recording.Participant,
			Name: name, Kind: recording.Kind, Offset: recording.Offset + indexes[i].Track().Start, Length: indexes[i].Length(), Known: recording.Known,
		})
	}
	return list
}

// openRecordings gives compose the room's recordings. A file is opened when it is first asked for, and shared.
func openRecordings(room *manifest.Room, indexes []*media.IndexFile) (compose.Recordings, func()) {
	files := newFiles(room)
	return func(t int) (compose.Recording, error) {
		file, err := files.open(t)
		return compose.Recording{Index: indexes[t], File: file}, err
	}, files.close
}

// device is the hardware that films are planned for: the configured one, if the render child has its encoder.
func device(configured config.VideoEncoder, encoders []string) string {
	for _, kind := range encoders {
		if strings.HasSuffix(kind, "_"+string(configured)) {
			return string(configured)
		}
	}
	return ""
}

// planOptions are the server's choices, of the configuration. encoders are the kinds of video encoders that the render child has.
func planOptions(c config.Config, encoders []string) plan.Options {
	parallel := c.Render.Parallel
	if parallel == 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	options := plan.Options{
		// A video child keeps two cores busy, one with decoding and one with encoding. A second task decodes what comes before
		// its first frame once more, so it is for the cores that are left.
		FPS: c.Compose.FPS, Chunk: c.Compose.Chunk.Std(), Parallel: max(1, parallel/2), Encoder: plan.Policy(c.Compose.Encoder),
		Device: device(c.Render.VideoEncoder, encoders),
		Hold:   c.Compose.Hold.Std(),
		Limits: c.Limits.Film(),
	}
	if c.Compose.Copy == config.CopyNever {
		options.NoCopy = "compose.copy is never"
	}
	return options
}
