// Command floor measures what a film of the reference room costs at least: decoding its recordings, scaling what is shown, encoding
// the canvas and making the audio, with the codecs and settings of roomreel and nothing else. It is not part of command bench, because
// it contains the codecs.
//
// It prints the processor time of each as JSON, in seconds. What it leaves out is what roomreel does besides: reading and sending
// packets, placing audio exactly, chunks, writing the film and reading it back.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"roomreel"
	"roomreel/internal/codec"
	"roomreel/internal/layout"
	"roomreel/internal/manifest"
	"roomreel/internal/media"
	"roomreel/internal/media/demux"
	"roomreel/internal/plan"
	"roomreel/internal/timeline"
)

var (
	path = flag.String("room", "", "manifest of a room of four cameras of 4:3")
	size = flag.String("size", "1280x720", "size of the film")
	fps  = flag.Int("fps", 25, "frames per second of the film")
)

// cost is processor time in seconds.
type cost struct {
	Decode float64 `json:"decode"`
	Scale  float64 `json:"scale"`
	Encode float64 `json:"encode"`
	Audio  float64 `json:"audio"`
}

func main() {
	flag.Parse()
	c, err := measure()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// track is a recording in memory, so that reading it is not measured.
type track struct {
	offset time.Duration
	index  *media.Index
	data   []byte
}

func (t *track) packet(i int) []byte {
	p := t.index.Packets[i]
	return t.data[p.Pos : p.Pos+int64(p.Size)]
}

func measure() (c cost, err error) {
	room, err := manifest.Read(*path)
	if err != nil {
		return c, err
	}
	defer room.Close()
	var all []track
	var named []plan.Track
	for _, recording := range room.Recordings {
		file, err := room.Open(recording)
		if err != nil {
			return c, err
		}
		index, _, err := demux.ReadTrack(file, recording.Size, recording.Kind, recording.Track)
		if err != nil {
			return c, err
		}
		data, err := io.ReadAll(io.NewSectionReader(file, 0, recording.Size))
		file.Close()
		if err != nil {
			return c, err
		}
		all = append(all, track{recording.Offset, index, data})
		named = append(named, plan.Track{
			Name: recording.TrackName, Kind: recording.Kind, Identity: recording.Participant, Offset: recording.Offset, Length: index.Length(),
		})
	}
	canvas, err := layout.ParseResolution(*size, layout.Largest)
	if err != nil {
		return c, err
	}
	request := plan.Request{Layout: layout.Default(canvas), AudioSources: []string{"*"}, Size: canvas, Format: roomreel.MP4, Trim: true}
	film, err := plan.New(request, named, func(i int) (*media.IndexFile, error) { return all[i].index.File() },
		plan.Options{FPS: *fps, Chunk: 20 * time.Second, Parallel: 1, Encoder: plan.Standard})
	if err != nil {
		return c, err
	}
	var cameras, microphones []track
	for _, t := range all {
		if t.index.Video {
			cameras = append(cameras, t)
		} else {
			microphones = append(microphones, t)
		}
	}
	return c, errors.Join(c.video(film, cameras), c.audio(film, microphones))
}

// timed adds the processor time of a function to a sum.
func timed(sum *float64, do func() error) error {
	before := processorTime()
	err := do()
	*sum += (processorTime() - before).Seconds()
	return err
}

func processorTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(t.Nano())
}

// camera decodes a recording as far as its frames are due.
type camera struct {
	track
	decoder *codec.VideoDecoder
	next    int // packet
	shown   *codec.Frame
	spare   *codec.Frame // where the next frame is received
}

