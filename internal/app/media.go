package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/seal"
	"roomreel/internal/twilio"
)

// MediaRequest holds the parameters of a download.
type MediaRequest struct {
	TTL         *int   // seconds, 1 to 3600; nil for 600
	Disposition string // Content-Disposition; "" for an attachment under the default name
}

// MediaLink says where media can be downloaded until Expires.
type MediaLink struct {
	URL         string // signed by the store that holds the object; "" when the service signs a URL of its own and serves MediaObject
	SID         string // RT… or CJ…
	Disposition string // Content-Disposition to serve with
	Expires     time.Time
}

// MediaObject is media that the service serves itself.
type MediaObject struct {
	ContentType string
	Size        int64             // bytes as stored
	Headers     map[string]string // further headers of the download: the envelope of encrypted media
	Modified    time.Time
	Open        func(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// Lifetimes of a link, in seconds.
//
// Source: twilio.com/docs/video/api/compositions-resource, "Get Composition Media", parameter Ttl.
const (
	standardTTL = 600
	maxTTL      = 3600
)

// stored is the media of a completed recording or composition.
type stored struct {
	sid         string
	name        string // of the file, with its extension
	contentType string // of the media before encryption
	media       roomreel.Media
	modified    time.Time

	account     roomreel.AccountSID
	destination roomreel.Destination
}

func (m stored) served() string {
	if m.media.Envelope != nil {
		return seal.ContentType(*m.media.Envelope)
	}
	return m.contentType
}

// RecordingMedia returns where a recording can be downloaded.
func (a *App) RecordingMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID, in MediaRequest) (MediaLink, error) {
	m, err := a.recordingMedia(ctx, acct, sid)
	if err != nil {
		return MediaLink{}, err
	}
	return a.link(ctx, m, in)
}

// CompositionMedia returns where a film can be downloaded.
func (a *App) CompositionMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID, in MediaRequest) (MediaLink, error) {
	m, err := a.compositionMedia(ctx, acct, sid)
	if err != nil {
		return MediaLink{}, err
	}
	return a.link(ctx, m, in)
}

// MediaObject returns the media of a recording or composition, for a link that the service signed itself.
func (a *App) MediaObject(ctx context.Context, acct roomreel.AccountSID, sid string) (MediaObject, error) {
	var m stored
	var err error
	if recording, bad := roomreel.ParseSID[roomreel.RecordingSID](sid); bad == nil {
		m, err = a.recordingMedia(ctx, acct, recording)
	} else if composition, bad := roomreel.ParseSID[roomreel.CompositionSID](sid); bad == nil {
		m, err = a.compositionMedia(ctx, acct, composition)
	} else {
		err = roomreel.Errorf(roomreel.NotFound, "there is no media of %.40q", sid)
	}
	if err != nil {
		return MediaObject{}, err
	}
	if m.media.Key == "" {
		return MediaObject{}, roomreel.Errorf(roomreel.NotFound, "the media of %s is not kept by this service", m.sid)
	}
	object := MediaObject{ContentType: m.served(), Size: m.media.Size, Modified: m.modified}
	if m.media.Envelope != nil {
		object.Headers = seal.Headers(*m.media.Envelope)
	}
	object.Open = func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		return a.media.Get(ctx, m.media.Key, offset, length)
	}
	return object, nil
}

func (a *App) recordingMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) (stored, error) {
	r, err := a.store.Recording(ctx, acct, sid)
	if err != nil {
		return stored{}, err
	}
	return available(stored{
		sid: string(sid), name: twilio.RecordingFileName(r), contentType: twilio.RecordingContentType(r),
		media: r.Media, modified: r.Completed, account: acct, destination: r.Destination,
	}, r.Status == roomreel.RecordingCompleted)
}

func (a *App) compositionMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID) (stored, error) {
	c, err := a.store.Composition(ctx, acct, sid)
	if err != nil {
		return stored{}, err
	}
	return available(stored{
		sid: string(sid), name: string(sid) + "." + string(c.Spec.Format), contentType: twilio.FilmContentType(c.Spec.Format),
		media: c.Media, modified: c.Completed, account: acct, destination: c.Destination,
	}, c.Status == roomreel.CompositionCompleted)
}

