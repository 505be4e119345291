package main

import (
	"context"
	"fmt"
	"os"

	"roomreel/internal/blob"
	"roomreel/internal/blob/s3"
	"roomreel/internal/config"
)

// buckets reaches customers' buckets: Amazon's, and those at the endpoints that the configuration allows.
type buckets struct{ s3 s3.Buckets }

func newBuckets(allowed []config.S3Endpoint) (buckets, error) {
	var b buckets
	for _, e := range allowed {
		endpoint := s3.Endpoint{Host: e.Host, Region: e.Region, PathStyle: e.PathStyle, Insecure: e.Insecure}
		if e.CA != "" {
			var err error
			if endpoint.CA, err = os.ReadFile(e.CA); err != nil {
				return b, fmt.Errorf("s3.endpoints: ca of %s: %w", e.Host, err)
			}
		}
		b.s3.Endpoints.Allowed = append(b.s3.Endpoints.Allowed, endpoint)
	}
	return b, nil
}

// Open returns the bucket, or the folder in one, at a customer's URL.
func (b buckets) Open(url, accessKey, secret string) (blob.Store, error) {
	opened, err := b.s3.Open(url, accessKey, secret)
	if err != nil {
		return nil, err // a nil *s3.Store would be a blob.Store that is not nil
	}
	return opened, nil
}

// Check proves that the key pair may write under the URL.
func (b buckets) Check(ctx context.Context, url, accessKey, secret string) error {
	return b.s3.Check(ctx, url, accessKey, secret)
}
