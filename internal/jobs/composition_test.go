package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/compose"
	"roomreel/internal/media/demux"
	"roomreel/internal/plan"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

func TestComposition_FromAskedToCompleted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		start(t, w.worker(t, nil))
		received := listen(t)
		film := everyone
		film.StatusCallback = received.url
		room := w.room(t, "")
		sid := w.compose(t, room, film)
		w.complete(t, room)
		c := w.completed(t, sid)
		if off := c.Duration - 4*time.Second; off.Abs() > 40*time.Millisecond {
			t.Errorf("the film lasts %v, want 4s", c.Duration)
		}
		report := reported(t, c)
		if report.Frames != 101 || report.Chunks != 4 || len(report.Warnings) > 0 {
			t.Errorf("report %+v", report)
		}
		eventually(t, "callback of the film", func() bool { return slices.Contains(received.events(), "composition-available") })
		events := received.events()
		if events[0] != "composition-started" || events[len(events)-1] != "composition-available" {
			t.Errorf("received %v, want composition-started first and composition-available last", events)
		}
		for _, event := range events[1 : len(events)-1] {
			if event != "composition-progress" {
				t.Errorf("received %v", events)
			}
		}
	})
}

func TestComposition_OfAudioAloneAndOfVideoAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		audioOnly := w.compose(t, room, app.FilmParams{AudioSources: []string{"*"}, Format: "webm"})
		videoOnly := w.compose(t, room, app.FilmParams{VideoLayout: everyone.VideoLayout, Resolution: "160x120"})
		if report := reported(t, w.completed(t, audioOnly)); !slices.Equal(report.Streams, []string{"opus"}) {
			t.Errorf("audio alone has streams %v", report.Streams)
		}
		if report := reported(t, w.completed(t, videoOnly)); !slices.Equal(report.Streams, []string{"vp8"}) {
			t.Errorf("video alone has streams %v", report.Streams)
		}
	})
}

// A recorder knows that a microphone was there for 9 s, of which the file holds fewer.
func TestComposition_LastsAsLongAsTheRecorderKnows(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		start(t, w.worker(t, nil))
		room := w.room(t, "")
		file, err := os.Open(filepath.Join(made(t), "alice-microphone.mka"))
		check(t, err)
		defer file.Close()
		_, err = w.app.UploadRecording(t.Context(), w.account, string(room.SID), app.UploadRecording{
			Media: file, Identity: "carol", TrackName: "carol-microphone", Known: 9 * time.Second,
		})
		check(t, err)
		w.complete(t, room)
		c := w.completed(t, w.compose(t, room, app.FilmParams{AudioSources: []string{"*"}, Format: "webm"}))
		if off := c.Duration - 9*time.Second; off.Abs() > 40*time.Millisecond {
			t.Errorf("the film lasts %v", c.Duration)
		}
		report := reported(t, c)
		if track := report.Tracks[len(report.Tracks)-1]; track.KnownLater <= 1 || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "its known end is ") {
			t.Errorf("%+v, warnings %q", track, report.Warnings)
		}
	})
}

func TestComposition_FailsWithTwiliosNumber(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		start(t, w.worker(t, nil))
		for want, film := range map[int]app.FilmParams{
			plan.ErrNoTracks.Twilio:  {AudioSources: []string{"nobody"}, Format: "mp4"},
			twilio.RecordingsDeleted: {AudioSources: []string{"*"}, Format: "mp4"},
		} {
			room := w.room(t, "")
			sid := w.compose(t, room, film)
			if want == twilio.RecordingsDeleted {
				all, err := w.store.RecordingsOf(t.Context(), room.SID)
				check(t, err)
				for _, recording := range all {
					check(t, w.store.DeleteRecording(t.Context(), w.account, recording.SID))
				}
			}
			w.complete(t, room)
			if c := w.ended(t, sid); c.Status != roomreel.CompositionFailed || c.Failure.Code != want {
				t.Errorf("the composition is %s with %+v, want failed with %d", c.Status, c.Failure, want)
			}
		}
	})
}

