package s3

import (
	"context"
	"fmt"
	"strings"
	"time"

	"roomreel/internal/blob"
)

// Buckets opens the buckets of customers.
type Buckets struct {
	Endpoints Endpoints
	Config    Config // memory and patience; Target and keys are not looked at
}

// Open returns the bucket at the URL for whoever holds the key. It sends nothing.
func (b *Buckets) Open(url, accessKey, secret string) (*Store, error) {
	target, err := ParseURL(url, b.Endpoints)
	if err != nil {
		return nil, err
	}
	config := b.Config
	config.Target, config.AccessKey, config.SecretKey = target, accessKey, secret
	return Open(config)
}

// checkTimeout bounds Check: somebody waits for the answer to a form.
const checkTimeout = 20 * time.Second

// checkKey names the file that Check writes, under the prefix.
const checkKey = "roomreel-write-test.txt"

// Check proves that objects can be written under url with the key, by writing a small text file. The file stays, for
// removing it would need a permission that delivering does not; the next Check replaces it.
//
// A *blob.PermanentError is the customer's to mend; any other error says that the store could not be asked.
func (b *Buckets) Check(ctx context.Context, url, accessKey, secret string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("the store did not answer within %v", checkTimeout))
	defer cancel()
	store, err := b.Open(url, accessKey, secret)
	if err != nil {
		return err
	}
	defer store.Close()
	const text = "roomreel wrote this file to see whether it may store media here. It can be deleted.\n"
	_, err = store.Put(ctx, checkKey, strings.NewReader(text), int64(len(text)),
		blob.PutOptions{ContentType: "text/plain; charset=utf-8"})
	return err
}
