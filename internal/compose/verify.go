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
	"roomreel/internal/timeline"
)

// Film is what a finished file was found to hold when it was read back.
type Film struct {
	Size     int64         `json:"size"` // bytes
	Duration time.Duration `json:"-"`
	Bitrate  int           `json:"bitrate"` // kbit/s
	Seconds  float64       `json:"seconds"`
	Pictures int           `json:"pictures"`
	Packets  int           `json:"sound_packets"`
}

// verify reads the container back and counts: the exit code of a child, and our own, are not enough to call a film
// complete.
func verify(p *Plan, file io.ReaderAt, size int64) (Film, error) {
	film := Film{Size: size}
	read := readMP4
	if p.Format == roomreel.WebM {
		read = readWebM
	}
	if err := read(&film, p, file, size); err != nil {
		return film, fmt.Errorf("read back: %w", err)
	}
	if film.Pictures != p.Pictures {
		return film, fmt.Errorf("the file holds %d of %d pictures", film.Pictures, p.Pictures)
	}
	if (film.Packets > 0) != (p.Samples > 0) {
		return film, fmt.Errorf("the file holds %d packets of sound for %d samples", film.Packets, p.Samples)
	}
	longest := max(timeline.FrameTime(p.Pictures, p.FPS), time.Duration(p.Samples)*time.Second/timeline.SampleRate)
	if off := (film.Duration - longest).Abs(); off > 40*time.Millisecond {
		return film, fmt.Errorf("the file says it lasts %v and should last %v", film.Duration, longest)
	}
	film.Seconds = film.Duration.Seconds()
	if film.Duration > 0 {
		film.Bitrate = int(math.Round(float64(size) * 8 / 1000 / film.Duration.Seconds()))
	}
	return film, nil
}

func readMP4(film *Film, p *Plan, file io.ReaderAt, size int64) error {
	info, err := mp4.ReadInfo(file, size)
	if err != nil {
		return err
	}
	if !info.FastStart {
		return errors.New("the tables come after the media")
	}
	film.Duration = info.Duration
	for _, track := range info.Tracks {
		if track.Video {
			film.Pictures = track.Samples
		} else {
			film.Packets = track.Samples
		}
	}
	return nil
}

func readWebM(film *Film, p *Plan, file io.ReaderAt, size int64) error {
	for _, kind := range []roomreel.TrackKind{roomreel.Video, roomreel.Audio} {
		if kind == roomreel.Video && p.Pictures == 0 || kind == roomreel.Audio && p.Samples == 0 {
			continue
		}
		index, _, err := matroska.ReadIndex(file, size, kind)
		if err != nil {
			return err
		}
		if index.Truncated {
			return errors.New("the file ends too early")
		}
		film.Duration = max(film.Duration, index.Length()-index.CodecDelay)
		if kind == roomreel.Video {
			film.Pictures = len(index.Packets)
		} else {
			film.Packets = len(index.Packets)
		}
	}
	return nil
}
