package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
)

func leaseLost(err error) bool { return errors.Is(err, store.ErrLeaseLost) }

// started returns a composition in progress with an audio task, number 0, and after it n video tasks of one chunk each.
func (f *fixture) started(t *testing.T, n, parallel int) roomreel.Composition {
	t.Helper()
	room := f.room(t, "")
	_, err := f.CompleteRoom(t.Context(), f.account, room.SID)
	check(t, err)
	c, attempt, err := f.StartComposition(t.Context(), f.composition(t, room).SID)
	check(t, err)
	tasks := []store.Task{{Kind: store.AudioTask, Chunks: []store.Chunk{{Number: store.FilmAudio, Cost: 1}}}}
	for i := range n {
		tasks = append(tasks, store.Task{Number: videoTask(i), Kind: store.VideoTask, Chunks: []store.Chunk{{Number: i, First: i * 500, End: i*500 + 500, Cost: 20}}})
	}
	check(t, f.savePlan(t, c.SID, attempt, tasks, parallel))
	return c
}

// videoTask is the number of the task that holds video chunk i.
func videoTask(i int) int { return i + 1 }

// savePlan reserves a plan's key and saves the plan.
func (f *fixture) savePlan(t *testing.T, sid roomreel.CompositionSID, attempt int, tasks []store.Task, parallel int) error {
	t.Helper()
	ref := store.PlanRef{Key: fmt.Sprintf("%s/plan.%d", sid, attempt), Size: 10, Version: 1, Checksum: "c"}
	check(t, f.Reserve(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: ref.Key}))
	return f.SavePlan(t.Context(), sid, attempt, ref, tasks, parallel)
}

// publishChunk reserves a chunk's key and publishes the chunk.
func (f *fixture) publishChunk(t *testing.T, sid roomreel.CompositionSID, attempt, chunk int, key string) error {
	if err := f.Reserve(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: key}); err != nil {
		return err
	}
	return f.PublishChunk(t.Context(), sid, store.PublishedChunk{Task: videoTask(chunk), Attempt: attempt, Number: chunk, Key: key, Size: 1, Header: "h"})
}

// publish does task n from acquiring it to its end.
func (f *fixture) publish(t *testing.T, sid roomreel.CompositionSID, n int) error {
	task, err := f.AcquireTask(t.Context(), sid, n)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%s/%d-%d", sid, n, task.Attempt)
	if task.Kind != store.VideoTask {
		if err := f.Reserve(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: key}); err != nil {
			return err
		}
		return f.PublishTask(t.Context(), sid, store.PublishedChunk{
			Task: n, Attempt: task.Attempt, Number: task.Chunks[0].Number, Key: key, Size: 1,
		}, "{}")
	}
	if err := f.publishChunk(t, sid, task.Attempt, task.Chunks[0].Number, key); err != nil {
		return err
	}
	return f.FinishTask(t.Context(), sid, n, task.Attempt, "{}")
}

func TestFinishTask_AssemblesOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 7, 7)
		atOnce(t, 8, func(i int) error { return f.publish(t, c.SID, i) }, nil)
		wantEqual(t, "assemble jobs", f.queue.count(store.JobAssemble, string(c.SID)), 1)
		stats, err := f.TaskStats(t.Context(), c.SID)
		check(t, err)
		wantEqual(t, "stats", len(stats), 8)
	})
}

func TestSavePlan_EnqueuesAFewTasksAtATime(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 5, 2)
		jobs := func() int { return f.queue.count(store.JobRender, string(c.SID)) }
		wantEqual(t, "tasks at first, one of audio", jobs(), 3)
		check(t, f.publish(t, c.SID, videoTask(0)))
		wantEqual(t, "tasks after one is done", jobs(), 4)
		_, attempt, err := f.StartComposition(t.Context(), c.SID)
		check(t, err)
		if err := f.savePlan(t, c.SID, attempt, nil, 2); !leaseLost(err) {
			t.Errorf("a second plan is saved: %v", err)
		}
		wantEqual(t, "tasks after planning again", jobs(), 4)
		plan, err := f.Plan(t.Context(), c.SID)
		check(t, err)
		wantEqual(t, "plan", plan.Key, string(c.SID)+"/plan.1")
		wantEqual(t, "chunks", len(plan.Chunks), 6)
		wantEqual(t, "chunk 0 is done", plan.Chunks[1].Done(), true)
		if err := f.savePlan(t, c.SID, attempt-1, nil, 1); !leaseLost(err) {
			t.Errorf("saving a plan under an old attempt: %v", err)
		}
	})
}

