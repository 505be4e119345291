package plan

import (
	"math"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Still is one frame of a film, planned as the whole film would be: a task of one frame that is not encoded.
type Still struct {
	Frame   int // its number in the film
	Length  time.Duration
	Packets int // that are decoded: of each recording that is shown, those from the keyframe before the frame on
	Task    VideoTask
}

// maxStillMegapixels bounds what is decoded for one frame, because keyframes may be minutes or hours apart: four cameras of 640x480 at
// 30 frames per second for 4.5 minutes, which take about 14 s of one core.
const maxStillMegapixels = 10_000

// NewStill plans the frame that the film shows at a time. It reads the indexes of those recordings only that the frame shows. The
// error is a *roomreel.Error when the film is shorter, when it has no video, and when too much would have to be decoded.
func NewStill(req Request, tracks []Track, indexes Indexes, opts Options, at time.Duration) (*Still, error) {
	opts.Limits = opts.Limits.WithDefaults()
	indexes = openedOnce(indexes)
	arranged, err := Arrange(req, tracks, opts)
	if err != nil {
		return nil, err
	}
	if len(arranged.video) == 0 {
		return nil, roomreel.InvalidParam("VideoLayout", "the film would have no video to show a frame of")
	}
	if at < 0 || at >= arranged.Length {
		return nil, roomreel.InvalidParam("Second", "the film would last %v s; give a time from 0 up to its end", arranged.Length.Seconds())
	}
	codec := videoEncoder(opts.Encoder, "", req.Format, arranged.Canvas, opts.FPS).Codec
	p := &Plan{Summary: Summary{
		Canvas: arranged.Canvas, Colour: colour(codec, arranged.Canvas), FPS: opts.FPS, Length: arranged.Length,
		Frames: timeline.Frames(arranged.Length, opts.FPS), Tracks: make([]TrackSummary, len(tracks)),
		VideoEncoder: protocol.Encoder{Codec: protocol.Unencoded},
	}}
	n := timeline.FrameAt(at, opts.FPS)
	if timeline.FrameTime(n, opts.FPS) > at {
		n-- // the frame before is still shown
	}
	shown := slices.DeleteFunc(arranged.Placements, func(at layout.Placement) bool {
		return timeline.FrameAt(at.From, opts.FPS) > n || n >= timeline.FrameAt(at.To, opts.FPS)
	})
	for _, at := range shown {
		x, err := indexes(at.Source)
		if err != nil {
			return nil, err
		}
		p.Tracks[at.Source] = summarize(tracks[at.Source], arranged.Tracks[at.Source], x)
	}
	v := &videoPlanner{Plan: p, opts: opts, indexes: indexes}
	if err := v.readTimes(shown); err != nil {
		return nil, err
	}
	v.scenes = scenes(v.hold(shown), opts.FPS, p.Frames)
	tasks, err := v.fill([][]protocol.Chunk{{{From: n, To: n + 1}}})
	if err != nil {
		return nil, err
	}
	still := &Still{Frame: n, Length: p.Length, Task: tasks[0]}
	megapixels := 0.0
	for i := range still.Task.Tracks {
		track := &still.Task.Tracks[i]
		for _, r := range track.Ranges {
			still.Packets += r.End - r.Start
			megapixels += float64(r.End-r.Start) * v.times[track.Track].megapixels
			if track.Media.ShownFrom, err = v.lastFrames(track, r); err != nil {
				return nil, err
			}
		}
	}
	if megapixels > maxStillMegapixels {
		return nil, roomreel.InvalidParam("Second", "%d packets would have to be decoded, from the keyframes before %v s on, which is %.0f times what a preview may; choose a second that is nearer to a keyframe",
			still.Packets, at.Seconds(), megapixels/maxStillMegapixels)
	}
	return still, nil
}

// lastFrames returns the earliest time of the last packets of a range, of which the last frame in time is one: frames are reordered by
// less. Half of a browser's frames and more may be such that no other needs.
func (v *videoPlanner) lastFrames(track *VideoTrack, r Range) (time.Duration, error) {
	x, err := v.indexes(track.Track)
	if err != nil {
		return 0, err
	}
	earliest := time.Duration(math.MaxInt64)
	for p, err := range x.Packets(max(r.Start, r.End-maxAhead), r.End) {
		if err != nil {
			return 0, err
		}
		earliest = min(earliest, track.Clock.In(p.Time)+track.Shift)
	}
	return earliest, nil
}
