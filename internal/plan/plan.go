// Package plan decides a film: who is in which rectangle at which frame, which packets each task needs, where chunks
// begin, and where each run of audio lies. It is pure: the same request, tracks and options give the same plan.
//
// [Arrange] selects recordings and lays them out in time and on the canvas; previews need no more. [New] adds the tasks
// that render the film. A plan is made once and stored ([Plan.Write]); a task reads only its slice of it ([Open]), so
// nothing that runs later decides anything about the film.
//
// Four words: a chunk is the smallest part of the video that is published and resumed. A video task is a row of chunks
// that one render child makes, so that sources are decoded once. An audio task is a part of the audio. A scene is who is
// where until that changes.
package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Options are the server's choices.
type Options struct {
	FPS      int           // output frames per second
	Chunk    time.Duration // output time that one chunk holds
	Parallel int           // how many video tasks may be rendered at once
	Hold     time.Duration // how long the last frame of a camera that is off stays; 0: until it is on again
	Encoder  Policy
	Device   string // hardware that encodes what it can: vaapi or nvenc; "" for none
	Limits   roomreel.FilmLimits
	NoCopy   string // why no packets of recordings are copied; "" when they are where that can be

	// VideoTask and AudioTask are how much of the film one task renders at most; 0 for the defaults. They bound the memory
	// of a task, and what is lost when one cannot be resumed.
	VideoTask, AudioTask time.Duration
}

const (
	defaultVideoTask = 30 * time.Minute
	defaultAudioTask = 10 * time.Minute
)

// Indexes opens the packet index of the track at the given place among those that are planned.
type Indexes func(track int) (*media.IndexFile, error)

// Plan is a film decided in full. It has video when a region of the layout selects at least one video recording, and
// audio when AudioSources select at least one audio recording.
type Plan struct {
	Summary
	Video []VideoTask
	Audio []AudioTask
}

// Summary is what concerns the film as a whole.
type Summary struct {
	Format       roomreel.Format
	Canvas       layout.Size
	Colour       media.Colour `json:",omitzero"` // of the video's samples
	FPS          int          // of video that is not copied
	Length       time.Duration
	Intervals    []timeline.Interval // which room time the film shows
	Frames       int                 // 0: no video. Copied video: packets
	Samples      int64               // 0: no audio. Copied audio: those that are heard
	Chunks       int                 // of the video
	AudioTasks   int
	Tracks       []TrackSummary // the room's recordings, in the order they were given
	VideoEncoder protocol.Encoder
	AudioEncoder protocol.Encoder
	Quality      roomreel.Quality `json:",omitempty"` // for estimates: films of one quality correct one another

	// What is copied of recordings, and not encoded; nil for nothing. Then VideoEncoded and AudioEncoded say why. Plans of
	// earlier versions of the program copy nothing and say nothing.
	VideoCopy    *Copy  `json:",omitempty"`
	AudioCopy    *Copy  `json:",omitempty"`
	VideoEncoded string `json:",omitempty"`
	AudioEncoded string `json:",omitempty"`

	// Where each recording is shown, for the report: in the order of time, MaxPlaces at most. Plans of earlier versions of the
	// program have none.
	Places        []Place `json:",omitempty"`
	PlacesOmitted int     `json:",omitempty"`
}

// EncoderKind is the kind of encoder that all segments of the video come from; "" when no video is encoded.
func (s *Summary) EncoderKind() string {
	if s.Frames == 0 || s.VideoCopy != nil {
		return ""
	}
	return s.VideoEncoder.Kind()
}

// MaxParts bounds TrackSummary.Parts.
const MaxParts = 16

// MaxPlaces bounds Summary.Places. In a room that people join one after another, each join may move everyone.
const MaxPlaces = 5000

// Place is a recording's rectangle of the canvas in the output times [From, To).
type Place struct {
	Track    int // index into Summary.Tracks
	From, To time.Duration
	Rect     layout.Rect
}

