package app_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// TestAnonymize_LeavesNoNameInTheDatabase reads the whole database for the names: of rows that anonymizing knows and of all others.
func TestAnonymize_LeavesNoNameInTheDatabase(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		room := f.room(t, app.CreateRoom{
			StatusCallback: "https://example.com/events",
			RecordingRules: `[{"type":"include","publisher":"wanda@example.com"},{"type":"exclude","track":"wanda-camera"}]`,
		})
		wanda := f.upload(t, room, app.UploadRecording{Identity: "wanda@example.com", TrackName: "wanda-camera"})
		second := f.upload(t, room, app.UploadRecording{Identity: "wanda@example.com", TrackName: "wanda-microphone", Media: bytes.NewReader(audioFile(t, 60))})
		bob := f.upload(t, room, app.UploadRecording{Identity: "bob", TrackName: "camera", Media: bytes.NewReader(audioFile(t, 70))})
		_, err := f.UpdateSubscribeRules(ctx, f.account, string(room.SID), "bob", `[{"type":"exclude","publisher":"wanda@example.com"}]`)
		check(t, err)
		compose := func(in app.FilmParams) roomreel.CompositionSID {
			c, err := f.CreateComposition(ctx, f.account, app.CreateComposition{RoomSID: string(room.SID), FilmParams: in})
			check(t, err)
			return c.SID
		}
		enqueued := compose(app.FilmParams{
			AudioSources: []string{"wanda*", "camera"}, AudioSourcesExcluded: []string{"wanda-microphone", "*"},
			VideoLayout: `{"wanda@example.com":{"video_sources":["*camera"]},"b":{"video_sources":["*"]}}`,
		})
		finished := compose(app.FilmParams{AudioSources: []string{"*", "wanda@example.com-screen", "*wanda@example.com"}})
		running := compose(app.FilmParams{AudioSources: []string{string(wanda.TrackSID)}})
		delivering := compose(app.FilmParams{AudioSources: []string{"*"}})
		report := fmt.Sprintf(`{"frames":0,"tracks":[{"recording_sid":%[1]q,"participant":"wanda@example.com","track_name":"wanda-camera","packets":50,"left_out":["video track 2 (vp8, \"Wanda \\\"W\\\", wanda's screen\")","video track 3 (h264)"]},{"recording_sid":%[2]q,"participant":"bob","track_name":"camera"}],"visits":[{"participant":"wanda@example.com","from":0,"to":2},{"participant":"bob","from":1,"to":2}],"warnings":["%[1]s: 2 tracks of its file are no recordings of the room and left out: video track 2 (vp8, \"Wanda \\\"W\\\", wanda's screen\"), video track 3 (h264)","of \"bob\", \"camera\""]}`, wanda.SID, bob.SID)
		attempts := map[roomreel.CompositionSID]int{}
		for _, c := range []roomreel.CompositionSID{finished, running, delivering} {
			_, attempts[c], err = f.store.StartComposition(ctx, c)
			check(t, err)
		}
		_, err = f.store.CompleteComposition(ctx, finished, store.FilmResult{Report: report})
		check(t, err)
		reserve := func(c roomreel.CompositionSID, key string) {
			check(t, f.store.Reserve(ctx, string(c), store.PendingDeletion{Store: store.WorkingStore, Key: key}))
		}
		reserve(delivering, "plan")
		check(t, f.store.SavePlan(ctx, delivering, attempts[delivering], store.PlanRef{Key: "plan"}, nil, 1))
		reserve(delivering, "film")
		check(t, f.store.SaveFilm(ctx, delivering, store.FilmResult{Media: roomreel.Media{CopyKey: "film"}, Report: report}))
		check(t, f.DeleteRecording(ctx, f.account, second.SID))
		if dump := storetest.Dump(t, f.store); strings.Count(dump, "wanda") < 20 {
			t.Fatalf("the names are in the database %d times; the test does not see all of it", strings.Count(dump, "wanda"))
		}

		for range 2 {
			p, err := f.Anonymize(ctx, f.account, string(room.SID), string(wanda.ParticipantSID))
			check(t, err)
			if p.Identity != string(p.SID) {
				t.Errorf("the identity is %q", p.Identity)
			}
		}
		_, err = f.store.CompleteComposition(ctx, running, store.FilmResult{Report: report}) // of a plan that was made before
		check(t, err)
		for line := range strings.Lines(storetest.Dump(t, f.store)) {
			if strings.Contains(strings.ToLower(line), "wanda") {
				t.Errorf("a name is left: %s", line)
			}
		}

		// What was selected before is selected still, and what is others' is as it was.
		c, err := f.Composition(ctx, f.account, enqueued)
		check(t, err)
		if diff := cmp.Diff([]string{string(wanda.TrackSID), string(second.TrackSID), "camera"}, c.Spec.AudioSources); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{string(second.TrackSID), "*"}, c.Spec.AudioSourcesExcluded); diff != "" {
			t.Error(diff)
		}
		if want := fmt.Sprintf(`"video_sources":[%q,"*camera"]`, wanda.TrackSID); !strings.Contains(c.Spec.VideoLayout, want) || !strings.Contains(c.Spec.VideoLayout, `"`+string(wanda.ParticipantSID)+`":`) {
			t.Errorf("layout %s, want %s in the region of the participant", c.Spec.VideoLayout, want)
		}
		c, err = f.Composition(ctx, f.account, finished)
		check(t, err)
		if diff := cmp.Diff([]string{"*"}, c.Spec.AudioSources); diff != "" {
			t.Errorf("sources of a finished composition: %v", c.Spec.AudioSources)
		}
		for _, sid := range []roomreel.CompositionSID{finished, running} {
			text, _, err := f.CompositionReport(ctx, f.account, sid)
			check(t, err)
			if !strings.Contains(text, `"participant":"`+string(wanda.ParticipantSID)+`"`) || !strings.Contains(text, `"participant":"bob"`) || !strings.Contains(text, `"packets":50`) ||
				!strings.Contains(text, fmt.Sprintf(`{"from":0,"participant":%q,"to":2}`, wanda.ParticipantSID)) || !strings.Contains(text, `"participant":"bob","to":2}`) ||
				!strings.Contains(text, `"left_out":["video track 2 (vp8)","video track 3 (h264)"]`) ||
				!strings.Contains(text, `left out: video track 2 (vp8), video track 3 (h264)","of \"bob\", \"camera\""]`) {
				t.Errorf("report %s", text)
			}
		}
		_, err = f.Participant(ctx, f.account, string(room.SID), "wanda@example.com")
		wantError(t, err, roomreel.NotFound, "")
		_, err = f.Participant(ctx, f.account, string(room.SID), "bob")
		check(t, err)
		rules, err := f.RecordingRules(ctx, f.account, string(room.SID))
		check(t, err)
		if diff := cmp.Diff([]roomreel.RecordingRule{{Type: "include", Publisher: string(wanda.ParticipantSID)}, {Type: "exclude", Track: string(wanda.TrackSID)}}, rules.Rules); diff != "" {
			t.Error(diff)
		}

		// The same upload under the old identity is a new participant's.
		again := f.upload(t, room, app.UploadRecording{Identity: "wanda@example.com", TrackName: "wanda-camera"})
		if again.SID == wanda.SID || again.ParticipantSID == wanda.ParticipantSID {
			t.Error("an upload under the old identity leads to the anonymized participant")
		}
	})
}
