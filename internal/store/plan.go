package store

import (
	"context"
	"errors"

	"roomreel"
)

// AudioTask is the number of the task, and of its one chunk, that is a composition's whole audio.
const AudioTask = -1

// ErrLeaseLost means that a worker may not write what it wants to write: another attempt has taken its place, what it stored
// was given up, or the composition has come to its end. The worker stops and discards what it stored.
var ErrLeaseLost = errors.New("store: lease lost")

// CompositionPlan is what a composition in progress has to do and what of it is done.
type CompositionPlan struct {
	Plan   string // JSON of internal/jobs
	Chunks []Chunk
	Film   *FilmResult // the assembled film in the working store; nil until there is one
}

// objects lists the objects that the rows of a plan refer to.
func (p CompositionPlan) objects() (objects []PendingDeletion) {
	for _, chunk := range p.Chunks {
		objects = append(objects, PendingDeletion{WorkingStore, chunk.Key})
	}
	if p.Film != nil {
		objects = append(objects, PendingDeletion{WorkingStore, p.Film.Media.CopyKey})
	}
	return objects
}

// Chunk is the smallest part of a composition that is published and resumed. One child renders the chunks of a task one
// after another.
type Chunk struct {
	Number int    // in the film; AudioTask for the audio
	Task   int    // AudioTask for the audio
	First  int    // the first frame
	End    int    // the frame after the last
	Key    string // in the working store; "" until it is published
	Size   int64
}

// Done reports whether the chunk is published.
func (c Chunk) Done() bool { return c.Key != "" }

// RenderTask is one worker's lease on a task.
type RenderTask struct {
	Attempt int     // tells this worker's writes from those of workers before and after it
	Done    bool    // all is published and counted: nothing to do
	Chunks  []Chunk // in order, published ones too
	Plan    string
	Stats   string // what SaveTaskStats kept of the attempts before; "" for nothing
}

// SavePlan writes down what is to be done and enqueues the audio task and the first render tasks, at most parallel. The
// others follow as those finish, so that a long composition does not keep a short one waiting. When a plan was saved before,
// that plan stays.
func (s *Store) SavePlan(ctx context.Context, sid roomreel.CompositionSID, attempt int, plan CompositionPlan, parallel int) error {
	_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		var current, saved int
		if err := tx.QueryRow(ctx, `SELECT attempt FROM composition WHERE sid = $1`, sid).Scan(&current); err != nil {
			return err
		}
		if c.Status != roomreel.CompositionProcessing || current != attempt {
			return ErrLeaseLost
		}
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM composition_plan WHERE composition_sid = $1`, sid).Scan(&saved)
		if err != nil || saved > 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO composition_plan (composition_sid, plan, film) VALUES ($1, $2, '')`, sid, plan.Plan); err != nil {
			return err
		}
		known := map[int]bool{}
		for _, chunk := range plan.Chunks {
			if !known[chunk.Task] {
				known[chunk.Task] = true
				if _, err := tx.Exec(ctx, `INSERT INTO render_task (composition_sid, number, status, attempt, stats)
					VALUES ($1, $2, 'waiting', 0, '')`, sid, chunk.Task); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, `INSERT INTO chunk (composition_sid, number, task, first_frame, end_frame, status, object_key, size)
				VALUES ($1, $2, $3, $4, $5, 'waiting', '', 0)`, sid, chunk.Number, chunk.Task, chunk.First, chunk.End); err != nil {
				return err
			}
		}
		if known[AudioTask] {
			parallel++
		}
		return s.enqueueTasks(ctx, tx, sid, max(parallel, 1))
	})
	return err
}

