package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

// mediaPath is where links of ours begin. What follows is the whole permission: nobody signs in there.
const mediaPath = "/roomreel/v1/Media/"

// mediaToken is what a link of ours holds.
type mediaToken struct {
	Account     roomreel.AccountSID `json:"a"`
	SID         string              `json:"s"` // RT… or CJ…
	Disposition string              `json:"d"`
	Expires     int64               `json:"e"` // seconds since 1970
}

// redirectToMedia answers with a URL that serves the media for a while, in Location and in the body: browsers and curl
// follow the one, Twilio's clients read the other.
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

// serveMedia streams the media of a link that redirectToMedia made, whole or in ranges.
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
