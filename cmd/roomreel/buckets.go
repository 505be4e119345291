package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"roomreel/internal/blob"
	"roomreel/internal/blob/s3"
	"roomreel/internal/config"
)

// buckets reaches customers' buckets: Amazon's, and those at the endpoints that the configuration allows.
type buckets struct{ endpoints s3.Endpoints }

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
		b.endpoints.Allowed = append(b.endpoints.Allowed, endpoint)
	}
	return b, nil
}

// open returns the bucket, or the folder in one, at a customer's URL.
func (b buckets) open(url, accessKey, secret string) (blob.Store, error) {
	target, err := s3.ParseURL(url, b.endpoints)
	if err != nil {
		return nil, err
	}
	return s3.Open(s3.Config{Target: target, AccessKey: accessKey, SecretKey: secret})
}

// Check proves that the key pair may write under the URL, with an object of a few bytes. Whoever may delete finds it
// gone; Twilio's documentation asks customers to grant only s3:PutObject, and then it stays.
func (b buckets) Check(ctx context.Context, url, accessKey, secret string) error {
	store, err := b.open(url, accessKey, secret)
	if err != nil {
		return err
	}
	const key, text = "roomreel-write-test.txt", "roomreel was here to see whether it may write.\n"
	if _, err := store.Put(ctx, key, strings.NewReader(text), int64(len(text)), blob.PutOptions{ContentType: "text/plain"}); err != nil {
		return err
	}
	_ = store.Delete(ctx, key)
	return nil
}
