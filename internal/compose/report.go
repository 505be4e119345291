package compose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Report says what went into a film and what did not. It is JSON, for a person who asks why a film looks as it does.
type Report struct {
	Streams   []string         `json:"streams"` // codecs, video first
	Width     int              `json:"width,omitempty"`
	Height    int              `json:"height,omitempty"`
	FPS       int              `json:"fps,omitempty"`
	Frames    int              `json:"frames"`
	Samples   int64            `json:"samples"`
	Seconds   float64          `json:"seconds"`
	Chunks    int              `json:"chunks"`
	Intervals []ReportInterval `json:"intervals"`
	Tracks    []ReportTrack    `json:"tracks"`
	Places    []ReportPlace    `json:"places"`
	// PlacesOmitted counts the places that the report has no room for.
	PlacesOmitted int      `json:"places_omitted,omitempty"`
	Peak          float64  `json:"peak"`              // of the mix before the limiter; 1 is full scale
	Resumed       bool     `json:"resumed,omitempty"` // after an interruption: what was decoded before it is not counted
	Warnings      []string `json:"warnings"`
}

// ReportInterval is a part of room time that the film shows. All in seconds.
type ReportInterval struct {
	Room   float64 `json:"room"`
	Film   float64 `json:"film"`
	Length float64 `json:"length"`
}

// ReportPlace says where a recording is in the film, and when: in seconds of the film and pixels of the canvas.
type ReportPlace struct {
	Track  int     `json:"track"` // index into Tracks
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	X      int     `json:"x"`
	Y      int     `json:"y"`
	Width  int     `json:"width"`
	Height int     `json:"height"`
}

// ReportTrack says what became of one recording. Times are in seconds of the film.
type ReportTrack struct {
	Recording   string   `json:"recording_sid,omitempty"`
	Participant string   `json:"participant"`
	Name        string   `json:"track_name"`
	Kind        string   `json:"type"`
	Codec       string   `json:"codec"`
	Used        bool     `json:"used"` // a selector of the request names it
	Start       float64  `json:"start"`
	Length      float64  `json:"length"`
	Packets     int      `json:"packets"` // of the recording
	Decoded     int      `json:"decoded"` // video frames or audio packets that a decoder decoded
	Errors      int      `json:"errors"`
	Shown       int      `json:"frames_shown,omitempty"`  // frames of the film in which a decoded frame was shown
	Audible     float64  `json:"heard_seconds,omitempty"` // of samples that a decoder made
	Sizes       int      `json:"size_changes,omitempty"`
	Off         int      `json:"camera_off,omitempty"`         // how often no frame came for longer than the last one is held, and
	OffSeconds  float64  `json:"camera_off_seconds,omitempty"` // for how long in all
	DriftMillis float64  `json:"drift_ms,omitempty"`
	KnownLater  float64  `json:"known_end_later_seconds,omitempty"` // by how much its known end is later than that of its last packet
	StallAt     float64  `json:"stall_at,omitempty"`                // what follows in the recording is later by known_end_later_seconds
	Stall       string   `json:"stall_evidence,omitempty"`          // what shows that; see timeline.Evidence
	Truncated   bool     `json:"truncated,omitempty"`
	LeftOut     []string `json:"left_out,omitempty"` // tracks of its file that no recording is made of
	Parts       []string `json:"parts,omitempty"`    // when codec, size or rate change in its file: "vp8 from 0.000 s (640x480)", in the recording's time
	Omitted     []string `json:"omitted,omitempty"`  // with what its file goes on that is not used, and from when on
	Repaired    int      `json:"repaired,omitempty"` // places where timestamps were corrected
	Lost        bool     `json:"lost,omitempty"`     // its decoder died: left out from there on
	Missing     bool     `json:"missing,omitempty"`  // packets of it were due in the film, and none could be decoded
	Refusal     string   `json:"refusal,omitempty"`  // why the first packet could not be decoded that could not
}

