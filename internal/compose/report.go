package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/timeline"
)

// Report says what went into a film and what did not. It is JSON, for a person who asks why a film looks as it does.
type Report struct {
	Streams []string `json:"streams"` // codecs, video first
	Width   int      `json:"width,omitempty"`
	Height  int      `json:"height,omitempty"`
	FPS     int      `json:"fps,omitempty"`
	Frames  int      `json:"frames"`
	Samples int64    `json:"samples"`
	Seconds float64  `json:"seconds"`
	Chunks  int      `json:"chunks"`
	Again   int      `json:"chunks_rendered_again,omitempty"` // of video and audio, because what was stored of them was damaged
	// VideoCopied and AudioCopied say that the packets of a recording are the film's. Copied frames have the times of the recording, and
	// there is no fps.
	VideoCopied bool `json:"video_copied,omitempty"`
	AudioCopied bool `json:"audio_copied,omitempty"`
	// WhyVideoEncoded and WhyAudioEncoded say why they are not copied. They are empty in films of earlier versions of the program.
	WhyVideoEncoded string           `json:"why_video_encoded,omitempty"`
	WhyAudioEncoded string           `json:"why_audio_encoded,omitempty"`
	Intervals       []ReportInterval `json:"intervals"`
	Tracks          []ReportTrack    `json:"tracks"`
	Places          []ReportPlace    `json:"places"`
	// PlacesOmitted counts the places that the report has no room for.
	PlacesOmitted int           `json:"places_omitted,omitempty"`
	Visits        []ReportVisit `json:"visits"`
	Peak          float64       `json:"peak"` // of the mix before the limiter; 1 is full scale
	Warnings      []string      `json:"warnings"`
	CPUSeconds    float64       `json:"cpu_seconds,omitempty"` // of the render children
	Times         *ReportTimes  `json:"times,omitempty"`
	Checks        *Checks       `json:"checks,omitempty"`
}

// ReportTimes say when a film was made, and how long each part of that took.
type ReportTimes struct {
	Queued    time.Time `json:"queued"`
	Started   time.Time `json:"started"`
	Rendered  time.Time `json:"rendered"` // all of its tasks
	Assembled time.Time `json:"assembled"`
	Delivered time.Time `json:"delivered,omitzero"`

	WaitSeconds     float64 `json:"wait_seconds"` // from queued to started, and so on
	RenderSeconds   float64 `json:"render_seconds"`
	AssembleSeconds float64 `json:"assemble_seconds"` // with the checks
	DeliverSeconds  float64 `json:"deliver_seconds,omitempty"`
	Speed           float64 `json:"film_seconds_per_second"` // of the work from started to assembled
}

// Time fills in how long each part of the work took.
func (r *Report) Time(t ReportTimes) {
	seconds := func(from, to time.Time) float64 { return max(to.Sub(from).Seconds(), 0) }
	t.WaitSeconds, t.RenderSeconds = seconds(t.Queued, t.Started), seconds(t.Started, t.Rendered)
	t.AssembleSeconds = seconds(t.Rendered, t.Assembled)
	if !t.Delivered.IsZero() {
		t.DeliverSeconds = seconds(t.Assembled, t.Delivered)
	}
	if worked := seconds(t.Started, t.Assembled); worked > 0 {
		t.Speed = r.Seconds / worked
	}
	r.Times = &t
}

// Deliver notes when the film was where it belongs.
func (r *Report) Deliver(at time.Time) {
	times := *r.Times
	times.Delivered = at
	r.Time(times)
}

// RenderAgain notes that chunks were rendered again. It is called once.
func (r *Report) RenderAgain(chunks int) {
	if r.Again = chunks; chunks > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("chunks that were rendered again, because what was stored of them was damaged: %d", chunks))
	}
}

// ReportVisit says that a participant is there from one time of the film to another, in seconds.
type ReportVisit struct {
	Participant string  `json:"participant"`
	From        float64 `json:"from"`
	To          float64 `json:"to"`
}

// ReportInterval is a part of room time that the film shows. All in seconds.
type ReportInterval struct {
	Room   float64 `json:"room"`
	Film   float64 `json:"film"`
	Length float64 `json:"length"`
}

