// Package app holds the use cases: what a caller may do, one method per verb.
//
// It owns the rules. Handlers above it only translate a wire into the inputs declared here, and the store below only
// keeps what it is given; every limit, default and refusal that the API promises is decided in this package. A caller's
// mistake is always a *[roomreel.Error] that names the parameter; any other error is ours.
//
// Every method takes the account that asks. What belongs to another account does not exist: it is NotFound, and no list
// holds it. Start with [App], then read composition.go.
package app

import (
	"context"
	"io"
	"time"

	"roomreel"
	"roomreel/internal/store"
)

// App answers callers. All methods may be called concurrently.
type App struct{}

// Buckets reaches customers' buckets.
type Buckets interface {
	// Check proves that a small object can be written under url with the key pair. A failure that is the customer's to
	// mend is a *blob.PermanentError.
	Check(ctx context.Context, url, accessKey, secret string) error
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
)

type actorKey struct{}

// WithActor notes who is asking, for the audit log: the user name of the request.
func WithActor(ctx context.Context, user string) context.Context {
	return context.WithValue(ctx, actorKey{}, user)
}

// CreateRoom is what a caller may say of a new room. Zero strings and nil mean the documented default.
type CreateRoom struct {
	UniqueName                   string
	Type                         string
	EnableTurn                   *bool
	AudioOnly                    *bool
	LargeRoom                    *bool
	RecordParticipantsOnConnect  *bool
	EmptyRoomTimeout             *int // minutes
	UnusedRoomTimeout            *int // minutes
	MaxParticipants              *int
	MaxParticipantDuration       *int // seconds
	MaxConcurrentPublishedTracks *int
	VideoCodecs                  []string
	MediaRegion                  string
	RecordingRules               string // JSON array
	StatusCallback               string
	StatusCallbackMethod         string
}

// RecordingRules are a room's rules and when they were set.
type RecordingRules struct {
	RoomSID roomreel.RoomSID
	Rules   []roomreel.RecordingRule
	Created time.Time
	Updated time.Time
}

// UploadRecording is one recorded track and what is known of it.
type UploadRecording struct {
	Media     io.Reader
	Identity  string             // the participant's; required
	TrackName string             // "" for a track without a name
	Kind      roomreel.TrackKind // "" takes the file's first usable track
	Offset    time.Duration      // room time of the first packet, not negative
}

// FilmRequest is the part that CreateComposition and CreateHook share. An empty string is the same as an absent one.
type FilmRequest struct {
	VideoLayout          string // JSON
	AudioSources         []string
	AudioSourcesExcluded []string
	Resolution           string // WxH
	Format               string
	Trim                 *bool
	StatusCallback       string
	StatusCallbackMethod string
}

// CreateComposition asks for a film of a room.
type CreateComposition struct {
	RoomSID string
	FilmRequest
}

// CreateHook describes a hook, new or replaced: what is not said is reset to its default.
type CreateHook struct {
	FriendlyName string
	Enabled      *bool
	FilmRequest
}

// UpdateSettings is a whole new configuration: what is not said is reset to its default.
type UpdateSettings struct {
	FriendlyName      string
	AWSCredentialsSID string
	AWSS3URL          string
	AWSStorageEnabled *bool
	EncryptionKeySID  string
	EncryptionEnabled *bool
}

// CreateCredential is a customer's key pair ("key-id:secret") or public key (PEM).
type CreateCredential struct {
	FriendlyName string
	AccountSID   string // "" or the caller's own account
	Credentials  string // AWS: key-id:secret
	PublicKey    string // PublicKeys: PEM
}

// MediaRequest is how a caller wants to download.
type MediaRequest struct {
	TTL         *int   // seconds, 1 to 3600; nil for 600
	Disposition string // Content-Disposition; "" for an attachment under the default name
}

// MediaLink is where media may be downloaded for a while.
type MediaLink struct {
	URL         string // signed by the store that holds the object; "" when the service has to sign a URL of its own and serve MediaObject
	SID         string // RT… or CJ…
	Disposition string // Content-Disposition to serve with
	Expires     time.Time
}