// available is NotFound unless there is media.
func available(m stored, completed bool) (stored, error) {
	if completed && (m.media.Key != "" || m.media.External != "") {
		return m, nil
	}
	return m, roomreel.Errorf(roomreel.NotFound, "%s has no media: it is not finished, it failed, or it was deleted", m.sid)
}

func (a *App) link(ctx context.Context, m stored, in MediaRequest) (MediaLink, error) {
	seconds, err := between("Ttl", in.TTL, standardTTL, 1, maxTTL)
	if err != nil {
		return MediaLink{}, err
	}
	ttl := time.Duration(seconds) * time.Second
	link := MediaLink{SID: m.sid, Disposition: in.Disposition, Expires: a.store.Now().Add(ttl)}
	if link.Disposition == "" {
		link.Disposition = fmt.Sprintf("attachment; filename=%q", m.name)
	}
	if err := checkDisposition(link.Disposition); err != nil {
		return MediaLink{}, err
	}
	options := blob.PresignOptions{ContentType: m.served(), ContentDisposition: link.Disposition}
	if m.media.Key == "" {
		link.URL, err = a.externalURL(ctx, m, ttl, options)
		return link, err
	}
	link.URL, err = a.media.Presign(ctx, m.media.Key, ttl, options)
	if err != nil {
		return MediaLink{}, unavailable("the media store does not answer", err)
	}
	return link, nil
}

// lookTimeout bounds how long a customer's bucket may take to answer: an API caller waits.
const lookTimeout = 10 * time.Second

// externalURL signs a URL of media in the customer's bucket with the customer's credential. Most credentials may only write, so
// the object is looked up first. When it cannot be read, the error says where the media is.
func (a *App) externalURL(ctx context.Context, m stored, ttl time.Duration, options blob.PresignOptions) (string, error) {
	elsewhere := func(why string, err error) error {
		return &roomreel.Error{
			Code: roomreel.NotFound, Err: err,
			Detail: fmt.Sprintf("the media of %s is in your own bucket, at %s; %s", m.sid, m.media.External, why),
		}
	}
	id, secret, err := a.KeyPair(ctx, m.account, m.destination.CredentialSID)
	if roomreel.CodeOf(err) == roomreel.NotFound || a.buckets == nil {
		return "", elsewhere("the credential that stored it there was deleted", err)
	}
	if err != nil {
		return "", err
	}
	folder, name := path.Split(m.media.External)
	if name, err = url.PathUnescape(name); err != nil {
		return "", err
	}
	bucket, err := a.buckets.Open(folder, id, secret)
	if err != nil {
		return "", elsewhere("this server does not reach that storage any more", err)
	}
	if closer, ok := blob.As[io.Closer](bucket); ok {
		defer closer.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	_, err = bucket.Stat(ctx, name)
	var permanent *blob.PermanentError
	switch {
	case errors.Is(err, blob.ErrNotExist):
		return "", elsewhere("it has been removed from there", err)
	case errors.As(err, &permanent):
		return "", elsewhere("the credential that stored it there may not read it", err)
	case err != nil:
		return "", unavailable("your storage, where the media is, does not answer", err)
	}
	signed, err := bucket.Presign(ctx, name, ttl, options)
	if err == nil && signed == "" {
		err = elsewhere("it cannot be reached from outside", nil)
	}
	return signed, err
}

// checkDisposition refuses a text that is not a Content-Disposition of a download.
//
// Source: RFC 6266.
func checkDisposition(text string) error {
	kind, _, err := mime.ParseMediaType(text)
	if err != nil || kind != "attachment" && kind != "inline" || len(text) > maxURL || strings.ContainsFunc(text, unicode.IsControl) {
		return roomreel.InvalidParam("ContentDisposition", `must be attachment or inline, with a file name if you like: attachment; filename="film.mp4"`)
	}
	return nil
}
