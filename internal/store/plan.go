package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"roomreel"
)

// TaskKind is what a task makes.
type TaskKind string

const (
	VideoTask  TaskKind = "video"  // chunks of the film's video
	AudioTask  TaskKind = "audio"  // a part of the film's audio, or all of it
	EncodeTask TaskKind = "encode" // the film's audio of what several audio tasks left
)

// FilmAudio is the number of the chunk that holds the film's whole audio, encoded. What several audio tasks leave has the
// numbers below.
const FilmAudio = -1

// ErrLeaseLost means that a worker may not write what it wants to write: another attempt has taken its place, what it stored
// was given up, or the composition has come to its end. The worker stops and discards what it stored.
var ErrLeaseLost = errors.New("store: lease lost")

// ErrOtherEncoder means that a chunk was encoded by an encoder that does not agree with the one that made the chunks
// before it. It cannot be a part of the same film.
var ErrOtherEncoder = errors.New("store: the chunk's encoder does not agree with the encoder of other chunks")

// PlanRef says where a composition's plan is stored.
type PlanRef struct {
	Key      string // in the working store
	Size     int64  // bytes
	Version  int
	Checksum string
	Expected Cost   // set by who saves the plan; ExpectedCost reads it
	Encoder  string // kind of the video's encoder, protocol.Encoder.Kind; "" without video, or when an earlier version of the program planned
}

// CompositionPlan is what a composition in progress has to do and what of it is done.
type CompositionPlan struct {
	PlanRef
	Chunks   []Chunk
	Rendered time.Time   // when the last task was done
	Film     *FilmResult // the assembled film in the working store; nil until there is one
}

// objects lists the objects that the rows of a plan refer to.
func (p CompositionPlan) objects() []PendingDeletion {
	objects := []PendingDeletion{{WorkingStore, p.Key}}
	for _, chunk := range p.Chunks {
		objects = append(objects, PendingDeletion{WorkingStore, chunk.Key})
	}
	if p.Film != nil {
		objects = append(objects, PendingDeletion{WorkingStore, p.Film.Media.CopyKey})
	}
	return objects
}

// Task is a part of a composition that one worker makes.
type Task struct {
	Number int // place in the plan's tasks
	Kind   TaskKind
	Chunks []Chunk // one, unless it is a video task
}

// Chunk is the smallest part of a composition that is published and resumed. One child renders the chunks of a task one
// after another.
type Chunk struct {
	Number int    // in the film's video; below 0 for audio, see FilmAudio
	First  int    // video: the first frame
	End    int    // video: the frame after the last
	Cost   int64  // what it costs beside the others, for progress: milliseconds of one core, about
	Key    string // in the working store; "" until it is published
	Size   int64

	Checksum string // as its writer gave it; "" when an earlier version of the program published it
	Again    bool   // it was rendered again, or is to be, because its segment was damaged
}

// Done reports whether the chunk is published.
func (c Chunk) Done() bool { return c.Key != "" }

// RenderTask is one worker's lease on a task.
type RenderTask struct {
	Kind    TaskKind
	Attempt int     // tells this worker's writes from those of workers before and after it
	Done    bool    // all is published and counted: nothing to do
	Chunks  []Chunk // in order, published ones too
	Plan    PlanRef
	Stats   string // of the published chunks, and what SaveTaskStats kept of the attempts before; "" for nothing
	Again   bool   // chunks of it are rendered again; what they hold is in the stats already
}

