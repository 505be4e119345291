package jobs

import (
	"context"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/queue"
	"roomreel/internal/store"
)

// runHooks lets the hooks of a completed room's account create their compositions.
func (w *Worker) runHooks(ctx context.Context, job queue.Job) error {
	return ignoreSettled(w.App.RunHooks(ctx, roomreel.RoomSID(job.SID)))
}

// deleteObjects deletes the objects that a resource left. What cannot be deleted now stays pending.
func (w *Worker) deleteObjects(ctx context.Context, job queue.Job) error {
	return w.Store.DeletePending(ctx, job.SID, func(ctx context.Context, object store.PendingDeletion) error {
		return w.blobs(object.Store).Delete(ctx, object.Key)
	})
}

func (w *Worker) blobs(s store.BlobStore) blob.Store {
	if s == store.WorkingStore {
		return w.Working
	}
	return w.Media
}

// expire removes what has had its time.
func (w *Worker) expire(ctx context.Context, _ queue.Job) error {
	return w.Store.Expire(ctx, w.Store.Now())
}

// endRooms ends the rooms for which nothing has arrived for their timeout.
func (w *Worker) endRooms(ctx context.Context, _ queue.Job) error {
	ended, err := w.Store.EndIdleRooms(ctx)
	if ended > 0 {
		w.Log.Info("rooms ended by themselves", "rooms", ended)
	}
	return err
}
