package jobs

import (
	"cmp"
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
	"roomreel/internal/media"
	"roomreel/internal/objectkey"
	"roomreel/internal/plan"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// A composition is planned once, then rendered by tasks side by side (render.go), then assembled, then delivered
// (delivery.go). The plan is an object in the working store, and each job reads its slice of it. Each job may run twice and
// may find that it has nothing to do. It returns what went wrong; ofComposition decides what that means.

// plan decides the film, stores the plan and enqueues its tasks.
func (w *Worker) plan(ctx context.Context, job queue.Job) error {
	if err := w.App.CheckSpace(0); err != nil {
		return err
	}
	c, attempt, err := w.Store.StartComposition(ctx, roomreel.CompositionSID(job.SID))
	if err != nil {
		return err
	}
	if _, err := w.Store.PlanRef(ctx, c.SID); !errors.Is(err, store.ErrLeaseLost) {
		return err // it is planned already
	}
	options := w.Options
	workers, err := w.Queue.Workers(ctx)
	if err != nil {
		return err
	}
	options.Parallel *= max(workers, 1) // nodes are taken to be alike
	refused, err := w.Store.CopyRefused(ctx, c.SID)
	if err != nil {
		return err
	}
	if refused != "" {
		options.NoCopy = refused
	}
	film, err := w.decide(ctx, c, options)
	if errors.Is(err, plan.ErrNoTracks) {
		return w.whyNoTracks(ctx, c)
	}
	if err != nil {
		return err
	}
	object := store.PendingDeletion{
		Store: store.WorkingStore, Key: objectkey.Working(c.AccountSID, c.SID, "plan", attempt),
	}
	if err := w.Store.Reserve(ctx, string(c.SID), object); err != nil {
		return err
	}
	ref, err := w.storePlan(ctx, film, object.Key)
	ref.Encoder = film.EncoderKind()
	if err == nil {
		ref.Expected = w.expected(ctx, film)
		err = w.Store.SavePlan(ctx, c.SID, attempt, ref, tasksOf(film), options.Parallel)
	}
	if err != nil {
		return w.discard(ctx, string(c.SID), err, object)
	}
	return nil
}

// decide plans the film of a room's recordings. The error is a *roomreel.Error when the request or the recordings are at
// fault.
func (w *Worker) decide(ctx context.Context, c roomreel.Composition, options plan.Options) (*plan.Plan, error) {
	sources := w.sources(ctx, c)
	defer sources.close()
	of, err := sources.request()
	if err != nil {
		return nil, err
	}
	options.Encoder = w.quality(c)
	film, err := plan.New(of.Request, of.tracks, of.index, options)
	if err != nil {
		return nil, err
	}
	if kind := film.EncoderKind(); kind != "" {
		if can, err := w.Store.CanEncode(ctx, kind); err != nil {
			return nil, err
		} else if !can {
			return nil, roomreel.InvalidParam("Quality", "%s needs the video encoder %s, and no running worker has it", options.Encoder, kind)
		}
	}
	return film, nil
}

// quality returns the quality of a composition's film.
func (w *Worker) quality(c roomreel.Composition) roomreel.Quality {
	return cmp.Or(c.Spec.Quality, w.Options.Encoder)
}

// filmRequest is what a film is planned by.
type filmRequest struct {
	plan.Request
	tracks     []plan.Track // of the room's recordings
	recordings []roomreel.Recording
	index      plan.Indexes
}

// request reads the request of the composition and the rows of the recordings that it may use.
func (s *sources) request() (of filmRequest, err error) {
	if of.Request, err = plan.ParseRequest(s.composition.Spec); err != nil {
		return of, err
	}
	all, err := s.Store.RecordingsOf(s.ctx, s.composition.RoomSID)
	if err != nil {
		return of, err
	}
	for _, r := range all {
		if r.Status == roomreel.RecordingFailed {
			continue
		}
		of.recordings = append(of.recordings, r)
		of.tracks = append(of.tracks, plan.Track{
			Recording: r.SID, Source: r.TrackSID, Participant: r.ParticipantSID, Identity: r.Identity, Name: r.TrackName,
			Kind: r.Kind, Offset: r.Offset, Length: r.Duration, Known: r.KnownDuration,
		})
	}
	of.index = func(i int) (*media.IndexFile, error) {
		index, err := s.index(of.recordings[i])
		if err != nil {
			return nil, fmt.Errorf("recording %s: %w", of.recordings[i].SID, err)
		}
		return index, nil
	}
	return of, nil
}

// planAgain has a composition planned anew without copying: a recording is not what the plan with the given key takes it for.
func (w *Worker) planAgain(ctx context.Context, sid roomreel.CompositionSID, key string, refused *compose.NotCopiedError) error {
	w.Log.Warn("packets cannot be copied; the film is planned again", "composition", sid, "err", refused)
	return w.Store.PlanAgain(ctx, sid, key, refused.Error())
}

// storePlan stores a plan in the working store.
func (w *Worker) storePlan(ctx context.Context, film *plan.Plan, key string) (store.PlanRef, error) {
	r, pipe := io.Pipe()
	type written struct {
		checksum string
		err      error
	}
	done := make(chan written, 1)
	go func() {
		checksum, err := film.Write(pipe)
		pipe.CloseWithError(err)
		done <- written{checksum, err}
	}()
	info, err := w.Working.Put(ctx, key, r, -1, blob.PutOptions{ContentType: "application/octet-stream"})
	r.CloseWithError(err) // lets go of a writer that the store stopped reading from
	result := <-done
	return store.PlanRef{Key: key, Size: info.Size, Version: plan.Version, Checksum: result.checksum}, errors.Join(err, result.err)
}

// tasksOf lists the tasks of a plan: audio first, which takes longest one after another, then its encoding, then video.
func tasksOf(film *plan.Plan) []store.Task {
	var tasks []store.Task
	add := func(kind store.TaskKind, chunks ...store.Chunk) {
		tasks = append(tasks, store.Task{Number: len(tasks), Kind: kind, Chunks: chunks})
	}
	for i := range film.Audio {
		task := &film.Audio[i]
		number := store.FilmAudio
		if len(film.Audio) > 1 {
			number = samplesChunk(i)
		}
		add(store.AudioTask, store.Chunk{Number: number, Cost: units(task.Cost())})
	}
	if len(film.Audio) > 1 {
		add(store.EncodeTask, store.Chunk{Number: store.FilmAudio, Cost: units(film.EncodeCost())})
	}
	for i := range film.Video {
		task := &film.Video[i]
		costs := task.Costs()
		var chunks []store.Chunk
		for n, chunk := range task.Chunks {
			chunks = append(chunks, store.Chunk{
				Number: task.First + n, First: chunk.From, End: chunk.To, Cost: units(costs[n]),
			})
		}
		add(store.VideoTask, chunks...)
	}
	return tasks
}

// samplesChunk is the number of the chunk that audio task i leaves for the encoding.
func samplesChunk(i int) int { return store.FilmAudio - 1 - i }

// units are those of store.Chunk.Cost.
func units(cost time.Duration) int64 { return cost.Milliseconds() }

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
	return plan.ErrNoTracks
}