// TrackSummary is one recording in the film.
type TrackSummary struct {
	Recording    roomreel.RecordingSID
	Identity     string
	Name         string
	Kind         roomreel.TrackKind
	Codec        string
	Used         bool          // a selector of the request names it
	Start        time.Duration // output time of its first packet
	Length       time.Duration // in room time
	Packets      int
	Truncated    bool
	Repaired     int               `json:",omitempty"` // see media.Index
	Repairs      []media.Repair    `json:",omitempty"`
	LeftOut      []string          `json:",omitempty"` // tracks of its file that no recording is made of; the first recording of a file has them
	CameraOff    int               `json:",omitempty"` // how often it sends no frame for longer than Options.Hold, and
	OffTime      time.Duration     `json:",omitempty"` // for how long in all, the time that its last frame is held included
	Ending       timeline.Ending   `json:",omitempty"`
	KnownLater   time.Duration     `json:",omitempty"` // by how much the known end is later than that of the last packet
	Stall        timeline.Evidence `json:",omitempty"` // audio that lacks time: what shows where. See Clock
	Clock        timeline.Clock    `json:",omitzero"`
	Parts        []media.Outline   `json:",omitempty"` // when headers change in the file; the first MaxParts
	Omitted      []media.Omission  `json:",omitempty"` // what its file holds besides, after its beginning
	Drift        time.Duration     // by how much clocks drifted, corrected
	DriftRefused bool              // some stamps drift more than any clock does, and were not followed

	// Gaps are those of a recording that is used, as far as the film reads it. Plans of earlier versions of the program have none.
	Gaps *Gaps `json:",omitempty"`
}

// Gaps are the times in a recording in which no audio or no frame comes: more than media.VideoGap of video.
type Gaps struct {
	Count     int
	Total     time.Duration
	Longest   time.Duration
	LongestAt time.Duration // output time
}

func (g *Gaps) addAll(spans []timeline.Span) {
	for _, span := range spans {
		g.add(span.Start, span.End-span.Start)
	}
}

func (g *Gaps) add(at, length time.Duration) {
	g.Count++
	g.Total += length
	if length > g.Longest {
		g.Longest, g.LongestAt = length, at
	}
}

// VideoTask is a row of chunks that one child renders.
type VideoTask struct {
	First   int // number of its first chunk in the film
	Chunks  []protocol.Chunk
	Canvas  layout.Size
	Colour  protocol.Colour `json:",omitzero"`
	FPS     int
	Encoder protocol.Encoder
	Tracks  []VideoTrack
	Scenes  []protocol.Scene // cells refer to Tracks by index
	Copy    *Copy            `json:",omitempty"` // the packets of the only track are stored as they are; chunks are of packets
}

// VideoTrack is a recording that a video task shows.
type VideoTrack struct {
	Track     int // index into Summary.Tracks
	Recording roomreel.RecordingSID
	Media     protocol.Track
	Parts     []int          `json:",omitempty"` // packets with which Media.Parts begin, ascending
	Shift     time.Duration  // output time of its first packet
	Clock     timeline.Clock `json:",omitzero"`
	Ranges    []Range        // ascending; no range crosses the border of a chunk
}

// Range says which packets of a track show it in the frames [From, To): those from packet Start, a keyframe where there
// is one, up to packet End, exclusive.
type Range struct{ From, To, Start, End int }

// AudioTask is the samples [From, To) of the film's audio.
type AudioTask struct {
	From, To int64
	Encoder  protocol.Encoder // lossless when the audio is made by several tasks
	Tracks   []AudioTrack
	Copy     *Copy `json:",omitempty"` // the packets of the only track are stored as they are
}

// AudioTrack is a recording that an audio task hears.
type AudioTrack struct {
	Track      int // index into Summary.Tracks
	Recording  roomreel.RecordingSID
	Media      protocol.Track
	Parts      []int          `json:",omitempty"` // packets with which Media.Parts begin, ascending
	Shift      time.Duration  // output time of its first packet
	Clock      timeline.Clock `json:",omitzero"`
	Start, End int            // packets [Start, End)
	Runs       runs
}