func TestSavePlan_EnqueuesTheLongestTaskFirst(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c, attempt, err := f.StartComposition(t.Context(), f.composition(t, f.room(t, "")).SID)
		check(t, err)
		var tasks []store.Task
		for i, cost := range []int64{3, 9, 5, 9} {
			tasks = append(tasks, store.Task{Number: i, Kind: store.VideoTask, Chunks: []store.Chunk{{Number: 2 * i, Cost: cost}, {Number: 2*i + 1, Cost: 1}}})
		}
		tasks = append(tasks, store.Task{Number: 4, Kind: store.AudioTask, Chunks: []store.Chunk{{Number: store.FilmAudio, Cost: 1}}})
		check(t, f.savePlan(t, c.SID, attempt, tasks, 4))
		if diff := cmp.Diff([]int{4, 1, 3, 2, 0}, f.queue.numbers(store.JobRender, string(c.SID))); diff != "" {
			t.Error(diff)
		}
	})
}

// The audio is encoded once, after all its tasks, whichever finishes last; a film of a day has thousands of chunks.
func TestFinishTask_EncodesAudioAfterAllItsTasks(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, "")
		c, attempt, err := f.StartComposition(t.Context(), f.composition(t, room).SID)
		check(t, err)
		const audio, encode, chunks = 4, 4, 4320
		var tasks []store.Task
		for i := range audio {
			tasks = append(tasks, store.Task{Number: i, Kind: store.AudioTask, Chunks: []store.Chunk{{Number: store.FilmAudio - 1 - i}}})
		}
		tasks = append(tasks, store.Task{Number: encode, Kind: store.EncodeTask, Chunks: []store.Chunk{{Number: store.FilmAudio}}})
		video := store.Task{Number: encode + 1, Kind: store.VideoTask}
		for i := range chunks {
			video.Chunks = append(video.Chunks, store.Chunk{Number: i, First: i * 500, End: i*500 + 500})
		}
		check(t, f.savePlan(t, c.SID, attempt, append(tasks, video), 3))
		enqueued := func(n int) bool { return f.queue.has(store.Job{Kind: store.JobRender, SID: string(c.SID), Number: n}) }
		atOnce(t, audio, func(i int) error {
			if enqueued(encode) {
				t.Error("the encoding is enqueued before the audio is there")
			}
			return f.publish(t, c.SID, i)
		}, nil)
		wantEqual(t, "the encoding is enqueued", enqueued(encode), true)
		wantEqual(t, "the video is enqueued", enqueued(encode+1), true)
		check(t, f.publish(t, c.SID, encode))
		plan, err := f.Plan(t.Context(), c.SID)
		check(t, err)
		wantEqual(t, "chunks", len(plan.Chunks), audio+1+chunks)
		wantEqual(t, "assemble jobs", f.queue.count(store.JobAssemble, string(c.SID)), 0)
	})
}

// Chunks that were encoded with different headers are not parts of one film.
func TestPublishChunk_NeverMixesEncoders(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 2, 2)
		check(t, f.publish(t, c.SID, videoTask(0)))
		task, err := f.AcquireTask(t.Context(), c.SID, videoTask(1))
		check(t, err)
		check(t, f.Reserve(t.Context(), string(c.SID), store.PendingDeletion{Store: store.WorkingStore, Key: "other"}))
		err = f.PublishChunk(t.Context(), c.SID, store.PublishedChunk{Task: videoTask(1), Attempt: task.Attempt, Number: 1, Key: "other", Size: 1, Header: "another encoder's"})
		if !errors.Is(err, store.ErrOtherEncoder) {
			t.Errorf("a chunk of another encoder: %v", err)
		}
		check(t, f.publish(t, c.SID, videoTask(1)))
	})
}