// MakeReport puts together what the plan decided and what its tasks counted. Stats of the same recording add up.
func MakeReport(film *plan.Summary, tasks ...TaskStats) Report {
	r := Report{
		Frames: film.Frames, Samples: film.Samples, Seconds: film.Length.Seconds(), Chunks: film.Chunks,
		Intervals: []ReportInterval{}, Tracks: []ReportTrack{}, Places: []ReportPlace{}, PlacesOmitted: film.PlacesOmitted, Warnings: []string{},
	}
	if film.Frames > 0 {
		r.Streams = append(r.Streams, film.VideoEncoder.Codec)
		r.Width, r.Height, r.FPS = film.Canvas.W, film.Canvas.H, film.FPS
	}
	if film.Samples > 0 {
		r.Streams = append(r.Streams, film.AudioEncoder.Codec)
	}
	for _, at := range film.Intervals {
		r.Intervals = append(r.Intervals, ReportInterval{
			Room: at.Room.Start.Seconds(), Film: at.Output.Seconds(), Length: (at.Room.End - at.Room.Start).Seconds(),
		})
	}
	for _, at := range film.Places {
		r.Places = append(r.Places, ReportPlace{
			Track: at.Track, From: at.From.Seconds(), To: at.To.Seconds(), X: at.Rect.X, Y: at.Rect.Y, Width: at.Rect.W, Height: at.Rect.H,
		})
	}
	for _, task := range tasks {
		r.Peak = max(r.Peak, task.Peak)
		r.Resumed = r.Resumed || task.Resumed
	}
	for i, t := range film.Tracks {
		stats, lost := total(i, tasks)
		// Of tasks that were resumed, only a part is counted. Audio tasks are always done again from their beginning.
		partly := r.Resumed && t.Kind == roomreel.Video
		line := ReportTrack{
			Recording: string(t.Recording), Participant: t.Identity, Name: t.Name, Kind: string(t.Kind), Codec: t.Codec,
			Used: t.Used, Length: t.Length.Seconds(),
			Packets: t.Packets, Decoded: stats.Decoded, Errors: stats.Errors, Shown: stats.Shown,
			Audible: float64(stats.Samples) / timeline.SampleRate, Sizes: stats.Sizes,
			KnownLater: t.KnownLater.Seconds(), StallAt: t.Clock.StallAt.Seconds(), Stall: string(t.Stall), Off: t.CameraOff, OffSeconds: t.OffTime.Seconds(),
			DriftMillis: float64(t.Drift.Microseconds()) / 1000, Truncated: t.Truncated, Repaired: t.Repaired, LeftOut: t.LeftOut, Lost: lost,
			Missing: t.Used && !partly && stats.Decoded == 0 && (stats.Packets > 0 || lost), Refusal: stats.Refusal,
		}
		if t.Used {
			line.Start = t.Start.Seconds()
		}
		for _, part := range t.Parts {
			line.Parts = append(line.Parts, part.String())
		}
		for _, omitted := range t.Omitted {
			line.Omitted = append(line.Omitted, omitted.String())
		}
		r.Tracks = append(r.Tracks, line)
		r.Warnings = append(r.Warnings, warnings(t, line, partly)...)
	}
	return r
}

// Failure returns why the film shows and plays nothing: packets were due in it, and no packet of any track was decoded. It
// is nil when something was decoded, or may have been by an attempt that is not counted.
func (r Report) Failure() error {
	reason := ""
	for _, t := range r.Tracks {
		switch {
		case !t.Used:
		case t.Decoded > 0, t.Kind == string(roomreel.Video) && r.Resumed:
			return nil
		case t.Missing && reason == "":
			reason = t.name() + ": " + t.why()
		}
	}
	if reason == "" {
		return nil
	}
	return &roomreel.Error{
		Code: roomreel.Invalid, Twilio: plan.ErrNoTracks.Twilio,
		Detail: "no recording of the composition can be decoded: " + reason,
	}
}

// Missing returns the names of recordings that are missing from the film in whole or in part.
func (r Report) Missing() (names []string) {
	for _, t := range r.Tracks {
		if t.Lost || t.Missing {
			names = append(names, t.name())
		}
	}
	return names
}

// name is the recording's SID, or the track's name where recordings have no SIDs.
func (t ReportTrack) name() string {
	if t.Recording != "" {
		return t.Recording
	}
	return t.Name
}

// why says why a recording is missing.
func (t ReportTrack) why() string {
	switch {
	case t.Lost:
		return "its decoder died"
	case t.Refusal == "":
		return "no packet of it could be decoded"
	}
	return "no packet of it could be decoded (" + t.Refusal + ")"
}

