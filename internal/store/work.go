package store

import (
	"context"
	"errors"

	"roomreel"
)

// Sound is the number of the stretch, and of its one chunk, that is a composition's whole sound.
const Sound = -1

// ErrLeaseLost means that what a worker wants to write is no longer its to write: another attempt has taken its place, or
// the composition has come to its end. The worker stops and deletes what it stored.
var ErrLeaseLost = errors.New("store: overtaken by another attempt")

// CompositionWork is what a composition in progress has to do.
type CompositionWork struct {
	Plan   string // JSON, as internal/compose likes it
	Chunks []Chunk
	Film   *FilmResult // the assembled film in the work store; nil until there is one
}

// Chunk is a part of a composition that is rendered, published and resumed as one. Chunks of the same stretch are
// rendered one after another by one child.
type Chunk struct {
	Number  int    // in the film; Sound for the sound
	Stretch int    // Sound for the sound
	First   int    // the first picture
	Past    int    // the picture after the last
	Key     string // in the work store; "" until it is published
	Size    int64
}

// Done reports whether the chunk is published.
func (c Chunk) Done() bool { return c.Key != "" }

// Stretch is one worker's hold on a row of chunks.
type Stretch struct {
	Attempt int     // fences this worker's writes off those of the ones before and after it
	Done    bool    // all is published and counted: nothing to do
	Chunks  []Chunk // in order, those already published too
	Plan    string
	Facts   string // what SaveTaskStats was told by the attempts before; "" for nothing
}

// SaveWork writes down what is to be done and enqueues the sound and the first of the stretches, at most parallel; the
// others follow as those finish, so that a long composition does not stand before a short one with all it has. When the
// work was saved before, that stays.
func (s *Store) SaveWork(ctx context.Context, sid roomreel.CompositionSID, attempt int, work CompositionWork, parallel int) error {
	_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		var current, saved int
		if err := tx.QueryRow(ctx, `SELECT attempt FROM composition WHERE sid = $1`, sid).Scan(&current); err != nil {
			return err
		}
		if c.Status != roomreel.CompositionProcessing || current != attempt {
			return ErrLeaseLost
		}
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM composition_work WHERE composition_sid = $1`, sid).Scan(&saved)
		if err != nil || saved > 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO composition_work (composition_sid, plan, film) VALUES ($1, $2, '')`, sid, work.Plan); err != nil {
			return err
		}
		known := map[int]bool{}
		for _, chunk := range work.Chunks {
			if !known[chunk.Stretch] {
				known[chunk.Stretch] = true
				if _, err := tx.Exec(ctx, `INSERT INTO stretch (composition_sid, number, status, attempt, facts)
					VALUES ($1, $2, 'waiting', 0, '')`, sid, chunk.Stretch); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, `INSERT INTO chunk (composition_sid, number, stretch, first, past, status, work_key, size)
				VALUES ($1, $2, $3, $4, $5, 'waiting', '', 0)`, sid, chunk.Number, chunk.Stretch, chunk.First, chunk.Past); err != nil {
				return err
			}
		}
		if known[Sound] {
			parallel++
		}
		return s.enqueueStretches(ctx, tx, sid, max(parallel, 1))
	})
	return err
}