func TestRenderAgain_DoesSoOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c := f.started(t, 3, 3)
		for n := range 4 {
			check(t, f.publish(t, c.SID, n))
		}
		plan, err := f.Plan(ctx, c.SID)
		check(t, err)
		wantEqual(t, "the time of the last task is noted", plan.Rendered.IsZero(), false)
		damaged := plan.Chunks[:3:3] // the audio, and chunks 0 and 1
		check(t, f.RenderAgain(ctx, c.SID, damaged[0], damaged[2]))
		plan, err = f.Plan(ctx, c.SID)
		check(t, err)
		for i, chunk := range plan.Chunks {
			wantEqual(t, fmt.Sprintf("chunk %d is published", chunk.Number), chunk.Done(), i != 0 && i != 2)
			wantEqual(t, fmt.Sprintf("chunk %d is rendered again", chunk.Number), chunk.Again, i == 0 || i == 2)
		}
		if left, err := f.PendingDeletions(ctx, string(c.SID)); err != nil || len(left) != 2 {
			t.Errorf("%v are deleted, %v", left, err)
		}
		if err := f.RenderAgain(ctx, c.SID, damaged[2]); !leaseLost(err) {
			t.Errorf("a late attempt: %v", err)
		}
		task, err := f.AcquireTask(ctx, c.SID, videoTask(1))
		check(t, err)
		if !task.Again || task.Stats != "{}" || task.Done {
			t.Errorf("the task is %+v", task)
		}
		wantEqual(t, "jobs to assemble", f.queue.count(store.JobAssemble, string(c.SID)), 1)
		check(t, f.publish(t, c.SID, videoTask(1)))
		check(t, f.publish(t, c.SID, 0))
		wantEqual(t, "jobs to assemble", f.queue.count(store.JobAssemble, string(c.SID)), 2)
		plan, err = f.Plan(ctx, c.SID)
		check(t, err)
		if err := f.RenderAgain(ctx, c.SID, plan.Chunks[3]); !errors.Is(err, store.ErrRenderedAgain) {
			t.Errorf("a second time: %v", err)
		}
		after, err := f.Plan(ctx, c.SID)
		check(t, err)
		if diff := cmp.Diff(plan, after); diff != "" {
			t.Error(diff)
		}
	})
}

func TestJoinAgain_DoesSoOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c := f.started(t, 1, 1)
		if err := f.JoinAgain(ctx, c.SID); !errors.Is(err, store.ErrLeaseLost) { // as of a delivery that runs twice
			t.Errorf("without a film: %v", err)
		}
		before := f.queue.count(store.JobAssemble, string(c.SID))
		for i := range 2 {
			film := store.PendingDeletion{Store: store.WorkingStore, Key: fmt.Sprint("film ", i)}
			check(t, f.Reserve(ctx, string(c.SID), film))
			check(t, f.SaveFilm(ctx, c.SID, store.FilmResult{Media: roomreel.Media{CopyKey: film.Key}}))
			err := f.JoinAgain(ctx, c.SID)
			if i == 0 && err != nil || i == 1 && !errors.Is(err, store.ErrJoinedAgain) {
				t.Errorf("time %d: %v", i, err)
			}
			plan, err := f.Plan(ctx, c.SID)
			check(t, err)
			wantEqual(t, "there is a film", plan.Film != nil, i == 1)
		}
		wantEqual(t, "jobs to assemble", f.queue.count(store.JobAssemble, string(c.SID))-before, 1)
		left, err := f.PendingDeletions(ctx, string(c.SID))
		check(t, err)
		if len(left) != 1 || left[0].Key != "film 0" {
			t.Errorf("%v are deleted", left)
		}
	})
}

func TestPublishChunk_RejectsStaleWorkers(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c := f.started(t, 1, 1)
		stale, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		task, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		if err := f.publishChunk(t, c.SID, stale.Attempt, 0, "stale"); !leaseLost(err) {
			t.Errorf("the stale worker publishes: %v", err)
		}
		if err := f.FinishTask(ctx, c.SID, videoTask(0), task.Attempt, "{}"); err == nil || leaseLost(err) {
			t.Errorf("a task finishes before its chunks are published: %v", err)
		}
		check(t, f.publishChunk(t, c.SID, task.Attempt, 0, "mine"))
		if err := f.publishChunk(t, c.SID, task.Attempt, 0, "twice"); !leaseLost(err) {
			t.Errorf("published twice: %v", err)
		}
		if err := f.FinishTask(ctx, c.SID, videoTask(0), stale.Attempt, "{}"); !leaseLost(err) {
			t.Errorf("the stale worker finishes: %v", err)
		}
		check(t, f.FinishTask(ctx, c.SID, videoTask(0), task.Attempt, "{}"))
		again, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		if !again.Done || again.Chunks[0].Key != "mine" {
			t.Errorf("after the end: %+v", again)
		}
	})
}

