package compose

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"roomreel"
	"roomreel/internal/media/matroska"
	"roomreel/internal/media/mp4"
	"roomreel/internal/plan"
	"roomreel/internal/timeline"
)

// Result is what a finished file was found to hold when it was read back.
type Result struct {
	Size     int64         `json:"size"` // bytes
	Duration time.Duration `json:"-"`
	Bitrate  int           `json:"bitrate"` // kbit/s
	Seconds  float64       `json:"seconds"`
	Frames   int           `json:"frames"`
	Packets  int           `json:"audio_packets"`
}

// verify reads the container back and counts: the exit code of a child, and our own, are not enough to call a film
// complete.
func verify(film *plan.Summary, file io.ReaderAt, size int64) (Result, error) {
	result := Result{Size: size}
	read := readMP4
	if film.Format == roomreel.WebM {
		read = readWebM
	}
	if err := read(&result, film, file, size); err != nil {
		return result, fmt.Errorf("read back: %w", err)
	}
	if result.Frames != film.Frames {
		return result, fmt.Errorf("the file holds %d of %d frames", result.Frames, film.Frames)
	}
	if (result.Packets > 0) != (film.Samples > 0) {
		return result, fmt.Errorf("the file holds %d packets of audio for %d samples", result.Packets, film.Samples)
	}
	longest := max(timeline.FrameTime(film.Frames, max(film.FPS, 1)), timeline.SampleTime(film.Samples))
	if off := (result.Duration - longest).Abs(); off > 40*time.Millisecond {
		return result, fmt.Errorf("the file says it lasts %v and should last %v", result.Duration, longest)
	}
	result.Seconds = result.Duration.Seconds()
	if result.Duration > 0 {
		result.Bitrate = int(math.Round(float64(size) * 8 / 1000 / result.Duration.Seconds()))
	}
	return result, nil
}

func readMP4(result *Result, _ *plan.Summary, file io.ReaderAt, size int64) error {
	info, err := mp4.ReadInfo(file, size)
	if err != nil {
		return err
	}
	if !info.FastStart {
		return errors.New("the tables come after the media")
	}
	result.Duration = info.Duration
	for _, track := range info.Tracks {
		if track.Video {
			result.Frames = track.Samples
		} else {
			result.Packets = track.Samples
		}
	}
	return nil
}

func readWebM(result *Result, film *plan.Summary, file io.ReaderAt, size int64) error {
	for _, kind := range []roomreel.TrackKind{roomreel.Video, roomreel.Audio} {
		if kind == roomreel.Video && film.Frames == 0 || kind == roomreel.Audio && film.Samples == 0 {
			continue
		}
		index, _, err := matroska.ReadIndex(file, size, kind)
		if err != nil {
			return err
		}
		if index.Truncated {
			return errors.New("the file ends too early")
		}
		length := index.Length()
		if kind == roomreel.Video {
			result.Frames = len(index.Packets)
			length = max(length, timeline.FrameTime(1, film.FPS)) // one frame alone does not say how long it lasts
		} else {
			result.Packets = len(index.Packets)
		}
		result.Duration = max(result.Duration, length-index.CodecDelay)
	}
	return nil
}
