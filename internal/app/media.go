package app

import (
	"context"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"
	"unicode"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/seal"
)

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

// Lifetimes of a link, in seconds.
//
// Source: twilio.com/docs/video/api/compositions-resource, "Get Composition Media", parameter Ttl.
const (
	standardTTL = 600
	maxTTL      = 3600
)

// stored is media of a recording or composition that is there.
type stored struct {
	sid         string
	name        string // of the file, with its extension
	contentType string // of the plain bytes
	media       roomreel.Media
	modified    time.Time
}

func (m stored) served() string {
	if m.media.Envelope != nil {
		return seal.ContentType(*m.media.Envelope)
	}
	return m.contentType
}

// RecordingMedia returns where a recording may be downloaded.
func (a *App) RecordingMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID, in MediaRequest) (MediaLink, error) {
	m, err := a.recordingMedia(ctx, acct, sid)
	if err != nil {
		return MediaLink{}, err
	}
	return a.link(ctx, m, in)
}

// CompositionMedia returns where a film may be downloaded.
func (a *App) CompositionMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID, in MediaRequest) (MediaLink, error) {
	m, err := a.compositionMedia(ctx, acct, sid)
	if err != nil {
		return MediaLink{}, err
	}
	return a.link(ctx, m, in)
}

// MediaObject returns the stored media of a recording or composition, for a link that the service signed itself.
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
	object := MediaObject{ContentType: m.served(), Size: m.media.Size, Modified: m.modified}
	if m.media.Envelope != nil {
		object.Headers = seal.Headers(*m.media.Envelope)
	}
	object.Open = func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		return a.vault.Get(ctx, m.media.Key, offset, length)
	}
	return object, nil
}

func (a *App) recordingMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) (stored, error) {
	r, err := a.store.Recording(ctx, acct, sid)
	if err != nil {
		return stored{}, err
	}
	return available(stored{
		sid: string(sid), name: string(sid) + "." + r.Container, contentType: string(r.Kind) + "/x-matroska",
		media: r.Media, modified: r.Completed,
	}, r.Status == roomreel.RecordingCompleted)
}

func (a *App) compositionMedia(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CompositionSID) (stored, error) {
	c, err := a.store.Composition(ctx, acct, sid)
	if err != nil {
		return stored{}, err
	}
	return available(stored{
		sid: string(sid), name: string(sid) + "." + string(c.Film.Format), contentType: "video/" + string(c.Film.Format),
		media: c.Media, modified: c.Completed,
	}, c.Status == roomreel.CompositionCompleted)
}

// available refuses media that is not there, and says where it is instead when the customer has it.
func available(m stored, completed bool) (stored, error) {
	switch {
	case completed && m.media.Key != "":
		return m, nil
	case completed && m.media.External != "":
		return m, roomreel.Errorf(roomreel.NotFound, "the media of %s is in your own storage, at %s", m.sid, m.media.External)
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
	link.URL, err = a.vault.Presign(ctx, m.media.Key, ttl, blob.PresignOptions{ContentType: m.served(), ContentDisposition: link.Disposition})
	if err != nil {
		return MediaLink{}, unavailable("the media store does not answer", err)
	}
	return link, nil
}

// checkDisposition refuses what is no Content-Disposition of a download.
//
// Source: RFC 6266.
func checkDisposition(text string) error {
	kind, _, err := mime.ParseMediaType(text)
	if err != nil || kind != "attachment" && kind != "inline" || len(text) > maxURL || strings.ContainsFunc(text, unicode.IsControl) {
		return roomreel.InvalidParam("ContentDisposition", `must be attachment or inline, with a file name if you like: attachment; filename="film.mp4"`)
	}
	return nil
}
