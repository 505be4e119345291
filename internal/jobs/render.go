package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/compose"
	"roomreel/internal/objectkey"
	"roomreel/internal/plan"
	"roomreel/internal/queue"
	"roomreel/internal/store"
)

const (
	timeSlice    = 30 * time.Second // after which a video task makes room for others that wait
	maxTimeSlice = time.Hour        // after which it makes room in any case

	// declineRetry is when a worker looks again at a job that is for another version of the program, or for another video encoder.
	declineRetry = 15 * time.Second
)

// errYield stops a video task between two chunks because others wait. Its rest is rendered later.
var errYield = errors.New("others wait")

// decline leaves a job to a worker of another version when this one does not know its plan. It never plans the film anew:
// parts of two plans do not fit together.
func (w *Worker) decline(ref store.PlanRef, sid roomreel.CompositionSID) error {
	if plan.Knows(ref.Version) {
		return nil
	}
	w.Log.Warn("a composition waits for a worker of another version", "composition", sid, "plan_version", ref.Version, "known_version", plan.Version)
	return queue.Snooze(declineRetry)
}

// task is one worker's work on a task of a composition.
type task struct {
	*Worker
	store.RenderTask
	composition roomreel.Composition
	number      int
	plan        *openedPlan
	sources     *sources
	begun       time.Time
	job         queue.Job
}

// renderTask carries out a task of a composition's plan.
func (w *Worker) renderTask(ctx context.Context, job queue.Job) error {
	if err := w.App.CheckSpace(0); err != nil {
		return err
	}
	t, err := w.acquire(ctx, job)
	if err != nil || t == nil {
		return err
	}
	defer t.close()
	switch t.Kind {
	case store.AudioTask:
		err = t.renderAudio(ctx)
	case store.EncodeTask:
		err = t.encodeAudio(ctx)
	default:
		err = t.renderVideo(ctx)
	}
	if refused, ok := errors.AsType[*compose.NotCopiedError](err); ok {
		err = w.planAgain(ctx, t.composition.SID, t.Plan.Key, refused)
	}
	if err != nil && t.plannedAgain(ctx) {
		return nil // the objects of the old plan may be gone
	}
	return err
}

// plannedAgain reports whether the task belongs to a plan that the composition has no longer.
func (t *task) plannedAgain(ctx context.Context) bool {
	now, err := t.Store.PlanRef(ctx, t.composition.SID)
	return errors.Is(err, store.ErrLeaseLost) || err == nil && now.Key != t.Plan.Key
}

// acquire takes the lease of a task and opens what it needs. The task is nil when it is done already.
func (w *Worker) acquire(ctx context.Context, job queue.Job) (*task, error) {
	sid, number := roomreel.CompositionSID(job.SID), job.Number
	ref, err := w.Store.PlanRef(ctx, sid)
	if err == nil {
		err = w.decline(ref, sid)
	}
	if err == nil && ref.Encoder != "" && !slices.Contains(w.Encoders, ref.Encoder) {
		w.Log.Warn("a composition waits for a worker with another video encoder", "composition", sid, "encoder", ref.Encoder, "known_encoders", w.Encoders)
		err = queue.Snooze(declineRetry)
	}
	if err != nil {
		return nil, err
	}
	c, err := w.Store.CompositionBySID(ctx, sid)
	if err != nil {
		return nil, err
	}
	lease, err := w.Store.AcquireTask(ctx, sid, number)
	if err != nil || lease.Done {
		return nil, err
	}
	t := &task{Worker: w, RenderTask: lease, composition: c, number: number, begun: time.Now(), job: job}
	if t.plan, err = w.openPlan(ctx, lease.Plan); err != nil {
		if t.plannedAgain(ctx) {
			return nil, nil
		}
		return nil, err
	}
	t.sources = w.sources(ctx, c)
	return t, nil
}

func (t *task) close() {
	t.sources.close()
	t.plan.close()
}

// object is what this attempt stores under a name: no other attempt uses the key.
func (t *task) object(name string) store.PendingDeletion {
	return store.PendingDeletion{
		Store: store.WorkingStore, Key: objectkey.Working(t.composition.AccountSID, t.composition.SID, name, t.Attempt),
	}
}

func (t *task) reserve(ctx context.Context, object store.PendingDeletion) error {
	return t.Store.Reserve(ctx, string(t.composition.SID), object)
}

// discard has an object deleted that was stored in vain because of err, and returns err.
func (t *task) discard(ctx context.Context, err error, object store.PendingDeletion) error {
	return t.Worker.discard(ctx, string(t.composition.SID), err, object)
}

