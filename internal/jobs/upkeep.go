package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/store"
)

// hook lets the hooks of a completed room's account create their compositions.
func (r *Runner) hook(ctx context.Context, job args) error {
	return over(r.App.RunHooks(ctx, roomreel.RoomSID(job.SID)))
}

// erase deletes the blobs that a resource left. What cannot be deleted now stays noted.
func (r *Runner) erase(ctx context.Context, job args) error {
	blobs, err := r.Store.PendingDeletions(ctx, job.SID)
	if err != nil {
		return err
	}
	var failed []error
	for _, left := range blobs {
		if err := r.place(left.Store).Delete(ctx, left.Key); err != nil {
			failed = append(failed, fmt.Errorf("delete %s: %w", left.Key, err))
			continue
		}
		failed = append(failed, r.Store.Erased(ctx, left))
	}
	return errors.Join(failed...)
}

func (r *Runner) place(p store.BlobStore) blob.Store {
	if p == store.WorkingStore {
		return r.Work
	}
	return r.Vault
}

// expire removes what has had its time.
func (r *Runner) expire(ctx context.Context, _ args) error {
	return r.Store.Expire(ctx, r.Store.Now())
}

// index reads a recording's packet index from the vault.
func (r *Runner) index(ctx context.Context, key string) (*media.Index, error) {
	body, err := r.Vault.Get(ctx, key, 0, -1)
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
