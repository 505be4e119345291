// Package app holds the use cases: what a caller may do, one method per operation of the API.
//
// It decides every limit, default and refusal that the API promises. Package api above it translates requests into the
// inputs that are declared here. Package store below it writes rows. A caller's mistake is a *[roomreel.Error] that names the
// parameter; any other error is a fault of the service.
//
// Each method takes the account that asks. A resource of another account is NotFound, and is in no list. Start with [New],
// then read composition.go and recording.go.
package app

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/keyring"
	"roomreel/internal/layout"
	"roomreel/internal/store"
)

// Config holds what an App uses.
type Config struct {
	Store   *store.Store
	Keys    *keyring.Ring
	Media   blob.Store // the media store: media and packet indexes
	Working blob.Store // the working store, encrypted at rest: copies that compositions read; nil: settings cannot ask for encryption or a bucket
	Buckets Buckets    // nil: settings cannot ask for external storage
	Scratch string     // folder that uploads are received into
	Log     *slog.Logger

	MaxUpload     int64               // bytes of one recording; 0 for DefaultMaxUpload
	MaxUploads    int                 // recordings received at the same time; 0 for no limit
	ScratchFloor  int64               // free bytes that uploads and compositions leave on the disk; 0 for DefaultScratchFloor
	MediaFolder   string              // folder of the media store; "" if it is a bucket
	ComposeWindow time.Duration       // how long compositions may read what is sealed or external; 0: not at all
	Limits        roomreel.FilmLimits // zero fields are the defaults
	MaxResolution layout.Size         // of films; zero for DefaultMaxResolution
	Quality       roomreel.Quality    // of compositions that name none; "" for standard
	FPS           int                 // frames per second of films; 0 for DefaultFPS

	KeepRoomOpen time.Duration // how often a running upload keeps its room from ending by itself; 0 for every 20 s

	CallbackNetworks []netip.Prefix // private networks that callbacks may reach, as the sender of callbacks has them
}

// DefaultFPS is how many frames per second a film has where nothing else is configured.
const DefaultFPS = 25

// DefaultMaxResolution is larger than Twilio's (layout.Twilio).
var DefaultMaxResolution = layout.Size{W: 1920, H: 1080}

// DefaultMaxUpload is the size of more than a day of 720p at a browser's bitrate.
const DefaultMaxUpload = 40 << 30

// App carries out the operations. All methods may be called concurrently.
type App struct {
	store   *store.Store
	keys    *keyring.Ring
	media   blob.Store
	working blob.Store
	buckets Buckets
	scratch *scratch
	log     *slog.Logger

	mediaFolder string

	films               Films // nil: nothing is known about films that are not made
	estimates, previews slots

	composeWindow time.Duration
	limits        roomreel.FilmLimits
	maxResolution layout.Size
	quality       roomreel.Quality
	fps           int

	keepRoomOpen     time.Duration
	callbackNetworks []netip.Prefix
}

// New returns an App. The caller closes what the Config holds.
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
	if c.MaxResolution == (layout.Size{}) {
		c.MaxResolution = DefaultMaxResolution
	}
	if c.KeepRoomOpen == 0 {
		c.KeepRoomOpen = 20 * time.Second // of a minute, the shortest timeout
	}
	return &App{
		store: c.Store, keys: c.Keys, media: c.Media, working: c.Working, buckets: c.Buckets, log: c.Log,
		scratch: &scratch{
			folder: c.Scratch, maxUpload: c.MaxUpload, maxUploads: c.MaxUploads, floor: c.ScratchFloor,
			free:   func() (int64, error) { return FreeSpace(c.Scratch) },
			copied: sameFileSystem(c.Scratch, c.MediaFolder),
		},
		estimates: newSlots(), previews: newSlots(),
		mediaFolder:   c.MediaFolder,
		composeWindow: c.ComposeWindow, limits: c.Limits.WithDefaults(), maxResolution: c.MaxResolution, quality: cmp.Or(c.Quality, roomreel.QualityStandard), fps: c.FPS,
		keepRoomOpen: c.KeepRoomOpen, callbackNetworks: c.CallbackNetworks,
	}
}

// Buckets reaches customers' buckets.
type Buckets interface {
	// Check writes a small object under url with the key pair. A failure that the customer has to correct is a
	// *blob.PermanentError.
	Check(ctx context.Context, url, accessKey, secret string) error

	// Open returns the bucket, or the folder in a bucket, at url. It sends nothing. The caller closes a store that is an
	// io.Closer.
	Open(url, accessKey, secret string) (blob.Store, error)
}

// Lists and their pages are declared by the store. Their names here keep package api from importing the store.
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

// WithActor adds the user name of the request to ctx, for the audit log.
func WithActor(ctx context.Context, user string) context.Context { return store.WithActor(ctx, user) }

// Sign returns a MAC of data under a key of the service that is used for this purpose only, such as page tokens. Every node with
// the same key file verifies it, also after a restart.
func (a *App) Sign(purpose string, data []byte) []byte { return a.keys.Sign(purpose, data) }

// Verify reports whether mac is the MAC of data under the newest key or an older one of the key file.
func (a *App) Verify(purpose string, data, mac []byte) bool { return a.keys.Verify(purpose, data, mac) }

// Ready returns why the service cannot serve requests, or nil.
func (a *App) Ready(ctx context.Context) error {
	if err := a.store.Ping(ctx); err != nil {
		return unavailable("the database does not answer", err)
	}
	return a.CheckSpace(0)
}

// Deliveries lists the attempts to deliver events of a room, recording, composition or hook, newest first.
func (a *App) Deliveries(ctx context.Context, acct roomreel.AccountSID, resource string, page Page) (List[Delivery], error) {
	return a.store.Deliveries(ctx, acct, resource, page)
}

// Redeliver delivers an event again, in its place among the events of its resource.
func (a *App) Redeliver(ctx context.Context, acct roomreel.AccountSID, event string) error {
	return a.store.Redeliver(ctx, acct, event)
}

// AuditLog lists the changes and deletions in an account, newest first.
func (a *App) AuditLog(ctx context.Context, acct roomreel.AccountSID, page Page) (List[AuditEntry], error) {
	return a.store.AuditLog(ctx, acct, page)
}

// unavailable makes an error of a failure of something that the service needs.
func unavailable(detail string, err error) error {
	return &roomreel.Error{Code: roomreel.Unavailable, Detail: detail + "; try again later", Err: err}
}