// TestComposition_FailsWhenNothingCanBeDecoded uploads a camera whose packets have all lost their keyframe bit.
func TestComposition_FailsWhenNothingCanBeDecoded(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(made(t), "alice-camera.mkv"))
	check(t, err)
	index, _, err := demux.ReadIndex(bytes.NewReader(data), int64(len(data)), roomreel.Video)
	check(t, err)
	for _, p := range index.Packets {
		data[p.Pos] |= 1
	}
	each(t, func(t *testing.T, w *world) {
		start(t, w.worker(t, nil))
		room, err := w.app.CreateRoom(t.Context(), w.account, app.CreateRoom{})
		check(t, err)
		recording, err := w.app.UploadRecording(t.Context(), w.account, string(room.SID), app.UploadRecording{
			Media: bytes.NewReader(data), Identity: "alice", TrackName: "alice-camera",
		})
		check(t, err)
		w.complete(t, room)
		c := w.ended(t, w.compose(t, room, app.FilmParams{VideoLayout: everyone.VideoLayout, Format: "mp4"}))
		if c.Status != roomreel.CompositionFailed || c.Failure.Code != plan.ErrNoTracks.Twilio ||
			!strings.Contains(c.Failure.Message, string(recording.SID)+": no packet of it could be decoded (decode vp8") {
			t.Errorf("the composition is %s with %+v", c.Status, c.Failure)
		}
	})
}

// TestComposition_FailsWhenARecordingIsDeletedUnderIt deletes a recording while a film of it is rendered. The child that is at
// work has opened its file, so the rest of the film is left to the next job.
func TestComposition_FailsWhenARecordingIsDeletedUnderIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.gate(t)
		r := start(t, w.worker(t, func(q *queue.Config, c *Config) { q.Renders, c.timeSlice = 1, 1 }))
		room := w.room(t, "")
		w.complete(t, room)
		video := app.FilmParams{VideoLayout: everyone.VideoLayout, Format: "mp4", Resolution: "160x120"}
		sid := w.compose(t, room, video)
		gate := w.atGate(t)
		w.published(t, sid, 1)
		other := w.compose(t, room, video)
		eventually(t, "wait of the second composition", func() bool { return r.othersWait(t.Context()) })
		all, err := w.store.RecordingsOf(t.Context(), room.SID)
		check(t, err)
		check(t, w.store.DeleteRecording(t.Context(), w.account, all[0].SID))
		w.openGate(t, gate)
		if c := w.ended(t, sid); c.Status != roomreel.CompositionFailed || c.Failure.Code != twilio.RecordingsDeleted {
			t.Errorf("the composition is %s with %+v, want failed with %d", c.Status, c.Failure, twilio.RecordingsDeleted)
		}
		w.ended(t, other)
		w.nothingLeft(t)
	})
}

func TestComposition_StopsSoonAndLeavesNothingWhenDeleted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.gate(t)
		start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		before := len(files(t, w.beside("media")))
		sid := w.compose(t, room, everyone)
		gate := w.atGate(t)
		defer gate.Close()
		w.published(t, sid, 1)
		check(t, w.app.DeleteComposition(t.Context(), w.account, sid, false))
		begun := time.Now()
		eventually(t, "end of the child", func() bool {
			return syscall.Kill(w.children(t)[0].Pid, 0) == syscall.ESRCH
		})
		if took := time.Since(begun); took > 5*checkEvery {
			t.Errorf("the child worked for another %v", took)
		}
		w.nothingLeft(t)
		eventually(t, "media store as before", func() bool { return len(files(t, w.beside("media"))) == before })
		if c, err := w.store.CompositionBySID(t.Context(), sid); err != nil || c.Status != roomreel.CompositionDeleted {
			t.Errorf("the composition is %s, %v", c.Status, err)
		}
	})
}

// crashed puts the queue into the state that a killed process leaves: what it worked on is still marked as running.
func (w *world) crashed(t *testing.T, r *Worker) {
	t.Helper()
	check(t, r.Queue.Stop(context.Background()))
	if n := w.exec(t, `UPDATE river_job SET state = 'running' WHERE kind = 'render_task' AND state = 'available'`); n == 0 {
		t.Error("the stopped node gave no render task back")
	}
}

