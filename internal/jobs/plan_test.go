package jobs

import (
	"math"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/plan"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// planned returns a composition of everyone that a node which does not work yet has planned.
func (w *world) planned(t *testing.T, r *Worker) roomreel.CompositionSID {
	t.Helper()
	room := w.room(t, "")
	w.complete(t, room)
	sid := w.compose(t, room, everyone)
	check(t, r.plan(t.Context(), queue.Job{Job: store.Job{SID: string(sid)}}))
	return sid
}

// exec changes rows as only another version of the program or a process that dies would, and returns how many.
func (w *world) exec(t *testing.T, text string, args ...any) (rows int64) {
	t.Helper()
	check(t, w.store.InTx(t.Context(), func(tx *store.Tx) (err error) {
		rows, err = tx.Exec(t.Context(), text, args...)
		return err
	}))
	return rows
}

// A worker leaves a plan of another version to a worker that knows it. It takes no lease, counts no attempt and plans nothing.
func TestRenderTask_WaitsForAWorkerThatKnowsThePlan(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil)
		sid := w.planned(t, r)
		before, err := w.store.PlanRef(t.Context(), sid)
		check(t, err)
		w.exec(t, `UPDATE composition_plan SET version = $2 WHERE composition_sid = $1`, sid, plan.Version+1)
		for name, run := range map[string]func() error{
			"a task": func() error {
				return r.renderTask(t.Context(), queue.Job{Job: store.Job{SID: string(sid), Number: videoTask}})
			},
			"the assembly": func() error { return r.assemble(t.Context(), queue.Job{Job: store.Job{SID: string(sid)}}) },
		} {
			if _, snoozed := queue.Snoozed(run()); !snoozed {
				t.Errorf("%s of another version is not left to another worker", name)
			}
		}
		check(t, r.plan(t.Context(), queue.Job{Job: store.Job{SID: string(sid)}}))
		after, err := w.store.PlanRef(t.Context(), sid)
		check(t, err)
		if after.Key != before.Key || after.Checksum != before.Checksum {
			t.Errorf("the plan was replaced: %+v after %+v", after, before)
		}
		lease, err := w.store.AcquireTask(t.Context(), sid, videoTask)
		check(t, err)
		if before := (lease.Attempt - 1) % 1_000_000; before != 0 { // a plan's attempts begin at a million of their own
			t.Errorf("the lease was taken %d times before", before)
		}
		w.exec(t, `UPDATE composition_plan SET version = $2 WHERE composition_sid = $1`, sid, plan.Version)
		start(t, r)
		w.completed(t, sid)
	})
}

// A composition that a version without stored plans left in progress is planned again, and what it had rendered is deleted.
func TestPrepare_PlansCompositionsOfOldVersionsAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil)
		sid := w.planned(t, r)
		ref, err := w.store.PlanRef(t.Context(), sid)
		check(t, err)
		check(t, w.working.Delete(t.Context(), ref.Key))
		w.exec(t, `UPDATE composition_plan SET object_key = '', version = 0 WHERE composition_sid = $1`, sid)
		w.exec(t, `UPDATE chunk SET status = 'done', object_key = 'old-chunk' WHERE composition_sid = $1 AND number = 0`, sid)
		check(t, r.Prepare(t.Context()))
		start(t, r)
		w.completed(t, sid)
		eventually(t, "end of all deletions", func() bool { // an object goes before its row
			left, err := w.store.PendingDeletions(t.Context(), string(sid))
			check(t, err)
			return len(left) == 0
		})
	})
}

// Audio of several tasks is encoded once by another, on whichever node; the film is the same.
func TestComposition_OfAudioInSeveralTasks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, func(_ *queue.Config, c *Config) { c.Options.AudioTask = time.Second })
		sid := w.planned(t, r)
		saved, err := w.store.Plan(t.Context(), sid)
		check(t, err)
		if n := len(saved.Chunks); n != 4+5+1 { // the film lasts a frame longer than 4 s
			t.Errorf("%d chunks, want 4 of video, 5 of samples and 1 of audio", n)
		}
		start(t, r)
		report := reported(t, w.completed(t, sid))
		for _, track := range report.Tracks {
			if track.Kind == string(roomreel.Audio) && math.Abs(track.Audible-4) > 0.05 {
				t.Errorf("%s is audible for %v s, want 4", track.Name, track.Audible)
			}
		}
		if report.Frames != 101 || len(report.Warnings) > 0 {
			t.Errorf("report %+v", report)
		}
	})
}

// A composition that asks for too much ends at once with a reason that names the recording.
func TestComposition_FailsPastTheLimits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		start(t, w.worker(t, func(_ *queue.Config, c *Config) { c.Options.Limits.FilmLength = 3 * time.Second }))
		room := w.room(t, "")
		w.complete(t, room)
		c := w.ended(t, w.compose(t, room, everyone))
		if c.Status != roomreel.CompositionFailed || c.Failure.Code != twilio.CompositionTooLarge || !strings.Contains(c.Failure.Message, "recording RT") {
			t.Errorf("the composition is %s: %+v", c.Status, c.Failure)
		}
		seen := w.compose(t, room, app.FilmParams{VideoLayout: `{"grid":{"video_sources":["carol-camera"]}}`, Resolution: "160x120"})
		if c := w.ended(t, seen); c.Status != roomreel.CompositionCompleted {
			t.Errorf("a film within the limits is %s: %+v", c.Status, c.Failure)
		}
	})
}

// A worker leaves a film to a worker that has the plan's video encoder, because its segments come from one kind of encoder.
func TestRenderTask_WaitsForAWorkerWithThePlansEncoder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil)
		sid := w.planned(t, r)
		job := queue.Job{Job: store.Job{SID: string(sid), Number: videoTask}}
		ref, err := w.store.PlanRef(t.Context(), sid)
		check(t, err)
		if ref.Encoder != "h264" && ref.Encoder != "vp8" {
			t.Errorf("the plan needs the encoder %q", ref.Encoder)
		}
		w.exec(t, `UPDATE composition_plan SET encoder = 'h264_vaapi' WHERE composition_sid = $1`, sid)
		if _, snoozed := queue.Snoozed(r.renderTask(t.Context(), job)); !snoozed {
			t.Error("a task for another encoder is not left to another worker")
		}
		other := w.worker(t, func(_ *queue.Config, c *Config) { c.Encoders = []string{"h264_vaapi"} })
		check(t, other.renderTask(t.Context(), job))
	})
}

// A film that no running worker can encode fails with a sentence.
func TestPlan_FailsWhenNoWorkerHasTheEncoder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil)
		room := w.room(t, "")
		w.complete(t, room)
		film := everyone
		quality := roomreel.QualitySmall
		film.Quality = &quality
		sid := w.compose(t, room, film)
		check(t, w.store.Heartbeat(t.Context(), store.Node{ID: "other", Role: "worker", Encoders: []string{"h264", "vp8"}}))
		check(t, r.ofComposition(r.plan)(t.Context(), queue.Job{Job: store.Job{SID: string(sid)}}))
		c, err := w.store.CompositionBySID(t.Context(), sid)
		check(t, err)
		if want := "small needs the video encoder av1, and no running worker has it"; c.Status != roomreel.CompositionFailed || c.Failure.Message != want {
			t.Errorf("%s: %+v, want %q", c.Status, c.Failure, want)
		}
	})
}
