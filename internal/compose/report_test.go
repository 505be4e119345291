package compose

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/render/protocol"
)

func TestMakeReport_NamesDamagedTimestamps(t *testing.T) {
	for want, repair := range map[string]media.Repair{
		"at 2.960 s, a gap of 19h59m57.04s is not believable and was cut":                                  {Kind: media.Leap, At: 2960 * time.Millisecond, By: 20*time.Hour - 2960*time.Millisecond},
		"at 1.000 s, 3 timestamps that were 5s off were replaced":                                          {Kind: media.Misstamped, At: time.Second, By: 5 * time.Second, Packets: 3},
		"at 7.000 s, the clock steps back by 500ms, and the audio that overlaps is left out":               {Kind: media.StepBack, At: 7 * time.Second, By: time.Second / 2, Packets: 25},
		"at 7.000 s, the clock goes back by 1m0s, and what follows was put directly after what was before": {Kind: media.Restart, At: 7 * time.Second, By: time.Minute},
	} {
		summary := &plan.Summary{Tracks: []plan.TrackSummary{{
			Name: "mic", Kind: roomreel.Audio, Used: true, Repaired: 2, Repairs: []media.Repair{repair},
		}}}
		r := MakeReport(summary)
		if len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "mic: its timestamps are damaged: "+want) ||
			!strings.HasSuffix(r.Warnings[0], "; corrected in 2 places in all") || r.Tracks[0].Repaired != 2 {
			t.Errorf("warnings %q, want one that says %q", r.Warnings, want)
		}
	}
}

func TestMakeReport_NamesTracksThatAreLeftOut(t *testing.T) {
	r := MakeReport(&plan.Summary{Tracks: []plan.TrackSummary{
		{Name: "a.mka", Kind: roomreel.Audio, Used: true, LeftOut: []string{"audio track 2 (opus)", "video track 1 (vp8)"}},
		{Name: "b.mka", Kind: roomreel.Audio, LeftOut: []string{`audio track 2 (opus, "bob")`}},
	}})
	want := []string{
		"a.mka: 2 tracks of its file are no recordings of the room and left out: audio track 2 (opus), video track 1 (vp8)",
		`b.mka: a track of its file is no recording of the room and left out: audio track 2 (opus, "bob")`,
	}
	if d := cmp.Diff(want, r.Warnings); d != "" {
		t.Error(d)
	}
}

func TestMakeReport_JudgesByWhatWasDecoded(t *testing.T) {
	summary := &plan.Summary{Tracks: []plan.TrackSummary{
		{Name: "camera", Kind: roomreel.Video, Used: true},
		{Name: "microphone", Kind: roomreel.Audio, Used: true},
		{Name: "covered", Kind: roomreel.Video, Used: true},
	}}
	task := TaskStats{Tracks: map[int]protocol.TrackStats{
		0: {Packets: 5, Errors: 5, Refusal: "decode vp8: no"}, 1: {Packets: 7, Errors: 7, Refusal: "decode opus: no"},
	}}
	r := MakeReport(summary, task)
	if got := strings.Join(r.Missing(), " "); got != "camera microphone" || r.Failure() == nil {
		t.Errorf("missing %q, failure %v", got, r.Failure())
	}
	// Another task decoded some of it.
	r = MakeReport(summary, task, TaskStats{Tracks: map[int]protocol.TrackStats{0: {Packets: 5, Decoded: 5, Shown: 4}}})
	if got := strings.Join(r.Missing(), " "); got != "microphone" || r.Failure() != nil {
		t.Errorf("missing %q, failure %v", got, r.Failure())
	}
	// A recording that no cell shows has no packets in the film: nothing is wrong with it.
	if r := MakeReport(&plan.Summary{Tracks: summary.Tracks[2:]}); len(r.Missing()) > 0 || r.Failure() != nil {
		t.Errorf("covered: missing %q, failure %v", r.Missing(), r.Failure())
	}
}