// ReportPlace says where a recording is in the film, and when: in seconds of the film and pixels of the canvas.
type ReportPlace struct {
	Track  int     `json:"track"` // index into tracks
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
	Copied      bool     `json:"copied,omitempty"` // its packets are those of the film; only the first were decoded
	Used        bool     `json:"used"`             // a selector of the request names it
	Start       float64  `json:"start"`
	Length      float64  `json:"length"`
	Packets     int      `json:"packets"` // of the recording
	Decoded     int      `json:"decoded"` // video frames or audio packets that a decoder decoded
	Errors      int      `json:"errors"`
	Shown       int      `json:"frames_shown,omitempty"`  // frames of the film in which a decoded frame was shown
	Audible     float64  `json:"heard_seconds,omitempty"` // of samples that a decoder made
	Sizes       int      `json:"size_changes,omitempty"`
	Off         int      `json:"camera_off,omitempty"`         // how often no frame came for longer than the last one is held
	OffSeconds  float64  `json:"camera_off_seconds,omitempty"` // for how long no such frame came, in all
	DriftMillis float64  `json:"drift_ms,omitempty"`
	KnownLater  float64  `json:"known_end_later_seconds,omitempty"` // by how much its known end is later than that of its last packet
	StallAt     float64  `json:"stall_at,omitempty"`                // what follows in the recording is later by known_end_later_seconds
	Stall       string   `json:"stall_evidence,omitempty"`          // what shows that time is missing there
	Truncated   bool     `json:"truncated,omitempty"`
	LeftOut     []string `json:"left_out,omitempty"` // tracks of its file that no recording is made of
	Parts       []string `json:"parts,omitempty"`    // when codec, size or rate change in its file: "vp8 from 0.000 s (640x480)", in the recording's time
	Omitted     []string `json:"omitted,omitempty"`  // with what its file goes on that is not used, and from when on
	Repaired    int      `json:"repaired,omitempty"` // places where timestamps were corrected
	Lost        bool     `json:"lost,omitempty"`     // its decoder died: left out from there on
	Missing     bool     `json:"missing,omitempty"`  // packets of it were due in the film, and none could be decoded
	Refusal     string   `json:"refusal,omitempty"`  // why the first packet could not be decoded that could not

	Samples      int64          `json:"samples_used,omitempty"` // at 48 kHz, that a decoder made
	Concealed    float64        `json:"concealed_ms,omitempty"` // packets that could not be decoded were silence, or the last frame was held
	Seen         []ReportSize   `json:"sizes,omitempty"`        // of decoded frames, where they change; the first of them
	Gaps         *ReportGaps    `json:"gaps,omitempty"`         // none for films that earlier versions of the program planned
	Repairs      []ReportRepair `json:"repairs,omitempty"`      // the first places where timestamps were corrected
	DriftRefused bool           `json:"drift_refused,omitempty"`
	Why          string         `json:"why_missing,omitempty"` // why nothing of it, or not all, is in the film
}

// ReportSize is a size of frames, from a time of the film on.
type ReportSize struct {
	At     float64 `json:"at"`
	Width  int     `json:"width"`
	Height int     `json:"height"`
}

// ReportGaps are the times in which nothing of a recording came.
type ReportGaps struct {
	Count     int     `json:"count"`
	Seconds   float64 `json:"seconds"`
	Longest   float64 `json:"longest_seconds"`
	LongestAt float64 `json:"longest_at"`
	Filled    string  `json:"filled_with"` // silence, "held frame", or "held frame, then black"
}

// ReportRepair is a correction of damaged timestamps. At counts from the recording's first packet.
type ReportRepair struct {
	At      float64          `json:"at"`
	Kind    media.RepairKind `json:"kind"`
	By      float64          `json:"by_seconds"`
	Packets int              `json:"packets"`
}