// SavePlan writes down what is to be done and enqueues the first tasks, at most parallel and one of audio beside them. The
// others follow as those finish, so that a long composition does not keep a short one waiting. The plan's object is released.
// When a plan was saved before, that plan stays, and the error is ErrLeaseLost.
func (s *Store) SavePlan(ctx context.Context, sid roomreel.CompositionSID, attempt int, plan PlanRef, tasks []Task, parallel int) error {
	_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		var current, saved int
		if err := tx.QueryRow(ctx, `SELECT attempt FROM composition WHERE sid = $1`, sid).Scan(&current); err != nil {
			return err
		}
		if c.Status != roomreel.CompositionProcessing || current != attempt {
			return ErrLeaseLost
		}
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM composition_plan WHERE composition_sid = $1`, sid).Scan(&saved); err != nil {
			return err
		}
		if saved > 0 {
			return ErrLeaseLost
		}
		if err := release(ctx, tx, PendingDeletion{WorkingStore, plan.Key}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO composition_plan (composition_sid, object_key, size, version, checksum, video_header, film,
			core_time, wall_time, film_size, encoder) VALUES ($1, $2, $3, $4, $5, '', '', $6, $7, $8, $9)`, sid, plan.Key, plan.Size, plan.Version, plan.Checksum,
			int64(plan.Expected.Core), int64(plan.Expected.Wall), plan.Expected.Size, plan.Encoder); err != nil {
			return err
		}
		var taskRows, chunkRows [][]any
		for _, task := range tasks {
			taskRows = append(taskRows, []any{sid, task.Number, task.Kind, "waiting", attempt * attemptsOfPlan, ""})
			for _, chunk := range task.Chunks {
				chunkRows = append(chunkRows, []any{sid, chunk.Number, task.Number, chunk.First, chunk.End, chunk.Cost, "waiting", "", 0})
			}
		}
		if err := insertRows(ctx, tx, `INSERT INTO render_task (composition_sid, number, kind, status, attempt, stats) VALUES `, taskRows); err != nil {
			return err
		}
		if err := insertRows(ctx, tx, `INSERT INTO chunk (composition_sid, number, task, first_frame, end_frame, cost, status, object_key, size) VALUES `,
			chunkRows); err != nil {
			return err
		}
		parallel = max(parallel, 1)
		if slices.ContainsFunc(tasks, func(t Task) bool { return t.Kind == AudioTask }) {
			parallel++
		}
		return s.enqueueTasks(ctx, tx, sid, parallel)
	})
	return err
}

// attemptsOfPlan is how far apart the attempts at tasks begin in two plans of a composition. Keys of chunks carry the attempt,
// so a composition that is planned again uses no key of the plan before, whose objects may just be deleted.
const attemptsOfPlan = 1_000_000

// insertBatch is how many rows one statement inserts: a day's film has thousands.
const insertBatch = 100

// insertRows inserts rows in batches. text ends before the first row's parenthesis.
func insertRows(ctx context.Context, tx *Tx, text string, rows [][]any) error {
	for batch := range slices.Chunk(rows, insertBatch) {
		var values []string
		var args []any
		for _, row := range batch {
			var places []string
			for _, value := range row {
				args = append(args, value)
				places = append(places, "$"+strconv.Itoa(len(args)))
			}
			values = append(values, "("+strings.Join(places, ", ")+")")
		}
		if _, err := tx.Exec(ctx, text+strings.Join(values, ", "), args...); err != nil {
			return err
		}
	}
	return nil
}

