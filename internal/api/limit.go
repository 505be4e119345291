package api

import (
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
	idleAfter     = time.Minute // a bucket that was not used for so long is full again, and can be removed
)

// limiter has two token buckets for each account that was active lately. The requests of one second may come at once.
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

// allow takes one token from the account's bucket, or returns a TooMany error.
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
