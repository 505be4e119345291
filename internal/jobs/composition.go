package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/compose"
	"roomreel/internal/layout"
	"roomreel/internal/objectkey"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// A composition's working life: plan, then stretches and sound side by side, then assemble, then deliver. Each task may
// run twice and may find that it has nothing to do. It returns what went wrong; ofComposition decides what that means.

// work is what the row of a composition in progress says of its plan: enough to make the same plan again.
type work struct {
	Options    compose.Options
	Recordings []roomreel.RecordingSID
}

// plan decides the film and enqueues its parts.
func (r *Runner) plan(ctx context.Context, job args) error {
	c, attempt, err := r.Store.StartComposition(ctx, roomreel.CompositionSID(job.SID))
	if err != nil {
		return err
	}
	recordings, err := r.Store.RecordingsOf(ctx, c.RoomSID)
	if err != nil {
		return err
	}
	w := work{Options: r.Options}
	for _, recording := range recordings {
		if recording.Status != roomreel.RecordingFailed {
			w.Recordings = append(w.Recordings, recording.SID)
		}
	}
	plan, _, err := r.replan(ctx, c, w)
	if errors.Is(err, compose.ErrNoTracks) {
		return r.whyNoTracks(ctx, c)
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	saved := store.CompositionWork{Plan: string(text)}
	if plan.Samples > 0 {
		saved.Chunks = append(saved.Chunks, store.Chunk{Number: store.Sound, Stretch: store.Sound})
	}
	for i, stretch := range plan.Stretches {
		for n, chunk := range stretch.Chunks {
			saved.Chunks = append(saved.Chunks, store.Chunk{
				Number: stretch.First + n, Stretch: i, First: chunk.From, Past: chunk.To,
			})
		}
	}
	return r.Store.SaveWork(ctx, c.SID, attempt, saved, r.Options.Parallel)
}

// whyNoTracks tells selectors that match nothing from recordings that are gone.
func (r *Runner) whyNoTracks(ctx context.Context, c roomreel.Composition) error {
	gone, err := r.Store.Recordings(ctx, c.AccountSID, store.RecordingFilter{
		RoomSIDs: []roomreel.RoomSID{c.RoomSID}, Status: roomreel.RecordingDeleted,
	}, store.Page{Size: 1})
	if err != nil {
		return err
	}
	if len(gone.Items) > 0 {
		return &roomreel.Error{
			Code: roomreel.Invalid, Twilio: twilio.RecordingsDeleted,
			Detail: "recordings of the room were deleted, and no other matches VideoLayout or AudioSources",
		}
	}
	return compose.ErrNoTracks
}

// replan makes the plan of w again. The error is a *roomreel.Error when it is the room's recordings that are at fault.
func (r *Runner) replan(ctx context.Context, c roomreel.Composition, w work) (*compose.Plan, []roomreel.Recording, error) {
	size, err := layout.ParseResolution(c.Spec.Resolution)
	if err != nil {
		return nil, nil, err
	}
	req := compose.Request{
		AudioSources: c.Spec.AudioSources, AudioExcluded: c.Spec.AudioSourcesExcluded,
		Size: size, Format: c.Spec.Format, Trim: c.Spec.Trim,
	}
	if c.Spec.VideoLayout != "" {
		if req.Layout, err = layout.Parse(c.Spec.VideoLayout, size); err != nil {
			return nil, nil, err
		}
	}
	recordings := make([]roomreel.Recording, len(w.Recordings))
	tracks := make([]compose.Track, len(w.Recordings))
	for i, sid := range w.Recordings {
		recording, err := r.Store.RecordingBySID(ctx, sid)
		if err != nil && roomreel.CodeOf(err) != roomreel.NotFound {
			return nil, nil, err
		}
		if err != nil || recording.Status == roomreel.RecordingDeleted {
			return nil, nil, &roomreel.Error{
				Code: roomreel.Invalid, Twilio: twilio.RecordingsDeleted, Detail: fmt.Sprintf("recording %s was deleted", sid),
			}
		}
		recordings[i] = recording
		if tracks[i], err = r.track(ctx, recording); err != nil {
			return nil, nil, fmt.Errorf("recording %s: %w", sid, err)
		}
	}
	plan, err := compose.NewPlan(req, tracks, w.Options)
	return plan, recordings, err
}

// track reads a recording's packet index.
func (r *Runner) track(ctx context.Context, recording roomreel.Recording) (compose.Track, error) {
	t := compose.Track{
		Recording: recording.SID, Source: recording.TrackSID, Participant: recording.ParticipantSID,
		Identity: recording.Identity, Name: recording.TrackName, Kind: recording.Kind, Offset: recording.Offset,
	}
	index, err := r.index(ctx, recording.Index)
	t.Index = index
	return t, err
}

// rendering is a part of a composition that is being rendered: its plan, and the recordings it reads.
type rendering struct {
	*compose.Plan
	composition roomreel.Composition
	media       compose.Media
	close       func()
}

// open makes the plan of a composition in progress again and opens its recordings as they are read.
func (r *Runner) open(ctx context.Context, sid roomreel.CompositionSID, planText string) (*rendering, error) {
	c, err := r.Store.CompositionBySID(ctx, sid)
	if err != nil {
		return nil, err
	}
	var w work
	if err := json.Unmarshal([]byte(planText), &w); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	plan, recordings, err := r.replan(ctx, c, w)
	if err != nil {
		return nil, err
	}
	var opened []io.Closer
	return &rendering{
		Plan:        plan,
		composition: c,
		media: func(t int) (io.ReaderAt, error) {
			reader, err := r.source(ctx, recordings[t], c.Started)
			if err == nil {
				opened = append(opened, reader)
			}
			return reader, err
		},
		close: func() {
			for _, reader := range opened {
				reader.Close()
			}
		},
	}, nil
}

// source opens a recording's plain bytes for a composition that was started at that time: in the vault when they lie
// there as they came, else the working copy. Copies that only wait for their delivery are not read: whether a composition
// succeeds is not to depend on which of the two is quicker.
func (r *Runner) source(ctx context.Context, recording roomreel.Recording, started time.Time) (*blob.ReaderAt, error) {
	switch media := recording.Media; {
	case media.Key != "" && media.Envelope == nil:
		return blob.NewReaderAt(ctx, r.Vault, media.Key, recording.Size), nil
	case media.CopyKey != "" && started.Before(media.CopyExpires):
		return blob.NewReaderAt(ctx, r.Work, media.CopyKey, recording.Size), nil
	}
	return nil, &roomreel.Error{
		Code: roomreel.Invalid, Twilio: twilio.RecordingsDeleted,
		Detail: fmt.Sprintf("recording %s is sealed or in external storage, and the time in which it can be composed is over", recording.SID),
	}
}

// claim makes this attempt the one that renders a stretch, and opens the film for it unless the stretch is done.
func (r *Runner) claim(ctx context.Context, sid roomreel.CompositionSID, stretch int) (store.Stretch, *rendering, error) {
	claim, err := r.Store.AcquireTask(ctx, sid, stretch)
	if err != nil || claim.Done {
		return claim, nil, err
	}
	film, err := r.open(ctx, sid, claim.Plan)
	return claim, film, err
}

// stretch renders a row of chunks, from the first that is not published.
func (r *Runner) stretch(ctx context.Context, job args) error {
	sid := roomreel.CompositionSID(job.SID)
	claim, film, err := r.claim(ctx, sid, job.Number)
	if err != nil || claim.Done {
		return err
	}
	defer film.close()

	s := film.Stretches[job.Number]
	from, done := s.First, 0
	for _, chunk := range claim.Chunks {
		if chunk.Done() {
			from = chunk.Number + 1
			done += chunk.Past - chunk.First
		}
	}
	begun := time.Now()
	keyOf := func(chunk int) string {
		return objectkey.Working(film.composition.AccountSID, sid, fmt.Sprintf("chunk-%05d", chunk), claim.Attempt)
	}
	published := func(chunk int) error {
		info, err := r.Work.Stat(ctx, keyOf(chunk))
		if err != nil {
			return err
		}
		err = r.Store.PublishChunk(ctx, sid, job.Number, claim.Attempt, chunk, keyOf(chunk), info.Size)
		if err != nil {
			return r.discard(ctx, sid, err, store.PendingDeletion{Store: store.WorkingStore, Key: keyOf(chunk)})
		}
		if next := chunk + 1; next == s.First+len(s.Chunks) {
			return nil
		} else if err := r.reserve(ctx, sid, store.WorkingStore, keyOf(next)); err != nil {
			return err
		}
		if spent := time.Since(begun); spent > longTurn || spent > r.turn && r.othersWait(ctx) {
			return errTurnOver
		}
		return nil
	}
	if err := r.reserve(ctx, sid, store.WorkingStore, keyOf(from)); err != nil {
		return err
	}
	var earlier compose.Outcome
	if claim.Facts != "" {
		if err := json.Unmarshal([]byte(claim.Facts), &earlier); err != nil {
			return fmt.Errorf("read facts: %w", err)
		}
	}
	tell := r.tellProgress(ctx, film, job.Number)
	outcome, err := r.composer.Stretch(ctx, film.Plan, s, from, film.media, keyOf, published,
		func(pictures int) { tell(int64(done + pictures)) })
	if from > s.First || claim.Facts != "" {
		outcome = outcome.After(earlier)
	}
	if err != nil && len(outcome.Lost) > 0 {
		if err := r.Store.SaveTaskStats(ctx, sid, job.Number, claim.Attempt, outcomeText(outcome)); err != nil {
			r.Log.Warn("a recording that was left out is not noted", "composition", sid, "err", err)
		}
	}
	if errors.Is(err, errTurnOver) {
		return later(0)
	}
	if err != nil {
		return err
	}
	return r.Store.FinishTask(ctx, sid, job.Number, claim.Attempt, outcomeText(outcome))
}

// errTurnOver stops a stretch between two chunks because others wait. Its rest is rendered later.
var errTurnOver = errors.New("others wait")

// reserve notes a blob before it is stored, so that it is erased in the end should nothing ever refer to it: whoever
// stores it may die at any time.
func (r *Runner) reserve(ctx context.Context, sid roomreel.CompositionSID, place store.BlobStore, key string) error {
	return r.Store.Reserve(ctx, store.Unpublished(sid), store.PendingDeletion{Store: place, Key: key})
}

// discard has a blob erased at once that was stored in vain, because of err, and returns err. When it is not certain that
// nothing refers to the blob, its reservation decides.
func (r *Runner) discard(ctx context.Context, sid roomreel.CompositionSID, err error, blob store.PendingDeletion) error {
	if !errors.Is(err, store.ErrLeaseLost) && roomreel.CodeOf(err) != roomreel.Conflict {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()
	return errors.Join(err, r.Store.Erase(ctx, string(sid), blob))
}

// sound mixes and encodes the sound of the whole film.
func (r *Runner) sound(ctx context.Context, job args) error {
	sid := roomreel.CompositionSID(job.SID)
	claim, film, err := r.claim(ctx, sid, store.Sound)
	if err != nil || claim.Done {
		return err
	}
	defer film.close()
	progress := func(int64) {}
	if film.Pictures == 0 {
		progress = r.tellProgress(ctx, film, store.Sound)
	}
	key := objectkey.Working(film.composition.AccountSID, sid, "audio", claim.Attempt)
	if err := r.reserve(ctx, sid, store.WorkingStore, key); err != nil {
		return err
	}
	outcome, err := r.composer.Sound(ctx, film.Plan, film.media, key, progress)
	if err != nil {
		return err
	}
	info, err := r.Work.Stat(ctx, key)
	if err != nil {
		return err
	}
	if err := r.Store.PublishSound(ctx, sid, claim.Attempt, key, info.Size, outcomeText(outcome)); err != nil {
		return r.discard(ctx, sid, err, store.PendingDeletion{Store: store.WorkingStore, Key: key})
	}
	return nil
}

// assemble joins what was rendered, reads the film back, and brings it to where it is kept or on its way there.
func (r *Runner) assemble(ctx context.Context, job args) error {
	sid := roomreel.CompositionSID(job.SID)
	saved, err := r.Store.Work(ctx, sid)
	if err != nil || saved.Film != nil {
		return err
	}
	film, err := r.open(ctx, sid, saved.Plan)
	if err != nil {
		return err
	}
	defer film.close()
	var chunks []string
	sound := ""
	for _, chunk := range saved.Chunks {
		if chunk.Number == store.Sound {
			sound = chunk.Key
		} else {
			chunks = append(chunks, chunk.Key)
		}
	}
	report, err := r.report(ctx, film, sid)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(r.scratch(r.node.ID), "film-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	path := filepath.Join(scratch, "film")
	facts, err := r.composer.Finish(ctx, film.Plan, chunks, sound, path)
	if err != nil {
		return err
	}
	finished := store.FilmResult{Size: facts.Size, Duration: facts.Duration, Bitrate: facts.Bitrate, Report: report}
	return r.handOver(ctx, film.composition, finished, path)
}

// handOver stores the film at path: where it is kept when that is the vault and nothing else is to be done to it, else
// in the work store, from where its delivery takes it.
func (r *Runner) handOver(ctx context.Context, c roomreel.Composition, finished store.FilmResult, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// A key of its own for each attempt: one that comes too late takes nothing away from the one before.
	at := store.PendingDeletion{Store: store.WorkingStore, Key: objectkey.NewWorking(c.AccountSID, c.SID, "film")}
	target, options := r.Work, blob.PutOptions{}
	direct := c.Destination == (roomreel.Destination{})
	if direct {
		at = store.PendingDeletion{Store: store.MediaStore, Key: objectkey.Media(c.AccountSID, c.SID, string(c.Spec.Format))}
		target, options = r.Vault, blob.PutOptions{ContentType: twilio.FilmContentType(c.Spec.Format)}
	}
	if err := r.reserve(ctx, c.SID, at.Store, at.Key); err != nil {
		return err
	}
	if _, err := target.Put(ctx, at.Key, file, finished.Size, options); err != nil {
		return fmt.Errorf("store film: %w", err)
	}
	if direct {
		finished.Media = roomreel.Media{Key: at.Key, Size: finished.Size}
		_, err = r.Store.CompleteComposition(ctx, c.SID, finished)
	} else {
		finished.Media = roomreel.Media{CopyKey: at.Key}
		err = r.Store.SaveFilm(ctx, c.SID, finished)
	}
	if err != nil {
		return r.discard(ctx, c.SID, err, at)
	}
	return nil
}

// report puts together what all children found.
func (r *Runner) report(ctx context.Context, film *rendering, sid roomreel.CompositionSID) (string, error) {
	facts, err := r.Store.Facts(ctx, sid)
	if err != nil {
		return "", err
	}
	var outcomes []compose.Outcome
	for _, text := range facts {
		var outcome compose.Outcome
		if err := json.Unmarshal([]byte(text), &outcome); err != nil {
			return "", fmt.Errorf("read facts: %w", err)
		}
		outcomes = append(outcomes, outcome)
	}
	text, err := json.Marshal(film.Report(outcomes...))
	return string(text), err
}

func outcomeText(o compose.Outcome) string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // numbers and their maps always marshal
	}
	return string(text)
}