func warnings(t plan.TrackSummary, line ReportTrack, resumed bool) []string {
	var result []string
	if n := len(t.LeftOut); n == 1 {
		result = append(result, fmt.Sprintf("%s: a track of its file is no recording of the room and left out: %s", line.name(), t.LeftOut[0]))
	} else if n > 1 {
		result = append(result, fmt.Sprintf("%s: %d tracks of its file are no recordings of the room and left out: %s", line.name(), n, strings.Join(t.LeftOut, ", ")))
	}
	if !t.Used {
		return result
	}
	say := func(when bool, what string) {
		if when {
			result = append(result, line.name()+": "+what)
		}
	}
	say(line.Lost, "its decoder died; it is missing from there on")
	say(line.Missing && !line.Lost, "it is missing from the film: "+line.why())
	say(line.Truncated, "the file is truncated; what came before the damage is used")
	for _, omitted := range line.Omitted {
		say(true, omitted)
	}
	say(t.Repaired > 0, repaired(t))
	say(t.Ending == timeline.EndsLate || t.Ending == timeline.EndsEarly, ending(t))
	say(t.DriftRefused, "its time stamps drift from its audio by more than a clock can; they were not followed")
	undecoded := resumed && line.Errors > 0 && line.Decoded == 0
	say(undecoded && !line.Lost, "since the work was resumed, "+line.why())
	say(line.Errors > 0 && !line.Missing && !undecoded, "some packets could not be decoded; the last frame was held, or silence put")
	say(t.Kind == roomreel.Video && line.Shown == 0 && !line.Lost && !line.Missing && !resumed, "it is not seen in the film")
	return result
}

// ending says in a sentence by how much a recording's known end is off, and what was done about it.
func ending(t plan.TrackSummary) string {
	by := t.KnownLater.Abs().Seconds()
	if t.Ending == timeline.EndsEarly {
		return fmt.Sprintf("its last packet ends %.1f s after its known end; nothing was cut", by)
	}
	text := fmt.Sprintf("its known end is %.1f s after its last packet", by)
	if t.Stall == "" {
		return text + "; no packet was moved"
	}
	text += fmt.Sprintf(": the capture stalled; what follows %.1f s is placed %.1f s later, ", t.Clock.StallAt.Seconds(), by)
	switch t.Stall {
	case timeline.GapBeside:
		return text + "where another recording of the participant has a gap"
	case timeline.OwnGap:
		return text + "where its longest gap is"
	case timeline.OwnPause:
		return text + "where it is silent for longest"
	}
	return text + "and nothing shows whether it stalled there or elsewhere"
}

// repaired says in a sentence which damage of a track's timestamps was corrected.
func repaired(t plan.TrackSummary) string {
	if len(t.Repairs) == 0 {
		return ""
	}
	r := t.Repairs[0]
	by := r.By.Round(time.Millisecond)
	what := ""
	switch r.Kind {
	case media.Misstamped:
		what = fmt.Sprintf("%d timestamps that were %v off were replaced", r.Packets, by)
	case media.Leap:
		what = fmt.Sprintf("a gap of %v is not believable and was cut", by)
	case media.StepBack:
		what = fmt.Sprintf("the clock steps back by %v", by)
		if t.Kind == roomreel.Audio {
			what += ", and the audio that overlaps is left out"
		}
	case media.Restart:
		what = fmt.Sprintf("the clock goes back by %v, and what follows was put directly after what was before", by)
	}
	text := fmt.Sprintf("its timestamps are damaged: at %.3f s, %s", r.At.Seconds(), what)
	if t.Repaired > 1 {
		text += fmt.Sprintf("; corrected in %d places in all", t.Repaired)
	}
	return text
}

// total adds up what all tasks say of track t.
func total(t int, tasks []TaskStats) (protocol.TrackStats, bool) {
	var sum protocol.TrackStats
	lost := false
	for _, task := range tasks {
		stats := task.Tracks[t]
		sum.Packets += stats.Packets
		sum.Decoded += stats.Decoded
		sum.Errors += stats.Errors
		sum.Shown += stats.Shown
		sum.Samples += stats.Samples
		sum.Sizes += stats.Sizes
		if sum.Refusal == "" {
			sum.Refusal = stats.Refusal
		}
		lost = lost || slices.Contains(task.Lost, t)
	}
	return sum, lost
}
