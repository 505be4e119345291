// Package app holds the use cases: what a caller may do, one method per verb.
//
// It owns the rules. Handlers above it only translate a wire into the inputs declared here, and the store below only
// keeps what it is given; every limit, default and refusal that the API promises is decided in this package. A caller's
// mistake is always a *[roomreel.Error] that names the parameter; any other error is ours.
//
// Every method takes the account that asks. What belongs to another account does not exist: it is NotFound, and no list
// holds it. Start with [New], then read composition.go and upload.go.
package app

import (
	"context"
	"log/slog"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/keyring"
	"roomreel/internal/store"
)

// Config is what an App works with.
type Config struct {
	Store   *store.Store
	Keys    *keyring.Ring
	Vault   blob.Store // keeps media and indexes
	Work    blob.Store // keeps, encrypted at rest, what is sealed or external in the end; nil: settings cannot ask for that
	Buckets Buckets    // nil: settings cannot ask for external storage
	Scratch string     // folder that uploads are received into
	Log     *slog.Logger

	MaxUpload     int64               // bytes of one recording; 0 for DefaultMaxUpload
	MaxUploads    int                 // recordings received at the same time; 0 for no limit
	ScratchFloor  int64               // free bytes that uploads leave on the file system of Scratch; 0 for DefaultScratchFloor
	ComposeWindow time.Duration       // how long compositions may read what is sealed or external; 0: not at all
	Limits        roomreel.FilmLimits // zero fields are the defaults
	FPS           int                 // frames per second of films; 0 for DefaultFPS
}

// DefaultFPS is how many frames per second a film has where nothing else is configured.
const DefaultFPS = 25

// DefaultMaxUpload is more than a day of 720p at the bitrates of a browser.
const DefaultMaxUpload = 40 << 30

// App answers callers. All methods may be called concurrently.
type App struct {
	store   *store.Store
	keys    *keyring.Ring
	vault   blob.Store
	work    blob.Store
	buckets Buckets
	scratch *scratch
	log     *slog.Logger

	composeWindow time.Duration
	limits        roomreel.FilmLimits
	fps           int
}

// New returns an App over what is open already. It closes nothing.
func New(c Config) *App {
	if c.MaxUpload == 0 {
		c.MaxUpload = DefaultMaxUpload
	}
	if c.ScratchFloor == 0 {
		c.ScratchFloor = DefaultScratchFloor
	}
	if c.FPS == 0 {
		c.FPS = DefaultFPS
	}
	return &App{
		store: c.Store, keys: c.Keys, vault: c.Vault, work: c.Work, buckets: c.Buckets, log: c.Log,
		scratch: &scratch{
			folder: c.Scratch, maxUpload: c.MaxUpload, maxUploads: c.MaxUploads, floor: c.ScratchFloor,
			free: func() (int64, error) { return freeSpace(c.Scratch) },
		},
		composeWindow: c.ComposeWindow, limits: c.Limits.WithDefaults(), fps: c.FPS,
	}
}

// Buckets reaches customers' buckets.
type Buckets interface {
	// Check proves that a small object can be written under url with the key pair. A failure that is the customer's to
	// mend is a *blob.PermanentError.
	Check(ctx context.Context, url, accessKey, secret string) error

	// Open returns the bucket, or the folder in one, at url. It sends nothing. A store that is an io.Closer is closed by
	// the caller.
	Open(url, accessKey, secret string) (blob.Store, error)
}

// Lists and their pages are the store's: a handler needs no other package to ask for one.
type (
	Page              = store.Page
	Cursor            = store.Cursor
	List[T any]       = store.List[T]
	Created           = store.Created
	RoomFilter        = store.RoomFilter
	ParticipantFilter = store.ParticipantFilter
	RecordingFilter   = store.RecordingFilter
	CompositionFilter = store.CompositionFilter
	HookFilter        = store.HookFilter
	Delivery          = store.Delivery
	AuditEntry        = store.AuditEntry
)

// WithActor notes who is asking, for the audit log: the user name of the request.
func WithActor(ctx context.Context, user string) context.Context { return store.WithActor(ctx, user) }

// Sign returns a MAC of data under a key that is the service's own and serves this purpose alone. It is good for URLs
// and page tokens: every node that shares the key file verifies it, also after a restart.
func (a *App) Sign(purpose string, data []byte) []byte { return a.keys.Sign(purpose, data) }

// Verify reports whether mac is what Sign gave for data, by the present key or an older one of the key file.
func (a *App) Verify(purpose string, data, mac []byte) bool { return a.keys.Verify(purpose, data, mac) }

// Ready reports why the service cannot serve, nil when it can.
func (a *App) Ready(ctx context.Context) error {
	if err := a.store.Ping(ctx); err != nil {
		return unavailable("the database does not answer", err)
	}
	return nil
}

// Deliveries lists the attempts to tell the callback of a room, recording, composition or hook, newest first.
func (a *App) Deliveries(ctx context.Context, acct roomreel.AccountSID, resource string, page Page) (List[Delivery], error) {
	return a.store.Deliveries(ctx, acct, resource, page)
}

// Redeliver sends an event once more, in its place among the events of its resource.
func (a *App) Redeliver(ctx context.Context, acct roomreel.AccountSID, event string) error {
	return a.store.Redeliver(ctx, acct, event)
}

// AuditLog lists who changed or deleted what in an account, newest first.
func (a *App) AuditLog(ctx context.Context, acct roomreel.AccountSID, page Page) (List[AuditEntry], error) {
	return a.store.AuditLog(ctx, acct, page)
}

// unavailable is a failure of something that this service needs.
func unavailable(detail string, err error) error {
	return &roomreel.Error{Code: roomreel.Unavailable, Detail: detail + "; try again later", Err: err}
}
