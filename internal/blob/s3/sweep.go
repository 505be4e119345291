package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roomreel/internal/blob"
)

// SweepMultipart removes the parts of uploads under the store's prefix that began longer than age ago and were not completed:
// those of processes that died. It returns the number of uploads. Uploads of living processes must be younger than age.
//
// Listing needs s3:ListBucketMultipartUploads and removing s3:AbortMultipartUpload. Where they are not granted, nothing
// is removed and it is no error: the bucket's owner can set a lifecycle rule instead (docs/storage.md).
func (s *Store) SweepMultipart(ctx context.Context, age time.Duration) (int, error) {
	c, err := s.client(ctx)
	if err != nil {
		return 0, fmt.Errorf("sweep unfinished uploads: %w", err)
	}
	prefix := ""
	if s.config.Target.Prefix != "" {
		prefix = s.config.Target.Prefix + "/"
	}
	before := time.Now().Add(-age)
	removed, keyMarker, idMarker := 0, "", ""
	for {
		page, err := c.ListMultipartUploads(ctx, s.config.Target.Bucket, prefix, keyMarker, idMarker, "", 1000)
		if err != nil {
			return removed, sweepError(ctx, err)
		}
		for _, u := range page.Uploads {
			if u.Initiated.After(before) {
				continue
			}
			err := c.AbortMultipartUpload(ctx, s.config.Target.Bucket, u.Key, u.UploadID)
			if err != nil && !errors.Is(classify(ctx, err), blob.ErrNotExist) {
				return removed, sweepError(ctx, err)
			}
			removed++
		}
		if !page.IsTruncated || page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker {
			return removed, nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// AbortUnfinished removes the parts of uploads of one key that were not completed, whatever their age: those of a process that
// died while it stored this object. It is called before the object is stored again. It needs the permissions of
// [Store.SweepMultipart], and does nothing without them.
func (s *Store) AbortUnfinished(ctx context.Context, key string) error {
	name, err := s.name(key)
	if err != nil {
		return err
	}
	c, err := s.client(ctx)
	if err != nil {
		return fmt.Errorf("sweep unfinished uploads: %w", err)
	}
	// SweepMultipart removes what is on further pages.
	page, err := c.ListMultipartUploads(ctx, s.config.Target.Bucket, name, "", "", "", 1000)
	if err != nil {
		return sweepError(ctx, err)
	}
	for _, u := range page.Uploads {
		if u.Key != name {
			continue
		}
		err := c.AbortMultipartUpload(ctx, s.config.Target.Bucket, name, u.UploadID)
		if err != nil && !errors.Is(classify(ctx, err), blob.ErrNotExist) {
			return sweepError(ctx, err)
		}
	}
	return nil
}

func sweepError(ctx context.Context, err error) error {
	err = classify(ctx, err)
	var permanent *blob.PermanentError
	if errors.As(err, &permanent) && permanent.Kind == blob.AccessDenied {
		return nil
	}
	return fmt.Errorf("sweep unfinished uploads: %w", err)
}