// renderAudio renders the samples of an audio task, or the whole audio of a film that has one audio task.
func (t *task) renderAudio(ctx context.Context) error {
	audio, err := t.plan.Audio(t.number)
	if err != nil {
		return err
	}
	recordings := map[int]roomreel.RecordingSID{}
	for _, track := range audio.Tracks {
		recordings[track.Track] = track.Recording
	}
	return t.publishAudio(ctx, fmt.Sprintf("audio-%05d", t.number), audio.Spent, func(key string, progress func(int64)) (compose.Segment, compose.TaskStats, error) {
		return t.composer.RenderAudio(ctx, audio, t.recordings(recordings), key, progress)
	})
}

// encodeAudio makes the film's audio of what the audio tasks left.
func (t *task) encodeAudio(ctx context.Context) error {
	film, err := t.plan.Summary()
	if err != nil {
		return err
	}
	saved, err := t.Store.Plan(ctx, t.composition.SID)
	if err != nil {
		return err
	}
	samples := make([]compose.Segment, film.AudioTasks)
	for _, chunk := range saved.Chunks {
		if i := samplesChunk(0) - chunk.Number; i >= 0 && i < len(samples) {
			samples[i] = segmentOf(chunk)
		}
	}
	err = t.publishAudio(ctx, "audio", film.Encoded, func(key string, progress func(int64)) (compose.Segment, compose.TaskStats, error) {
		return t.composer.EncodeAudio(ctx, film, samples, key, progress)
	})
	return t.renderUnfitAgain(ctx, t.composition.SID, saved.Chunks, err)
}

// segmentOf is what a published chunk holds.
func segmentOf(c store.Chunk) compose.Segment {
	return compose.Segment{Number: c.Number, Key: c.Key, Size: c.Size, Checksum: c.Checksum, Frames: c.End - c.First}
}

// renderUnfitAgain has the chunks rendered again whose segments are damaged, when err says that there are any. A composition
// whose segments were damaged before fails with err.
func (w *Worker) renderUnfitAgain(ctx context.Context, sid roomreel.CompositionSID, chunks []store.Chunk, err error) error {
	unfit, ok := errors.AsType[*compose.UnfitError](err)
	if !ok {
		return err
	}
	var damaged []store.Chunk
	for _, chunk := range chunks {
		if slices.Contains(unfit.Chunks, chunk.Number) {
			damaged = append(damaged, chunk)
		}
	}
	switch again := w.Store.RenderAgain(ctx, sid, damaged...); {
	case errors.Is(again, store.ErrRenderedAgain):
		return &filmError{fmt.Errorf("segments are damaged, also after they were rendered again: %w", err)}
	case again != nil:
		return again
	}
	w.Log.Warn("segments are damaged, and their chunks are rendered again", "composition", sid, "chunks", unfit.Chunks, "err", err)
	return nil
}

// publishAudio has the only chunk of a task made under a key of this attempt, publishes it and finishes the task. spent says what
// the first samples cost.
func (t *task) publishAudio(ctx context.Context, name string, spent func(samples int64) time.Duration, render func(key string, progress func(int64)) (compose.Segment, compose.TaskStats, error)) error {
	object := t.object(name)
	if err := t.reserve(ctx, object); err != nil {
		return err
	}
	progress := t.progress(ctx)
	segment, stats, err := render(object.Key, func(samples int64) { progress(spent(samples)) })
	if err == nil {
		err = t.Store.PublishTask(ctx, t.composition.SID, store.PublishedChunk{
			Task: t.number, Attempt: t.Attempt, Number: t.Chunks[0].Number, Key: segment.Key, Size: segment.Size, Checksum: segment.Checksum,
		}, t.statsText(stats))
	}
	if err != nil {
		return t.discard(ctx, err, object)
	}
	return nil
}

// recordings opens the recordings of tracks that a task reads.
func (t *task) recordings(sids map[int]roomreel.RecordingSID) compose.Recordings {
	return func(track int) (compose.Recording, error) { return t.sources.open(sids[track]) }
}

// renderVideo renders the chunks of a video task that are not published. There are several rows of them only when segments
// are rendered again.
func (t *task) renderVideo(ctx context.Context) error {
	video, err := t.plan.Video(t.number - t.plan.firstVideo())
	if err != nil {
		return err
	}
	before, err := parseStats(t.Stats)
	if err != nil {
		return err
	}
	recordings := map[int]roomreel.RecordingSID{}
	for _, track := range video.Tracks {
		recordings[track.Track] = track.Recording
	}
	progress := t.progress(ctx)
	for {
		first, end, published := waiting(t.Chunks)
		if first == end {
			return t.Store.FinishTask(ctx, t.composition.SID, t.number, t.Attempt, t.statsText(before))
		}
		from := t.Chunks[first].Number
		if err := t.reserve(ctx, t.chunk(from)); err != nil {
			return err
		}
		past := from + end - first
		stats, err := t.composer.RenderVideo(ctx, video.Part(video.First, past), from, t.recordings(recordings), compose.ChunkSink{
			Key: func(chunk int) string { return t.chunk(chunk).Key },
			Published: func(chunk int, segment compose.Segment, stats compose.TaskStats) error {
				t.Chunks[first+chunk-from].Key = segment.Key
				return t.publish(ctx, chunk, segment, before.Plus(stats), chunk == past-1)
			},
			Progress: func(frames int) { progress(published + video.Spent(from, frames)) },
		})
		before = before.Plus(stats)
		if err != nil {
			t.keepStats(ctx, before)
			if errors.Is(err, errYield) {
				return queue.Snooze(0)
			}
			return err
		}
	}
}