// enqueueStretches enqueues up to limit of the stretches that wait, the sound first, and then the assembling when none is
// left to wait for. The composition is locked: counting in the statement that finishes a stretch would miss what another
// transaction finishes at the same time.
func (s *Store) enqueueStretches(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, limit int) error {
	next, err := collect(ctx, tx, scanInt, `SELECT number FROM stretch
		WHERE composition_sid = $1 AND status = 'waiting' ORDER BY number LIMIT $2`, sid, limit)
	if err != nil {
		return err
	}
	for _, number := range next {
		if _, err := tx.Exec(ctx, `UPDATE stretch SET status = 'enqueued' WHERE composition_sid = $1 AND number = $2`, sid, number); err != nil {
			return err
		}
		job := Job{Kind: JobRender, SID: string(sid), Number: number}
		if number == Sound {
			job = Job{Kind: JobAudio, SID: string(sid)}
		}
		if err := s.queue.Enqueue(ctx, tx, job); err != nil {
			return err
		}
	}
	var open int
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM stretch WHERE composition_sid = $1 AND status <> 'done'`, sid).Scan(&open)
	if err != nil || open > 0 {
		return err
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: JobAssemble, SID: string(sid)})
}

func scanInt(row scanner) (n int, err error) {
	err = row.Scan(&n)
	return n, err
}

// AcquireTask makes the caller the one who may publish a stretch's chunks.
func (s *Store) AcquireTask(ctx context.Context, sid roomreel.CompositionSID, number int) (Stretch, error) {
	var claim Stretch
	err := s.InTx(ctx, func(tx *Tx) error {
		var status string
		err := tx.QueryRow(ctx, `UPDATE stretch SET attempt = attempt + 1 WHERE composition_sid = $1 AND number = $2
			RETURNING attempt, status, facts`, sid, number).Scan(&claim.Attempt, &status, &claim.Facts)
		if isNoRow(err) {
			return ErrLeaseLost
		}
		if err != nil {
			return err
		}
		claim.Done = status == "done"
		if err := tx.QueryRow(ctx, `SELECT plan FROM composition_work WHERE composition_sid = $1`, sid).Scan(&claim.Plan); err != nil {
			return err
		}
		claim.Chunks, err = collect(ctx, tx, scanChunk, `SELECT `+chunkColumns+` FROM chunk
			WHERE composition_sid = $1 AND stretch = $2 ORDER BY number`, sid, number)
		return err
	})
	return claim, err
}

const chunkColumns = `number, stretch, first, past, work_key, size`

func scanChunk(row scanner) (c Chunk, err error) {
	err = row.Scan(&c.Number, &c.Stretch, &c.First, &c.Past, &c.Key, &c.Size)
	return c, err
}

// PublishChunk notes that a chunk is in the work store under key, which no other attempt may ever use. Unless the attempt
// holds the stretch and the chunk is still to be published, nothing changes and the error is ErrLeaseLost.
func (s *Store) PublishChunk(ctx context.Context, sid roomreel.CompositionSID, stretch, attempt, chunk int, key string, size int64) error {
	return s.InTx(ctx, func(tx *Tx) error { return s.publishChunk(ctx, tx, sid, stretch, attempt, chunk, key, size) })
}

func (s *Store) publishChunk(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, stretch, attempt, chunk int, key string, size int64) error {
	if err := s.holdStretch(ctx, tx, sid, stretch, attempt); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE chunk SET status = 'done', work_key = $4, size = $5
		WHERE composition_sid = $1 AND stretch = $2 AND number = $3 AND status = 'waiting'`, sid, stretch, chunk, key, size)
	if err == nil && n == 0 {
		err = ErrLeaseLost
	}
	if err != nil {
		return err
	}
	return keep(ctx, tx, PendingDeletion{WorkingStore, key})
}

// holdStretch locks a stretch that attempt still holds.
func (s *Store) holdStretch(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, number, attempt int) error {
	var holder int
	err := tx.QueryRow(ctx, `SELECT attempt FROM stretch WHERE composition_sid = $1 AND number = $2 AND status = 'enqueued'`+s.forUpdate,
		sid, number).Scan(&holder)
	if isNoRow(err) || err == nil && holder != attempt {
		return ErrLeaseLost
	}
	return err
}

// SaveTaskStats keeps what an attempt saw that did not come to the end of its stretch, for the attempt after it.
func (s *Store) SaveTaskStats(ctx context.Context, sid roomreel.CompositionSID, number, attempt int, facts string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := s.holdStretch(ctx, tx, sid, number, attempt); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE stretch SET facts = $3 WHERE composition_sid = $1 AND number = $2`, sid, number, facts)
		return err
	})
}

// FinishTask notes that all chunks of a stretch are published, and what was seen on the way (JSON). It enqueues the
// next stretch that waits; whoever finishes the last one enqueues the assembling, exactly once.
func (s *Store) FinishTask(ctx context.Context, sid roomreel.CompositionSID, number, attempt int, facts string) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		return s.finishStretch(ctx, tx, sid, number, attempt, facts)
	})
	return err
}

func (s *Store) finishStretch(ctx context.Context, tx *Tx, sid roomreel.CompositionSID, number, attempt int, facts string) error {
	if err := s.holdStretch(ctx, tx, sid, number, attempt); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE stretch SET status = 'done', facts = $4
		WHERE composition_sid = $1 AND number = $2 AND attempt = $3 AND NOT EXISTS (SELECT 1 FROM chunk
			WHERE chunk.composition_sid = $1 AND chunk.stretch = $2 AND chunk.status <> 'done')`, sid, number, attempt, facts)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("finish stretch: it has chunks that are not published")
	}
	return s.enqueueStretches(ctx, tx, sid, 1)
}

