package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/matroska"
	"roomreel/internal/media/mp4"
	"roomreel/internal/plan"
	"roomreel/internal/timeline"
)

// ErrMismatch is wrapped by errors that say in what a film that was read back is not what its plan promises.
var ErrMismatch = errors.New("the film is not what its plan promises")

// mismatch says in a sentence what is wrong.
func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMismatch, fmt.Sprintf(format, args...))
}

// Result is what a finished file was found to hold when it was read back.
type Result struct {
	Size     int64         `json:"size"` // bytes
	Duration time.Duration `json:"-"`
	Bitrate  int           `json:"bitrate"` // kbit/s
	Seconds  float64       `json:"seconds"`
	Checks   Checks        `json:"checks"`
}

// Checks are the values that were found when a film was read back and compared with its plan. A film that does not fit is no film:
// every one that has checks has passed them.
type Checks struct {
	Frames       int     `json:"frames"`
	Packets      int     `json:"audio_packets"`
	Samples      int64   `json:"samples"`                           // of the audio packets, without priming and padding
	Monotone     bool    `json:"monotone"`                          // stamps rise strictly, in presentation and in decoding order
	EndsApart    float64 `json:"streams_end_apart_ms"`              // 0 with one stream
	Keyframes    int     `json:"keyframes"`                         //
	Distance     float64 `json:"longest_keyframe_distance_seconds"` // from one to the next, or to the end
	DistanceMost float64 `json:"keyframe_distance_limit_seconds"`   // of the plan; 0 of copied video, which has the keyframes of its recording
	FastStart    bool    `json:"faststart,omitempty"`               // mp4: all tables come before the media
	Cues         bool    `json:"cues,omitempty"`                    // WebM: cues come before the media, and each points at a keyframe
	Duration     float64 `json:"duration_seconds"`                  // of the container's header
	SHA256       string  `json:"sha256"`                            // of the file, as it was written and as it was read back
	Seconds      float64 `json:"took_seconds"`                      // of the checks
}

// films read films of each format back.
var films = map[roomreel.Format]func(io.ReaderAt, int64, media.FilmVisitor) (media.Film, error){
	roomreel.MP4: mp4.ReadFilm, roomreel.WebM: matroska.ReadFilm,
}

// verify reads a film back and compares it with its plan and with what was written: the exit code of a child, and our own, are
// not enough to call a film complete. It reads the file from front to back, and the tables once more. Memory is for the
// container's tables and a bit for each frame. Errors about the film wrap ErrMismatch.
func verify(film *plan.Summary, file io.ReaderAt, size int64, written string) (Result, error) {
	began := time.Now()
	result := Result{Size: size}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, size)); err != nil {
		return result, fmt.Errorf("read back: %w", err)
	}
	found := hex.EncodeToString(sum.Sum(nil))
	if found != written {
		return result, mismatch("its bytes changed after they were written: SHA-256 %s instead of %s", found, written)
	}
	c := newCheck(film)
	read, err := films[film.Format](file, size, c.packet)
	if err != nil {
		if !errors.Is(err, ErrMismatch) {
			err = mismatch("%v", err)
		}
		return result, err
	}
	if err := c.finish(read); err != nil {
		return result, err
	}
	c.SHA256 = found
	result.Duration = read.Duration
	result.Seconds = result.Duration.Seconds()
	if result.Duration > 0 {
		result.Bitrate = int(math.Round(float64(size) * 8 / 1000 / result.Duration.Seconds()))
	}
	c.Seconds = time.Since(began).Seconds()
	result.Checks = c.Checks
	return result, nil
}

// check compares a film with its plan, packet by packet.
type check struct {
	Checks
	film   *plan.Summary
	shown  []uint64     // one bit for each frame; none of copied video
	scale  int64        // units in a second, in which these are: frames, or those of the container of copied video
	key    int64        // when the last keyframe is shown
	gap    int64        // the longest distance of keyframes
	stamps *plan.Stamps // of copied video
	last   map[*media.FilmTrack]int64
	end    int64 // samples after the packets so far, priming included
	video  int   // tracks
	audio  int
}

func newCheck(film *plan.Summary) *check {
	c := &check{film: film, scale: int64(film.FPS), last: map[*media.FilmTrack]int64{}}
	if film.VideoCopy != nil {
		c.stamps = plan.NewStamps(film.Format)
	} else {
		c.shown = make([]uint64, (film.Frames+63)/64)
	}
	return c
}

// packet checks the next packet of a track in decoding order.
func (c *check) packet(t *media.FilmTrack, p media.FilmPacket) error {
	last, begun := c.last[t]
	if !begun {
		err := c.track(t)
		if err != nil {
			return err
		}
	} else if p.Decode <= last {
		return mismatch("packet %d of the %s is decoded at %d and the one before at %d of %d units a second", c.number(t), codecOf(t), p.Decode, last, t.Scale)
	}
	c.last[t] = p.Decode
	switch {
	case t.Video && c.stamps != nil:
		return c.copied(t, p)
	case t.Video:
		return c.frame(t, p)
	}
	return c.samples(t, p)
}

// number is that of the track's next packet.
func (c *check) number(t *media.FilmTrack) int {
	if t.Video {
		return c.Frames
	}
	return c.Packets
}

func codecOf(t *media.FilmTrack) string {
	if t.Video {
		return "video"
	}
	return "audio"
}

