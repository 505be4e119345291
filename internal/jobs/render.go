package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"roomreel"
	"roomreel/internal/compose"
	"roomreel/internal/objectkey"
	"roomreel/internal/queue"
	"roomreel/internal/store"
)

const (
	timeSlice    = 30 * time.Second // after which a render task makes room for others that wait
	maxTimeSlice = time.Hour        // after which it makes room in any case
)

// errYield stops a render task between two chunks because others wait. Its rest is rendered later.
var errYield = errors.New("others wait")

// acquire takes the lease of a task, and opens the film for it unless the task is done. The film must be closed.
func (w *Worker) acquire(ctx context.Context, sid roomreel.CompositionSID, number int) (store.RenderTask, *film, error) {
	task, err := w.Store.AcquireTask(ctx, sid, number)
	if err != nil || task.Done {
		return task, nil, err
	}
	opened, err := w.open(ctx, sid, task.Plan)
	return task, opened, err
}

// rendering is one worker's work on a render task.
type rendering struct {
	*Worker
	film   *film
	sid    roomreel.CompositionSID
	number int
	task   store.RenderTask
	chunks compose.Stretch // all chunks of the task
	next   int             // the first chunk that is not published
	frames int             // in the chunks that were published before
	begun  time.Time
}

// renderTask renders the chunks of a task, from the first that is not published.
func (w *Worker) renderTask(ctx context.Context, job queue.Job) error {
	sid := roomreel.CompositionSID(job.SID)
	task, film, err := w.acquire(ctx, sid, job.Number)
	if err != nil || task.Done {
		return err
	}
	defer film.close()
	r := &rendering{Worker: w, film: film, sid: sid, number: job.Number, task: task, chunks: film.Stretches[job.Number], begun: time.Now()}
	r.resume()
	if err := r.reserveChunk(ctx, r.next); err != nil {
		return err
	}
	stats, err := r.render(ctx)
	if err != nil {
		r.keepStats(ctx, stats)
		if errors.Is(err, errYield) {
			return queue.Snooze(0)
		}
		return err
	}
	return w.Store.FinishTask(ctx, sid, job.Number, task.Attempt, statsText(stats))
}

// resume finds the first chunk that is not published. Chunks are published in order.
func (r *rendering) resume() {
	r.next = r.chunks.First
	for _, chunk := range r.task.Chunks {
		if chunk.Done() {
			r.next = chunk.Number + 1
			r.frames += chunk.End - chunk.First
		}
	}
}

// render has a child render what is left and publishes each chunk. The stats are those of all attempts.
func (r *rendering) render(ctx context.Context) (compose.Outcome, error) {
	var before compose.Outcome
	if r.task.Stats != "" {
		if err := json.Unmarshal([]byte(r.task.Stats), &before); err != nil {
			return before, fmt.Errorf("read stats: %w", err)
		}
	}
	progress := r.progress(ctx, r.film, r.number)
	stats, err := r.composer.Stretch(ctx, r.film.Plan, r.chunks, r.next, r.film.media, r.chunkKey,
		func(chunk int) error { return r.publish(ctx, chunk) },
		func(frames int) { progress(int64(r.frames + frames)) })
	if r.next > r.chunks.First || r.task.Stats != "" {
		stats = stats.After(before)
	}
	return stats, err
}

// chunkKey names a chunk of this attempt: no other attempt uses it.
func (r *rendering) chunkKey(chunk int) string {
	return objectkey.Working(r.film.composition.AccountSID, r.sid, fmt.Sprintf("chunk-%05d", chunk), r.task.Attempt)
}

func (r *rendering) reserveChunk(ctx context.Context, chunk int) error {
	return r.reserve(ctx, string(r.sid), store.PendingDeletion{Store: store.WorkingStore, Key: r.chunkKey(chunk)})
}

// publish publishes a chunk that is stored and prepares for the next one.
func (r *rendering) publish(ctx context.Context, chunk int) error {
	key := r.chunkKey(chunk)
	info, err := r.Work.Stat(ctx, key)
	if err == nil {
		err = r.Store.PublishChunk(ctx, r.sid, r.number, r.task.Attempt, chunk, key, info.Size)
	}
	if err != nil {
		return r.discard(ctx, string(r.sid), err, store.PendingDeletion{Store: store.WorkingStore, Key: key})
	}
	if chunk+1 == r.chunks.First+len(r.chunks.Chunks) {
		return nil
	}
	if r.mustYield(ctx) {
		return errYield
	}
	return r.reserveChunk(ctx, chunk+1)
}

// mustYield reports whether the task has used up its time slice.
func (r *rendering) mustYield(ctx context.Context) bool {
	spent := time.Since(r.begun)
	return spent > maxTimeSlice || spent > r.timeSlice && r.othersWait(ctx)
}

// othersWait reports whether something else could be rendered if a task made room.
func (w *Worker) othersWait(ctx context.Context) bool {
	waiting, err := w.Queue.Waiting(ctx, queue.Render)
	return err == nil && waiting
}

// keepStats keeps which recordings were left out, for the next attempt.
func (r *rendering) keepStats(ctx context.Context, stats compose.Outcome) {
	if len(stats.Lost) == 0 {
		return
	}
	if err := r.Store.SaveTaskStats(ctx, r.sid, r.number, r.task.Attempt, statsText(stats)); err != nil {
		r.Log.Warn("a recording that was left out is not noted", "composition", r.sid, "err", err)
	}
}

// audioTask mixes and encodes the audio of the whole film.
func (w *Worker) audioTask(ctx context.Context, job queue.Job) error {
	sid := roomreel.CompositionSID(job.SID)
	task, film, err := w.acquire(ctx, sid, store.AudioTask)
	if err != nil || task.Done {
		return err
	}
	defer film.close()
	progress := func(int64) {}
	if film.Pictures == 0 {
		progress = w.progress(ctx, film, store.AudioTask)
	}
	object := store.PendingDeletion{Store: store.WorkingStore, Key: objectkey.Working(film.composition.AccountSID, sid, "audio", task.Attempt)}
	if err := w.reserve(ctx, string(sid), object); err != nil {
		return err
	}
	stats, err := w.composer.Sound(ctx, film.Plan, film.media, object.Key, progress)
	if err != nil {
		return err
	}
	info, err := w.Work.Stat(ctx, object.Key)
	if err == nil {
		err = w.Store.PublishAudio(ctx, sid, task.Attempt, object.Key, info.Size, statsText(stats))
	}
	if err != nil {
		return w.discard(ctx, string(sid), err, object)
	}
	return nil
}

func statsText(stats compose.Outcome) string {
	text, err := json.Marshal(stats)
	if err != nil {
		panic(err) // numbers and their maps always marshal
	}
	return string(text)
}

// progressEvery bounds what progress costs the database.
const progressEvery = time.Second

// progress returns a function that takes how many frames of a task are done, or how many samples when the film is audio
// alone. It writes down how far the film is, with what other tasks have published, once a second at most.
func (w *Worker) progress(ctx context.Context, film *film, task int) func(done int64) {
	sid, total := film.composition.SID, int64(film.Pictures)
	if total == 0 {
		total = film.Samples
	}
	written := 0
	var last time.Time
	return func(done int64) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		others, err := w.Store.PublishedFrames(ctx, sid, task) // 0 for the audio
		if err != nil {
			return // the next publication reports it
		}
		percent := int((done + others) * 100 / total)
		if percent <= written {
			return
		}
		written = percent
		if err := w.Store.SetProgress(ctx, sid, percent); err != nil && ctx.Err() == nil {
			w.Log.Warn("progress was not noted", "composition", sid, "err", err)
		}
	}
}
