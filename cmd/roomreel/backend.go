package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/atrest"
	"roomreel/internal/blob/dir"
	"roomreel/internal/blob/s3"
	"roomreel/internal/config"
	"roomreel/internal/keyring"
	"roomreel/internal/layout"
	"roomreel/internal/store"
)

// Names inside the data folder. Those of the media store and the working store must not change: objects lie under them.
const (
	databaseFile  = "roomreel.db"
	keyFile       = "keys"
	lockFile      = "serve.lock"
	mediaFolder   = "vault"
	workingFolder = "work"            // also a prefix in the bucket of the media store
	uploadFolder  = "scratch/uploads" // recordings while they are received and indexed
	filmFolder    = "scratch/films"   // films while they are assembled
)

// backend is what every command on a node's data uses: database, keys, stored media, and the rules over them.
type backend struct {
	store   *store.Store
	keys    *keyring.Ring
	media   blob.Store
	working blob.Store // beside the media store, encrypted at rest
	buckets buckets
	uploads string // folder
	films   string // folder
	app     *app.App

	closers []func() error
}

// openBackend opens the data that the configuration names. The caller closes it. If existing is true, the database must be there
// and up to date, else what is missing is created. It does not create a key file while the database holds secrets.
func openBackend(ctx context.Context, c config.Config, existing bool, log *slog.Logger) (_ *backend, err error) {
	b := &backend{uploads: filepath.Join(c.Server.Data, uploadFolder), films: filepath.Join(c.Server.Data, filmFolder)}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.store, err = openStore(ctx, c, existing); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, b.store.Close)
	if b.keys, err = openKeys(ctx, keyPath(c), b.store); err != nil {
		return nil, err
	}
	for _, folder := range []string{b.uploads, b.films} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, usageError{fmt.Errorf("server.data: %w", err)}
		}
	}
	if b.buckets, err = newBuckets(c.S3.Endpoints); err != nil {
		return nil, usageError{err}
	}
	if b.media, err = b.openBlobs(c, mediaFolder, ""); err != nil {
		return nil, fmt.Errorf("open media store: %w", err)
	}
	working, err := b.openBlobs(c, workingFolder, workingFolder)
	if err != nil {
		return nil, fmt.Errorf("open working store: %w", err)
	}
	if b.working, err = atrest.New(working, b.keys.Keys("media at rest")...); err != nil {
		return nil, err
	}
	media := ""
	if c.Media.URL == "" {
		media = filepath.Join(c.Server.Data, mediaFolder)
	}
	b.app = app.New(app.Config{
		Store: b.store, Keys: b.keys, Media: b.media, Working: b.working, Buckets: b.buckets, Scratch: b.uploads, Log: log,
		MaxUpload: int64(c.Server.MaxUpload), MaxUploads: c.Limits.Uploads, ComposeWindow: c.Compose.Window.Std(),
		Limits: c.Limits.Film(), MaxResolution: layout.Size(c.Compose.MaxResolution), FPS: c.Compose.FPS, Quality: roomreel.Quality(c.Compose.Encoder), CallbackNetworks: c.Webhook.Allow, ScratchFloor: int64(c.Limits.FreeSpace), MediaFolder: media,
	})
	return b, nil
}

// openStore opens the database of the configuration. If existing is true, it must be there and up to date.
func openStore(ctx context.Context, c config.Config, existing bool) (*store.Store, error) {
	if !existing {
		if err := os.MkdirAll(c.Server.Data, 0o700); err != nil {
			return nil, usageError{fmt.Errorf("server.data: %w", err)}
		}
	}
	unix.Umask(0o077) // what this process creates belongs to its user alone
	db, err := store.Open(ctx, store.Config{
		URL: c.Database.URL.Reveal(), Path: filepath.Join(c.Server.Data, databaseFile), Existing: existing,
		KeepDeleted: c.Retention.Metadata.Std(),
	})
	if err == nil {
		closeToOthers(c.Server.Data)
	}
	return db, err
}

// keyPath is where the service's own keys are.
func keyPath(c config.Config) string { return absolute(filepath.Join(c.Server.Data, keyFile)) }

