package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// noteProgress notes what is done of video task 0, and what a worker thinks of the whole.
func (f *fixture) noteProgress(t *testing.T, sid roomreel.CompositionSID, attempt int, done int64, percent int) (tasks []store.TaskProgress, worked time.Duration, err error) {
	t.Helper()
	err = f.NoteProgress(t.Context(), sid, videoTask(0), attempt, done, func(all []store.TaskProgress, time time.Duration) (int, time.Duration) {
		tasks, worked = all, time
		return percent, 7 * second
	})
	return tasks, worked, err
}

const second = time.Second

func TestNoteProgress_TellsEveryTenth(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		c := f.started(t, 1, 1)
		task, err := f.AcquireTask(t.Context(), c.SID, videoTask(0))
		check(t, err)
		most := 0
		for _, percent := range []int{3, 9, 12, 8, 15, 47, 100} {
			_, _, err := f.noteProgress(t, c.SID, task.Attempt, 1, percent)
			check(t, err)
			most = max(most, min(percent, 99))
			c, err = f.CompositionBySID(t.Context(), c.SID)
			check(t, err)
			wantEqual(t, "percent", c.Progress, most)
			wantEqual(t, "remaining", c.Remaining, 7*second)
		}
		_, err = f.CompleteComposition(t.Context(), c.SID, store.FilmResult{})
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

func TestNoteProgress_CountsWhatOthersHaveDone(t *testing.T) {
	now := time.Now()
	storetest.EachAt(t, func() time.Time { return now }, func(t *testing.T, s *store.Store) {
		f, ctx := newFixture(t, s), t.Context()
		c := f.started(t, 3, 3)
		check(t, f.publish(t, c.SID, videoTask(1)))
		other, err := f.AcquireTask(ctx, c.SID, videoTask(2))
		check(t, err)
		check(t, f.NoteProgress(ctx, c.SID, videoTask(2), other.Attempt, 5, func([]store.TaskProgress, time.Duration) (int, time.Duration) { return 1, 0 }))
		stale, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		task, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		if _, _, err := f.noteProgress(t, c.SID, stale.Attempt, 19, 90); !leaseLost(err) {
			t.Errorf("a stale worker notes progress: %v", err)
		}
		now = now.Add(3 * second)
		tasks, worked, err := f.noteProgress(t, c.SID, task.Attempt, 7, 30)
		check(t, err)
		want := []store.TaskProgress{
			{Kind: store.AudioTask, Cost: 1},
			{Kind: store.VideoTask, Cost: 20, Done: 7},
			{Kind: store.VideoTask, Cost: 20, Done: 20},
			{Kind: store.VideoTask, Cost: 20, Done: 5},
		}
		if diff := cmp.Diff(want, tasks); diff != "" {
			t.Error(diff)
		}
		now = now.Add(time.Hour) // a node died, and its task waited
		_, later, err := f.noteProgress(t, c.SID, task.Attempt, 8, 30)
		check(t, err)
		wantEqual(t, "time worked", worked, 3*second)
		wantEqual(t, "time worked an hour later", later, 8*second)
	})
}