// TestUpgrade_GoesOnWithWhatAnEarlierVersionLeft has a composition in progress as version 0.1.0 left it, which stored no plan,
// and a deletion under the name that it had there.
func TestUpgrade_GoesOnWithWhatAnEarlierVersionLeft(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.gate(t)
		first := start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		sid := w.compose(t, room, everyone)
		gate := w.atGate(t)
		w.published(t, sid, 1)
		check(t, first.Queue.Stop(t.Context()))
		w.openGate(t, gate)
		ref, err := w.store.PlanRef(t.Context(), sid)
		check(t, err)
		w.exec(t, `UPDATE composition_plan SET object_key = '', size = 0, version = 0, checksum = ''`)
		check(t, w.store.Discard(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: ref.Key}))
		unused := w.room(t, "")
		all, err := w.store.RecordingsOf(t.Context(), unused.SID)
		check(t, err)
		check(t, w.store.DeleteRecording(t.Context(), w.account, all[0].SID))
		for kind, old := range map[string]string{store.JobRender: "stretch", store.JobDelete: "erase"} {
			if n := w.exec(t, `UPDATE river_job SET kind = '`+old+`' WHERE kind = '`+kind+`' AND state IN ('available', 'scheduled', 'retryable')`); n == 0 {
				t.Errorf("no job of kind %s waits", kind)
			}
		}
		second := w.worker(t, nil)
		check(t, second.Prepare(t.Context()))
		start(t, second)
		w.completed(t, sid)
		eventually(t, "end of the deleted recording's media", func() bool {
			_, err := w.media.Stat(t.Context(), all[0].Media.Key)
			return errors.Is(err, blob.ErrNotExist)
		})
		eventually(t, "end of the earlier version's jobs", func() bool {
			return w.exec(t, `UPDATE river_job SET kind = kind WHERE kind IN ('stretch', 'erase') AND state <> 'completed'`) == 0
		})
	})
}

// TestComposition_FailsWhenItsJobEndsEachNode says of a job that the 20 nodes before this one died of it.
func TestComposition_FailsWhenItsJobEndsEachNode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.worker(t, nil)
		received := listen(t)
		film := everyone
		film.StatusCallback = received.url
		room := w.room(t, "")
		w.complete(t, room)
		sid := w.compose(t, room, film)
		count := `jsonb_patch(metadata, '{"rescues":{"count":20,"snoozes":0}}')`
		if w.store.PostgreSQL() != nil {
			count = `metadata || '{"rescues":{"count":20,"snoozes":0}}'`
		}
		if n := w.exec(t, `UPDATE river_job SET metadata = `+count+` WHERE kind = 'compose'`); n != 1 {
			t.Fatalf("%d jobs wait, want one", n)
		}
		start(t, first)
		c := w.ended(t, sid)
		if c.Status != roomreel.CompositionFailed || c.Failure.Code != twilio.CompositionFailed || !strings.Contains(c.Failure.Detail, "ended 20 times") {
			t.Errorf("the composition is %s with %+v", c.Status, c.Failure)
		}
		eventually(t, "callback of the failure", func() bool { return slices.Contains(received.events(), "composition-failed") })
	})
}

// TestAssemble_LateAttemptTakesNoFilmAway hands a film over twice, as two attempts do that overlap.
func TestAssemble_LateAttemptTakesNoFilmAway(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		c := w.completed(t, w.compose(t, room, everyone))
		late := filepath.Join(t.TempDir(), "film")
		check(t, os.WriteFile(late, []byte("film"), 0o600))
		if err := r.handOver(t.Context(), c, compose.Result{Size: 4, Duration: 1, Bitrate: 1}, reported(t, c), late); roomreel.CodeOf(err) != roomreel.Conflict {
			t.Errorf("a late film: %v", err)
		}
		w.offset.Add(int64(25 * time.Hour))
		check(t, r.expire(t.Context(), queue.Job{}))
		check(t, r.deleteObjects(t.Context(), queue.Job{Job: store.Job{SID: string(c.SID)}}))
		if info, err := w.media.Stat(t.Context(), c.Media.Key); err != nil || info.Size != c.Size {
			t.Errorf("the film after a day: %+v, %v", info, err)
		}
		films := 0
		for _, name := range files(t, w.beside("media")) {
			if strings.Contains(name, string(c.SID)) {
				films++
			}
		}
		if films != 1 {
			t.Errorf("the media store holds %d films of the composition, want one", films)
		}
	})
}