func (c *cost) video(film *plan.Plan, tracks []track) error {
	const columns = 2
	cellW, cellH := film.Canvas.W/columns, film.Canvas.H/columns
	w := cellH * 4 / 3 &^ 1
	canvas, err := codec.NewCanvas(film.Canvas.W, film.Canvas.H)
	if err != nil {
		return err
	}
	defer canvas.Close()
	canvas.SetColour(codec.Colour(film.Colour))
	settings := film.VideoEncoder
	encoder, err := codec.OpenVideoEncoder(codec.EncoderConfig{
		Codec: settings.Codec, Options: settings.Options, Bitrate: settings.Bitrate, GOP: settings.GOP, Threads: settings.Threads,
	}, film.Canvas.W, film.Canvas.H, *fps)
	if err != nil {
		return err
	}
	defer encoder.Close()
	cameras := make([]camera, len(tracks))
	for i, t := range tracks {
		decoder, err := codec.OpenVideoDecoder(t.index.Codec, t.index.Private)
		if err != nil {
			return err
		}
		defer decoder.Close()
		cameras[i] = camera{track: t, decoder: decoder, shown: codec.NewFrame(), spare: codec.NewFrame()}
	}
	for n := range film.Frames {
		now := timeline.FrameTime(n, *fps)
		for i := range cameras {
			camera := &cameras[i]
			changed := false
			if err := timed(&c.Decode, func() (err error) { changed, err = camera.decode(now); return err }); err != nil {
				return err
			}
			if !changed {
				continue
			}
			x, y := i%columns*cellW+(cellW-w)/2&^1, i/columns*cellH
			if err := timed(&c.Scale, func() error { return canvas.Draw(camera.shown, x, y, w, cellH) }); err != nil {
				return err
			}
		}
		if err := timed(&c.Encode, func() error {
			if err := encoder.Send(canvas, int64(n), codec.AnyFrame); err != nil {
				return err
			}
			return receive(encoder)
		}); err != nil {
			return err
		}
	}
	return timed(&c.Encode, func() error {
		if err := encoder.End(); err != nil {
			return err
		}
		return receive(encoder)
	})
}

// decode decodes the packets up to a time and reports whether they have a newer frame.
func (c *camera) decode(until time.Duration) (changed bool, err error) {
	for c.next < len(c.index.Packets) && c.offset+c.index.Packets[c.next].Time <= until {
		if err := c.decoder.Send(c.packet(c.next), 0); err != nil {
			return false, err
		}
		c.next++
		for {
			ok, err := c.decoder.Receive(c.spare)
			if err != nil {
				return false, err
			}
			if !ok {
				break
			}
			c.shown, c.spare, changed = c.spare, c.shown, true
		}
	}
	return changed, nil
}

// receiver is an encoder of video or audio.
type receiver interface {
	Receive() (codec.Encoded, bool, error)
}

func receive(encoder receiver) error {
	for {
		if _, ok, err := encoder.Receive(); err != nil || !ok {
			return err
		}
	}
}

// audio decodes all microphones, adds them and encodes the sum.
func (c *cost) audio(film *plan.Plan, tracks []track) error {
	return timed(&c.Audio, func() error {
		channels := film.AudioEncoder.AudioChannels()
		mix := make([]float32, int64(channels)*film.Samples)
		var samples []float32
		for _, t := range tracks {
			decoder, err := codec.OpenAudioDecoder(t.index.Codec, t.index.Private, t.index.Rate, t.index.Channels, channels)
			if err != nil {
				return err
			}
			defer decoder.Close()
			at := channels * int(timeline.SampleRate*t.offset.Milliseconds()/1000)
			for i := range t.index.Packets {
				if samples, err = decoder.Decode(samples[:0], t.packet(i)); err != nil {
					return err
				}
				for k, v := range samples[:max(0, min(len(samples), len(mix)-at))] {
					mix[at+k] += v
				}
				at += len(samples)
			}
		}
		settings := film.AudioEncoder
		encoder, err := codec.OpenAudioEncoder(codec.EncoderConfig{Codec: settings.Codec, Options: settings.Options, Bitrate: settings.Bitrate}, channels)
		if err != nil {
			return err
		}
		defer encoder.Close()
		frame := channels * encoder.FrameSize()
		for at := 0; at < len(mix); at += frame {
			if err := encoder.Send(mix[at:min(at+frame, len(mix))], int64(at/channels)); err != nil {
				return err
			}
			if err := receive(encoder); err != nil {
				return err
			}
		}
		if err := encoder.End(); err != nil {
			return err
		}
		return receive(encoder)
	})
}
