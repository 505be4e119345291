package api

import (
	linked "container/list"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"roomreel"
)

// Limits are the requests per second that one account may make. Zero means Twilio's default; negative means no limit.
//
// Source: twilio.com/docs/video, "Programmable Video Quotas and Limits": 80 reads and 20 writes a second.
type Limits struct {
	Reads  float64
	Writes float64
}

const (
	defaultReads  = 80
	defaultWrites = 20
	idleAfter     = time.Minute // a bucket that was not used for so long is full again, and as good as new
)

// limiter keeps one pair of token buckets per account that was active lately. A second's worth may come at once.
type limiter struct {
	reads, writes rate.Limit

	mu       sync.Mutex
	accounts map[roomreel.AccountSID]*buckets
	swept    time.Time
}

type buckets struct {
	reads, writes *rate.Limiter
	used          time.Time
}

func newLimiter(limits Limits) *limiter {
	return &limiter{
		reads: perSecond(limits.Reads, defaultReads), writes: perSecond(limits.Writes, defaultWrites),
		accounts: map[roomreel.AccountSID]*buckets{},
	}
}

func perSecond(asked, absent float64) rate.Limit {
	switch {
	case asked < 0:
		return rate.Inf
	case asked == 0:
		return rate.Limit(absent)
	}
	return rate.Limit(asked)
}

// allow takes one request of the account out of its bucket, or refuses it with code too_many.
func (l *limiter) allow(account roomreel.AccountSID, method string, now time.Time) error {
	b := l.of(account, now)
	bucket := b.writes
	if method == http.MethodGet || method == http.MethodHead {
		bucket = b.reads
	}
	if !bucket.AllowN(now, 1) {
		return roomreel.Errorf(roomreel.TooMany, "too many requests: an account may make %.4g reads and %.4g writes a second",
			float64(l.reads), float64(l.writes))
	}
	return nil
}

func (l *limiter) of(account roomreel.AccountSID, now time.Time) *buckets {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > idleAfter {
		l.swept = now
		for sid, b := range l.accounts {
			if now.Sub(b.used) > idleAfter {
				delete(l.accounts, sid)
			}
		}
	}
	b := l.accounts[account]
	if b == nil {
		b = &buckets{reads: rate.NewLimiter(l.reads, burst(l.reads)), writes: rate.NewLimiter(l.writes, burst(l.writes))}
		l.accounts[account] = b
	}
	b.used = now
	return b
}

func burst(limit rate.Limit) int { return max(1, int(min(limit, 1e6))) }

const (
	defaultSignInFailures = 60 // a minute
	addressFactor         = 10 // failures of one address in all, over those of one user name there
	maxFailing            = 10_000
)

// signIns bounds how often sign-ins may fail. Each user name at each client address has a number of failures a minute, and
// each address ten times that for all user names together. Addresses do not affect each other. The table is bounded: of
// too many that fail, those that were not seen for the longest time are forgotten.
type signIns struct {
	perMinute float64 // of one user name at one address; 0 for no limit

	mu     sync.Mutex
	recent *linked.List // of *failing, the latest first
	byKey  map[failingKey]*linked.Element
}

// failingKey is a user name at a client address; or an address, with the user name "".
type failingKey struct{ address, user string }

// keysOf returns the two keys under which a sign-in is counted. What is longer than a SID is no user name, and is cut so that
// the table stays small.
func keysOf(address, user string) [2]failingKey {
	const longest = 34
	if user == "" {
		user = "none"
	}
	return [2]failingKey{{address, user[:min(len(user), longest)]}, {address, ""}}
}

type failing struct {
	key   failingKey
	count float64 // of failures, less those that time has forgiven
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

// wait returns how long a sign-in of user from address has to wait because earlier ones failed; 0 for not at all.
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

// forgive forgets failures at the rate at which they are allowed.
func (f *failing) forgive(limit float64, now time.Time) {
	if spent := now.Sub(f.at); spent > 0 {
		f.count = max(0, f.count-limit*spent.Minutes())
		f.at = now
	}
}