// New plans the film that req asks for. The error is that of Arrange, or of indexes. One index is read at a time.
func New(req Request, tracks []Track, indexes Indexes, opts Options) (*Plan, error) {
	if err := CheckQuality(opts.Encoder, req.Size); err != nil {
		return nil, err
	}
	opts.Limits = opts.Limits.WithDefaults()
	indexes = openedOnce(indexes)
	arranged, err := Arrange(req, tracks, opts)
	if err != nil {
		return nil, err
	}
	p := &Plan{Summary: Summary{
		Format: req.Format, Canvas: arranged.Canvas, FPS: opts.FPS, Length: arranged.Length, Intervals: arranged.Intervals,
		Tracks: make([]TrackSummary, len(tracks)), Quality: opts.Encoder,
	}}
	p.VideoEncoder, p.AudioEncoder = videoEncoder(opts.Encoder, opts.Device, req.Format, p.Canvas, opts.FPS), audioEncoder(req.Format, 2)
	p.Colour = colour(p.VideoEncoder.Codec, p.Canvas)
	for i, t := range tracks {
		x, err := indexes(i)
		if err != nil {
			return nil, err
		}
		p.Tracks[i] = summarize(t, arranged.Tracks[i], x)
	}
	if err := p.nameLeftOut(indexes); err != nil {
		return nil, err
	}
	if len(arranged.video) > 0 {
		p.Places, p.PlacesOmitted = places(arranged.Placements)
		p.Frames = timeline.Frames(p.Length, opts.FPS)
		if p.Frames > opts.Limits.Frames {
			return nil, limitError("the film would have %d frames and may have %d (limits.film_frames)", p.Frames, opts.Limits.Frames)
		}
		v := &videoPlanner{Plan: p, opts: opts, indexes: indexes}
		for _, t := range arranged.audio {
			v.audio += p.Tracks[t].Length.Seconds() * listenCost(p.Tracks[t].Codec)
		}
		if len(arranged.audio) > 0 {
			v.audio += p.Length.Seconds() * audioCosts[p.AudioEncoder.Codec].encode
		}
		if err := v.readTimes(arranged.Placements); err != nil {
			return nil, err
		}
		held := v.hold(arranged.Placements)
		task, err := v.copiedTask(arranged.Placements)
		if err != nil {
			return nil, err
		}
		if task != nil {
			p.Video = []VideoTask{*task}
		} else {
			v.scenes = scenes(held, opts.FPS, p.Frames)
			if p.Video, err = v.tasks(); err != nil {
				return nil, err
			}
		}
		for _, task := range p.Video {
			p.Chunks += len(task.Chunks)
		}
	}
	if len(arranged.audio) > 0 {
		p.Samples = timeline.Samples(p.Length)
		if p.Audio, err = p.audioTasks(arranged.audio, indexes, opts, gapsBeside(tracks, indexes)); err != nil {
			return nil, err
		}
		p.AudioTasks = len(p.Audio)
	}
	return p, nil
}

// summarize describes a recording as far as its row and the head of its index tell.
func summarize(t Track, at Arranged, x *media.IndexFile) TrackSummary {
	index := x.Track()
	track := TrackSummary{
		Recording: t.Recording, Identity: t.Identity, Name: t.Name, Kind: t.Kind, Used: at.Used,
		Start: at.Start, Length: t.Lasts(), Ending: timeline.CompareEnds(t.Length, t.Known), Clock: timeline.Drifting(t.Length, t.Known),
		Codec: index.Codec, Packets: x.Count(), Truncated: index.Truncated,
		Repaired: index.Repaired, Repairs: index.Repairs, Parts: index.Outline(MaxParts), Omitted: index.Omitted,
	}
	if track.Ending != timeline.EndsRight {
		track.KnownLater = t.Known - t.Length
	}
	return track
}

// places lists placements in the order of time, and counts those that are too many.
func places(placements []layout.Placement) (list []Place, omitted int) {
	for _, at := range placements {
		list = append(list, Place{Track: at.Source, From: at.From, To: at.To, Rect: at.Rect})
	}
	slices.SortStableFunc(list, func(a, b Place) int { return cmp.Compare(a.From, b.From) })
	if len(list) > MaxPlaces {
		list, omitted = slices.Clone(list[:MaxPlaces]), len(list)-MaxPlaces
	}
	return list, omitted
}

