// Package s3 stores objects in a bucket: Amazon's, or one of another store with the same protocol. What the service promises
// about storage is in docs/storage.md.
//
// Writing needs no permission but s3:PutObject. What is sent is checked end to end: each request carries the signed SHA-256
// of its body, which the store verifies, and the ETag of the answer is compared with the MD5 of what was sent. Memory does not
// grow with the object. Addresses come from customers: [ParseURL] says which are allowed, and connections to private networks
// are refused. Start with [Open].
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"roomreel/internal/blob"
)

// Config names a bucket, the credentials, and limits. Zero numbers mean the defaults.
type Config struct {
	Target    Target
	AccessKey string
	SecretKey string

	PartSize int64         // bytes per request of a large object; default 5 MiB, the least that stores take
	Uploads  int           // requests at once per Put; default 2. A Put holds at most (Uploads+1)*PartSize bytes
	Tries    int           // attempts at one request; default 4
	Idle     time.Duration // a connection that carries no byte for so long is closed; default 60 s
}

// Amazon takes at most 10,000 parts per object and at least 5 MiB per part but the last.
// Source: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	maxParts    = 10_000
	minPartSize = 5 << 20
)

// Store is a bucket, or a prefix in one. It is a blob.Store.
type Store struct {
	config    Config
	transport *transport

	buffers sync.Pool // of *[]byte with PartSize bytes

	mu      sync.Mutex
	core    *minio.Core // made at first use, when the region is known
	presign *minio.Client
}

var (
	_ blob.Aborter = (*Store)(nil)
	_ blob.Sweeper = (*Store)(nil)
)

// Open returns the store. It sends nothing: a wrong address or key is an error of the first use.
func Open(config Config) (*Store, error) {
	if config.AccessKey == "" || config.SecretKey == "" {
		return nil, &blob.PermanentError{Kind: blob.BadCredential, Err: errors.New("an access key and its secret are needed")}
	}
	if config.Target.Bucket == "" || config.Target.Host == "" {
		return nil, &blob.PermanentError{Kind: blob.BadURL, Err: errors.New("no bucket is named")}
	}
	if config.PartSize == 0 {
		config.PartSize = minPartSize
	}
	if config.PartSize < minPartSize {
		return nil, fmt.Errorf("s3: parts of %d bytes are smaller than the %d that S3 takes", config.PartSize, minPartSize)
	}
	if config.Uploads == 0 {
		config.Uploads = 2
	}
	if config.Tries == 0 {
		config.Tries = 4
	}
	if config.Idle == 0 {
		config.Idle = 60 * time.Second
	}
	t, err := newTransport(config.Target, config.Idle)
	if err != nil {
		return nil, err
	}
	return &Store{config: config, transport: t}, nil
}

// buffer returns n bytes, used ones if there are any.
func (s *Store) buffer(n int64) []byte {
	if n == s.config.PartSize {
		if b, ok := s.buffers.Get().(*[]byte); ok {
			return *b
		}
	}
	return make([]byte, n)
}

// giveBack keeps a buffer for the next use.
func (s *Store) giveBack(b []byte) {
	if int64(cap(b)) == s.config.PartSize {
		b = b[:cap(b)]
		s.buffers.Put(&b)
	}
}

// Close closes idle connections. The store can still be used.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// client returns the client. If the address does not name the bucket's region, the region is looked up first.
func (s *Store) client(ctx context.Context) (*minio.Core, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core != nil {
		return s.core, nil
	}
	region := s.config.Target.Region
	if region == "" {
		var err error
		if region, err = discoverRegion(ctx, s.transport, s.config.Target); err != nil {
			return nil, err
		}
	}
	core, err := s.newClient(s.config.Target.host(region), region, !s.config.Target.Insecure)
	if err != nil {
		return nil, err
	}
	s.presign = core.Client
	if public := s.config.Target.Public; public != "" {
		host, secure := strings.CutPrefix(public, "https://")
		host = strings.TrimPrefix(host, "http://")
		signer, err := s.newClient(host, region, secure)
		if err != nil {
			return nil, err
		}
		s.presign = signer.Client
	}
	s.core = core
	return core, nil
}