// PublishSound publishes the one chunk of the sound and finishes its stretch, both or neither.
func (s *Store) PublishSound(ctx context.Context, sid roomreel.CompositionSID, attempt int, key string, size int64, facts string) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		if err := s.publishChunk(ctx, tx, sid, Sound, attempt, Sound, key, size); err != nil {
			return err
		}
		return s.finishStretch(ctx, tx, sid, Sound, attempt, facts)
	})
	return err
}

// Work returns what a composition in progress has to do and what of it is done; ErrLeaseLost when it is not in progress.
func (s *Store) Work(ctx context.Context, sid roomreel.CompositionSID) (CompositionWork, error) {
	var work CompositionWork
	var film string
	err := s.read().QueryRow(ctx, `SELECT plan, film FROM composition_work WHERE composition_sid = $1`, sid).Scan(&work.Plan, &film)
	if isNoRow(err) {
		return work, ErrLeaseLost
	}
	if err == nil && film != "" {
		err = fromText{&work.Film}.Scan(film)
	}
	if err != nil {
		return work, err
	}
	work.Chunks, err = collect(ctx, s.read(), scanChunk, `SELECT `+chunkColumns+` FROM chunk WHERE composition_sid = $1 ORDER BY number`, sid)
	return work, err
}

// Facts returns what FinishTask was told, by number of the stretch.
func (s *Store) Facts(ctx context.Context, sid roomreel.CompositionSID) (map[int]string, error) {
	type stretch struct {
		number int
		facts  string
	}
	found, err := collect(ctx, s.read(), func(row scanner) (st stretch, err error) {
		err = row.Scan(&st.number, &st.facts)
		return st, err
	}, `SELECT number, facts FROM stretch WHERE composition_sid = $1 AND status = 'done'`, sid)
	facts := map[int]string{}
	for _, st := range found {
		facts[st.number] = st.facts
	}
	return facts, err
}

// SaveFilm notes that the film is assembled and lies in the work store, and enqueues its delivery. When one was saved
// before, the error is ErrLeaseLost.
func (s *Store) SaveFilm(ctx context.Context, sid roomreel.CompositionSID, film FilmResult) error {
	_, err := s.change(ctx, sid, func(tx *Tx, _ *roomreel.Composition) error {
		n, err := tx.Exec(ctx, `UPDATE composition_work SET film = $2 WHERE composition_sid = $1 AND film = ''`, sid, text(film))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLeaseLost
		}
		if err := keep(ctx, tx, PendingDeletion{WorkingStore, film.Media.CopyKey}); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: JobDeliver, SID: string(sid)})
	})
	return err
}

// clearWork removes the work of a locked composition that has come to its end, and has its blobs erased. Workers that do
// not know it yet find nothing to publish into. The stretches go first: that waits for whoever is publishing, so that
// no chunk is published after the chunks were counted.
func (s *Store) clearWork(ctx context.Context, tx *Tx, sid roomreel.CompositionSID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM stretch WHERE composition_sid = $1`, sid); err != nil {
		return err
	}
	keys, err := collect(ctx, tx, scanText[string], `DELETE FROM chunk WHERE composition_sid = $1 RETURNING work_key`, sid)
	if err != nil {
		return err
	}
	films, err := collect(ctx, tx, scanText[string], `DELETE FROM composition_work WHERE composition_sid = $1 RETURNING film`, sid)
	if err != nil {
		return err
	}
	var left []PendingDeletion
	for _, key := range keys {
		left = append(left, PendingDeletion{WorkingStore, key})
	}
	for _, saved := range films {
		if saved == "" {
			continue
		}
		var film FilmResult
		if err := (fromText{&film}).Scan(saved); err != nil {
			return err
		}
		left = append(left, PendingDeletion{WorkingStore, film.Media.CopyKey})
	}
	return s.erase(ctx, tx, string(sid), left...)
}
