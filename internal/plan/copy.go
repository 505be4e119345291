package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	gohash "hash"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// A film whose video is one recording in the format of the film, as large as the film, has that recording's packets: they are
// copied, and neither decoded nor encoded. The same is true of audio that is one recording without a gap. Each is decided alone.
//
// Frames of copied video have their own times, in ticks of 1/[timeline.SampleRate] s. Summary.Frames and chunks count packets.

// Copy says that the packets of a recording are the film's.
type Copy struct {
	Track    int    // index into Summary.Tracks
	Start    int64  // ticks of the film before its first frame is seen, or its first sample is heard
	Private  []byte `json:",omitempty"` // as in media.OutputTrack
	Delay    int64  `json:",omitempty"` // audio: samples that players skip
	Channels int    `json:",omitempty"` // audio
	Stamps   string `json:",omitempty"` // video: of its packets; see Stamps
	Bytes    int64  `json:",omitempty"` // of its packets
}

const (
	// copySlack is how much of a film's beginning or end a recording may lack that is copied. Tracks of a participant do not begin
	// at the same instant. Until the first frame, players show black or that frame; the last frame stays, and silence follows the audio.
	copySlack = 500 * time.Millisecond

	copyChunks  = 30                      // Options.Chunk that a chunk of copied packets holds: it is made in a fraction of a second
	maxReorder  = 16                      // packets by which decoding runs ahead. Source: ITU-T H.264, A.3.1
	leastApart  = time.Millisecond        // frames. WebM's stamps have milliseconds
	largestCopy = media.MaxPacketSize / 2 // bytes of a packet. In another container it may be a little larger
)

// Numbers of ITU-T H.273.
const (
	bt470 = 5 // its matrix is that of BT.601
	pq    = 16
	hlg   = 18
)

// copied are the codecs of recordings that films of each format have.
var copied = map[roomreel.Format]map[roomreel.TrackKind]string{
	roomreel.MP4:  {roomreel.Video: "h264", roomreel.Audio: "aac"},
	roomreel.WebM: {roomreel.Video: "vp8", roomreel.Audio: "opus"},
}

// copiedTask returns the task that copies the film's video. It is nil when the video is encoded, and Summary.VideoEncoded says why.
// placements are those of the layout.
func (v *videoPlanner) copiedTask(placements []layout.Placement) (*VideoTask, error) {
	var task *VideoTask
	why, err := v.refuseVideo(placements)
	if err == nil && why == "" {
		task, why, err = v.copyVideo(placements[0].Source)
	}
	v.VideoEncoded = why
	return task, err
}

// refuseVideo returns the first reason against copying the video that is not in the times of its packets.
func (v *videoPlanner) refuseVideo(placements []layout.Placement) (string, error) {
	if v.opts.NoCopy != "" {
		return v.opts.NoCopy, nil
	}
	if want := copied[v.Format][roomreel.Video]; v.VideoEncoder.Codec != want {
		return fmt.Sprintf("a film of the quality %s has %s", v.Quality, v.VideoEncoder.Codec), nil
	}
	if len(placements) != 1 {
		return fmt.Sprintf("recordings are shown in %d places", len(placements)), nil
	}
	at := placements[0]
	x, err := v.indexes(at.Source)
	if err != nil {
		return "", err
	}
	index := x.Track()
	if why := v.refuseRecording(at.Source, index); why != "" {
		return why, nil
	}
	switch late, early := at.From, v.Length-at.To; {
	case at.Rect != (layout.Rect{W: v.Canvas.W, H: v.Canvas.H}):
		return fmt.Sprintf("its cell has %dx%d of the film's %dx%d pixels", at.Rect.W, at.Rect.H, v.Canvas.W, v.Canvas.H), nil
	case late > copySlack:
		return fmt.Sprintf("it begins %.3f s after the film", late.Seconds()), nil
	case early > copySlack:
		return fmt.Sprintf("it ends %.3f s before the film", early.Seconds()), nil
	case len(v.times[at.Source].gaps) > 0:
		return "it sends no frame for longer than the last one is held", nil
	case x.Count() > v.opts.Limits.Frames:
		return fmt.Sprintf("it has %d frames and a film may have %d (limits.film_frames)", x.Count(), v.opts.Limits.Frames), nil
	case !index.Stream.Known:
		return "its index was made by an earlier version of the program", nil
	case index.Stream.Why != "":
		return index.Stream.Why, nil
	}
	return refuseFrames(index), nil
}