// nameLeftOut fills in TrackSummary.LeftOut. Indexes with the same size and tracks are taken for those of one file.
func (p *Plan) nameLeftOut(indexes Indexes) error {
	type file struct {
		first int
		used  map[string]bool
	}
	files := map[string]*file{}
	name := func(kind roomreel.TrackKind, number int) string { return fmt.Sprintf("%s %d", kind, number) }
	for i := range p.Tracks {
		index, err := indexes(i)
		if err != nil {
			return err
		}
		x := index.Track()
		if len(x.Tracks) < 2 {
			continue
		}
		key := fmt.Sprint(x.Size, x.Tracks)
		if files[key] == nil {
			files[key] = &file{i, map[string]bool{}}
		}
		files[key].used[name(p.Tracks[i].Kind, x.Track)] = true
	}
	for _, f := range files {
		index, err := indexes(f.first)
		if err != nil {
			return err
		}
		x := index.Track()
		p.Tracks[f.first].LeftOut = x.LeftOut(func(kind roomreel.TrackKind, number int) bool { return f.used[name(kind, number)] })
	}
	return nil
}

// openedOnce keeps the indexes that were opened. Open, one takes some kilobytes.
func openedOnce(indexes Indexes) Indexes {
	open := map[int]*media.IndexFile{}
	return func(track int) (*media.IndexFile, error) {
		if x := open[track]; x != nil {
			return x, nil
		}
		x, err := indexes(track)
		if err == nil {
			open[track] = x
		}
		return x, err
	}
}

// describe describes the packets [from, to) of a track to a child, and says with which packets its parts begin.
func describe(x media.Index, from, to int) (track protocol.Track, parts []int) {
	part := x.Part(from)
	track = renderTrack(x.Headers(part))
	track.Mono = x.Mono
	for _, p := range x.Parts[part:] {
		if p.First >= to {
			break
		}
		track.Parts, parts = append(track.Parts, renderTrack(p.Index)), append(parts, p.First)
	}
	return track, parts
}

// PartOf returns the number of the part that holds a packet, when the parts after the first begin with the given packets.
func PartOf(parts []int, packet int) int {
	n, _ := slices.BinarySearch(parts, packet+1)
	return n
}

// renderTrack describes a track, or a part of it, to a child.
func renderTrack(x media.Index) protocol.Track {
	return protocol.Track{
		Codec: x.Codec, Private: x.Private, Channels: x.Channels, Rate: x.Rate, MaxW: x.Width, MaxH: x.Height,
		Display: protocol.Display(x.Display), Colour: protocol.Colour(x.Colour),
	}
}

// scenes turns placements in time into rows of cells by frame number. Frame n shows a placement when its instant n/fps
// lies in [From, To). Cell.Track is the placement's Source.
func scenes(placements []layout.Placement, fps, frames int) []protocol.Scene {
	type visible struct {
		from, to int
		at       layout.Placement
	}
	var all []visible
	borders := []int{0}
	for _, at := range placements {
		v := visible{from: timeline.FrameAt(at.From, fps), to: min(timeline.FrameAt(at.To, fps), frames), at: at}
		if v.from < v.to {
			all = append(all, v)
			borders = append(borders, v.from, v.to)
		}
	}
	slices.SortStableFunc(all, func(a, b visible) int { return layout.DrawOrder(a.at, b.at) })
	slices.Sort(borders)
	begins, ends := map[int][]int{}, map[int][]int{}
	for i, v := range all {
		begins[v.from] = append(begins[v.from], i)
		ends[v.to] = append(ends[v.to], i)
	}
	var result []protocol.Scene
	var now []int // indexes of what is visible, in draw order
	for _, from := range slices.Compact(borders) {
		if from >= frames {
			break
		}
		for _, i := range ends[from] {
			k, _ := slices.BinarySearch(now, i)
			now = slices.Delete(now, k, k+1)
		}
		for _, i := range begins[from] {
			k, _ := slices.BinarySearch(now, i)
			now = slices.Insert(now, k, i)
		}
		scene := protocol.Scene{From: from}
		for _, i := range now {
			r := all[i].at.Rect
			scene.Cells = append(scene.Cells, protocol.Cell{Track: all[i].at.Source, X: r.X, Y: r.Y, W: r.W, H: r.H})
		}
		if n := len(result); n > 0 && slices.Equal(result[n-1].Cells, scene.Cells) {
			continue
		}
		result = append(result, scene)
	}
	return result
}