// MediaObject is stored media, ready to be served.
type MediaObject struct {
	ContentType string
	Size        int64             // bytes as stored
	Headers     map[string]string // further headers of the download: the envelope of sealed media
	Modified    time.Time
	Open        func(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

var errLater = roomreel.Errorf(roomreel.Unavailable, "This part of the service is not ready; try again later.")

func (a *App) Authenticate(ctx context.Context, user, password string) (roomreel.AccountSID, error) {
	return "", errLater
}
func (a *App) CreateAccount(ctx context.Context, name string) (acct roomreel.Account, token string, err error) {
	return acct, "", errLater
}
func (a *App) Accounts(ctx context.Context, page Page) (List[roomreel.Account], error) {
	return List[roomreel.Account]{}, errLater
}
func (a *App) CreateAPIKey(ctx context.Context, acct roomreel.AccountSID, name string) (key roomreel.APIKey, secret string, err error) {
	return key, "", errLater
}
func (a *App) APIKeys(ctx context.Context, acct roomreel.AccountSID, page Page) (List[roomreel.APIKey], error) {
	return List[roomreel.APIKey]{}, errLater
}
func (a *App) RevokeAPIKey(ctx context.Context, acct roomreel.AccountSID, sid roomreel.APIKeySID) error {
	return errLater
}

func (a *App) CreateRoom(ctx context.Context, acct roomreel.AccountSID, in CreateRoom) (roomreel.Room, error) {
	return roomreel.Room{}, errLater
}
func (a *App) Room(ctx context.Context, acct roomreel.AccountSID, sidOrName string) (roomreel.Room, error) {
	return roomreel.Room{}, errLater
}
func (a *App) Rooms(ctx context.Context, acct roomreel.AccountSID, filter RoomFilter, page Page) (List[roomreel.Room], error) {
	return List[roomreel.Room]{}, errLater
}
func (a *App) CompleteRoom(ctx context.Context, acct roomreel.AccountSID, sidOrName string) (roomreel.Room, error) {
	return roomreel.Room{}, errLater
}
func (a *App) Participants(ctx context.Context, acct roomreel.AccountSID, room string, filter ParticipantFilter, page Page) (List[roomreel.Participant], error) {
	return List[roomreel.Participant]{}, errLater
}
func (a *App) Participant(ctx context.Context, acct roomreel.AccountSID, room, sidOrIdentity string) (roomreel.Participant, error) {
	return roomreel.Participant{}, errLater
}
func (a *App) PublishedTracks(ctx context.Context, acct roomreel.AccountSID, room, participant string, page Page) (List[roomreel.PublishedTrack], error) {
	return List[roomreel.PublishedTrack]{}, errLater
}
func (a *App) PublishedTrack(ctx context.Context, acct roomreel.AccountSID, room, participant, sidOrName string) (roomreel.PublishedTrack, error) {
	return roomreel.PublishedTrack{}, errLater
}
func (a *App) RecordingRules(ctx context.Context, acct roomreel.AccountSID, room string) (RecordingRules, error) {
	return RecordingRules{}, errLater
}

// UpdateRecordingRules replaces a room's rules by those of a JSON array.
func (a *App) UpdateRecordingRules(ctx context.Context, acct roomreel.AccountSID, room, rules string) (RecordingRules, error) {
	return RecordingRules{}, errLater
}

func (a *App) UploadRecording(ctx context.Context, acct roomreel.AccountSID, room string, in UploadRecording) (roomreel.Recording, error) {
	return roomreel.Recording{}, errLater
}
func (a *App) Recordings(ctx context.Context, acct roomreel.AccountSID, filter RecordingFilter, page Page) (List[roomreel.Recording], error) {
	return List[roomreel.Recording]{}, errLater
}
func (a *App) RoomRecordings(ctx context.Context, acct roomreel.AccountSID, room string, filter RecordingFilter, page Page) (List[roomreel.Recording], error) {
	return List[roomreel.Recording]{}, errLater
}
func (a *App) Recording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	return roomreel.Recording{}, errLater
}
func (a *App) RoomRecording(ctx context.Context, acct roomreel.AccountSID, room string, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	return roomreel.Recording{}, errLater
}
func (a *App) DeleteRecording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) error {
	return errLater
}
func (a *App) RecordingMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID, in MediaRequest) (MediaLink, error) {
	return MediaLink{}, errLater
}

