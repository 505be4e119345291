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
	"roomreel/internal/media"
	"roomreel/internal/objectkey"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// A composition is planned, then rendered by render tasks and an audio task side by side (render.go), then assembled, then
// delivered (delivery.go). Each job may run twice and may find that it has nothing to do. It returns what went wrong;
// ofComposition decides what that means.

// planInputs is what the row of a composition in progress holds of its plan: enough to make the same plan again.
type planInputs struct {
	Options    compose.Options
	Recordings []roomreel.RecordingSID
}

// plan decides the film and enqueues its parts.
func (w *Worker) plan(ctx context.Context, job queue.Job) error {
	c, attempt, err := w.Store.StartComposition(ctx, roomreel.CompositionSID(job.SID))
	if err != nil {
		return err
	}
	recordings, err := w.Store.RecordingsOf(ctx, c.RoomSID)
	if err != nil {
		return err
	}
	inputs := planInputs{Options: w.Options}
	for _, recording := range recordings {
		if recording.Status != roomreel.RecordingFailed {
			inputs.Recordings = append(inputs.Recordings, recording.SID)
		}
	}
	plan, _, err := w.replan(ctx, c, inputs)
	if errors.Is(err, compose.ErrNoTracks) {
		return w.whyNoTracks(ctx, c)
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(inputs)
	if err != nil {
		return err
	}
	saved := store.CompositionPlan{Plan: string(text)}
	if plan.Samples > 0 {
		saved.Chunks = append(saved.Chunks, store.Chunk{Number: store.AudioTask, Task: store.AudioTask})
	}
	for i, task := range plan.Stretches {
		for n, chunk := range task.Chunks {
			saved.Chunks = append(saved.Chunks, store.Chunk{
				Number: task.First + n, Task: i, First: chunk.From, End: chunk.To,
			})
		}
	}
	return w.Store.SavePlan(ctx, c.SID, attempt, saved, w.Options.Parallel)
}

// whyNoTracks tells selectors that match nothing from recordings that are gone.
func (w *Worker) whyNoTracks(ctx context.Context, c roomreel.Composition) error {
	gone, err := w.Store.Recordings(ctx, c.AccountSID, store.RecordingFilter{
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

// replan makes a plan again. The error is a *roomreel.Error when it is the room's recordings that are at fault.
func (w *Worker) replan(ctx context.Context, c roomreel.Composition, inputs planInputs) (*compose.Plan, []roomreel.Recording, error) {
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
	recordings := make([]roomreel.Recording, len(inputs.Recordings))
	tracks := make([]compose.Track, len(inputs.Recordings))
	for i, sid := range inputs.Recordings {
		recording, err := w.Store.RecordingBySID(ctx, sid)
		if err != nil && roomreel.CodeOf(err) != roomreel.NotFound {
			return nil, nil, err
		}
		if err != nil || recording.Status == roomreel.RecordingDeleted {
			return nil, nil, &roomreel.Error{
				Code: roomreel.Invalid, Twilio: twilio.RecordingsDeleted, Detail: fmt.Sprintf("recording %s was deleted", sid),
			}
		}
		recordings[i] = recording
		if tracks[i], err = w.track(ctx, recording); err != nil {
			return nil, nil, fmt.Errorf("recording %s: %w", sid, err)
		}
	}
	plan, err := compose.NewPlan(req, tracks, inputs.Options)
	return plan, recordings, err
}

// track reads a recording's packet index.
func (w *Worker) track(ctx context.Context, recording roomreel.Recording) (compose.Track, error) {
	t := compose.Track{
		Recording: recording.SID, Source: recording.TrackSID, Participant: recording.ParticipantSID,
		Identity: recording.Identity, Name: recording.TrackName, Kind: recording.Kind, Offset: recording.Offset,
	}
	index, err := w.index(ctx, recording.Index)
	t.Index = index
	return t, err
}

// film is a composition in progress as a job needs it: its plan, and the recordings it reads.
type film struct {
	*compose.Plan
	composition roomreel.Composition
	media       compose.Media
	close       func()
}

// open makes the plan of a composition in progress again and opens its recordings as they are read.
func (w *Worker) open(ctx context.Context, sid roomreel.CompositionSID, planText string) (*film, error) {
	c, err := w.Store.CompositionBySID(ctx, sid)
	if err != nil {
		return nil, err
	}
	var inputs planInputs
	if err := json.Unmarshal([]byte(planText), &inputs); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	plan, recordings, err := w.replan(ctx, c, inputs)
	if err != nil {
		return nil, err
	}
	var opened []io.Closer
	return &film{
		Plan:        plan,
		composition: c,
		media: func(t int) (io.ReaderAt, error) {
			reader, err := w.source(ctx, recordings[t], c.Started)
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

// source opens a recording's plain bytes for a composition that was started at that time: in the media store when they lie
// there unsealed, else the working copy. A copy that only waits for its delivery is not read, because the delivery may end
// first.
func (w *Worker) source(ctx context.Context, recording roomreel.Recording, started time.Time) (*blob.ReaderAt, error) {
	switch media := recording.Media; {
	case media.Key != "" && media.Envelope == nil:
		return blob.NewReaderAt(ctx, w.Vault, media.Key, recording.Size), nil
	case media.CopyKey != "" && started.Before(media.CopyExpires):
		return blob.NewReaderAt(ctx, w.Work, media.CopyKey, recording.Size), nil
	}
	return nil, &roomreel.Error{
		Code: roomreel.Invalid, Twilio: twilio.RecordingsDeleted,
		Detail: fmt.Sprintf("recording %s is sealed or in external storage, and the time in which it can be composed is over", recording.SID),
	}
}

// assemble joins what was rendered, reads the film back, and brings it to where it is kept or on its way there.
func (w *Worker) assemble(ctx context.Context, job queue.Job) error {
	sid := roomreel.CompositionSID(job.SID)
	saved, err := w.Store.Plan(ctx, sid)
	if err != nil || saved.Film != nil {
		return err
	}
	film, err := w.open(ctx, sid, saved.Plan)
	if err != nil {
		return err
	}
	defer film.close()
	var chunks []string
	audio := ""
	for _, chunk := range saved.Chunks {
		if chunk.Number == store.AudioTask {
			audio = chunk.Key
		} else {
			chunks = append(chunks, chunk.Key)
		}
	}
	report, err := w.report(ctx, film, sid)
	if err != nil {
		return err
	}
	folder := w.scratch(w.Queue.NodeID())
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(folder, "film-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	path := filepath.Join(scratch, "film")
	result, err := w.composer.Finish(ctx, film.Plan, chunks, audio, path)
	if err != nil {
		return err
	}
	finished := store.FilmResult{Size: result.Size, Duration: result.Duration, Bitrate: result.Bitrate, Report: report}
	return w.handOver(ctx, film.composition, finished, path)
}

// handOver stores the film at path: in the media store when it stays there as it is, else in the working store, from where
// its delivery takes it.
func (w *Worker) handOver(ctx context.Context, c roomreel.Composition, finished store.FilmResult, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	at := store.PendingDeletion{Store: store.WorkingStore, Key: objectkey.NewWorking(c.AccountSID, c.SID, "film")}
	target, options := w.Work, blob.PutOptions{}
	direct := c.Destination == (roomreel.Destination{})
	if direct {
		at = store.PendingDeletion{Store: store.MediaStore, Key: objectkey.Media(c.AccountSID, c.SID, string(c.Spec.Format))}
		target, options = w.Vault, blob.PutOptions{ContentType: twilio.FilmContentType(c.Spec.Format)}
	}
	if err := w.reserve(ctx, string(c.SID), at); err != nil {
		return err
	}
	if _, err := target.Put(ctx, at.Key, file, finished.Size, options); err != nil {
		return w.discard(ctx, string(c.SID), fmt.Errorf("store film: %w", err), at)
	}
	if direct {
		finished.Media = roomreel.Media{Key: at.Key, Size: finished.Size}
		_, err = w.Store.CompleteComposition(ctx, c.SID, finished)
	} else {
		finished.Media = roomreel.Media{CopyKey: at.Key}
		err = w.Store.SaveFilm(ctx, c.SID, finished)
	}
	if err != nil {
		return w.discard(ctx, string(c.SID), err, at)
	}
	return nil
}

// report puts together the stats of all tasks.
func (w *Worker) report(ctx context.Context, film *film, sid roomreel.CompositionSID) (string, error) {
	stats, err := w.Store.TaskStats(ctx, sid)
	if err != nil {
		return "", err
	}
	var outcomes []compose.Outcome
	for _, text := range stats {
		var outcome compose.Outcome
		if err := json.Unmarshal([]byte(text), &outcome); err != nil {
			return "", fmt.Errorf("read stats: %w", err)
		}
		outcomes = append(outcomes, outcome)
	}
	text, err := json.Marshal(film.Report(outcomes...))
	return string(text), err
}

// index reads a recording's packet index from the media store.
func (w *Worker) index(ctx context.Context, key string) (*media.Index, error) {
	body, err := w.Vault.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	index := new(media.Index)
	return index, index.UnmarshalBinary(data)
}