// track checks the header of a track, once.
func (c *check) track(t *media.FilmTrack) error {
	codec := c.film.AudioEncoder.Codec
	_, channels := placeOfAudio(c.film)
	if t.Video {
		c.video++
		codec = c.film.VideoEncoder.Codec
	} else {
		c.audio++
	}
	switch {
	case t.Codec != codec:
		return mismatch("its %s is %s instead of %s", codecOf(t), t.Codec, codec)
	case t.Video && (t.Width != c.film.Canvas.W || t.Height != c.film.Canvas.H):
		return mismatch("its frames have %dx%d pixels instead of %dx%d", t.Width, t.Height, c.film.Canvas.W, c.film.Canvas.H)
	case !t.Video && (t.Rate != timeline.SampleRate || t.Channels != channels):
		return mismatch("its audio has %d channels at %d Hz instead of %d at %d Hz", t.Channels, t.Rate, channels, timeline.SampleRate)
	case c.video > 1 || c.audio > 1:
		return mismatch("it has more than one %s track", codecOf(t))
	}
	return nil
}

// frame checks that a packet is shown at n/fps, as near as the container's units allow, and that no other is.
func (c *check) frame(t *media.FilmTrack, p media.FilmPacket) error {
	fps := int64(c.film.FPS)
	n := int(floorDiv(2*p.Shown*fps+t.Scale, 2*t.Scale)) // the nearest frame
	if off := p.Shown*fps - int64(n)*t.Scale; 2*max(off, -off) > fps {
		return mismatch("packet %d is shown at %d/%d s, where no frame of %d a second is", c.Frames, p.Shown, t.Scale, fps)
	}
	if n < 0 || n >= c.film.Frames {
		return mismatch("packet %d is shown as frame %d of %d", c.Frames, n, c.film.Frames)
	}
	if c.shown[n/64]&(1<<(n%64)) != 0 {
		return mismatch("frame %d is there twice", n)
	}
	if p.Length != 0 && p.Length*fps != t.Scale {
		return mismatch("packet %d lasts %d/%d s instead of 1/%d s", c.Frames, p.Length, t.Scale, fps)
	}
	c.shown[n/64] |= 1 << (n % 64)
	return c.count(int64(n), p.Key)
}

// copied notes when a packet is shown that was copied.
func (c *check) copied(t *media.FilmTrack, p media.FilmPacket) error {
	c.scale = t.Scale
	c.stamps.AddUnits(p.Shown, p.Key)
	return c.count(p.Shown, p.Key)
}

// count counts a frame that is shown at the given time.
func (c *check) count(at int64, key bool) error {
	if c.Frames == 0 && !key {
		return mismatch("its first frame is no keyframe")
	}
	if c.Frames++; key {
		if c.Keyframes++; c.Keyframes > 1 {
			c.gap = max(c.gap, at-c.key)
		}
		c.key = at
	}
	return nil
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

// samples checks that a packet of audio follows the one before.
func (c *check) samples(t *media.FilmTrack, p media.FilmPacket) error {
	start, _ := placeOfAudio(c.film)
	if off := p.Decode*timeline.SampleRate - (c.end+start)*t.Scale; 2*max(off, -off) > timeline.SampleRate {
		return mismatch("packet %d of the audio is at %d/%d s, and %d samples come before it", c.Packets, p.Decode, t.Scale, c.end)
	}
	if p.Samples <= 0 {
		return mismatch("packet %d of the audio holds no samples", c.Packets)
	}
	c.end += p.Samples
	c.Packets++
	return nil
}

// finish compares what was counted with the plan.
func (c *check) finish(read media.Film) error {
	film := c.film
	for _, t := range read.Tracks {
		if _, begun := c.last[t]; !begun {
			return mismatch("its %s track has no packets", codecOf(t))
		}
		_, want := placeOfVideo(film)
		if !t.Video {
			c.Samples = c.end - t.Delay
			want = timeline.SampleTime(film.Samples)
		}
		if length := media.Samples(t.Length, t.Scale); t.Length != 0 && (length-want).Abs() > time.Microsecond {
			return mismatch("its header says that the %s lasts %v instead of %v", codecOf(t), length, want)
		}
	}
	c.FastStart, c.Cues = read.Front && film.Format == roomreel.MP4, read.Front && film.Format == roomreel.WebM
	c.Duration = read.Duration.Seconds()
	c.Monotone = true // packet and frame refuse others
	start, length := placeOfVideo(film)
	begun, _ := placeOfAudio(film)
	video, audio := start+length, timeline.SampleTime(begun+c.Samples)
	switch {
	case film.VideoCopy != nil && c.stamps.Sum() != film.VideoCopy.Stamps:
		return mismatch("its frames or keyframes are not at the times at which the recording has them")
	case c.Frames != film.Frames:
		return mismatch("it holds %d of %d frames", c.Frames, film.Frames)
	case c.Samples != film.Samples:
		return mismatch("it holds %d of %d samples", c.Samples, film.Samples)
	case !read.Front:
		return mismatch("the tables come after the media")
	case (read.Duration - max(video, audio)).Abs() > time.Microsecond:
		return mismatch("its header says that it lasts %v instead of %v", read.Duration, max(video, audio))
	}
	if film.Frames > 0 {
		scale := float64(c.scale)
		c.Distance = max(float64(c.gap)/scale, video.Seconds()-float64(c.key)/scale)
		if film.VideoCopy == nil {
			c.DistanceMost = float64(film.VideoEncoder.GOP) / scale
		}
		if c.Distance > c.DistanceMost+1e-6 && c.DistanceMost > 0 {
			return mismatch("its keyframes are up to %.3f s apart, and may be %.3f s", c.Distance, c.DistanceMost)
		}
	}
	if film.Frames > 0 && film.Samples > 0 {
		apart := (video - audio).Abs()
		c.EndsApart = float64(apart.Microseconds()) / 1000
		if apart > timeline.FrameTime(1, film.FPS) {
			return mismatch("its audio and its video end %v apart", apart)
		}
	}
	return nil
}