func (a *App) CreateComposition(ctx context.Context, acct roomreel.AccountSID, in CreateComposition) (roomreel.Composition, error) {
	return roomreel.Composition{}, errLater
}
func (a *App) Composition(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID) (roomreel.Composition, error) {
	return roomreel.Composition{}, errLater
}
func (a *App) Compositions(ctx context.Context, acct roomreel.AccountSID, filter CompositionFilter, page Page) (List[roomreel.Composition], error) {
	return List[roomreel.Composition]{}, errLater
}

// DeleteComposition erases a film. A failed composition is a Conflict unless force is set.
func (a *App) DeleteComposition(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID, force bool) error {
	return errLater
}
func (a *App) CompositionMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID, in MediaRequest) (MediaLink, error) {
	return MediaLink{}, errLater
}

// CompositionReport returns the JSON that says what went into a film.
func (a *App) CompositionReport(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID) (string, error) {
	return "", errLater
}

// MediaObject returns the stored media of a recording or composition, for a link that the service signed itself.
func (a *App) MediaObject(ctx context.Context, acct roomreel.AccountSID, sid string) (MediaObject, error) {
	return MediaObject{}, errLater
}

func (a *App) CreateHook(ctx context.Context, acct roomreel.AccountSID, in CreateHook) (roomreel.Hook, error) {
	return roomreel.Hook{}, errLater
}
func (a *App) Hook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID) (roomreel.Hook, error) {
	return roomreel.Hook{}, errLater
}
func (a *App) Hooks(ctx context.Context, acct roomreel.AccountSID, filter HookFilter, page Page) (List[roomreel.Hook], error) {
	return List[roomreel.Hook]{}, errLater
}
func (a *App) UpdateHook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID, in CreateHook) (roomreel.Hook, error) {
	return roomreel.Hook{}, errLater
}
func (a *App) DeleteHook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID) error {
	return errLater
}

func (a *App) Settings(ctx context.Context, acct roomreel.AccountSID, kind roomreel.SettingsKind) (roomreel.Settings, error) {
	return roomreel.Settings{}, errLater
}
func (a *App) UpdateSettings(ctx context.Context, acct roomreel.AccountSID, kind roomreel.SettingsKind, in UpdateSettings) (roomreel.Settings, error) {
	return roomreel.Settings{}, errLater
}

func (a *App) CreateCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, in CreateCredential) (roomreel.Credential, error) {
	return roomreel.Credential{}, errLater
}
func (a *App) Credential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) (roomreel.Credential, error) {
	return roomreel.Credential{}, errLater
}
func (a *App) Credentials(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, page Page) (List[roomreel.Credential], error) {
	return List[roomreel.Credential]{}, errLater
}

// UpdateCredential changes the friendly name; nil leaves it.
func (a *App) UpdateCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID, friendlyName *string) (roomreel.Credential, error) {
	return roomreel.Credential{}, errLater
}
func (a *App) DeleteCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) error {
	return errLater
}

// Deliveries lists the attempts to tell the callback of a room, recording, composition or hook, newest first.
func (a *App) Deliveries(ctx context.Context, acct roomreel.AccountSID, resource string, page Page) (List[Delivery], error) {
	return List[Delivery]{}, errLater
}

// Redeliver sends an event once more, in its place among the events of its resource.
func (a *App) Redeliver(ctx context.Context, acct roomreel.AccountSID, event string) error {
	return errLater
}

// Sign returns a MAC of data under a key that is the service's own and serves this purpose alone. It is good for URLs
// and page tokens: every node that shares the key file verifies it, also after a restart.
func (a *App) Sign(purpose string, data []byte) []byte { return nil }

// Verify reports whether mac is what Sign gave for data, by the present key or an older one of the key file.
func (a *App) Verify(purpose string, data, mac []byte) bool { return false }

// Ready reports why the service cannot serve, nil when it can.
func (a *App) Ready(ctx context.Context) error { return errLater }