func TestRenderTask_ResumesAfterADeath(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.gate(t)
		first := start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		sid := w.compose(t, room, everyone)
		check(t, w.atGate(t).Close())
		w.published(t, sid, 2)
		gate := w.atGate(t)
		w.crashed(t, first)
		w.openGate(t, gate)
		before := w.published(t, sid, 2)

		start(t, w.worker(t, nil))
		c := w.completed(t, sid)
		all := w.children(t)
		if last := all[len(all)-1]; len(all) != 2 || last.Chunks[0].From != before[len(before)-1].End {
			t.Errorf("children rendered %+v, want the second to begin at %d", all, before[len(before)-1].End)
		}
		report := reported(t, c)
		wantCounted(t, report) // also what the first node decoded
		if len(report.Warnings) > 0 {
			t.Errorf("warnings %v", report.Warnings)
		}
	})
}

// wantCounted checks that a report counts what was decoded of the recordings of people, once. Of a track of 30 frames per
// second, the last packet comes after the last frame of the film. Two of carol's packets show nothing.
func wantCounted(t *testing.T, report compose.Report) {
	t.Helper()
	for _, track := range report.Tracks {
		want := map[string][2]int{"alice-camera": {119, 100}, "carol-camera": {87, 75}, "alice-microphone": {track.Packets, 0}}[track.Name]
		if track.Decoded != want[0] || track.Shown != want[1] || track.Errors > 0 {
			t.Errorf("%s: %d of %d packets are decoded, and %d frames are shown", track.Name, track.Decoded, track.Packets, track.Shown)
		}
	}
}

func TestRenderTask_KeepsTheStatsOfEarlierAttempts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		check(t, os.WriteFile(w.beside(crashFile), nil, 0o644))
		w.gate(t)
		r := w.worker(t, func(q *queue.Config, c *Config) { q.Renders, c.timeSlice = 1, 1 })
		start(t, r)
		room := w.room(t, "")
		w.complete(t, room)
		video := app.FilmParams{VideoLayout: everyone.VideoLayout, Format: "mp4", Resolution: "160x120"}
		sid := w.compose(t, room, video)
		gate := w.atGate(t)
		w.published(t, sid, 1)
		other := w.compose(t, room, video)
		eventually(t, "wait of the second composition", func() bool { return r.othersWait(t.Context()) })
		check(t, os.Remove(w.beside(crashFile))) // the rest of it could be decoded
		w.openGate(t, gate)
		lost := 0
		for _, track := range reported(t, w.completed(t, sid)).Tracks {
			if track.Lost {
				lost++
			}
		}
		if lost != 1 {
			t.Errorf("%d recordings are reported as lost, want the one that crashed", lost)
		}
		w.completed(t, other)
	})
}

// videoTask is the number of the only video task of a film with audio; see tasksOf.
const videoTask = 1

func TestRenderTask_StaleWorkerLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.gate(t)
		r := start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		sid := w.compose(t, room, everyone)
		gate := w.atGate(t)
		before := w.published(t, sid, 1)
		_, err := w.store.AcquireTask(t.Context(), sid, videoTask) // as another node does
		check(t, err)
		w.openGate(t, gate)
		eventually(t, "end of the first child", func() bool {
			return syscall.Kill(w.children(t)[0].Pid, 0) == syscall.ESRCH
		})
		if after := w.published(t, sid, 1); len(after) != len(before) {
			t.Errorf("%d chunks are published by a stale worker", len(after)-len(before))
		}
		check(t, w.store.InTx(t.Context(), func(tx *store.Tx) error {
			return r.Queue.Enqueue(t.Context(), tx, store.Job{Kind: store.JobRender, SID: string(sid), Number: videoTask})
		}))
		w.completed(t, sid)
	})
}

