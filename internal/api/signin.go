package api

import (
	linked "container/list"
	"context"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

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
	address := a.clientAddress(r)
	if wait := a.signIns.wait(address, user, time.Now()); wait > 0 {
		setRetryAfter(w, wait)
		return nil, roomreel.Errorf(roomreel.TooMany, "too many sign-ins with wrong credentials came from your address; correct them, and try again later")
	}
	account, err := a.app.Authenticate(r.Context(), user, password)
	if err != nil {
		if roomreel.CodeOf(err) == roomreel.Unauthenticated {
			a.signIns.failed(address, user, time.Now())
		}
		return nil, err
	}
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
)

// signIns limits failed sign-ins: to a number a minute for each user name at each client address, and to ten times that for each
// address. Addresses do not affect each other. The table is bounded: when it is full, the entry that has not failed for the
// longest time is removed.
type signIns struct {
	perMinute float64 // of one user name at one address; 0 for no limit

	mu     sync.Mutex
	recent *linked.List // of *failing, the latest first
	byKey  map[failingKey]*linked.Element
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
	key   failingKey
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
	return &signIns{perMinute: float64(perMinute), recent: linked.New(), byKey: map[failingKey]*linked.Element{}}
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
		if element := s.byKey[key]; element != nil {
			f, limit := element.Value.(*failing), s.limit(key)
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
		element := s.byKey[key]
		if element == nil {
			element = s.recent.PushFront(&failing{key: key, at: now})
			s.byKey[key] = element
		}
		s.recent.MoveToFront(element)
		f := element.Value.(*failing)
		f.forgive(s.limit(key), now)
		f.count = min(f.count+1, s.limit(key))
	}
	for s.recent.Len() > maxFailing {
		delete(s.byKey, s.recent.Remove(s.recent.Back()).(*failing).key)
	}
}

// forgive subtracts the failures that were allowed since the last call.
func (f *failing) forgive(limit float64, now time.Time) {
	if spent := now.Sub(f.at); spent > 0 {
		f.count = max(0, f.count-limit*spent.Minutes())
		f.at = now
	}
}