// openedPlan is a stored plan that is open for reading.
type openedPlan struct {
	*plan.File
	reader *blob.ReaderAt
}

func (w *Worker) openPlan(ctx context.Context, ref store.PlanRef) (*openedPlan, error) {
	reader := blob.NewReaderAt(ctx, w.Working, ref.Key, ref.Size)
	file, err := plan.Open(reader, ref.Size, ref.Checksum)
	if err != nil {
		reader.Close()
		return nil, err
	}
	return &openedPlan{file, reader}, nil
}

func (p *openedPlan) close() { p.reader.Close() }

// firstVideo is the number of the first video task; see tasksOf.
func (p *openedPlan) firstVideo() int {
	if n := p.AudioTasks(); n > 1 {
		return n + 1
	}
	return p.AudioTasks()
}

// sources opens the recordings of a composition, and closes all of them at the end.
type sources struct {
	*Worker
	ctx         context.Context // of the one job that reads them
	composition roomreel.Composition
	opened      []io.Closer
}

func (w *Worker) sources(ctx context.Context, c roomreel.Composition) *sources {
	return &sources{Worker: w, ctx: ctx, composition: c}
}

func (s *sources) close() {
	for _, reader := range s.opened {
		reader.Close()
	}
}

// index opens a recording's packet index.
func (s *sources) index(r roomreel.Recording) (*media.IndexFile, error) {
	info, err := s.Media.Stat(s.ctx, r.Index)
	if err != nil {
		return nil, err
	}
	reader := blob.NewReaderAt(s.ctx, s.Media, r.Index, info.Size)
	s.opened = append(s.opened, reader)
	return media.OpenIndex(reader, info.Size)
}

