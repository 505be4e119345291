package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"roomreel"
	"roomreel/internal/app"
)

type accountKey struct{}

// signIn finds the account of a request, and applies the limits of the account and of failed sign-ins.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	user, password, ok := r.BasicAuth()
	if !ok || badText(user+password) != "" {
		return nil, roomreel.Errorf(roomreel.Unauthenticated,
			"authenticate with HTTP Basic: an account SID and its auth token, or an API key SID and its secret")
	}
	address, credentials := a.clientAddress(r), a.signIns.fingerprint(user, password)
	if wait := a.signIns.wait(address, user, time.Now()); wait > 0 && !a.signIns.knows(credentials) {
		noteOf(r).signIn("refused", address, user)
		setRetryAfter(w, wait)
		return nil, roomreel.Errorf(roomreel.TooMany, "too many sign-ins with wrong credentials came from your address; correct them, and try again later")
	}
	account, err := a.app.Authenticate(r.Context(), user, password)
	if err != nil {
		if roomreel.CodeOf(err) == roomreel.Unauthenticated {
			noteOf(r).signIn("failed", address, user)
			a.signIns.failed(address, user, time.Now())
			a.signIns.forget(credentials)
		}
		return nil, err
	}
	a.signIns.remember(credentials)
	noteOf(r).account = account
	if retry, err := a.limiter.wait(r.Context(), account, r.Method); err != nil {
		setRetryAfter(w, retry)
		return nil, err
	}
	ctx := context.WithValue(app.WithActor(r.Context(), user), accountKey{}, account)
	return r.WithContext(ctx), nil
}

// setRetryAfter says in how many seconds a refused request may be repeated.
func setRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}

// accountOf returns the account that signed in.
func accountOf(r *http.Request) roomreel.AccountSID {
	account, _ := r.Context().Value(accountKey{}).(roomreel.AccountSID)
	return account
}

// clientAddress returns the address for which failed sign-ins are counted: that of the connection, or the one that the nearest
// proxy names where forwarded headers are trusted. Of an IPv6 address it is the /64 network, which usually belongs to one client.
func (a *API) clientAddress(r *http.Request) string {
	text, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		text = r.RemoteAddr
	}
	if a.trustForwarded {
		if forwarded := lastItem(r.Header.Get("X-Forwarded-For")); forwarded != "" {
			text = forwarded
		}
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if address = address.Unmap().WithZone(""); address.Is6() {
		if network, err := address.Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}

const (
	defaultSignInFailures = 60 // a minute
	addressFactor         = 10 // failures of one address in all, over those of one user name there
	maxFailing            = 10_000
	maxKnown              = 10_000
)

// signIns limits failed sign-ins: to a number a minute for each user name at each client address, and to ten times that for each
// address. Addresses do not affect each other. Credentials that have signed in before are not refused, so that a client goes on
// working whose address others use to guess, such as that of a proxy. Both tables are bounded: when one is full, the entry is removed
// that was not used for the longest time.
type signIns struct {
	perMinute float64 // of one user name at one address; 0 for no limit
	secret    []byte  // of this process, for fingerprints

	mu     sync.Mutex
	recent *simplelru.LRU[failingKey, *failing]
	known  *simplelru.LRU[fingerprint, struct{}]
}

// fingerprint stands for a user name with its password. Memory holds no password by it.
type fingerprint [sha256.Size]byte

func (s *signIns) fingerprint(user, password string) (f fingerprint) {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%d %s%s", len(user), user, password)
	mac.Sum(f[:0])
	return f
}

// remember notes credentials with which a client has signed in.
func (s *signIns) remember(f fingerprint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Add(f, struct{}{})
}

// forget removes credentials that are not valid any more.
func (s *signIns) forget(f fingerprint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Remove(f)
}

// knows reports whether a client has signed in with the credentials lately.
func (s *signIns) knows(f fingerprint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known.Contains(f)
}

// failingKey is a user name at a client address; or an address, with the user name "".
type failingKey struct{ address, user string }

// keysOf returns the two keys under which a sign-in is counted. A text that is longer than a SID is no user name, and is cut to
// keep the table small.
func keysOf(address, user string) [2]failingKey {
	const longest = 34
	if user == "" {
		user = "none"
	}
	return [2]failingKey{{address, user[:min(len(user), longest)]}, {address, ""}}
}

type failing struct {
	count float64 // failures, less those that were forgiven
	at    time.Time
}

func newSignIns(perMinute int) *signIns {
	switch {
	case perMinute == 0:
		perMinute = defaultSignInFailures
	case perMinute < 0:
		perMinute = 0
	}
	secret := make([]byte, sha256.Size)
	rand.Read(secret)                                                    // never fails, see crypto/rand
	recent, _ := simplelru.NewLRU[failingKey, *failing](maxFailing, nil) // never fails for a size above 0
	known, _ := simplelru.NewLRU[fingerprint, struct{}](maxKnown, nil)
	return &signIns{perMinute: float64(perMinute), secret: secret, recent: recent, known: known}
}

// limit is the number of failures that key may have a minute.
func (s *signIns) limit(key failingKey) float64 {
	if key.user == "" {
		return s.perMinute * addressFactor
	}
	return s.perMinute
}

// wait returns how long sign-ins of user from address are refused because earlier ones failed; 0 when they are not.
func (s *signIns) wait(address, user string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var longest time.Duration
	for _, key := range keysOf(address, user) {
		if f, found := s.recent.Peek(key); found {
			limit := s.limit(key)
			f.forgive(limit, now)
			if over := f.count - (limit - 1); over > 0 {
				longest = max(longest, time.Duration(over/limit*float64(time.Minute)))
			}
		}
	}
	return longest
}

// failed counts a failed sign-in of user from address.
func (s *signIns) failed(address, user string, now time.Time) {
	if s.perMinute == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keysOf(address, user) {
		f, found := s.recent.Peek(key)
		if !found {
			f = &failing{at: now}
		}
		f.forgive(s.limit(key), now)
		f.count = min(f.count+1, s.limit(key))
		s.recent.Add(key, f)
	}
}

// forgive subtracts the failures that were allowed since the last call.
func (f *failing) forgive(limit float64, now time.Time) {
	if spent := now.Sub(f.at); spent > 0 {
		f.count = max(0, f.count-limit*spent.Minutes())
		f.at = now
	}
}

// signIn notes a sign-in that failed or was refused, for the request's line in the log. A text that is no SID may be a password in
// the wrong place, so it is left out.
func (n *logNote) signIn(result, address, user string) {
	n.attrs = append(n.attrs, slog.String("sign_in", result), slog.String("address", address))
	_, notAccount := roomreel.ParseSID[roomreel.AccountSID](user)
	_, notKey := roomreel.ParseSID[roomreel.APIKeySID](user)
	if notAccount == nil || notKey == nil {
		n.attrs = append(n.attrs, slog.String("user", user))
	}
}