// refuseRecording returns why packets of a recording of either kind are not copied, as far as its headers tell.
func (p *Plan) refuseRecording(track int, index media.Index) string {
	summary := &p.Tracks[track]
	want := copied[p.Format][summary.Kind]
	switch {
	case summary.Codec != want:
		return fmt.Sprintf("it has %s, and the %s of %s is %s", summary.Codec, summary.Kind, p.Format, want)
	case len(index.Parts) > 0:
		return "its headers change"
	case index.Truncated:
		return "its file is truncated"
	case index.Repaired > 0:
		return "its timestamps are damaged"
	}
	return ""
}

// refuseFrames returns why frames are not copied that players would show in another way than the film has to.
func refuseFrames(index media.Index) string {
	d := index.Display
	num, den := d.AspectNum, d.AspectDen
	if index.Codec == "h264" {
		q, ok := h264.ParseSequence(h264.PrivateSets(index.Stream.Sets))
		switch {
		case !ok:
			return "it has not exactly one sequence parameter set that can be read"
		case q.Refusal() != "":
			return q.Refusal()
		case num == 0:
			num, den = q.AspectNum, q.AspectDen
		}
	}
	c := colourOf(index)
	switch {
	case c.Matrix != media.BT601.Matrix && c.Matrix != bt470 && c.Matrix != media.BT709.Matrix, c.Transfer == pq || c.Transfer == hlg:
		return "its colours are neither those of BT.601 nor of BT.709"
	case index.Codec == "vp8" && (c.Full || c.Matrix == media.BT709.Matrix):
		return "its container gives it other colours than players give VP8"
	case d.Mirror || d.Turn != 0 || d.Left|d.Top|d.Right|d.Bottom != 0:
		return "players turn, mirror or crop its frames"
	case num != den:
		return "its pixels are not square"
	}
	return ""
}

// copyVideo makes the task that copies a recording, or says why it cannot be copied.
func (v *videoPlanner) copyVideo(track int) (*VideoTask, string, error) {
	x, err := v.indexes(track)
	if err != nil {
		return nil, "", err
	}
	index, summary := x.Track(), &v.Tracks[track]
	stamps := NewStamps(v.Format)
	order := presentation{most: maxReorder}
	if index.Codec == "vp8" {
		order.most = 0
	}
	gaps := &Gaps{}
	var chunks []protocol.Chunk
	n, next, bytes := 0, time.Duration(0), int64(0)
	for p, err := range x.Packets(0, x.Count()) {
		if err != nil {
			return nil, "", err
		}
		size := p.Size + len(index.Prefix)
		for _, rest := range p.Rest {
			size += rest.Size
		}
		switch {
		case n == 0 && !p.Key:
			return nil, "it does not begin with a keyframe", nil
		case p.Width > 0 && (p.Width != v.Canvas.W || p.Height != v.Canvas.H):
			return nil, fmt.Sprintf("it has frames of %dx%d pixels, and the film has %dx%d", p.Width, p.Height, v.Canvas.W, v.Canvas.H), nil
		case size > largestCopy:
			return nil, fmt.Sprintf("it has a frame of %d bytes, more than %d", size, largestCopy), nil
		}
		bytes += int64(size)
		at := summary.Clock.In(p.Time) + summary.Start
		if !order.add(at) {
			return nil, "its frames are not at times of their own", nil
		}
		stamps.Add(timeline.Samples(at), p.Key)
		if last := len(chunks) - 1; at >= next {
			chunks = append(chunks, protocol.Chunk{From: n, To: n + 1})
			next = at + max(copyChunks*v.opts.Chunk, time.Second)
		} else {
			chunks[last].To = n + 1
		}
		n++
	}
	if !order.flush() {
		return nil, "its frames are not at times of their own", nil
	}
	gaps.addAll(order.gaps)
	summary.Gaps = gaps
	v.Frames = n
	if index.Codec == "h264" {
		v.Colour = colourOf(index)
	}
	v.VideoCopy = &Copy{
		Track: track, Start: timeline.Samples(order.first), Private: index.Stream.Sets, Stamps: stamps.Sum(), Bytes: bytes,
	}
	shown := VideoTrack{Track: track, Recording: summary.Recording, Shift: summary.Start, Clock: summary.Clock}
	shown.Media, shown.Parts = describe(index, 0, n)
	return &VideoTask{
		Chunks: chunks, Canvas: v.Canvas, Colour: protocol.Colour(v.Colour), FPS: v.FPS, Encoder: v.VideoEncoder, Tracks: []VideoTrack{shown}, Copy: v.VideoCopy,
	}, "", nil
}