// open opens a recording: its index, and its plain bytes.
func (s *sources) open(sid roomreel.RecordingSID) (compose.Recording, error) {
	r, err := s.Store.RecordingBySID(s.ctx, sid)
	if err != nil && roomreel.CodeOf(err) != roomreel.NotFound {
		return compose.Recording{}, err
	}
	if err != nil || r.Status == roomreel.RecordingDeleted {
		return compose.Recording{}, &roomreel.Error{
			Code: roomreel.Invalid, Twilio: twilio.RecordingsDeleted, Detail: fmt.Sprintf("recording %s was deleted", sid),
		}
	}
	file, err := s.source(s.ctx, r, s.composition.Started)
	if err != nil {
		return compose.Recording{}, err
	}
	s.opened = append(s.opened, file)
	index, err := s.index(r)
	if err != nil {
		return compose.Recording{}, fmt.Errorf("recording %s: %w", sid, err)
	}
	return compose.Recording{Index: index, File: file}, nil
}

// source opens a recording's plain bytes for a composition that was started at that time: in the media store when they lie
// there unsealed, else the working copy. A copy that only waits for its delivery is not read, because the delivery may end
// first.
func (w *Worker) source(ctx context.Context, recording roomreel.Recording, started time.Time) (*blob.ReaderAt, error) {
	switch media := recording.Media; {
	case media.Key != "" && media.Envelope == nil:
		return blob.NewReaderAt(ctx, w.Media, media.Key, recording.Size), nil
	case media.CopyKey != "" && started.Before(media.CopyExpires):
		return blob.NewReaderAt(ctx, w.Working, media.CopyKey, recording.Size), nil
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
	if err := w.decline(saved.PlanRef, sid); err != nil {
		return err
	}
	var segments compose.Segments
	var size int64 // of the film, about
	again := 0     // chunks that were rendered again
	for _, chunk := range saved.Chunks {
		if !chunk.Done() {
			return nil // the composition was planned again since this job was enqueued
		}
		segment := segmentOf(chunk)
		size += chunk.Size
		if chunk.Again {
			again++
		}
		if chunk.Number == store.FilmAudio {
			segments.Audio = segment
		} else if chunk.Number >= 0 {
			segments.Chunks = append(segments.Chunks, segment)
		}
	}
	if err := w.App.CheckSpace(2 * size); err != nil { // in scratch, and where it is kept
		return err
	}
	c, err := w.Store.CompositionBySID(ctx, sid)
	if err != nil {
		return err
	}
	opened, err := w.openPlan(ctx, saved.PlanRef)
	if err != nil {
		return err
	}
	film, err := opened.Summary()
	opened.close()
	if err != nil {
		return err
	}
	expected, err := w.Store.ExpectedCost(ctx, sid)
	if err != nil {
		return err
	}
	report, err := w.report(ctx, film, sid)
	if err != nil {
		return err
	}
	report.RenderAgain(again)
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
	for joined := 1; ; joined++ {
		result, err := w.composer.WriteFilm(ctx, film, segments, path)
		if refused, ok := errors.AsType[*compose.NotCopiedError](err); ok {
			return w.planAgain(ctx, sid, saved.Key, refused)
		}
		if errors.Is(err, compose.ErrMismatch) {
			return &filmError{err}
		}
		if err != nil {
			return w.renderUnfitAgain(ctx, sid, saved.Chunks, err)
		}
		report.Time(compose.ReportTimes{Queued: c.Created, Started: c.Started, Rendered: saved.Rendered, Assembled: w.Store.Now()})
		report.Checks = &result.Checks
		if err = w.handOver(ctx, c, result, report, path); err == nil {
			w.noteCost(ctx, film, expected, store.Cost{
				Core: time.Duration(report.CPUSeconds * float64(time.Second)), Wall: w.Store.Now().Sub(c.Started), Size: result.Size,
			})
			return nil
		}
		if !errors.Is(err, errFilmChanged) {
			return err
		}
		if joined > 1 {
			return &filmError{errFilmChanged}
		}
		w.Log.Warn("the film is joined again", "composition", sid, "err", err)
		if err := os.Remove(path); err != nil {
			return err
		}
	}
}

// handOver stores the film at path: in the media store when it stays there as it is, else in the working store, from where
// its delivery takes it. The error wraps errFilmChanged when the file is no longer what was checked.
func (w *Worker) handOver(ctx context.Context, c roomreel.Composition, film compose.Result, report compose.Report, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	at := store.PendingDeletion{Store: store.WorkingStore, Key: objectkey.NewWorking(c.AccountSID, c.SID, "film")}
	target, options := w.Working, blob.PutOptions{}
	direct := c.Destination == (roomreel.Destination{})
	if direct {
		at = store.PendingDeletion{Store: store.MediaStore, Key: objectkey.Media(c.AccountSID, c.SID, string(c.Spec.Format))}
		target, options = w.Media, blob.PutOptions{ContentType: twilio.FilmContentType(c.Spec.Format)}
	}
	if err := w.Store.Reserve(ctx, string(c.SID), at); err != nil {
		return err
	}
	if _, err := target.Put(ctx, at.Key, checked(file, film.Size, film.Checks.SHA256), film.Size, options); err != nil {
		return w.discard(ctx, string(c.SID), fmt.Errorf("store film: %w", err), at)
	}
	finished := store.FilmResult{Size: film.Size, Duration: film.Duration, Bitrate: film.Bitrate, SHA256: film.Checks.SHA256}
	if direct {
		finished.Media = roomreel.Media{Key: at.Key, Size: finished.Size}
		report.Deliver(w.Store.Now())
	} else {
		finished.Media = roomreel.Media{CopyKey: at.Key}
	}
	if finished.Report, err = reportText(report); err != nil {
		return w.discard(ctx, string(c.SID), err, at)
	}
	if direct {
		_, err = w.Store.CompleteComposition(ctx, c.SID, finished)
	} else {
		err = w.Store.SaveFilm(ctx, c.SID, finished)
	}
	if err != nil {
		return w.discard(ctx, string(c.SID), err, at)
	}
	return nil
}

// report puts together the stats of all tasks. A film of which nothing was decoded is an error that fails the composition.
func (w *Worker) report(ctx context.Context, film *plan.Summary, sid roomreel.CompositionSID) (report compose.Report, err error) {
	texts, err := w.Store.TaskStats(ctx, sid)
	if err != nil {
		return report, err
	}
	var all []compose.TaskStats
	for _, text := range texts {
		stats, err := parseStats(text)
		if err != nil {
			return report, err
		}
		all = append(all, stats)
	}
	report = compose.MakeReport(film, all...)
	return report, report.Failure()
}

// delivered notes in a report that the film is where it belongs.
func delivered(text string, now time.Time) (string, error) {
	var report compose.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return "", fmt.Errorf("read the report: %w", err)
	}
	if report.Times == nil { // an earlier version of the program assembled the film
		return text, nil
	}
	report.Deliver(now)
	return reportText(report)
}

func reportText(report compose.Report) (string, error) {
	text, err := json.Marshal(report)
	return string(text), err
}