// enqueueTasks enqueues up to limit of the tasks that wait, the audio task first. When all tasks are done it enqueues the
// assembling. The composition is locked: a count in the statement that finishes a task would miss what another transaction
// finishes at the same time.
func (s *Store) enqueueTasks(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, limit int) error {
	next, err := collect(ctx, tx, scanInt, `SELECT number FROM render_task
		WHERE composition_sid = $1 AND status = 'waiting' ORDER BY number LIMIT $2`, sid, limit)
	if err != nil {
		return err
	}
	for _, number := range next {
		if _, err := tx.Exec(ctx, `UPDATE render_task SET status = 'enqueued' WHERE composition_sid = $1 AND number = $2`, sid, number); err != nil {
			return err
		}
		job := Job{Kind: JobRender, SID: string(sid), Number: number}
		if number == AudioTask {
			job = Job{Kind: JobAudio, SID: string(sid)}
		}
		if err := s.queue.Enqueue(ctx, tx, job); err != nil {
			return err
		}
	}
	var open int
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM render_task WHERE composition_sid = $1 AND status <> 'done'`, sid).Scan(&open)
	if err != nil || open > 0 {
		return err
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobAssemble, SID: string(sid)})
}

func scanInt(row scanner) (n int, err error) {
	err = row.Scan(&n)
	return n, err
}

// AcquireTask makes the caller the only worker that may publish a task's chunks. A worker that acquired the task before has
// lost its lease.
func (s *Store) AcquireTask(ctx context.Context, sid roomreel.CompositionSID, number int) (RenderTask, error) {
	var task RenderTask
	err := s.InTx(ctx, func(tx *Tx) error {
		var status string
		err := tx.QueryRow(ctx, `UPDATE render_task SET attempt = attempt + 1 WHERE composition_sid = $1 AND number = $2
			RETURNING attempt, status, stats`, sid, number).Scan(&task.Attempt, &status, &task.Stats)
		if isNoRow(err) {
			return ErrLeaseLost
		}
		if err != nil {
			return err
		}
		task.Done = status == "done"
		if err := tx.QueryRow(ctx, `SELECT plan FROM composition_plan WHERE composition_sid = $1`, sid).Scan(&task.Plan); err != nil {
			return err
		}
		task.Chunks, err = collect(ctx, tx, scanChunk, `SELECT `+chunkColumns+` FROM chunk
			WHERE composition_sid = $1 AND task = $2 ORDER BY number`, sid, number)
		return err
	})
	return task, err
}

const chunkColumns = `number, task, first_frame, end_frame, object_key, size`

func scanChunk(row scanner) (c Chunk, err error) {
	err = row.Scan(&c.Number, &c.Task, &c.First, &c.End, &c.Key, &c.Size)
	return c, err
}

// PublishChunk notes that a chunk is in the working store under key, which is reserved and which no other attempt ever uses.
// Unless the attempt holds the task's lease, the chunk is still to be published and the key is reserved, nothing changes and
// the error is ErrLeaseLost.
func (s *Store) PublishChunk(ctx context.Context, sid roomreel.CompositionSID, task, attempt, chunk int, key string, size int64) error {
	return s.InTx(ctx, func(tx *Tx) error { return s.publishChunk(ctx, tx, sid, task, attempt, chunk, key, size) })
}

func (s *Store) publishChunk(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, task, attempt, chunk int, key string, size int64) error {
	if err := s.lockTask(ctx, tx, sid, task, attempt); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE chunk SET status = 'done', object_key = $4, size = $5
		WHERE composition_sid = $1 AND task = $2 AND number = $3 AND status = 'waiting'`, sid, task, chunk, key, size)
	if err == nil && n == 0 {
		err = ErrLeaseLost
	}
	if err != nil {
		return err
	}
	return release(ctx, tx, PendingDeletion{WorkingStore, key})
}

// lockTask locks a task whose lease attempt still holds.
func (s *Store) lockTask(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, number, attempt int) error {
	var current int
	err := tx.QueryRow(ctx, `SELECT attempt FROM render_task WHERE composition_sid = $1 AND number = $2 AND status = 'enqueued'`+s.forUpdate,
		sid, number).Scan(&current)
	if isNoRow(err) || err == nil && current != attempt {
		return ErrLeaseLost
	}
	return err
}

// SaveTaskStats keeps the stats of an attempt that did not finish its task, for the next attempt.
func (s *Store) SaveTaskStats(ctx context.Context, sid roomreel.CompositionSID, number, attempt int, stats string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := s.lockTask(ctx, tx, sid, number, attempt); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE render_task SET stats = $3 WHERE composition_sid = $1 AND number = $2`, sid, number, stats)
		return err
	})
}

// FinishTask notes that all chunks of a task are published, with its stats (JSON). It enqueues the next task that waits. The
// call that finishes the last task enqueues the assembling, exactly once.
func (s *Store) FinishTask(ctx context.Context, sid roomreel.CompositionSID, number, attempt int, stats string) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		return s.finishTask(ctx, tx, sid, number, attempt, stats)
	})
	return err
}

func (s *Store) finishTask(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, number, attempt int, stats string) error {
	if err := s.lockTask(ctx, tx, sid, number, attempt); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE render_task SET status = 'done', stats = $4
		WHERE composition_sid = $1 AND number = $2 AND attempt = $3 AND NOT EXISTS (SELECT 1 FROM chunk
			WHERE chunk.composition_sid = $1 AND chunk.task = $2 AND chunk.status <> 'done')`, sid, number, attempt, stats)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("finish task: it has chunks that are not published")
	}
	return s.enqueueTasks(ctx, tx, sid, 1)
}