// colourOf returns what the samples of a recording mean: as the stream says, else the container, else BT.601, as when they are decoded.
func colourOf(index media.Index) media.Colour {
	q, _ := h264.ParseSequence(h264.PrivateSets(index.Stream.Sets))
	c := index.Colour
	if q.Coloured {
		said := media.NewColour(uint64(q.Primaries), uint64(q.Transfer), uint64(q.Matrix), false)
		c.Primaries, c.Transfer, c.Matrix = cmp.Or(said.Primaries, c.Primaries), cmp.Or(said.Transfer, c.Transfer), cmp.Or(said.Matrix, c.Matrix)
	}
	if q.Ranged {
		c.Full = q.Full
	}
	c.Matrix = cmp.Or(c.Matrix, media.BT601.Matrix)
	like := media.BT601
	if c.Matrix == media.BT709.Matrix {
		like = media.BT709
	}
	c.Primaries, c.Transfer = cmp.Or(c.Primaries, like.Primaries), cmp.Or(c.Transfer, like.Transfer)
	return c
}

// presentation puts the times of packets in the order in which their frames are shown.
type presentation struct {
	most    int             // packets by which a frame may come too early
	waiting []time.Duration // ascending
	count   int
	first   time.Duration
	last    time.Duration
	gaps    []timeline.Span
}

// add takes the time of the next packet in decoding order. It reports whether the order can be found.
func (o *presentation) add(at time.Duration) bool {
	i, _ := slices.BinarySearch(o.waiting, at)
	o.waiting = slices.Insert(o.waiting, i, at)
	return len(o.waiting) <= o.most || o.show()
}

// flush says that no packet follows.
func (o *presentation) flush() bool {
	for len(o.waiting) > 0 {
		if !o.show() {
			return false
		}
	}
	return true
}

func (o *presentation) show() bool {
	at := o.waiting[0]
	o.waiting = slices.Delete(o.waiting, 0, 1)
	switch {
	case o.count == 0 && at < 0, o.count > 0 && at < o.last+leastApart:
		return false
	case o.count == 0:
		o.first = at
	case at-o.last > media.VideoGap:
		o.gaps = append(o.gaps, timeline.Span{Start: o.last, End: at})
	}
	o.last = at
	o.count++
	return true
}

