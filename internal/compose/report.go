package compose

import (
	"roomreel"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Report says what went into a film and what did not. It is JSON for whoever asks why a film looks as it does.
type Report struct {
	Streams   []string         `json:"streams"` // codecs, picture first
	Width     int              `json:"width,omitempty"`
	Height    int              `json:"height,omitempty"`
	FPS       int              `json:"fps,omitempty"`
	Pictures  int              `json:"pictures"`
	Samples   int64            `json:"samples"`
	Seconds   float64          `json:"seconds"`
	Chunks    int              `json:"chunks"`
	Intervals []ReportInterval `json:"intervals"`
	Tracks    []ReportTrack    `json:"tracks"`
	Peak      float64          `json:"peak"`              // of the mix before the limiter; 1 is full scale
	Resumed   bool             `json:"resumed,omitempty"` // after an interruption: what was decoded before it is not counted
	Warnings  []string         `json:"warnings"`
}

// ReportInterval is a piece of room time that the film shows. All in seconds.
type ReportInterval struct {
	Room   float64 `json:"room"`
	Film   float64 `json:"film"`
	Length float64 `json:"length"`
}

// ReportTrack is what became of one recording. Times are in seconds of the film.
type ReportTrack struct {
	Recording   string  `json:"recording_sid,omitempty"`
	Participant string  `json:"participant"`
	Name        string  `json:"track_name"`
	Kind        string  `json:"type"`
	Codec       string  `json:"codec"`
	Used        bool    `json:"used"` // a selector of the request names it
	Start       float64 `json:"start"`
	Length      float64 `json:"length"`
	Packets     int     `json:"packets"`
	Decoded     int     `json:"decoded"`
	Errors      int     `json:"errors"`
	Shown       int     `json:"shown_pictures,omitempty"`
	Heard       float64 `json:"heard_seconds,omitempty"`
	Sizes       int     `json:"size_changes,omitempty"`
	DriftMillis float64 `json:"drift_ms,omitempty"`
	Truncated   bool    `json:"truncated,omitempty"`
	Lost        bool    `json:"lost,omitempty"` // its decoder died: left out from there on
}

// Report puts together what the plan decided and what its children found. Several outcomes of one recording add up.
func (p *Plan) Report(outcomes ...Outcome) Report {
	r := Report{
		Pictures: p.Pictures, Samples: p.Samples, Seconds: p.Length.Seconds(), Chunks: p.Chunks(),
		Intervals: []ReportInterval{}, Tracks: []ReportTrack{}, Warnings: []string{},
	}
	if p.Pictures > 0 {
		r.Streams = append(r.Streams, p.picture.Codec)
		r.Width, r.Height, r.FPS = p.Canvas.W, p.Canvas.H, p.FPS
	}
	if p.Samples > 0 {
		r.Streams = append(r.Streams, p.sound.Codec)
	}
	for _, at := range p.Intervals {
		r.Intervals = append(r.Intervals, ReportInterval{
			Room: at.Room.Start.Seconds(), Film: at.Output.Seconds(), Length: (at.Room.End - at.Room.Start).Seconds(),
		})
	}
	for _, o := range outcomes {
		r.Peak = max(r.Peak, o.Peak)
		r.Resumed = r.Resumed || o.Resumed
	}
	voices := map[int]Voice{}
	for _, v := range p.Sound {
		voices[v.Track] = v
	}
	for i, t := range p.Tracks {
		facts, lost := total(i, outcomes)
		line := ReportTrack{
			Recording: string(t.Recording), Participant: t.Identity, Name: t.Name, Kind: string(t.Kind), Codec: t.Index.Codec,
			Used: t.Used, Length: t.Index.Length().Seconds(),
			Packets: len(t.Index.Packets), Decoded: facts.Decoded, Errors: facts.Errors, Shown: facts.Shown,
			Heard: float64(facts.Samples) / timeline.SampleRate, Sizes: facts.Sizes,
			DriftMillis: float64(voices[i].Drift.Microseconds()) / 1000, Truncated: t.Index.Truncated, Lost: lost,
		}
		if t.Used {
			line.Start = t.Shift.Seconds()
		}
		r.Tracks = append(r.Tracks, line)
		r.Warnings = append(r.Warnings, warnings(t, line, voices[i].Refused, r.Resumed)...)
	}
	return r
}

func warnings(t Placed, line ReportTrack, refused, resumed bool) []string {
	if !t.Used {
		return nil
	}
	name := t.Name
	if t.Recording != "" {
		name = string(t.Recording)
	}
	var result []string
	say := func(when bool, what string) {
		if when {
			result = append(result, name+": "+what)
		}
	}
	say(line.Lost, "its decoder died; it is missing from there on")
	say(line.Truncated, "the file is torn; what came before the tear is used")
	say(refused, "its time stamps drift from its sound by more than a clock can; they were not followed")
	say(line.Errors > 0, "some packets could not be decoded; the last picture was held, or silence put")
	say(t.Kind == roomreel.Video && line.Shown == 0 && !line.Lost && !resumed, "it is not seen in the film")
	return result
}

// total adds up what all outcomes say of track t.
func total(t int, outcomes []Outcome) (protocol.TrackStats, bool) {
	var sum protocol.TrackStats
	lost := false
	for _, o := range outcomes {
		facts := o.Tracks[t]
		sum.Packets += facts.Packets
		sum.Decoded += facts.Decoded
		sum.Errors += facts.Errors
		sum.Shown += facts.Shown
		sum.Samples += facts.Samples
		sum.Sizes += facts.Sizes
		for _, l := range o.Lost {
			lost = lost || l == t
		}
	}
	return sum, lost
}