func TestPublishChunk_OneOfManyWorkersWins(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 1, 1)
		won := atOnce(t, 8, func(i int) error {
			task, err := f.AcquireTask(t.Context(), c.SID, videoTask(0))
			if err != nil || task.Done {
				return store.ErrLeaseLost
			}
			return f.publishChunk(t, c.SID, task.Attempt, 0, fmt.Sprint("key", i))
		}, leaseLost)
		wantEqual(t, "publishers", won, 1)
	})
}

func TestDeleteComposition_StopsItsWork(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c := f.started(t, 2, 2)
		task, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		check(t, f.publishChunk(t, c.SID, task.Attempt, 0, "chunk-0"))
		check(t, f.DeleteComposition(ctx, f.account, c.SID, false))
		check(t, f.DeleteComposition(ctx, f.account, c.SID, false))
		if err := f.FinishTask(ctx, c.SID, videoTask(0), task.Attempt, "{}"); !leaseLost(err) {
			t.Errorf("finishing after the end: %v", err)
		}
		if _, err := f.AcquireTask(ctx, c.SID, videoTask(1)); !leaseLost(err) {
			t.Errorf("acquiring after the end: %v", err)
		}
		left, err := f.PendingDeletions(ctx, string(c.SID))
		check(t, err)
		if diff := cmp.Diff([]store.PendingDeletion{{Store: store.WorkingStore, Key: string(c.SID) + "/plan.1"}, {Store: store.WorkingStore, Key: "chunk-0"}}, left); diff != "" {
			t.Error(diff)
		}
		_, err = f.CompleteComposition(ctx, c.SID, store.FilmResult{})
		wantCode(t, err, roomreel.Conflict)
	})
}

func TestDeleteComposition_WhileItIsPublished(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		for range 5 {
			c := f.started(t, 4, 4)
			atOnce(t, 5, func(i int) error {
				if i == 4 {
					return f.DeleteComposition(t.Context(), f.account, c.SID, false)
				}
				return f.publish(t, c.SID, i)
			}, leaseLost)
			if _, err := f.Plan(t.Context(), c.SID); !leaseLost(err) {
				t.Errorf("plan after the end: %v", err)
			}
		}
	})
}

func TestComposition_EndsOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c := f.started(t, 1, 1)
		f.reserve(t, c.SID, "film")
		check(t, f.SaveFilm(ctx, c.SID, store.FilmResult{Media: roomreel.Media{CopyKey: "film"}}))
		if err := f.SaveFilm(ctx, c.SID, store.FilmResult{Media: roomreel.Media{CopyKey: "film 2"}}); !leaseLost(err) {
			t.Errorf("a second film: %v", err)
		}
		wantEqual(t, "deliveries", f.queue.count(store.JobDeliver, string(c.SID)), 1)
		check(t, f.Reserve(ctx, string(c.SID), store.PendingDeletion{Store: store.MediaStore, Key: "k"}))
		won := atOnce(t, 6, func(i int) error {
			if i%2 == 0 {
				_, err := f.FailComposition(ctx, c.SID, roomreel.Failure{Message: "no"})
				return err
			}
			_, err := f.CompleteComposition(ctx, c.SID, store.FilmResult{Size: 1, Duration: 1, Bitrate: 1, Media: roomreel.Media{Key: "k"}})
			return err
		}, func(err error) bool { return roomreel.CodeOf(err) == roomreel.Conflict })
		wantEqual(t, "ends", won, 1)
		events := f.events(t, string(c.SID))
		wantEqual(t, "events", len(events), 2)
		left, err := f.PendingDeletions(ctx, string(c.SID))
		check(t, err)
		wantEqual(t, "objects to delete", len(left), 2) // the plan, and the film
	})
}

