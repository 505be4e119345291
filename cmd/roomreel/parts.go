package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/atrest"
	"roomreel/internal/blob/dir"
	"roomreel/internal/blob/s3"
	"roomreel/internal/config"
	"roomreel/internal/keyring"
	"roomreel/internal/progress"
	"roomreel/internal/store"
)

// Names inside the data folder.
const (
	databaseFile = "roomreel.db"
	keyFile      = "keys"
	vaultFolder  = "vault"
	workFolder   = "work"            // also the name in a vault that is a bucket
	uploadFolder = "scratch/uploads" // recordings until they are understood
	filmFolder   = "scratch/films"   // films while they are joined
)

// parts are what every command that works on the data needs: the rows, the keys, the media, and the rules over them.
type parts struct {
	store   *store.Store
	keys    *keyring.Ring
	vault   blob.Store
	work    blob.Store // beside the vault, encrypted at rest
	buckets buckets
	uploads string
	films   string
	app     *app.App

	closers []func() error
}

// openParts opens the data of the configuration; what is not there is made. The caller closes the parts.
func openParts(ctx context.Context, c config.Config, log *slog.Logger) (_ *parts, err error) {
	p := &parts{uploads: filepath.Join(c.Server.Data, uploadFolder), films: filepath.Join(c.Server.Data, filmFolder)}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, folder := range []string{p.uploads, p.films} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, usageError{fmt.Errorf("server.data: %w", err)}
		}
	}
	if p.keys, err = keyring.Open(filepath.Join(c.Server.Data, keyFile)); err != nil {
		return nil, err
	}
	p.store, err = store.Open(ctx, store.Config{
		URL: c.Database.URL.Reveal(), Path: filepath.Join(c.Server.Data, databaseFile),
		KeepDeleted: c.Retention.Metadata.Std(),
	})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.store.Close)
	if p.buckets, err = newBuckets(c.S3.Endpoints); err != nil {
		return nil, usageError{err}
	}
	if p.vault, err = p.openBlobs(c, vaultFolder, ""); err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	work, err := p.openBlobs(c, workFolder, workFolder)
	if err != nil {
		return nil, fmt.Errorf("open work: %w", err)
	}
	if p.work, err = atrest.New(work, p.keys.Keys("media at rest")...); err != nil {
		return nil, err
	}
	p.app = app.New(app.Config{
		Store: p.store, Keys: p.keys, Vault: p.vault, Work: p.work, Buckets: p.buckets, Scratch: p.uploads, Log: log,
		MaxUpload: int64(c.Server.MaxUpload), MaxUploads: c.Limits.Uploads, ComposeWindow: c.Compose.Window.Std(),
		Limits: c.Limits.Film(),
	})
	return p, nil
}

// openBlobs opens a folder of the data folder, or the vault's bucket with a further prefix.
func (p *parts) openBlobs(c config.Config, folder, prefix string) (blob.Store, error) {
	if c.Vault.URL == "" {
		opened, err := dir.Open(filepath.Join(c.Server.Data, folder))
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, opened.Close)
		return opened, nil
	}
	target, err := vaultTarget(c.Vault)
	if err != nil {
		return nil, usageError{fmt.Errorf("vault.url: %w", err)}
	}
	target.Prefix = strings.Trim(target.Prefix+"/"+prefix, "/")
	opened, err := s3.Open(s3.Config{Target: target, AccessKey: c.Vault.AccessKey, SecretKey: c.Vault.SecretKey.Reveal()})
	if err != nil {
		return nil, usageError{err}
	}
	p.closers = append(p.closers, opened.Close)
	return opened, nil
}

// vaultTarget finds the bucket at its endpoint. s3://bucket/prefix alone is Amazon's.
func vaultTarget(v config.Vault) (s3.Target, error) {
	if v.Endpoint == "" {
		target, err := s3.ParseVault(v.URL, s3.Endpoints{})
		if err == nil && v.Region != "" {
			target.Region = v.Region
		}
		return target, err
	}
	at, err := url.Parse(v.Endpoint)
	if err != nil {
		return s3.Target{}, err
	}
	named, err := url.Parse(v.URL)
	if err != nil {
		return s3.Target{}, err
	}
	endpoint := s3.Endpoint{Host: at.Host, Region: v.Region, PathStyle: v.PathStyle, Insecure: at.Scheme == "http"}
	if v.CA != "" {
		if endpoint.CA, err = os.ReadFile(v.CA); err != nil {
			return s3.Target{}, err
		}
	}
	return s3.ParseVault(at.Scheme+"://"+at.Host+"/"+named.Host+named.Path, s3.Endpoints{Allowed: []s3.Endpoint{endpoint}})
}

// close closes what was opened, the last first. It may be called twice.
func (p *parts) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

// newLog makes the logger that the configuration asks for: text on a terminal, JSON otherwise.
func newLog(c config.Log, out io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level.Slog()}
	if c.Format == config.LogText || c.Format == config.LogAuto && progress.IsTerminal(out) {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}
