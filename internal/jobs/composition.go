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
	"roomreel/internal/store"
)

// A composition's working life: plan, then stretches and sound side by side, then assemble, then deliver. Each task may
// run twice and may find that it has nothing to do.

// Numbers of Twilio's error dictionary with which compositions fail.
const (
	processingFailure = 53626
	recordingsDeleted = 53628
)

// work is what the row of a composition in progress says of its plan: enough to make the same plan again.
type work struct {
	Options    compose.Options
	Recordings []roomreel.RecordingSID
}

// plan decides the film and enqueues its parts.
func (r *Runner) plan(ctx context.Context, job args, last bool) error {
	c, attempt, err := r.Store.StartComposition(ctx, roomreel.CompositionSID(job.SID))
	if isOver(err) {
		return nil
	}
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
	if err != nil {
		return r.failed(ctx, c.SID, err, last)
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
	if err := r.Store.SaveWork(ctx, c.SID, attempt, saved, r.Options.Parallel); !isOver(err) {
		return err
	}
	return nil
}

// replan makes the plan of w again. The error is a *roomreel.Error when it is the room's recordings that are at fault.
func (r *Runner) replan(ctx context.Context, c roomreel.Composition, w work) (*compose.Plan, []roomreel.Recording, error) {
	size, err := layout.ParseResolution(c.Film.Resolution)
	if err != nil {
		return nil, nil, err
	}
	req := compose.Request{
		AudioSources: c.Film.AudioSources, AudioExcluded: c.Film.AudioSourcesExcluded,
		Size: size, Format: c.Film.Format, Trim: c.Film.Trim,
	}
	if c.Film.VideoLayout != "" {
		if req.Layout, err = layout.Parse(c.Film.VideoLayout, size); err != nil {
			return nil, nil, err
		}
	}
	recordings := make([]roomreel.Recording, len(w.Recordings))
	tracks := make([]compose.Track, len(w.Recordings))
	for i, sid := range w.Recordings {
		recording, err := r.Store.RecordingBySID(ctx, sid)
		if err != nil {
			return nil, nil, err
		}
		if recording.Status == roomreel.RecordingDeleted {
			return nil, nil, &roomreel.Error{
				Code: roomreel.Invalid, Twilio: recordingsDeleted, Detail: fmt.Sprintf("recording %s was deleted", sid),
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
	case media.WorkKey != "" && started.Before(media.WorkEnds):
		return blob.NewReaderAt(ctx, r.Work, media.WorkKey, recording.Size), nil
	}
	return nil, &roomreel.Error{
		Code: roomreel.Invalid, Twilio: recordingsDeleted,
		Detail: fmt.Sprintf("recording %s is sealed or in external storage, and the time in which it can be composed is over", recording.SID),
	}
}

// stretch renders a row of chunks, from the first that is not published.
func (r *Runner) stretch(ctx context.Context, job args, last bool) error {
	sid := roomreel.CompositionSID(job.SID)
	claim, err := r.Store.ClaimStretch(ctx, sid, job.Number)
	if isOver(err) || claim.Done {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, release := r.whileWanted(ctx, sid)
	defer release()
	film, err := r.open(ctx, sid, claim.Plan)
	if err != nil {
		return r.failed(ctx, sid, err, last)
	}
	defer film.close()

	s := film.Stretches[job.Number]
	from := s.First
	for _, chunk := range claim.Chunks {
		if chunk.Done() {
			from = chunk.Number + 1
		}
	}
	begun := time.Now()
	keyOf := func(chunk int) string {
		return workKey(film.composition, fmt.Sprintf("chunk-%05d-%d", chunk, claim.Attempt))
	}
	progress, err := r.watchProgress(ctx, film)
	if err != nil {
		return over(err)
	}
	outcome, err := r.composer.Stretch(ctx, film.Plan, s, from, film.media, keyOf, func(chunk int) error {
		if err := r.publish(ctx, sid, job.Number, claim.Attempt, chunk, keyOf(chunk)); err != nil {
			return err
		}
		if chunk+1 < s.First+len(s.Chunks) && time.Since(begun) > turn && r.othersWait(ctx) {
			return errTurnOver
		}
		return nil
	}, progress)
	switch {
	case errors.Is(err, errTurnOver):
		return later(0)
	case err != nil:
		return r.failed(ctx, sid, err, last)
	}
	return over(r.Store.FinishStretch(ctx, sid, job.Number, claim.Attempt, outcomeText(outcome)))
}

// errTurnOver stops a stretch between two chunks because others wait. Its rest is rendered later.
var errTurnOver = errors.New("others wait")

// publish notes that a chunk is stored. What was stored in vain is erased.
func (r *Runner) publish(ctx context.Context, sid roomreel.CompositionSID, stretch, attempt, chunk int, key string) error {
	info, err := r.Work.Stat(ctx, key)
	if err != nil {
		return err
	}
	err = r.Store.PublishChunk(ctx, sid, stretch, attempt, chunk, key, info.Size)
	if isOver(err) {
		r.discard(ctx, sid, key)
	}
	return err
}

// discard has a work object erased that nothing will refer to.
func (r *Runner) discard(ctx context.Context, sid roomreel.CompositionSID, key string) {
	if err := r.Store.Erase(context.WithoutCancel(ctx), string(sid), store.Erasure{Place: store.Work, Key: key}); err != nil {
		r.Log.Warn("left a work object behind", "composition", sid, "key", key, "err", err)
	}
}

// sound mixes and encodes the sound of the whole film.
func (r *Runner) sound(ctx context.Context, job args, last bool) error {
	sid := roomreel.CompositionSID(job.SID)
	claim, err := r.Store.ClaimStretch(ctx, sid, store.Sound)
	if isOver(err) || claim.Done {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, release := r.whileWanted(ctx, sid)
	defer release()
	film, err := r.open(ctx, sid, claim.Plan)
	if err != nil {
		return r.failed(ctx, sid, err, last)
	}
	defer film.close()
	progress := func(int64) {}
	if film.Pictures == 0 {
		tell := r.tellProgress(ctx, sid)
		progress = func(samples int64) { tell(float64(samples) / float64(film.Samples)) }
	}
	key := workKey(film.composition, fmt.Sprintf("sound-%d", claim.Attempt))
	outcome, err := r.composer.Sound(ctx, film.Plan, film.media, key, progress)
	if err != nil {
		return r.failed(ctx, sid, err, last)
	}
	info, err := r.Work.Stat(ctx, key)
	if err != nil {
		return err
	}
	err = r.Store.PublishSound(ctx, sid, claim.Attempt, key, info.Size, outcomeText(outcome))
	if isOver(err) {
		r.discard(ctx, sid, key)
	}
	return over(err)
}

// assemble joins what was rendered, reads the film back, and brings it to where it is kept or on its way there.
func (r *Runner) assemble(ctx context.Context, job args, last bool) error {
	sid := roomreel.CompositionSID(job.SID)
	saved, err := r.Store.Work(ctx, sid)
	if isOver(err) || saved.Film != nil {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, release := r.whileWanted(ctx, sid)
	defer release()
	film, err := r.open(ctx, sid, saved.Plan)
	if err != nil {
		return r.failed(ctx, sid, err, last)
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
	scratch, err := os.MkdirTemp(r.Scratch, "film-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	path := filepath.Join(scratch, "film")
	facts, err := r.composer.Finish(ctx, film.Plan, chunks, sound, path)
	if err != nil {
		return r.failed(ctx, sid, err, last)
	}
	finished := store.Finished{Size: facts.Size, Duration: facts.Duration, Bitrate: facts.Bitrate, Report: report}
	return r.handOver(ctx, film.composition, finished, path)
}

// handOver stores the film at path: where it is kept when that is the vault and nothing else is to be done to it, else
// in the work store, from where its delivery takes it.
func (r *Runner) handOver(ctx context.Context, c roomreel.Composition, finished store.Finished, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if c.Destination == (roomreel.Destination{}) {
		key := mediaKey(c)
		_, err := r.Vault.Put(ctx, key, file, finished.Size, blob.PutOptions{ContentType: contentType(c.Film)})
		if err != nil {
			return fmt.Errorf("store film: %w", err)
		}
		finished.Media = roomreel.Media{Key: key, Size: finished.Size}
		_, err = r.Store.CompleteComposition(ctx, c.SID, finished)
		if isOver(err) {
			err = r.Store.Erase(context.WithoutCancel(ctx), string(c.SID), store.Erasure{Place: store.Vault, Key: key})
		}
		return over(err)
	}
	key := workKey(c, "film")
	if _, err := r.Work.Put(ctx, key, file, finished.Size, blob.PutOptions{}); err != nil {
		return fmt.Errorf("store film: %w", err)
	}
	finished.Media, finished.Since = roomreel.Media{WorkKey: key}, r.Store.Now()
	return over(r.Store.SaveFilm(ctx, c.SID, finished))
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

// workKey names an object that a composition leaves in the work store on its way.
func workKey(c roomreel.Composition, name string) string {
	return fmt.Sprintf("%s/%s/%s", c.AccountSID, c.SID, name)
}

// mediaKey names a composition's film in the vault.
func mediaKey(c roomreel.Composition) string {
	return fmt.Sprintf("%s/%s.%s", c.AccountSID, c.SID, c.Film.Format)
}

// contentType is what a film is served as: video also when it is sound alone, as Twilio does.
func contentType(f roomreel.Film) string { return "video/" + string(f.Format) }
