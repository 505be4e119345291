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

// started returns a composition in progress with n render tasks of one chunk each, and an audio task.
func (f *fixture) started(t *testing.T, n, parallel int) roomreel.Composition {
	t.Helper()
	room := f.room(t, "")
	_, err := f.CompleteRoom(t.Context(), f.account, room.SID)
	check(t, err)
	c, attempt, err := f.StartComposition(t.Context(), f.composition(t, room).SID)
	check(t, err)
	plan := store.CompositionPlan{Plan: "{}", Chunks: []store.Chunk{{Number: store.AudioTask, Task: store.AudioTask}}}
	for i := range n {
		plan.Chunks = append(plan.Chunks, store.Chunk{Number: i, Task: i, First: i * 500, End: i*500 + 500})
	}
	check(t, f.SavePlan(t.Context(), c.SID, attempt, plan, parallel))
	return c
}

// publishChunk reserves a chunk's key and publishes the chunk.
func (f *fixture) publishChunk(t *testing.T, sid roomreel.CompositionSID, task, attempt, chunk int, key string) error {
	if err := f.Reserve(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: key}); err != nil {
		return err
	}
	return f.PublishChunk(t.Context(), sid, task, attempt, chunk, key, 1)
}

// publish does a task of one chunk from acquiring it to its end.
func (f *fixture) publish(t *testing.T, sid roomreel.CompositionSID, n int) error {
	task, err := f.AcquireTask(t.Context(), sid, n)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%s/%d-%d", sid, n, task.Attempt)
	if n == store.AudioTask {
		if err := f.Reserve(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: key}); err != nil {
			return err
		}
		return f.PublishAudio(t.Context(), sid, task.Attempt, key, 1, "{}")
	}
	if err := f.publishChunk(t, sid, n, task.Attempt, n, key); err != nil {
		return err
	}
	return f.FinishTask(t.Context(), sid, n, task.Attempt, "{}")
}

func TestFinishTask_AssemblesOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 7, 7)
		atOnce(t, 8, func(i int) error { return f.publish(t, c.SID, i-1) }, nil)
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
		wantEqual(t, "render tasks at first", jobs(), 2)
		wantEqual(t, "audio tasks", f.queue.count(store.JobAudio, string(c.SID)), 1)
		check(t, f.publish(t, c.SID, 0))
		wantEqual(t, "render tasks after one is done", jobs(), 3)
		_, attempt, err := f.StartComposition(t.Context(), c.SID)
		check(t, err)
		check(t, f.SavePlan(t.Context(), c.SID, attempt, store.CompositionPlan{Plan: "other"}, 2))
		wantEqual(t, "render tasks after planning again", jobs(), 3)
		plan, err := f.Plan(t.Context(), c.SID)
		check(t, err)
		wantEqual(t, "plan", plan.Plan, "{}")
		wantEqual(t, "chunks", len(plan.Chunks), 6)
		wantEqual(t, "chunk 0 is done", plan.Chunks[1].Done(), true)
		if err := f.SavePlan(t.Context(), c.SID, attempt-1, store.CompositionPlan{}, 1); !leaseLost(err) {
			t.Errorf("saving a plan under an old attempt: %v", err)
		}
	})
}

func TestPublishChunk_RejectsStaleWorkers(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c := f.started(t, 1, 1)
		stale, err := f.AcquireTask(ctx, c.SID, 0)
		check(t, err)
		task, err := f.AcquireTask(ctx, c.SID, 0)
		check(t, err)
		if err := f.publishChunk(t, c.SID, 0, stale.Attempt, 0, "stale"); !leaseLost(err) {
			t.Errorf("the stale worker publishes: %v", err)
		}
		if err := f.FinishTask(ctx, c.SID, 0, task.Attempt, "{}"); err == nil || leaseLost(err) {
			t.Errorf("a task finishes before its chunks are published: %v", err)
		}
		check(t, f.publishChunk(t, c.SID, 0, task.Attempt, 0, "mine"))
		if err := f.publishChunk(t, c.SID, 0, task.Attempt, 0, "twice"); !leaseLost(err) {
			t.Errorf("published twice: %v", err)
		}
		if err := f.FinishTask(ctx, c.SID, 0, stale.Attempt, "{}"); !leaseLost(err) {
			t.Errorf("the stale worker finishes: %v", err)
		}
		check(t, f.FinishTask(ctx, c.SID, 0, task.Attempt, "{}"))
		again, err := f.AcquireTask(ctx, c.SID, 0)
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
			task, err := f.AcquireTask(t.Context(), c.SID, 0)
			if err != nil || task.Done {
				return store.ErrLeaseLost
			}
			return f.publishChunk(t, c.SID, 0, task.Attempt, 0, fmt.Sprint("key", i))
		}, leaseLost)
		wantEqual(t, "publishers", won, 1)
	})
}

func TestDeleteComposition_StopsItsWork(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c := f.started(t, 2, 2)
		task, err := f.AcquireTask(ctx, c.SID, 0)
		check(t, err)
		check(t, f.publishChunk(t, c.SID, 0, task.Attempt, 0, "chunk-0"))
		check(t, f.DeleteComposition(ctx, f.account, c.SID, false))
		check(t, f.DeleteComposition(ctx, f.account, c.SID, false))
		if err := f.FinishTask(ctx, c.SID, 0, task.Attempt, "{}"); !leaseLost(err) {
			t.Errorf("finishing after the end: %v", err)
		}
		if _, err := f.AcquireTask(ctx, c.SID, 1); !leaseLost(err) {
			t.Errorf("acquiring after the end: %v", err)
		}
		left, err := f.PendingDeletions(ctx, string(c.SID))
		check(t, err)
		if diff := cmp.Diff([]store.PendingDeletion{{Store: store.WorkingStore, Key: "chunk-0"}}, left); diff != "" {
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
		wantEqual(t, "objects to delete", len(left), 1)
	})
}

func TestSetProgress_TellsEveryTenth(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 1, 1)
		for _, percent := range []int{3, 9, 12, 8, 15, 47, 100} {
			check(t, f.SetProgress(t.Context(), c.SID, percent))
		}
		_, err := f.CompleteComposition(t.Context(), c.SID, store.FilmResult{})
		check(t, err)
		want := []roomreel.EventType{
			roomreel.CompositionStartedEvent, roomreel.CompositionProgressEvent, roomreel.CompositionProgressEvent,
			roomreel.CompositionProgressEvent, roomreel.CompositionAvailableEvent,
		}
		if diff := cmp.Diff(want, f.events(t, string(c.SID))); diff != "" {
			t.Error(diff)
		}
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
			Spec: roomreel.FilmSpec{Format: roomreel.MP4, StatusCallback: told},
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