// enqueueTasks enqueues up to limit of the tasks that wait: audio first, which its encoding waits for, and then those that cost the
// most, so that no worker is left with a long one at the end. When all tasks are done it enqueues the assembling. The composition is locked: a count in the
// statement that finishes a task would miss what another transaction finishes at the same time.
func (s *Store) enqueueTasks(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, limit int) error {
	next, err := collect(ctx, tx, scanInt, `SELECT number FROM render_task WHERE composition_sid = $1 AND status = 'waiting'
		AND (kind <> 'encode' OR NOT EXISTS (SELECT 1 FROM render_task audio
			WHERE audio.composition_sid = $1 AND audio.kind = 'audio' AND audio.status <> 'done'))
		ORDER BY CASE kind WHEN 'video' THEN 1 ELSE 0 END,
			(SELECT SUM(cost) FROM chunk WHERE chunk.composition_sid = $1 AND chunk.task = render_task.number) DESC, number LIMIT $2`, sid, limit)
	if err != nil {
		return err
	}
	for _, number := range next {
		if _, err := tx.Exec(ctx, `UPDATE render_task SET status = 'enqueued' WHERE composition_sid = $1 AND number = $2`, sid, number); err != nil {
			return err
		}
		if err := s.queue.Enqueue(ctx, tx, Job{Kind: JobRender, SID: string(sid), Number: number}); err != nil {
			return err
		}
	}
	var open int
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM render_task WHERE composition_sid = $1 AND status <> 'done'`, sid).Scan(&open)
	if err != nil || open > 0 {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE composition_plan SET rendered = $2 WHERE composition_sid = $1`, sid, micros(s.now())); err != nil {
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
			RETURNING attempt, kind, status, stats, again = 1`, sid, number).Scan(&task.Attempt, &task.Kind, &status, &task.Stats, &task.Again)
		if isNoRow(err) {
			return ErrLeaseLost
		}
		if err != nil {
			return err
		}
		task.Done = status == "done"
		if task.Plan, err = planRef(ctx, tx, sid); err != nil {
			return err
		}
		task.Chunks, err = collect(ctx, tx, scanChunk, `SELECT `+chunkColumns+` FROM chunk
			WHERE composition_sid = $1 AND task = $2 ORDER BY number`, sid, number)
		return err
	})
	return task, err
}

// PlanRef returns where the plan of a composition in progress is stored; ErrLeaseLost when it is not in progress.
func (s *Store) PlanRef(ctx context.Context, sid roomreel.CompositionSID) (PlanRef, error) {
	return planRef(ctx, s.read(), sid)
}

func planRef(ctx context.Context, q querier, sid roomreel.CompositionSID) (ref PlanRef, err error) {
	err = q.QueryRow(ctx, `SELECT object_key, size, version, checksum, encoder FROM composition_plan WHERE composition_sid = $1`, sid).
		Scan(&ref.Key, &ref.Size, &ref.Version, &ref.Checksum, &ref.Encoder)
	if isNoRow(err) {
		err = ErrLeaseLost
	}
	return ref, err
}

const chunkColumns = `number, first_frame, end_frame, cost, object_key, size, checksum, again = 1`

func scanChunk(row scanner) (c Chunk, err error) {
	err = row.Scan(&c.Number, &c.First, &c.End, &c.Cost, &c.Key, &c.Size, &c.Checksum, &c.Again)
	return c, err
}

// PublishedChunk is a chunk that a worker stored under a key that is reserved and that no other attempt ever uses.
type PublishedChunk struct {
	Task, Attempt int
	Number        int
	Key           string
	Size          int64
	Checksum      string
	Header        string // video: a checksum of the encoder's header
	Stats         string // video: of all published chunks of the task, with this one (JSON)
}

// PublishChunk notes that a chunk is in the working store. Unless the attempt holds the task's lease, the chunk is still to be
// published and the key is reserved, nothing changes and the error is ErrLeaseLost. It is ErrOtherEncoder when other chunks of
// the film's video were encoded with another header.
func (s *Store) PublishChunk(ctx context.Context, sid roomreel.CompositionSID, c PublishedChunk) error {
	return s.InTx(ctx, func(tx *Tx) error { return s.publishChunk(ctx, tx, sid, c) })
}

// PublishTask publishes the only chunk of a task and finishes the task, both or neither.
func (s *Store) PublishTask(ctx context.Context, sid roomreel.CompositionSID, c PublishedChunk, stats string) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		if err := s.publishChunk(ctx, tx, sid, c); err != nil {
			return err
		}
		return s.finishTask(ctx, tx, sid, c.Task, c.Attempt, stats)
	})
	return err
}

func (s *Store) publishChunk(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, c PublishedChunk) error {
	if err := s.lockTask(ctx, tx, sid, c.Task, c.Attempt); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE chunk SET status = 'done', object_key = $4, size = $5, checksum = $6
		WHERE composition_sid = $1 AND task = $2 AND number = $3 AND status = 'waiting'`, sid, c.Task, c.Number, c.Key, c.Size, c.Checksum)
	if err == nil && n == 0 {
		err = ErrLeaseLost
	}
	if err == nil && c.Header != "" {
		n, err = tx.Exec(ctx, `UPDATE composition_plan SET video_header = $2 WHERE composition_sid = $1 AND video_header IN ('', $2)`, sid, c.Header)
		if err == nil && n == 0 {
			err = ErrOtherEncoder
		}
	}
	if err == nil && c.Stats != "" {
		_, err = tx.Exec(ctx, `UPDATE render_task SET stats = $3 WHERE composition_sid = $1 AND number = $2`, sid, c.Task, c.Stats)
	}
	if err != nil {
		return err
	}
	return release(ctx, tx, PendingDeletion{WorkingStore, c.Key})
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

// RenderAgain has published chunks rendered again whose segments are damaged. It does so once for a composition: after that
// the error is ErrRenderedAgain, and nothing changes. The error is ErrLeaseLost when one of the chunks is not published under
// the same key any more.
func (s *Store) RenderAgain(ctx context.Context, sid roomreel.CompositionSID, chunks ...Chunk) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		var before int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM render_task WHERE composition_sid = $1 AND again = 1`, sid).Scan(&before); err != nil {
			return err
		}
		var old []PendingDeletion
		for _, chunk := range chunks {
			var task int
			err := tx.QueryRow(ctx, `UPDATE chunk SET status = 'waiting', object_key = '', size = 0, checksum = '', again = 1
				WHERE composition_sid = $1 AND number = $2 AND object_key = $3 AND object_key <> '' RETURNING task`, sid, chunk.Number, chunk.Key).Scan(&task)
			if isNoRow(err) {
				return ErrLeaseLost
			}
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE render_task SET status = 'waiting', again = 1, done = 0 WHERE composition_sid = $1 AND number = $2`, sid, task); err != nil {
				return err
			}
			old = append(old, PendingDeletion{WorkingStore, chunk.Key})
		}
		if before > 0 {
			return ErrRenderedAgain
		}
		// The encoding of the audio that found its samples damaged waits for them.
		if _, err := tx.Exec(ctx, `UPDATE render_task SET status = 'waiting' WHERE composition_sid = $1 AND kind = 'encode' AND status = 'enqueued'
			AND EXISTS (SELECT 1 FROM render_task audio WHERE audio.composition_sid = $1 AND audio.kind = 'audio' AND audio.status = 'waiting')`, sid); err != nil {
			return err
		}
		if err := s.deleteLater(ctx, tx, string(sid), old...); err != nil {
			return err
		}
		return s.enqueueTasks(ctx, tx, sid, len(chunks))
	})
	return err
}

