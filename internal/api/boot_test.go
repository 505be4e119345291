package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/dir"
	"roomreel/internal/keyring"
	"roomreel/internal/store"
)

// service is a booted service on a fresh database, with two accounts.
type service struct {
	*httptest.Server
	api            *API
	app            *app.App
	store          *store.Store
	vault          *dir.Store
	account, other caller
	contract       *contract
	log            *logText
	ready          error // what /readyz hears
	panics         bool  // or how it dies
}

// boot starts a service with what config says; what it does not say is filled in. Rate limits are off unless they are
// said.
func boot(t *testing.T, config Config) *service {
	t.Helper()
	ctx, folder := context.Background(), t.TempDir()
	s := &service{log: &logText{}}
	var err error
	if s.contract, err = openContract(); err != nil {
		t.Fatal(err)
	}
	if s.store, err = store.Open(ctx, store.Config{Path: filepath.Join(folder, "roomreel.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	if s.vault, err = dir.Open(filepath.Join(folder, "vault")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.vault.Close() })
	work, err := dir.Open(filepath.Join(folder, "work"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { work.Close() })
	keys, err := keyring.Open(filepath.Join(folder, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	config.Log = slog.New(slog.NewTextHandler(s.log, nil))
	s.app = app.New(app.Config{Store: s.store, Keys: keys, Vault: s.vault, Work: work, Scratch: t.TempDir(), Log: config.Log, Buckets: noBuckets{}, MaxUpload: 8 << 10})
	config.App = s.app
	if config.Limits == (Limits{}) {
		config.Limits = Limits{Reads: -1, Writes: -1}
	}
	config.Ready = func(ctx context.Context) error {
		if s.panics {
			panic("boom")
		}
		return s.ready
	}
	handler := New(config)
	s.api = handler.(*API)
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)
	s.account, s.other = s.signUp(t, "ours"), s.signUp(t, "theirs")
	return s
}

// noBuckets stands where there is no bucket to reach: everything is tried and fails for a reason that is ours.
type noBuckets struct{}

func (noBuckets) Check(context.Context, string, string, string) error { return errNoBucket }

func (noBuckets) Open(string, string, string) (blob.Store, error) { return nil, errNoBucket }

var errNoBucket = errors.New("no bucket is reached from here")

func (s *service) signUp(t *testing.T, name string) caller {
	t.Helper()
	account, token, err := s.app.CreateAccount(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return caller{service: s, user: string(account.SID), password: token}
}

// logText is a log that is read while others write to it.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logText) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}