// PublishAudio publishes the one chunk of the audio task and finishes the task, both or neither.
func (s *Store) PublishAudio(ctx context.Context, sid roomreel.CompositionSID, attempt int, key string, size int64, stats string) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		if err := s.publishChunk(ctx, tx, sid, AudioTask, attempt, AudioTask, key, size); err != nil {
			return err
		}
		return s.finishTask(ctx, tx, sid, AudioTask, attempt, stats)
	})
	return err
}

// Plan returns the plan of a composition in progress; ErrLeaseLost when it is not in progress.
func (s *Store) Plan(ctx context.Context, sid roomreel.CompositionSID) (CompositionPlan, error) {
	return planOf(ctx, s.read(), sid)
}

func planOf(ctx context.Context, q querier, sid roomreel.CompositionSID) (plan CompositionPlan, err error) {
	var film string
	err = q.QueryRow(ctx, `SELECT plan, film FROM composition_plan WHERE composition_sid = $1`, sid).Scan(&plan.Plan, &film)
	if isNoRow(err) {
		return plan, ErrLeaseLost
	}
	if err == nil && film != "" {
		err = fromText{&plan.Film}.Scan(film)
	}
	if err != nil {
		return plan, err
	}
	plan.Chunks, err = collect(ctx, q, scanChunk, `SELECT `+chunkColumns+` FROM chunk WHERE composition_sid = $1 ORDER BY number`, sid)
	return plan, err
}

// PublishedFrames counts the frames in the published chunks of a composition, without those of one task.
func (s *Store) PublishedFrames(ctx context.Context, sid roomreel.CompositionSID, without int) (frames int64, err error) {
	err = s.read().QueryRow(ctx, `SELECT CAST(COALESCE(SUM(end_frame - first_frame), 0) AS BIGINT) FROM chunk
		WHERE composition_sid = $1 AND task <> $2 AND status = 'done'`, sid, without).Scan(&frames)
	return frames, err
}

// TaskStats returns the stats of the tasks that are done, by number.
func (s *Store) TaskStats(ctx context.Context, sid roomreel.CompositionSID) (map[int]string, error) {
	type task struct {
		number int
		stats  string
	}
	found, err := collect(ctx, s.read(), func(row scanner) (t task, err error) {
		err = row.Scan(&t.number, &t.stats)
		return t, err
	}, `SELECT number, stats FROM render_task WHERE composition_sid = $1 AND status = 'done'`, sid)
	stats := map[int]string{}
	for _, t := range found {
		stats[t.number] = t.stats
	}
	return stats, err
}

// SaveFilm notes that the film is assembled and lies in the working store, and enqueues its delivery. When a film was saved
// before, the error is ErrLeaseLost.
func (s *Store) SaveFilm(ctx context.Context, sid roomreel.CompositionSID, film FilmResult) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		n, err := tx.Exec(ctx, `UPDATE composition_plan SET film = $2 WHERE composition_sid = $1 AND film = ''`, sid, text(film))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLeaseLost
		}
		if err := release(ctx, tx, PendingDeletion{WorkingStore, film.Media.CopyKey}); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobDeliver, SID: string(sid)})
	})
	return err
}

// clearPlan removes the plan of a locked composition that has come to its end, and has its objects deleted. Workers that
// still render find nothing to publish into. The tasks go first: that waits for a worker that is publishing, so that no
// chunk is published after the chunks were listed.
func (s *Store) clearPlan(ctx context.Context, tx *Tx, sid roomreel.CompositionSID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM render_task WHERE composition_sid = $1`, sid); err != nil {
		return err
	}
	plan, err := planOf(ctx, tx, sid)
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, table := range []string{"chunk", "composition_plan"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE composition_sid = $1`, sid); err != nil {
			return err
		}
	}
	return s.deleteLater(ctx, tx, string(sid), plan.objects()...)
}