// waiting returns the first row of chunks that are not published, [first, end), and what those cost that are.
func waiting(chunks []store.Chunk) (first, end int, published time.Duration) {
	for _, chunk := range chunks {
		if chunk.Done() {
			published += time.Duration(chunk.Cost) * time.Millisecond
		}
	}
	for first < len(chunks) && chunks[first].Done() {
		first++
	}
	end = first
	for end < len(chunks) && !chunks[end].Done() {
		end++
	}
	return first, end, published
}

// chunk is the object of a chunk of this attempt.
func (t *task) chunk(number int) store.PendingDeletion {
	return t.object(fmt.Sprintf("chunk-%05d", number))
}

// publish publishes a chunk that is stored and prepares for the next one.
func (t *task) publish(ctx context.Context, chunk int, segment compose.Segment, stats compose.TaskStats, last bool) error {
	err := t.Store.PublishChunk(ctx, t.composition.SID, store.PublishedChunk{
		Task: t.number, Attempt: t.Attempt, Number: chunk, Key: segment.Key, Size: segment.Size, Checksum: segment.Checksum,
		Header: segment.Header, Stats: t.statsText(stats),
	})
	if err != nil {
		return t.discard(ctx, err, t.chunk(chunk))
	}
	if last {
		return nil
	}
	if err := t.job.Progressed(ctx); err != nil {
		return err
	}
	if t.mustYield(ctx) {
		return errYield
	}
	return t.reserve(ctx, t.chunk(chunk+1))
}

// mustYield reports whether the task has used up its time slice.
func (t *task) mustYield(ctx context.Context) bool {
	spent := time.Since(t.begun)
	return spent > maxTimeSlice || spent > t.timeSlice && t.othersWait(ctx)
}

// othersWait reports whether something else could be rendered if a task made room.
func (w *Worker) othersWait(ctx context.Context) bool {
	waiting, err := w.Queue.Waiting(ctx, queue.Render)
	return err == nil && waiting
}

// keepStats keeps which recordings were left out, for the next attempt.
func (t *task) keepStats(ctx context.Context, stats compose.TaskStats) {
	if len(stats.Lost) == 0 {
		return
	}
	if err := t.Store.SaveTaskStats(ctx, t.composition.SID, t.number, t.Attempt, t.statsText(stats)); err != nil {
		t.Log.Warn("a recording that was left out is not noted", "composition", t.composition.SID, "err", err)
	}
}

// statsText writes the stats of the task. Those of chunks that are rendered again were counted before.
func (t *task) statsText(stats compose.TaskStats) string {
	if t.Again {
		return t.Stats
	}
	text, err := json.Marshal(stats)
	if err != nil {
		panic(err) // numbers and their maps always marshal
	}
	return string(text)
}

// parseStats reads what statsText wrote; "" are the zero stats.
func parseStats(text string) (stats compose.TaskStats, err error) {
	if text == "" {
		return stats, nil
	}
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		return stats, fmt.Errorf("read stats: %w", err)
	}
	return stats, nil
}

// progressEvery bounds what progress costs the database.
const progressEvery = time.Second

// progress returns a function that takes the cost of what is done of the task. It notes how far the composition is with that, once a
// second at most.
func (t *task) progress(ctx context.Context) func(done time.Duration) {
	var last time.Time
	return func(done time.Duration) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		err := t.Store.NoteProgress(ctx, t.composition.SID, t.number, t.Attempt, units(done), t.howFar)
		if err != nil && ctx.Err() == nil {
			t.Log.Warn("progress was not noted", "composition", t.composition.SID, "err", err)
		}
	}
}

// howFar says how far a composition is: in percent, and how long the rest takes.
func (w *Worker) howFar(tasks []store.TaskProgress, worked time.Duration) (percent int, remaining time.Duration) {
	var all, left plan.Work
	for _, t := range tasks {
		all.Add(t.Kind != store.VideoTask, time.Duration(t.Cost)*time.Millisecond)
		left.Add(t.Kind != store.VideoTask, time.Duration(t.Cost-t.Done)*time.Millisecond)
	}
	p := plan.EstimateProgress(all, left, worked, runtime.GOMAXPROCS(0), w.Options.Parallel)
	return int(100 * p.Share), p.Left
}