// absolute returns a path that does not depend on the working folder, for messages.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// openBlobs opens a folder of the data folder, or the media store's bucket with a further prefix.
func (b *backend) openBlobs(c config.Config, folder, prefix string) (blob.Store, error) {
	if c.Media.URL == "" {
		opened, err := dir.Open(filepath.Join(c.Server.Data, folder))
		if err != nil {
			return nil, err
		}
		b.closers = append(b.closers, opened.Close)
		return opened, nil
	}
	target, err := mediaTarget(c.Media)
	if err != nil {
		return nil, usageError{fmt.Errorf("vault.url: %w", err)}
	}
	target.Prefix = strings.Trim(target.Prefix+"/"+prefix, "/")
	opened, err := s3.Open(s3.Config{Target: target, AccessKey: c.Media.AccessKey, SecretKey: c.Media.SecretKey.Reveal()})
	if err != nil {
		return nil, usageError{err}
	}
	b.closers = append(b.closers, opened.Close)
	return opened, nil
}

// mediaTarget finds the media store's bucket at its endpoint. s3://bucket/prefix without an endpoint is a bucket of AWS.
func mediaTarget(m config.MediaStore) (s3.Target, error) {
	if m.Endpoint == "" {
		target, err := s3.ParseOwnURL(m.URL, s3.Endpoints{})
		if err == nil && m.Region != "" {
			target.Region = m.Region
		}
		return target, err
	}
	at, err := url.Parse(m.Endpoint)
	if err != nil {
		return s3.Target{}, err
	}
	named, err := url.Parse(m.URL)
	if err != nil {
		return s3.Target{}, err
	}
	endpoint := s3.Endpoint{Host: at.Host, Region: m.Region, PathStyle: m.PathStyle, Insecure: at.Scheme == "http"}
	if m.CA != "" {
		if endpoint.CA, err = os.ReadFile(m.CA); err != nil {
			return s3.Target{}, err
		}
	}
	return s3.ParseOwnURL(at.Scheme+"://"+at.Host+"/"+named.Host+named.Path, s3.Endpoints{Allowed: []s3.Endpoint{endpoint}})
}

// close closes what was opened, in reverse order. It may be called twice.
func (b *backend) close() error {
	var errs []error
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	b.closers = nil
	return errors.Join(errs...)
}

// buckets opens customers' buckets: those of AWS, and those at the endpoints that the configuration allows.
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
		return nil, err // a nil *s3.Store in the interface would not equal nil
	}
	return opened, nil
}

// Check proves that the key pair may write under the URL.
func (b buckets) Check(ctx context.Context, url, accessKey, secret string) error {
	return b.s3.Check(ctx, url, accessKey, secret)
}

// lockData makes this process the only service on a data folder with SQLite, until release or the end of the process:
// with SQLite, a service takes all running jobs for those of a stopped one. Other commands may run at the same time.
func lockData(data string) (release func() error, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, usageError{fmt.Errorf("server.data: %w", err)}
	}
	file, err := os.OpenFile(filepath.Join(data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if err == unix.EWOULDBLOCK {
			return nil, usageError{fmt.Errorf("server.data: another roomreel serve uses %s; with PostgreSQL several can share the work", data)}
		}
		return nil, fmt.Errorf("lock %s: %w", data, err)
	}
	return file.Close, nil
}

const (
	abortUploadsEvery = time.Hour
	// unfinishedAge is longer than any upload of a running process takes: the largest recording at 4 Mbit/s.
	unfinishedAge = 24 * time.Hour
)

// abortUnfinishedUploads removes the parts of uploads into the media store's bucket whose process ended before them: at
// once, and every hour until ctx ends. The prefix of the working store is inside that of the media store. A folder needs
// no such task, since it removes them when it is opened.
func abortUnfinishedUploads(ctx context.Context, media blob.Store, log *slog.Logger) {
	bucket, ok := blob.As[blob.Sweeper](media)
	if !ok {
		return
	}
	tick := time.NewTicker(abortUploadsEvery)
	defer tick.Stop()
	for {
		switch n, err := bucket.SweepMultipart(ctx, unfinishedAge); {
		case err != nil && ctx.Err() == nil:
			log.Warn("unfinished uploads were not removed", "err", err)
		case n > 0:
			log.Info("unfinished uploads were removed", "uploads", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
