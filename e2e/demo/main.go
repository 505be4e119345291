// Command demo shows roomreel as a user sees it. `make demo` runs it. It makes a room, starts a server with its defaults,
// uploads the recordings through the HTTP API, composes them and downloads the film.
//
// It uses only the two binaries and the API. ffmpeg makes the room (room.go), and ffprobe describes the film at the end.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"roomreel"
	"roomreel/e2e/server"
	"roomreel/internal/client"
	"roomreel/internal/progress"
)

const (
	folder  = "demo"
	film    = folder + "/composition.mp4"
	program = "bin/roomreel"

	// timeout ends a demo that hangs. The demo takes about 30 s on two cores.
	timeout = 5 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := demo(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context) error {
	say("1. Making a room: %d people, %v, VP8 and Opus as a browser records them", len(people), roomLength())
	manifest, err := makeRoom(ctx, filepath.Join(folder, "room"))
	if err != nil {
		return err
	}

	say("2. Starting %s serve on an empty data folder", program)
	data, err := os.MkdirTemp("", "roomreel-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	service, err := server.Start(ctx, server.Options{
		Program: program, Data: data, Log: filepath.Join(folder, "server.log"),
		Flags: []string{"--set", "webhook.allow=127.0.0.0/8"}, // by default, callbacks to loopback addresses are refused
	})
	if err != nil {
		return err
	}
	defer service.Stop()
	api := service.API

	say("3. Uploading the recordings to %s and completing the room", service.URL)
	room, err := service.ImportRoom(ctx, manifest)
	if err != nil {
		return err
	}

	say("4. Composing: POST /v1/Compositions")
	began := time.Now()
	composition, err := compose(ctx, api, string(room))
	if err != nil {
		return err
	}
	took := time.Since(began)

	say("5. Downloading %s", film)
	if err := download(ctx, api, composition.SID); err != nil {
		return err
	}
	return describe(ctx, composition, took)
}

func say(format string, values ...any) { fmt.Printf(format+"\n", values...) }

// compose creates a composition and waits until it is completed. Callbacks report its progress.
func compose(ctx context.Context, api *client.Client, room string) (client.Composition, error) {
	listener, err := listen()
	if err != nil {
		return client.Composition{}, err
	}
	defer listener.close()
	composition, err := api.CreateComposition(ctx, url.Values{
		"RoomSid":        {room},
		"AudioSources":   {"*"},
		"VideoLayout":    {`{"grid": {"video_sources": ["*"]}}`},
		"Resolution":     {"1280x720"},
		"Format":         {"mp4"},
		"StatusCallback": {listener.url},
	})
	if err != nil {
		return composition, err
	}
	bar := progress.New(os.Stdout, "   composing")
	defer bar.Close()
	done := 0.0
	for {
		composition, err = api.Composition(ctx, composition.SID)
		switch {
		case err != nil:
			return composition, err
		case composition.Status == roomreel.CompositionCompleted:
			bar.Set(1, 0)
			return composition, nil
		case composition.Status == roomreel.CompositionFailed:
			return composition, errors.New("the composition failed")
		}
		select {
		case now := <-listener.progress:
			bar.Set(now.percent/100, now.left)
			if bar == nil && now.percent >= done+10 { // no terminal: print a line every 10 %
				say("   composing: %.0f %%, %v left", now.percent, now.left)
				done = now.percent
			}
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return composition, context.Cause(ctx)
		}
	}
}

// download writes the film to a temporary file and renames it when it is complete.
func download(ctx context.Context, api *client.Client, sid roomreel.CompositionSID) error {
	media, err := api.Media(ctx, sid)
	if err != nil {
		return err
	}
	defer media.Close()
	file, err := os.Create(film + ".part")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, media)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), film)
}

// describe prints the properties of the film, from the API and from ffprobe.
func describe(ctx context.Context, composition client.Composition, took time.Duration) error {
	text, err := exec.CommandContext(ctx, "ffprobe", "-loglevel", "error", "-of", "json", "-show_streams", "-show_format", film).Output()
	if err != nil {
		return fmt.Errorf("ffprobe %s: %w", film, err)
	}
	var probe struct {
		Streams []struct {
			Type     string `json:"codec_type"`
			Codec    string `json:"codec_name"`
			Profile  string `json:"profile"`
			Width    int    `json:"width"`
			Height   int    `json:"height"`
			FPS      string `json:"avg_frame_rate"`
			Rate     string `json:"sample_rate"`
			Channels int    `json:"channels"`
		} `json:"streams"`
		Format struct {
			Duration float64 `json:"duration,string"`
		} `json:"format"`
	}
	if err := json.Unmarshal(text, &probe); err != nil {
		return fmt.Errorf("ffprobe %s: %w", film, err)
	}
	path, err := filepath.Abs(film)
	if err != nil {
		return err
	}
	say("\n%s", film)
	for _, stream := range probe.Streams {
		if stream.Type == "video" {
			say("  video     %s %s, %dx%d, %s frames/s", stream.Codec, stream.Profile, stream.Width, stream.Height, strings.TrimSuffix(stream.FPS, "/1"))
		} else {
			say("  audio     %s %s, %s Hz, %d channels", stream.Codec, stream.Profile, stream.Rate, stream.Channels)
		}
	}
	seconds := probe.Format.Duration
	say("  duration  %.2f s", seconds)
	say("  size      %.2f MB, %d kbit/s", float64(composition.Size)/1e6, composition.Bitrate)
	say("  composed  in %.1f s, %.1f times faster than real time", took.Seconds(), seconds/took.Seconds())
	say("\nTo look at it, open file://%s in a browser, or run: ffplay %s", path, film)
	return nil
}