// MakeReport puts together what the plan decided and what its tasks counted. Stats of the same recording add up.
func MakeReport(film *plan.Summary, tasks ...TaskStats) Report {
	r := Report{
		Frames: film.Frames, Samples: film.Samples, Seconds: film.Length.Seconds(), Chunks: film.Chunks,
		Intervals: []ReportInterval{}, Tracks: []ReportTrack{}, Places: []ReportPlace{}, PlacesOmitted: film.PlacesOmitted, Warnings: []string{},
	}
	if film.Frames > 0 {
		r.Streams = append(r.Streams, film.VideoEncoder.Codec)
		r.Width, r.Height = film.Canvas.W, film.Canvas.H
		if r.VideoCopied = film.VideoCopy != nil; !r.VideoCopied {
			r.FPS = film.FPS
		}
	}
	r.AudioCopied, r.WhyVideoEncoded, r.WhyAudioEncoded = film.AudioCopy != nil, film.VideoEncoded, film.AudioEncoded
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
	var all TaskStats
	for _, task := range tasks {
		all = all.Plus(task)
	}
	r.Peak, r.CPUSeconds = all.Peak, all.CPU.Seconds()
	for i, t := range film.Tracks {
		stats, lost := all.Tracks[i], slices.Contains(all.Lost, i)
		line := ReportTrack{
			Recording: string(t.Recording), Participant: t.Identity, Name: t.Name, Kind: string(t.Kind), Codec: t.Codec,
			Copied: film.VideoCopy != nil && film.VideoCopy.Track == i || film.AudioCopy != nil && film.AudioCopy.Track == i,
			Used:   t.Used, Length: t.Length.Seconds(),
			Packets: t.Packets, Decoded: stats.Decoded, Errors: stats.Errors, Shown: stats.Shown,
			Audible: float64(stats.Samples) / timeline.SampleRate, Sizes: stats.Sizes,
			KnownLater: t.KnownLater.Seconds(), StallAt: t.Clock.StallAt.Seconds(), Stall: string(t.Stall), Off: t.CameraOff, OffSeconds: t.OffTime.Seconds(),
			DriftMillis: float64(t.Drift.Microseconds()) / 1000, Truncated: t.Truncated, Repaired: t.Repaired, LeftOut: t.LeftOut, Lost: lost,
			Missing: t.Used && stats.Decoded == 0 && (stats.Packets > 0 || lost), Refusal: stats.Refusal,
			Samples: stats.Samples, Concealed: float64(stats.Concealed.Microseconds()) / 1000, DriftRefused: t.DriftRefused,
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
		for _, size := range stats.Seen {
			line.Seen = append(line.Seen, ReportSize{At: size.At.Seconds(), Width: size.Width, Height: size.Height})
		}
		if g := t.Gaps; g != nil {
			line.Gaps = &ReportGaps{
				Count: g.Count, Seconds: g.Total.Seconds(), Longest: g.Longest.Seconds(), LongestAt: g.LongestAt.Seconds(), Filled: filled(t),
			}
		}
		for _, repair := range t.Repairs {
			line.Repairs = append(line.Repairs, ReportRepair{repair.At.Seconds(), repair.Kind, repair.By.Seconds(), repair.Packets})
		}
		line.Why = line.why()
		r.Tracks = append(r.Tracks, line)
		r.Warnings = append(r.Warnings, warnings(t, line)...)
	}
	r.Visits = Visits(r.Tracks)
	return r
}

// filled is what a film has where nothing of a recording comes.
func filled(t plan.TrackSummary) string {
	switch {
	case t.Kind == roomreel.Audio:
		return "silence"
	case t.CameraOff > 0:
		return "held frame, then black"
	}
	return "held frame"
}

// away is how long a participant must have no track before that counts as a leave: between two recordings of a track that
// is replaced, some time passes.
const away = 1.0 // seconds

// Visits says when each participant is there, in the order of time, by the tracks that are used.
func Visits(tracks []ReportTrack) []ReportVisit {
	visits := []ReportVisit{}
	byParticipant := map[string][]ReportVisit{}
	for _, t := range tracks {
		if t.Used {
			byParticipant[t.Participant] = append(byParticipant[t.Participant], ReportVisit{t.Participant, t.Start, t.Start + t.Length})
		}
	}
	for _, list := range byParticipant {
		slices.SortFunc(list, func(a, b ReportVisit) int { return cmp.Compare(a.From, b.From) })
		there := list[0]
		for _, next := range list[1:] {
			if next.From > there.To+away {
				visits = append(visits, there)
				there = next
			}
			there.To = max(there.To, next.To)
		}
		visits = append(visits, there)
	}
	slices.SortFunc(visits, func(a, b ReportVisit) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Participant, b.Participant))
	})
	return visits
}

// Failure returns why the film shows and plays nothing: packets were due in it, and no packet of any track was decoded. It
// is nil when something was decoded.
func (r Report) Failure() error {
	reason := ""
	for _, t := range r.Tracks {
		switch {
		case !t.Used:
		case t.Decoded > 0:
			return nil
		case t.Missing && reason == "":
			reason = t.name() + ": " + t.Why
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

// why says why a recording is not in the film, or not all of it.
func (t ReportTrack) why() string {
	switch {
	case !t.Used:
		return "no selector of the request names it"
	case t.Lost:
		return "its decoder died"
	case t.Missing && t.Refusal != "":
		return "no packet of it could be decoded (" + t.Refusal + ")"
	case t.Missing:
		return "no packet of it could be decoded"
	case t.Kind == string(roomreel.Video) && t.Shown == 0:
		return "it has no cell while it lasts, or is covered"
	}
	return ""
}

func warnings(t plan.TrackSummary, line ReportTrack) []string {
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
	say(line.Missing && !line.Lost, "it is missing from the film: "+line.Why)
	say(line.Truncated, "the file is truncated; what came before the damage is used")
	for _, omitted := range line.Omitted {
		say(true, omitted)
	}
	say(t.Repaired > 0, repaired(t))
	say(t.Ending == timeline.EndsLate || t.Ending == timeline.EndsEarly, ending(t))
	say(t.DriftRefused, "its time stamps drift from its audio by more than a clock can; they were not followed")
	say(line.Errors > 0 && !line.Missing, "some packets could not be decoded; the last frame was held, or silence put")
	say(t.Kind == roomreel.Video && line.Shown == 0 && !line.Lost && !line.Missing, "it is not seen in the film")
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