// ErrRenderedAgain means that chunks of a composition were rendered again before, because their segments were damaged.
var ErrRenderedAgain = errors.New("store: chunks were rendered again before")

// Plan returns the plan of a composition in progress; ErrLeaseLost when it is not in progress.
func (s *Store) Plan(ctx context.Context, sid roomreel.CompositionSID) (CompositionPlan, error) {
	return planOf(ctx, s.read(), sid)
}

func planOf(ctx context.Context, q querier, sid roomreel.CompositionSID) (plan CompositionPlan, err error) {
	var film string
	err = q.QueryRow(ctx, `SELECT object_key, size, version, checksum, film, rendered FROM composition_plan WHERE composition_sid = $1`, sid).
		Scan(&plan.Key, &plan.Size, &plan.Version, &plan.Checksum, &film, instant{&plan.Rendered})
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
	_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) (err error) {
		if film.Report, err = currentNames(ctx, tx, c.RoomSID, film.Report); err != nil {
			return err
		}
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

// JoinAgain has a film joined again that was changed in the working store since it was checked. It does so once for a composition:
// after that the error is ErrJoinedAgain, and nothing changes.
func (s *Store) JoinAgain(ctx context.Context, sid roomreel.CompositionSID) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		plan, err := planOf(ctx, tx, sid)
		if err != nil {
			return err
		}
		if plan.Film == nil {
			return ErrLeaseLost // it is being joined again
		}
		n, err := tx.Exec(ctx, `UPDATE composition_plan SET film = '', joined_again = 1
			WHERE composition_sid = $1 AND film <> '' AND joined_again = 0`, sid)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrJoinedAgain
		}
		if err := s.deleteLater(ctx, tx, string(sid), PendingDeletion{WorkingStore, plan.Film.Media.CopyKey}); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobAssemble, SID: string(sid)})
	})
	return err
}

// ErrJoinedAgain means that a composition's film was joined again before, because it was changed after its check.
var ErrJoinedAgain = errors.New("store: the film was joined again before")

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

// PlanAgain has a composition planned again that does not copy packets of recordings, because of why. What was made by the plan
// with the given key is deleted. The error is ErrLeaseLost when the composition has another plan by now, or a film.
func (s *Store) PlanAgain(ctx context.Context, sid roomreel.CompositionSID, key, why string) error {
	_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		plan, err := planOf(ctx, tx, sid)
		if err != nil {
			return err
		}
		if c.Status != roomreel.CompositionProcessing || plan.Key != key || plan.Film != nil {
			return ErrLeaseLost
		}
		if _, err := tx.Exec(ctx, `UPDATE composition SET copy_refused = $2 WHERE sid = $1`, sid, why); err != nil {
			return err
		}
		if err := s.clearPlan(ctx, tx, sid); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobCompose, SID: string(sid)})
	})
	return err
}

// CopyRefused returns why a composition is planned without copying packets of recordings; "" when they may be copied.
func (s *Store) CopyRefused(ctx context.Context, sid roomreel.CompositionSID) (why string, err error) {
	err = s.read().QueryRow(ctx, `SELECT copy_refused FROM composition WHERE sid = $1`, sid).Scan(&why)
	return why, err
}

// RestartOldPlans has all compositions in progress planned again that an earlier version of the program planned: it stored no
// plan, so what it rendered cannot be continued. A composition whose film is already assembled is left to its delivery.
func (s *Store) RestartOldPlans(ctx context.Context) (restarted int, err error) {
	for {
		old, err := collect(ctx, s.read(), scanText[roomreel.CompositionSID],
			`SELECT composition_sid FROM composition_plan WHERE object_key = '' AND film = '' ORDER BY composition_sid LIMIT $1`, expireBatch)
		if err != nil || len(old) == 0 {
			return restarted, err
		}
		for _, sid := range old {
			_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
				if err := s.clearPlan(ctx, tx, sid); err != nil {
					return err
				}
				return s.queue.Enqueue(ctx, tx, Job{Kind: JobCompose, SID: string(sid)})
			})
			if err != nil {
				return restarted, err
			}
			restarted++
		}
	}
}
