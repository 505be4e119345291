package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/demux"
	"roomreel/internal/timeline"
)

// inspectCommand says what a recording holds, as far as that is known without decoding.
type inspectCommand struct {
	File string `arg:"" placeholder:"FILE" help:"The recording."`
	JSON bool   `name:"json" help:"Print JSON, for programs."`
}

// Help explains the drawing.
func (inspectCommand) Help() string {
	return "Each audio and video track is described and drawn over time. A higher bar means more bytes, a blank " +
		"means a gap. Under the bars, K is a keyframe, S a change of size, and G the beginning of a gap. Times count from the " +
		"track's first packet."
}

// inspected is what inspect prints with --json. Times are in seconds from the track's first packet.
type inspected struct {
	File      string           `json:"file"`
	Size      int64            `json:"size"` // bytes
	Container media.Container  `json:"container"`
	Tracks    []inspectedTrack `json:"tracks"` // those that can be read, video first

	Unreadable []string `json:"unreadable"` // the other audio and video tracks
}

type inspectedTrack struct {
	Kind      roomreel.TrackKind `json:"type"`
	Number    int                `json:"track"` // among those of its type, from 1: as manifests and uploads count
	Codec     string             `json:"codec"`
	Start     float64            `json:"start"` // from the beginning of the earliest track of the file
	Seconds   float64            `json:"seconds"`
	Packets   int                `json:"packets"`
	Bytes     int64              `json:"bytes"`
	Bitrate   int                `json:"bitrate"` // kbit/s
	Truncated bool               `json:"truncated"`
	Gaps      []inspectedGap     `json:"gaps"`
	Parts     []inspectedPart    `json:"parts"`    // where the file's headers change; none when they do not
	Omitted   []inspectedOmitted `json:"omitted"`  // what the file holds besides, after its beginning; the first of them
	Repaired  int                `json:"repaired"` // places where timestamps are corrected
	Repairs   []inspectedRepair  `json:"repairs"`  // the first of them

	Video *inspectedVideo `json:"video,omitempty"`
	Audio *inspectedAudio `json:"audio,omitempty"`

	index *media.Index
}

type inspectedVideo struct {
	FPS             float64         `json:"fps"` // on average, without the gaps
	Keyframes       int             `json:"keyframes"`
	FirstKeyframe   *float64        `json:"first_keyframe"`            // null for none
	LongestDistance float64         `json:"longest_keyframe_distance"` // from one to the next, or to the end
	Sizes           []inspectedSize `json:"sizes"`                     // at keyframes, where the size changes

	// How players show the frames.
	Turn        int    `json:"turn"` // degrees, clockwise
	Mirrored    bool   `json:"mirrored"`
	Cropped     [4]int `json:"cropped"` // pixels at left, top, right and bottom
	PixelAspect string `json:"pixel_aspect"`
}

type inspectedAudio struct {
	Rate         int     `json:"sample_rate"`
	Channels     int     `json:"channels"`
	PacketMillis float64 `json:"packet_ms"` // the median
	DriftMillis  float64 `json:"drift_ms"`  // of the sender's clock, which composing corrects
	DriftRefused bool    `json:"drift_refused"`
}

type inspectedRepair struct {
	At      float64          `json:"at"`
	Kind    media.RepairKind `json:"kind"`
	By      float64          `json:"by"`
	Packets int              `json:"packets"`
}

