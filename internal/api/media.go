package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

// mediaPath begins the links that the service signs itself. The token after it is the permission: the client does not sign in.
const mediaPath = "/roomreel/v1/Media/"

// mediaToken is the content of a link's token.
type mediaToken struct {
	Account     roomreel.AccountSID `json:"a"`
	SID         string              `json:"s"` // RT… or CJ…
	Disposition string              `json:"d"`
	Expires     int64               `json:"e"` // seconds since 1970
}

// redirectToMedia answers with a URL that serves the media for a limited time, in the Location header for browsers and curl and in
// the body for Twilio's clients.
func (a *API) redirectToMedia(w http.ResponseWriter, r *http.Request, link func(app.MediaRequest) (app.MediaLink, error)) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	in := app.MediaRequest{TTL: p.integer("Ttl"), Disposition: p.text("ContentDisposition")}
	if p.err != nil {
		return p.err
	}
	found, err := link(in)
	if err != nil {
		return err
	}
	url := found.URL
	if url == "" {
		token, err := json.Marshal(mediaToken{accountOf(r), found.SID, found.Disposition, found.Expires.Unix()})
		if err != nil {
			return err
		}
		url = a.origin(r) + mediaPath + a.media.sign(token)
	}
	w.Header().Set("Location", url)
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusFound, map[string]string{"redirect_to": url})
	return nil
}

// serveMedia serves the media of a link that redirectToMedia made, whole or in ranges.
func (a *API) serveMedia(w http.ResponseWriter, r *http.Request) error {
	payload, err := a.media.open(r.PathValue("Token"))
	var token mediaToken
	if err == nil {
		err = json.Unmarshal(payload, &token)
	}
	if err != nil {
		return &roomreel.Error{Code: roomreel.Forbidden, Detail: "the link is damaged; ask for the Media resource again", Err: err}
	}
	noteOf(r).account = token.Account
	if time.Now().Unix() >= token.Expires {
		return roomreel.Errorf(roomreel.Forbidden, "the link has expired; ask for the Media resource again")
	}
	object, err := a.app.MediaObject(r.Context(), token.Account, token.SID)
	if roomreel.CodeOf(err) == roomreel.NotFound {
		return roomreel.Errorf(roomreel.NotFound, "the media of %s is gone", token.SID)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", object.ContentType)
	h.Set("Content-Disposition", token.Disposition)
	h.Set("Cache-Control", "private, no-transform")
	h.Set("ETag", fmt.Sprintf(`"%s-%x-%x"`, token.SID, object.Size, object.Modified.UnixMicro()))
	for name, value := range object.Headers {
		h.Set(name, value)
	}
	content := &blobReader{ctx: r.Context(), open: object.Open, size: object.Size}
	defer content.Close()
	http.ServeContent(w, r, "", object.Modified, content)
	noteOf(r).err = content.err
	return nil
}

// keys make and verify MACs. App implements it with the service's key file.
type keys interface {
	Sign(purpose string, data []byte) []byte
	Verify(purpose string, data, mac []byte) bool
}

// A signer makes signed tokens for one purpose: a page token is not valid as a media link.
type signer struct {
	keys    keys
	purpose string
}

// errToken says that a token is not valid. It does not say why, because the token may be forged.
var errToken = errors.New("api: not a token of this service")

// sign returns a token of payload that is bound to the given context. The token is safe in URLs.
func (s signer) sign(payload []byte, context ...string) string {
	mac := s.keys.Sign(s.purpose, signed(payload, context))
	raw := append([]byte{byte(len(mac))}, mac...)
	return base64.RawURLEncoding.EncodeToString(append(raw, payload...))
}

// open returns the payload of a token that sign made with the same context; else errToken.
func (s signer) open(token string, context ...string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) == 0 || raw[0] == 0 || len(raw) < 1+int(raw[0]) {
		return nil, errToken
	}
	mac, payload := raw[1:1+raw[0]], raw[1+raw[0]:]
	if !s.keys.Verify(s.purpose, signed(payload, context), mac) {
		return nil, errToken
	}
	return payload, nil
}

// signed returns the bytes that a signature covers: the context and the payload, each after its length, so that two contexts never
// give the same bytes.
func signed(payload []byte, context []string) []byte {
	var data []byte
	for _, part := range append(slices.Clone(context), string(payload)) {
		data = binary.BigEndian.AppendUint64(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data
}

// Sizes of the ranges that are read from the store. The first is small, because most requests for a range are for little; the
// following ones double, because a client that reads on reads all.
const (
	firstWindow   = 1 << 20
	largestWindow = 64 << 20
)

// blobReader is an io.ReadSeeker over ranged reads of an object, for http.ServeContent. It requests only the ranges that are read.
type blobReader struct {
	ctx    context.Context // of the request
	open   func(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	size   int64
	at     int64
	window int64
	part   io.ReadCloser // open from at to partEnd; nil when nothing is open
	end    int64
	err    error // the first failure, for the log: the status has been sent by then
}

func (b *blobReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("api: seek before the start")
	}
	if offset != b.at {
		b.closePart()
		b.at, b.window = offset, 0
	}
	return offset, nil
}

func (b *blobReader) Read(p []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	if b.part == nil {
		b.window = min(max(2*b.window, firstWindow), largestWindow)
		length := min(b.window, b.size-b.at)
		part, err := b.open(b.ctx, b.at, length)
		if err != nil {
			return 0, b.fail(err)
		}
		b.part, b.end = part, b.at+length
	}
	n, err := b.part.Read(p[:min(int64(len(p)), b.end-b.at)])
	b.at += int64(n)
	switch {
	case b.at == b.end:
		b.closePart()
		return n, nil
	case err == io.EOF:
		return n, b.fail(io.ErrUnexpectedEOF)
	case err != nil:
		return n, b.fail(err)
	}
	return n, nil
}

func (b *blobReader) fail(err error) error {
	if b.err == nil {
		b.err = fmt.Errorf("read media at %d of %d: %w", b.at, b.size, err)
	}
	return err
}

func (b *blobReader) closePart() {
	if b.part != nil {
		b.part.Close()
		b.part = nil
	}
}

// Close closes the current range. It may be called twice.
func (b *blobReader) Close() error {
	b.closePart()
	return nil
}