func (s *Store) newClient(host, region string, secure bool) (*minio.Core, error) {
	lookup := minio.BucketLookupDNS
	if s.config.Target.PathStyle {
		lookup = minio.BucketLookupPath
	}
	core, err := minio.NewCore(host, &minio.Options{
		Creds:        credentials.NewStaticV4(s.config.AccessKey, s.config.SecretKey, ""),
		Secure:       secure,
		Transport:    s.transport,
		Region:       region,
		BucketLookup: lookup,
		MaxRetries:   s.config.Tries,
	})
	if err != nil {
		return nil, &blob.PermanentError{Kind: blob.BadURL, Err: err}
	}
	core.SetS3EnableDualstack(false)
	return core, nil
}

// name returns the object's name in the bucket.
func (s *Store) name(key string) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	return s.config.Target.join(key), nil
}

// Stat looks up the object under key. It needs s3:GetObject, and s3:ListBucket to distinguish an absent key from a forbidden
// one.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	name, err := s.name(key)
	if err != nil {
		return blob.Info{}, err
	}
	c, err := s.client(ctx)
	if err != nil {
		return blob.Info{}, fmt.Errorf("look up %s: %w", key, err)
	}
	o, err := c.StatObject(ctx, s.config.Target.Bucket, name, minio.StatObjectOptions{})
	if err != nil {
		return blob.Info{}, fmt.Errorf("look up %s: %w", key, classify(ctx, err))
	}
	info := blob.Info{Size: o.Size, Location: s.config.Target.ObjectURL(key), Metadata: map[string]string{}}
	for k, v := range o.UserMetadata {
		info.Metadata[strings.ToLower(k)] = v
	}
	return info, nil
}

// Delete removes key. It needs s3:DeleteObject.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := s.name(key)
	if err != nil {
		return err
	}
	c, err := s.client(ctx)
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	if err := c.RemoveObject(ctx, s.config.Target.Bucket, name, minio.RemoveObjectOptions{}); err != nil {
		if err = classify(ctx, err); !errors.Is(err, blob.ErrNotExist) {
			return fmt.Errorf("delete %s: %w", key, err)
		}
	}
	return nil
}

// Presign returns a URL for GET and HEAD, valid for ttl (1 s to 7 days), or "" when customers do not reach the endpoint. Nothing
// is sent to the store, so an absent key gets a URL too.
func (s *Store) Presign(ctx context.Context, key string, ttl time.Duration, opts blob.PresignOptions) (string, error) {
	name, err := s.name(key)
	if err != nil {
		return "", err
	}
	if s.config.Target.NoPresign {
		return "", nil
	}
	if _, err := s.client(ctx); err != nil {
		return "", fmt.Errorf("sign a URL for %s: %w", key, err)
	}
	q := make(map[string][]string)
	if opts.ContentType != "" {
		q["response-content-type"] = []string{opts.ContentType}
	}
	if opts.ContentDisposition != "" {
		q["response-content-disposition"] = []string{opts.ContentDisposition}
	}
	u, err := s.presign.PresignHeader(ctx, http.MethodGet, s.config.Target.Bucket, name, ttl, q, nil)
	if err != nil {
		return "", fmt.Errorf("sign a URL for %s: %w", key, classify(ctx, err))
	}
	return u.String(), nil
}

// Buckets opens the buckets of customers.
type Buckets struct {
	Endpoints Endpoints
	Config    Config // numbers; Target and keys are ignored
}

// Open returns the bucket at the URL, as the owner of the access key. It sends nothing.
func (b *Buckets) Open(url, accessKey, secret string) (*Store, error) {
	target, err := ParseURL(url, b.Endpoints)
	if err != nil {
		return nil, err
	}
	config := b.Config
	config.Target, config.AccessKey, config.SecretKey = target, accessKey, secret
	return Open(config)
}

// checkTimeout bounds Check: an API caller waits for it.
const checkTimeout = 20 * time.Second

// checkKey names the file that Check writes, under the prefix.
const checkKey = "roomreel-write-test.txt"

// Check writes a small text file, to prove that objects can be written under url with the key. The file stays, because deleting
// it needs a permission that deliveries do not need. The next Check replaces it.
//
// What a *blob.PermanentError says has to be corrected by the customer. After any other error it is not known whether the bucket
// can be written.
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