func TestComposition_OnlyPromisedTransitions(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		room := f.room(t, "r")
		c := f.composition(t, room)
		_, err := f.CompleteComposition(ctx, c.SID, store.FilmResult{})
		wantCode(t, err, roomreel.Conflict)
		_, err = f.FailComposition(ctx, c.SID, roomreel.Failure{Code: 53630})
		check(t, err)
		_, _, err = f.StartComposition(ctx, c.SID)
		wantCode(t, err, roomreel.Conflict)
		wantCode(t, f.DeleteComposition(ctx, f.account, c.SID, false), roomreel.Conflict)
		check(t, f.DeleteComposition(ctx, f.account, c.SID, true))
		_, err = f.FailComposition(ctx, c.SID, roomreel.Failure{})
		wantCode(t, err, roomreel.Conflict)
	})
}

func TestCreateComposition_AHookMakesOnePerRoom(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		room := f.room(t, "r")
		hook, err := f.CreateHook(ctx, roomreel.Hook{
			SID: roomreel.NewSID[roomreel.HookSID](), AccountSID: f.account, FriendlyName: "all",
			Spec: roomreel.FilmSpec{Format: roomreel.MP4, StatusCallback: statusCallback},
		})
		check(t, err)
		sids := make([]roomreel.CompositionSID, 6)
		atOnce(t, 6, func(i int) error {
			c, err := f.CreateComposition(ctx, roomreel.Composition{
				SID:        roomreel.NewSID[roomreel.CompositionSID](),
				AccountSID: f.account, RoomSID: room.SID, Spec: hook.Spec,
			}, &hook)
			sids[i] = c.SID
			return err
		}, nil)
		for _, sid := range sids {
			wantEqual(t, "composition", sid, sids[0])
		}
		if diff := cmp.Diff([]roomreel.EventType{roomreel.CompositionEnqueuedEvent}, f.events(t, string(sids[0]))); diff != "" {
			t.Error(diff)
		}
		check(t, f.HookFailed(ctx, room.SID, hook, roomreel.Failure{Message: "no"}))
		check(t, f.HookFailed(ctx, room.SID, hook, roomreel.Failure{Message: "no"}))
		if diff := cmp.Diff([]roomreel.EventType{roomreel.CompositionHookFailedEvent}, f.events(t, string(hook.SID))); diff != "" {
			t.Error(diff)
		}
	})
}

// PlanAgain takes a plan away, once, and leaves nothing to those that work on it.
func TestPlanAgain_TakesThePlanAway(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 2, 2)
		ref, err := f.PlanRef(t.Context(), c.SID)
		check(t, err)
		task, err := f.AcquireTask(t.Context(), c.SID, videoTask(0))
		check(t, err)
		if why, err := f.CopyRefused(t.Context(), c.SID); err != nil || why != "" {
			t.Errorf("copying is refused: %q, %v", why, err)
		}
		if err := f.PlanAgain(t.Context(), c.SID, "another plan", "why"); !leaseLost(err) {
			t.Errorf("another plan: %v", err)
		}
		check(t, f.PlanAgain(t.Context(), c.SID, ref.Key, "its packets are damaged"))
		if why, err := f.CopyRefused(t.Context(), c.SID); err != nil || why != "its packets are damaged" {
			t.Errorf("copying is refused: %q, %v", why, err)
		}
		if err := f.PlanAgain(t.Context(), c.SID, ref.Key, "again"); !leaseLost(err) {
			t.Errorf("the second time: %v", err)
		}
		if err := f.publishChunk(t, c.SID, task.Attempt, 0, "late"); !leaseLost(err) {
			t.Errorf("a chunk of the old plan: %v", err)
		}
		if _, err := f.PlanRef(t.Context(), c.SID); !leaseLost(err) {
			t.Errorf("the old plan: %v", err)
		}
		_, attempt, err := f.StartComposition(t.Context(), c.SID)
		check(t, err)
		check(t, f.savePlan(t, c.SID, attempt, []store.Task{{Kind: store.AudioTask, Chunks: []store.Chunk{{Number: store.FilmAudio, Cost: 1}}}}, 1))
		if again, err := f.AcquireTask(t.Context(), c.SID, 0); err != nil || again.Attempt <= task.Attempt {
			t.Errorf("attempt %d after %d, %v", again.Attempt, task.Attempt, err)
		}
	})
}