func TestComposition_IsMadeWithoutARecordingThatCrashes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		check(t, os.WriteFile(w.beside(crashFile), nil, 0o644))
		start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		report := reported(t, w.completed(t, w.compose(t, room, everyone)))
		for _, track := range report.Tracks {
			if track.Lost != (track.Name == "carol-camera") {
				t.Errorf("%s lost: %v", track.Name, track.Lost)
			}
		}
		if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "decoder died") {
			t.Errorf("warnings %q, want one of the recording that is missing", report.Warnings)
		}
	})
}

// kill ends the child that is at work, as the kernel does when memory is short.
func (w *world) kill(t *testing.T) {
	t.Helper()
	all := w.children(t)
	check(t, syscall.Kill(all[len(all)-1].Pid, syscall.SIGKILL))
}

func TestComposition_SurvivesTheDeathOfAChild(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.gate(t)
		start(t, w.worker(t, nil))
		room := w.room(t, "")
		w.complete(t, room)
		sid := w.compose(t, room, everyone)
		gate := w.atGate(t)
		before := w.published(t, sid, 1)
		w.kill(t)
		w.openGate(t, gate)
		c := w.completed(t, sid)
		all := w.children(t)
		if last := all[len(all)-1]; last.Chunks[0].From != before[0].End {
			t.Errorf("children rendered %+v, want the last to begin at %d", all, before[0].End)
		}
		for _, track := range reported(t, c).Tracks {
			if track.Lost {
				t.Errorf("%s was left out, and only the child was killed", track.Name)
			}
		}
	})
}

func TestComposition_FailsAfterTheLastAttempt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		check(t, os.WriteFile(w.beside(brokenFile), nil, 0o644))
		start(t, w.worker(t, func(q *queue.Config, c *Config) { c.attempts = 2 }))
		room := w.room(t, "")
		w.complete(t, room)
		c := w.ended(t, w.compose(t, room, everyone))
		if c.Status != roomreel.CompositionFailed || c.Failure.Code != twilio.CompositionFailed || !strings.Contains(c.Failure.Detail, "does not work") {
			t.Errorf("the composition is %s with %+v", c.Status, c.Failure)
		}
		w.nothingLeft(t)
	})
}

func TestComposition_EndsWhenItsWorkerPanics(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil)
		room := w.room(t, "")
		sid := w.compose(t, room, everyone)
		panics := r.ofComposition(func(context.Context, queue.Job) error { panic("no such film") })
		if err := panics(t.Context(), queue.Job{Job: store.Job{SID: string(sid)}}); err == nil {
			t.Error("the first panic is not tried again")
		}
		check(t, panics(t.Context(), queue.Job{Job: store.Job{SID: string(sid)}, Last: true}))
		if c := w.ended(t, sid); c.Failure.Code != twilio.CompositionFailed {
			t.Errorf("the composition is %s with %+v", c.Status, c.Failure)
		}
	})
}

func TestRenderTask_YieldsToOthers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.gate(t)
		r := w.worker(t, func(q *queue.Config, c *Config) { q.Renders, c.timeSlice = 1, 1 })
		start(t, r)
		room := w.room(t, "")
		w.complete(t, room)
		video := app.FilmParams{VideoLayout: everyone.VideoLayout, Format: "mp4", Resolution: "160x120"}
		long := w.compose(t, room, video)
		gate := w.atGate(t)
		short := w.compose(t, room, app.FilmParams{VideoLayout: everyone.VideoLayout, Format: "mp4", Resolution: "64x64"})
		eventually(t, "wait of the second composition", func() bool { return r.othersWait(t.Context()) })
		w.openGate(t, gate)
		w.completed(t, long)
		w.completed(t, short)
		all := w.children(t)
		if len(all) < 3 || all[1].Chunks[0].From != 0 || all[2].Chunks[0].From == 0 {
			t.Errorf("children rendered %+v, want the second film before the rest of the first", all)
		}
	})
}

func reported(t *testing.T, c roomreel.Composition) (report compose.Report) {
	t.Helper()
	check(t, json.Unmarshal([]byte(c.Report), &report))
	return report
}
