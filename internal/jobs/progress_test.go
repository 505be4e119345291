package jobs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/store"
)

// TestProgress_NeverGoesBack does the tasks of a composition in any order and by any number of workers: they take tasks from each
// other, go on with what others have published, note what they have done, late too, and render again what is damaged.
func TestProgress_NeverGoesBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r := w.worker(t, nil)
		received := listen(t)
		film := everyone
		film.StatusCallback = received.url
		room := w.room(t, "")
		for seed := range uint64(3) {
			random := rand.New(rand.NewPCG(seed, 1))
			sid := w.compose(t, room, film)
			_, attempt, err := w.store.StartComposition(ctx, sid)
			check(t, err)
			tasks := []store.Task{
				{Number: 0, Kind: store.AudioTask, Chunks: []store.Chunk{{Number: -2, Cost: 300}}},
				{Number: 1, Kind: store.AudioTask, Chunks: []store.Chunk{{Number: -3, Cost: 300}}},
				{Number: 2, Kind: store.EncodeTask, Chunks: []store.Chunk{{Number: store.FilmAudio, Cost: 200}}},
			}
			for n := range 4 {
				task := store.Task{Number: 3 + n, Kind: store.VideoTask}
				for c := range 3 {
					number := 3*n + c
					task.Chunks = append(task.Chunks, store.Chunk{Number: number, First: 25 * number, End: 25*number + 25, Cost: 500 + 100*int64(c)})
				}
				tasks = append(tasks, task)
			}
			ref := store.PendingDeletion{Store: store.WorkingStore, Key: "plan " + string(sid)}
			check(t, w.store.Reserve(ctx, string(sid), ref))
			check(t, w.store.SavePlan(ctx, sid, attempt, store.PlanRef{Key: ref.Key, Size: 1, Version: 1, Checksum: "c"}, tasks, 2))

			var leases []lease
			before, again := 0, false
			look := func() {
				c, err := w.store.CompositionBySID(ctx, sid)
				check(t, err)
				if c.Progress < before || c.Progress > 99 || c.Remaining < 0 {
					t.Fatalf("seed %d: %d percent after %d, %v remain", seed, c.Progress, before, c.Remaining)
				}
				before = c.Progress
			}
			finished := func() bool {
				stats, err := w.store.TaskStats(ctx, sid)
				check(t, err)
				return len(stats) == len(tasks)
			}
			for !finished() {
				w.offset.Add(int64(time.Duration(random.IntN(3000)) * time.Millisecond))
				number := random.IntN(len(tasks))
				switch l, ok := pick(random, leases); {
				case !ok || random.IntN(4) == 0:
					task, err := w.store.AcquireTask(ctx, sid, number)
					check(t, err)
					if !task.Done {
						leases = append(leases, lease{number, task, 0})
					}
					leases = leases[max(0, len(leases)-6):]
				case random.IntN(3) > 0:
					l.done += random.Int64N(200)
					ignoreLost(t, w.store.NoteProgress(ctx, sid, l.number, l.Attempt, l.done, r.howFar))
				default:
					number := l.number
					if err := l.publish(t, w.store, sid); err == errFinished {
						leases = slices.DeleteFunc(leases, func(l lease) bool { return l.number == number })
					} else {
						ignoreLost(t, err)
					}
				}
				look()
				if stats, err := w.store.TaskStats(ctx, sid); err == nil && !again && before > 50 {
					saved, err := w.store.Plan(ctx, sid)
					check(t, err)
					for number := range stats {
						chunk := slices.IndexFunc(saved.Chunks, func(c store.Chunk) bool { return c.Number == tasks[number].Chunks[0].Number })
						check(t, w.store.RenderAgain(ctx, sid, saved.Chunks[chunk]))
						again = true
						break
					}
				}
			}
			_, err = w.store.FailComposition(ctx, sid, roomreel.Failure{})
			check(t, err)
			percent := 0
			for {
				pending, found, err := w.store.PendingEvent(ctx, string(sid))
				check(t, err)
				if !found {
					break
				}
				if text := pending.Event.Params["PercentageDone"]; text != "" {
					now, err := strconv.Atoi(text)
					check(t, err)
					if now <= percent {
						t.Errorf("seed %d: a callback says %d percent after one that said %d", seed, now, percent)
					}
					percent = now
				}
				check(t, w.store.RecordDelivery(ctx, w.account, store.Delivery{
					ID: pending.Event.ID + "1", EventID: pending.Event.ID, Resource: string(sid), Started: w.store.Now(),
				}, store.EventDelivered))
			}
			if percent == 0 || before < 60 || !again {
				t.Errorf("seed %d: it came to %d percent, callbacks to %d; rendered again: %v", seed, before, percent, again)
			}
		}
	})
}

// lease is what a worker knows of its attempt at a task.
type lease struct {
	number int
	store.RenderTask
	done int64
}

func pick(random *rand.Rand, leases []lease) (*lease, bool) {
	if len(leases) == 0 {
		return nil, false
	}
	return &leases[random.IntN(len(leases))], true
}

// publish publishes the next chunk of a task, and finishes the task after its last. It returns errFinished then.
func (l *lease) publish(t *testing.T, s *store.Store, sid roomreel.CompositionSID) error {
	t.Helper()
	for i := range l.Chunks {
		chunk := &l.Chunks[i]
		if chunk.Done() {
			continue
		}
		key := fmt.Sprintf("%s %d %d", sid, chunk.Number, l.Attempt)
		check(t, s.Reserve(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: key}))
		err := s.PublishChunk(t.Context(), sid, store.PublishedChunk{Task: l.number, Attempt: l.Attempt, Number: chunk.Number, Key: key, Size: 1})
		if err == nil {
			chunk.Key = key
		}
		return err
	}
	if err := s.FinishTask(t.Context(), sid, l.number, l.Attempt, "{}"); err != nil {
		return err
	}
	return errFinished
}

var errFinished = errors.New("the task is done")

func ignoreLost(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, store.ErrLeaseLost) {
		t.Fatal(err)
	}
}