// copyAudio decides whether the film's audio is copied of a track, which is one of count. Summary.AudioEncoded says why it is not.
func (p *Plan) copyAudio(track *placedAudio, count int, opts Options) *Copy {
	c := &Copy{Track: track.Track, Bytes: track.bytes}
	why := opts.NoCopy
	if count > 1 {
		why = cmp.Or(why, fmt.Sprintf("%d recordings are heard", count))
	}
	why = cmp.Or(why, p.refuseRecording(track.Track, track.index), p.refuseRuns(track))
	if why == "" {
		c.Start, c.Delay = track.Runs[0].At, int64(track.Runs[0].Skip)
		why = c.describeAudio(track.index)
	}
	if p.AudioEncoded = why; why != "" {
		return nil
	}
	p.Samples -= c.Start
	return c
}

// refuseRuns returns why audio is not copied whose packets do not play one after another from the beginning of the film to its end.
func (p *Plan) refuseRuns(track *placedAudio) string {
	if len(track.Runs) != 1 {
		return "it has gaps"
	}
	run, slack := track.Runs[0], timeline.Samples(copySlack)
	switch end := run.At + run.Length; {
	case run.Length != run.Decoded || p.Tracks[track.Track].DriftRefused:
		return "its clock drifts"
	case run.At < 0 || run.At > slack:
		return fmt.Sprintf("it begins %.3f s after the film", timeline.SampleTime(max(run.At, 0)).Seconds())
	case end < p.Samples-slack:
		return fmt.Sprintf("it ends %.3f s before the film", timeline.SampleTime(p.Samples-end).Seconds())
	case run.Length == 0:
		return "nothing of it is heard"
	}
	for i := range run.Packets {
		if track.decoded[i+1] <= track.decoded[i] {
			return "one of its packets holds no audio"
		}
	}
	return ""
}

// describeAudio fills in what a container has to know of the audio, or says why it is not copied.
func (c *Copy) describeAudio(index media.Index) string {
	if index.Codec == "aac" {
		const lowComplexity = 2
		config, ok := bitstream.ParseAAC(index.Private)
		kind, _ := bitstream.AACType(index.Private)
		if !ok || kind != lowComplexity || config.Rate != timeline.SampleRate || config.Channels < 1 || config.Channels > 2 {
			return fmt.Sprintf("it is not AAC-LC of 1 or 2 channels at %d Hz", timeline.SampleRate)
		}
		c.Private, c.Channels = index.Private, config.Channels
		return ""
	}
	c.Channels = index.Channels
	if len(index.Private) > 0 {
		head, ok := bitstream.ParseOpusHead(index.Private)
		if !ok || head.Family != 0 || head.Gain != 0 {
			return "it has Opus of several streams, or with a gain"
		}
		c.Channels = head.Channels
	}
	if c.Channels < 1 || c.Channels > 2 {
		return fmt.Sprintf("it has %d channels", c.Channels)
	}
	c.Private = bitstream.OpusHead{Channels: c.Channels, PreSkip: int(c.Delay)}.Append(nil)
	return ""
}

// Stamps is a checksum of when frames are shown and which are keyframes, in the order of packets. Times are rounded as a film's
// container does. So a film that is read back can be compared with its plan, however long it is.
type Stamps struct {
	scale int64
	sum   gohash.Hash
	row   []byte
}

// NewStamps begins the checksum for a film.
func NewStamps(format roomreel.Format) *Stamps {
	const millis = 1000
	s := &Stamps{scale: timeline.SampleRate, sum: sha256.New()}
	if format == roomreel.WebM {
		s.scale = millis
	}
	return s
}

// Add adds a frame that is shown at the given tick.
func (s *Stamps) Add(tick int64, key bool) {
	s.AddUnits((2*tick*s.scale+timeline.SampleRate)/(2*timeline.SampleRate), key)
}

// AddUnits adds a frame that is shown at the given unit of the container's scale.
func (s *Stamps) AddUnits(units int64, key bool) {
	s.row = binary.AppendVarint(s.row[:0], units)
	if key {
		s.row = append(s.row, 1)
	} else {
		s.row = append(s.row, 0)
	}
	s.sum.Write(s.row)
}

// Sum returns the checksum.
func (s *Stamps) Sum() string { return hex.EncodeToString(s.sum.Sum(nil)) }
