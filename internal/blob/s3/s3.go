// Package s3 keeps objects in a bucket: Amazon's, or that of any store that speaks S3. It holds nothing but S3; what the
// service promises of storage is in docs/storage.md.
//
// Writing asks for no permission but s3:PutObject. Everything sent is checked end to end: each request carries the signed
// SHA-256 of its body, which the store verifies, and the ETag of the answer is compared with the MD5 of what was sent.
// Memory does not grow with an object. Addresses come from customers: [ParseURL] says which are allowed, and the dialer
// refuses private networks behind allowed names. Start with [Open].
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

// Config says which bucket, as whom, and with how much memory and patience. Zero numbers take the defaults.
type Config struct {
	Target    Target
	AccessKey string
	SecretKey string

	PartSize int64         // bytes per request of a large object; default 5 MiB, the least that stores take
	Uploads  int           // requests at once per Put; default 2. A Put holds at most (Uploads+1)*PartSize bytes
	Tries    int           // how often one request is tried before Put fails; default 4
	Idle     time.Duration // a connection on which nothing moves for so long is given up; default 60 s
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

	buffers sync.Pool // of *[]byte with PartSize bytes: one Put after the other, without garbage in between

	mu      sync.Mutex
	core    *minio.Core // made at first use, when the region is known
	presign *minio.Client
}

var (
	_ blob.Aborter = (*Store)(nil)
	_ blob.Sweeper = (*Store)(nil)
)

// Open returns the store. It sends nothing: a wrong address or key shows at the first use.
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

// buffer returns n bytes to fill, of those that are lying around if it can.
func (s *Store) buffer(n int64) []byte {
	if n == s.config.PartSize {
		if b, ok := s.buffers.Get().(*[]byte); ok {
			return *b
		}
	}
	return make([]byte, n)
}

// giveBack takes a buffer that is no longer used.
func (s *Store) giveBack(b []byte) {
	if int64(cap(b)) == s.config.PartSize {
		b = b[:cap(b)]
		s.buffers.Put(&b)
	}
}

// Close lets go of idle connections. The store can still be used.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// client returns the client, after finding the bucket's region where the address does not tell it.
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

// name is the object's name in the bucket.
func (s *Store) name(key string) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	return s.config.Target.join(key), nil
}

// Stat asks the store what is under key. It needs s3:GetObject, and s3:ListBucket to tell an absent key from a
// forbidden one.
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

// Presign returns a URL for GET and HEAD, valid for ttl (1 s to 7 days), or "" when the endpoint is configured to be
// reached by the service alone. Nothing is asked of the store: a key that holds nothing gets a URL too.
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