type inspectedPart struct {
	At       float64 `json:"at"`
	Codec    string  `json:"codec"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	Rate     int     `json:"sample_rate,omitempty"`
	Channels int     `json:"channels,omitempty"`
}

type inspectedOmitted struct {
	At   float64 `json:"at"`
	What string  `json:"what"` // after "the file goes on"
}

type inspectedGap struct {
	At     float64 `json:"at"`
	Length float64 `json:"length"`
}

type inspectedSize struct {
	At     float64 `json:"at"`
	Width  int     `json:"width"`
	Height int     `json:"height"`
}

func (c inspectCommand) Run(_ context.Context, s *session) error {
	result, err := inspect(c.File)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.stdout).Encode(result)
	}
	return result.print(s.stdout)
}

func inspect(path string) (inspected, error) {
	wrong := func(detail string, err error) error {
		return &roomreel.Error{Code: roomreel.Invalid, Param: path, Detail: detail, Err: err}
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return inspected{}, wrong("no such file", nil)
	}
	if err != nil {
		return inspected{}, wrong("cannot be read", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return inspected{}, err
	}
	if !info.Mode().IsRegular() {
		return inspected{}, wrong("is not a file", nil)
	}
	result := inspected{File: path, Size: info.Size(), Tracks: []inspectedTrack{}}
	var refusals []error
	for _, kind := range []roomreel.TrackKind{roomreel.Video, roomreel.Audio} {
		for number := 1; ; number++ {
			index, container, err := demux.ReadTrack(file, info.Size(), kind, number)
			var refusal *roomreel.Error
			if errors.As(err, &refusal) {
				refusals = append(refusals, errors.New(refusal.Detail))
				break
			}
			if err != nil {
				return inspected{}, fmt.Errorf("%s: %w", path, err)
			}
			result.Container = container
			result.Unreadable = unreadable(index)
			track := inspectTrack(kind, index)
			track.Number = number
			result.Tracks = append(result.Tracks, track)
			if !hasTrack(index, kind, number+1) {
				break
			}
		}
	}
	if len(result.Tracks) == 0 {
		if len(refusals) == 2 && refusals[0].Error() == refusals[1].Error() {
			refusals = refusals[:1]
		}
		return inspected{}, wrong("cannot be used as a recording", errors.Join(refusals...))
	}
	return result, nil
}

// hasTrack reports whether the index's file has a track with a number that can be read.
func hasTrack(x *media.Index, kind roomreel.TrackKind, number int) bool {
	return slices.ContainsFunc(x.Tracks, func(t media.FileTrack) bool { return t.Kind == kind && t.Number == number })
}

// unreadable lists the tracks of the index's file that cannot be read.
func unreadable(x *media.Index) []string {
	list := []string{}
	for _, t := range x.Tracks {
		if t.Number == 0 {
			list = append(list, t.String())
		}
	}
	return list
}

func inspectTrack(kind roomreel.TrackKind, x *media.Index) inspectedTrack {
	t := inspectedTrack{
		Kind: kind, Codec: x.Codec, Start: x.Start.Seconds(), Seconds: x.Length().Seconds(), Packets: len(x.Packets),
		Truncated: x.Truncated, Gaps: []inspectedGap{}, Repaired: x.Repaired, Repairs: []inspectedRepair{}, index: x,
		Parts: []inspectedPart{}, Omitted: []inspectedOmitted{},
	}
	for _, p := range x.Outline(media.MaxParts) {
		t.Parts = append(t.Parts, inspectedPart{p.At.Seconds(), p.Codec, p.Width, p.Height, p.Rate, p.Channels})
	}
	for _, o := range x.Omitted {
		t.Omitted = append(t.Omitted, inspectedOmitted{o.At.Seconds(), o.What})
	}
	for _, r := range x.Repairs {
		t.Repairs = append(t.Repairs, inspectedRepair{r.At.Seconds(), r.Kind, r.By.Seconds(), r.Packets})
	}
	for _, p := range x.Packets {
		t.Bytes += int64(p.Size)
		for _, rest := range p.Rest {
			t.Bytes += int64(rest.Size)
		}
	}
	if t.Seconds > 0 {
		t.Bitrate = int(float64(t.Bytes) * 8 / 1000 / t.Seconds)
	}
	if x.Video {
		t.video(x)
	} else {
		t.audio(x)
	}
	return t
}

func (t *inspectedTrack) video(x *media.Index) {
	times := make([]time.Duration, 0, len(x.Packets))
	d := x.Display
	v := &inspectedVideo{
		Sizes: []inspectedSize{}, Turn: d.Turn, Mirrored: d.Mirror, Cropped: [4]int{d.Left, d.Top, d.Right, d.Bottom},
		PixelAspect: fmt.Sprintf("%d:%d", max(d.AspectNum, 1), max(d.AspectDen, 1)),
	}
	t.Video = v
	var keyframe time.Duration
	size := inspectedSize{}
	for _, p := range x.Packets {
		times = append(times, p.Time)
		if !p.Key {
			continue
		}
		if v.Keyframes++; v.Keyframes == 1 {
			at := p.Time.Seconds()
			v.FirstKeyframe = &at
		}
		v.LongestDistance = max(v.LongestDistance, (p.Time - keyframe).Seconds())
		keyframe = p.Time
		if p.Width > 0 && (p.Width != size.Width || p.Height != size.Height) {
			size = inspectedSize{At: p.Time.Seconds(), Width: p.Width, Height: p.Height}
			v.Sizes = append(v.Sizes, size)
		}
	}
	v.LongestDistance = max(v.LongestDistance, (x.Length() - keyframe).Seconds())
	slices.Sort(times)
	var moving time.Duration // without the gaps
	frames := 0
	for i := 1; i < len(times); i++ {
		distance := times[i] - times[i-1]
		if distance > media.VideoGap {
			t.Gaps = append(t.Gaps, inspectedGap{At: times[i-1].Seconds(), Length: distance.Seconds()})
			continue
		}
		moving += distance
		frames++
	}
	if moving > 0 {
		v.FPS = float64(frames) / moving.Seconds()
	}
}

func (t *inspectedTrack) audio(x *media.Index) {
	t.Audio = &inspectedAudio{Rate: x.Rate, Channels: x.Channels}
	packets := make([]timeline.AudioPacket, len(x.Packets))
	lengths := make([]time.Duration, len(x.Packets))
	for i, p := range x.Packets {
		packets[i] = timeline.AudioPacket{Time: p.Time, Duration: p.Duration}
		lengths[i] = p.Duration
	}
	if len(lengths) > 0 {
		slices.Sort(lengths)
		t.Audio.PacketMillis = float64(lengths[len(lengths)/2].Microseconds()) / 1000
	}
	var end, drift int64 // samples
	for part, packet := range x.Ranges(len(packets)) {
		for i, run := range timeline.Runs(packets[packet[0]:packet[1]]) {
			at := timeline.Samples(run.At)
			if part+i > 0 && at > end {
				t.Gaps = append(t.Gaps, inspectedGap{At: timeline.SampleTime(end).Seconds(), Length: timeline.SampleTime(at - end).Seconds()})
			}
			end = max(end, at+run.Length)
			drift += run.Length - run.Decoded
			t.Audio.DriftRefused = t.Audio.DriftRefused || run.Refused
		}
	}
	t.Audio.DriftMillis = float64(drift) * 1000 / timeline.SampleRate
}

// print writes the inspection for people.
func (r inspected) print(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s, %s\n", r.File, r.Container, count(r.Size, "byte"))
	for _, t := range r.Tracks {
		text.WriteString("\n")
		t.print(&text)
	}
	if len(r.Unreadable) > 0 {
		text.WriteString("\n")
	}
	for _, track := range r.Unreadable {
		fmt.Fprintf(&text, "%s\n", track)
	}
	_, err := io.WriteString(w, printable(text.String()))
	return err
}

func (t inspectedTrack) print(w io.Writer) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "%s track %d, %s\n", t.Kind, t.Number, t.Codec)
	line("length", "%s, starts %s after the file's earliest track", clock(t.Seconds), clock(t.Start))
	line("packets", "%d, %d bytes, %d kbit/s", t.Packets, t.Bytes, t.Bitrate)
	if v := t.Video; v != nil {
		line("frames", "%.1f per second", v.FPS)
		if v.FirstKeyframe == nil {
			line("keyframes", "none: the track cannot be shown")
		} else {
			line("keyframes", "%d, the first at %s, at most %s from one to the next", v.Keyframes, clock(*v.FirstKeyframe), clock(v.LongestDistance))
		}
		line("sizes", "%s", listed(v.Sizes, len(v.Sizes), func(s inspectedSize) string { return fmt.Sprintf("%dx%d at %s", s.Width, s.Height, clock(s.At)) }))
		if shown := v.shown(); shown != "" {
			line("shown", "%s", shown)
		}
	}
	if a := t.Audio; a != nil {
		line("samples", "%d per second, %s, %.4g ms in a packet", a.Rate, count(a.Channels, "channel"), a.PacketMillis)
		drift := fmt.Sprintf("%.4g ms", a.DriftMillis)
		if a.DriftRefused {
			drift += "; some stamps drift by more than 5 %, which is not corrected"
		}
		line("drift", "%s", drift)
	}
	line("gaps", "%s", listed(t.Gaps, len(t.Gaps), func(g inspectedGap) string { return fmt.Sprintf("%s at %s", clock(g.Length), clock(g.At)) }))
	if len(t.Parts) > 0 {
		line("parts", "%s", listed(t.Parts, len(t.Parts), inspectedPart.String))
	}
	for _, o := range t.Omitted {
		line("left out", "from %s on the file goes on %s", clock(o.At), o.What)
	}
	if t.Repaired > 0 {
		line("repaired", "timestamps in %s: %s", count(t.Repaired, "place"), listed(t.Repairs[:min(len(t.Repairs), maxListed)], t.Repaired, func(r inspectedRepair) string {
			return fmt.Sprintf("%s of %s at %s", r.Kind, clock(r.By), clock(r.At))
		}))
	}
	if t.Truncated {
		line("truncated", "the file ends in the middle of something")
	}
	bars, marks := t.draw()
	line("", "|%s|", bars)
	if marks = strings.TrimRight(marks, " "); marks != "" {
		line("", " %s", marks)
	}
	end := clock(t.Seconds)
	line("", " 0:00%s%s", strings.Repeat(" ", max(1, drawingWidth-4-len(end))), end)
}

func (p inspectedPart) String() string {
	if p.Width > 0 {
		return fmt.Sprintf("%s, %dx%d, from %s", p.Codec, p.Width, p.Height, clock(p.At))
	}
	return fmt.Sprintf("%s, %d Hz, %s, from %s", p.Codec, p.Rate, count(p.Channels, "channel"), clock(p.At))
}

// shown says how players show the frames, where that is not as they are.
func (v inspectedVideo) shown() string {
	var parts []string
	if v.Cropped != [4]int{} {
		parts = append(parts, fmt.Sprintf("cropped by %d, %d, %d and %d pixels at left, top, right and bottom", v.Cropped[0], v.Cropped[1], v.Cropped[2], v.Cropped[3]))
	}
	if v.PixelAspect != "1:1" {
		parts = append(parts, "with pixels of "+v.PixelAspect)
	}
	if v.Mirrored {
		parts = append(parts, "mirrored")
	}
	if v.Turn != 0 {
		parts = append(parts, fmt.Sprintf("turned clockwise by %d degrees", v.Turn))
	}
	return strings.Join(parts, ", ")
}

// maxListed is how many entries of a list are printed for people.
const maxListed = 8

// listed writes the first entries of a list that has total ones.
func listed[T any](list []T, total int, text func(T) string) string {
	var parts []string
	for _, item := range list[:min(len(list), maxListed)] {
		parts = append(parts, text(item))
	}
	switch more := total - len(parts); {
	case total == 0:
		return "none"
	case more > 0:
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

const drawingWidth = 64 // columns

// draw draws the track over time: bars of the bytes in each column, and marks of what happens there.
func (t inspectedTrack) draw() (bars, marks string) {
	length := t.index.Length()
	column := func(at time.Duration) int {
		if length <= 0 {
			return 0
		}
		return min(max(int(float64(at)/float64(length)*drawingWidth), 0), drawingWidth-1)
	}
	seconds := func(at float64) time.Duration { return time.Duration(at * float64(time.Second)) }
	var bytes [drawingWidth]int64
	most := int64(1)
	mark := []byte(strings.Repeat(" ", drawingWidth))
	for _, p := range t.index.Packets {
		at := column(p.Time)
		bytes[at] += int64(p.Size)
		most = max(most, bytes[at])
		if t.Video != nil && p.Key {
			mark[at] = 'K'
		}
	}
	if t.Video != nil {
		for _, size := range t.Video.Sizes[min(1, len(t.Video.Sizes)):] {
			mark[column(seconds(size.At))] = 'S'
		}
	}
	var blank [drawingWidth]bool
	if length <= 0 { // everything is in the first column
		for i := 1; i < drawingWidth; i++ {
			blank[i] = true
		}
	}
	for _, gap := range t.Gaps {
		from, to := column(seconds(gap.At)), column(seconds(gap.At+gap.Length))
		mark[from] = 'G'
		for i := from; i < to; i++ {
			blank[i] = bytes[i] == 0
		}
	}
	heights := []rune("▁▂▃▄▅▆▇█")
	var drawn strings.Builder
	for i, n := range bytes {
		if blank[i] {
			drawn.WriteByte(' ')
		} else {
			drawn.WriteRune(heights[int(n*int64(len(heights)-1)/most)])
		}
	}
	return drawn.String(), string(mark)
}

// count writes a number of things: 1 place, 2 places.
func count[N int | int64](n N, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// clock writes seconds as 1:02:03.456, without hours where there are none.
func clock(seconds float64) string {
	ms := int64(seconds*1000 + 0.5)
	text := fmt.Sprintf("%02d.%03d", ms/1000%60, ms%1000)
	if h := ms / 3_600_000; h > 0 {
		return fmt.Sprintf("%d:%02d:%s", h, ms/60_000%60, text)
	}
	return fmt.Sprintf("%d:%s", ms/60_000, text)
}
