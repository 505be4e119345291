package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"roomreel"
	"roomreel/internal/twilio"
)

// Sign returns the value of X-Twilio-Signature: the base64 of HMAC-SHA1 under token of address, followed by each
// parameter's name and value without anything between, sorted by name.
//
// Address is what the receiver sees as its own URL, query included. For GET the parameters are a part of it and params is
// empty. Key is the account's Auth Token, never an API key's secret.
//
// Source: github.com/twilio/twilio-go/client, RequestValidator; the other languages' validators agree.
func Sign(token, address string, params map[string]string) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(signed(address, params)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signed is the text that is signed.
func signed(address string, params map[string]string) string {
	var b strings.Builder
	b.WriteString(address)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		b.WriteString(name)
		b.WriteString(params[name])
	}
	return b.String()
}

// NewRequest builds the signed request that carries an event to its callback. Its parameters are the event's own and
// SequenceNumber. By GET they are added to the query of the callback's URL and replace parameters of the same names
// there, since validators disagree about names that come twice; other parts of the query stay as they are, byte for byte, except
// for characters that a URL cannot hold.
//
// A user name and password in the URL go into the Authorization header. They are neither sent nor signed as a part of the URL,
// because the receiver does not see them there.
//
// Source: twilio.com/docs/usage/security, "HTTP authentication".
//
// The header I-Twilio-Idempotency-Token is the event's ID: the same at every attempt.
func NewRequest(ctx context.Context, e roomreel.Event, token string) (*http.Request, error) {
	u, err := parse(e.Callback.URL)
	if err != nil {
		return nil, err
	}
	login := u.User
	u.User = nil
	params := maps.Clone(e.Params)
	if params == nil {
		params = map[string]string{}
	}
	params[twilio.SequenceNumber] = strconv.Itoa(e.Sequence)
	form := url.Values{}
	for name, value := range params {
		form.Set(name, value)
	}

	var r *http.Request
	switch method := e.Callback.Method; method {
	case http.MethodGet:
		u.RawQuery = join(strip(u.RawQuery, params), form.Encode())
		params = nil
		r, err = http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	case http.MethodPost, "":
		r, err = http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}
	default:
		return nil, fmt.Errorf("callback method %q is neither GET nor POST", method)
	}
	if err != nil {
		return nil, errors.New("callback URL cannot be used")
	}
	if login != nil {
		password, _ := login.Password()
		r.SetBasicAuth(login.Username(), password)
	}
	r.Header.Set("X-Twilio-Signature", Sign(token, u.String(), params))
	r.Header.Set("I-Twilio-Idempotency-Token", e.ID)
	r.Header.Set("User-Agent", "roomreel")
	r.Header.Set("Accept", "*/*")
	return r, nil
}

// parse reads a callback's URL as it will be sent and signed: without fragment, with the path that a request has, and with %20 in
// the place of a space in the query. The user name and password are still in it.
func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("callback URL must be http:// or https:// and name a host")
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery = escapeQuery(u.RawQuery)
	return u, nil
}

// escapeQuery escapes the characters that a query cannot hold, and the apostrophe, which validators that normalize URLs escape.
// [ and ] stay as they are: forms of PHP have them in names.
func escapeQuery(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"'<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// strip returns query without the parameters that have one of the names.
func strip(query string, names map[string]string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if _, ours := names[name]; !ours && part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}
