package compose

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/plan"
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
