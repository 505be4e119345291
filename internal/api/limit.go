package api

import (
	"context"
	"math"
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

	// Requests over the rate wait instead of failing: python3-twilio 7.7.1 does not repeat a request that was refused. A request
	// waits no longer than clients do (twilio-go: 10 s), and an account has no more requests waiting than one server can hold for
	// each of its accounts.
	longestWait = 5 * time.Second
	mostWaiting = 200
)

// limiter has two token buckets for each account that was active lately. The requests of one second may come at once.
type limiter struct {
	reads, writes rate.Limit

	mu       sync.Mutex
	accounts map[roomreel.AccountSID]*buckets
	swept    time.Time
}

type buckets struct {
	reads, writes *bucket
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

// wait takes one token from the account's bucket. When there is none, the request waits behind those that came before it. When
// too many wait already, the error is TooMany, and retry is when the next one may wait. When ctx ends, the request has not taken
// a token.
func (l *limiter) wait(ctx context.Context, account roomreel.AccountSID, method string) (retry time.Duration, err error) {
	b := l.of(account, time.Now())
	bucket, what, setting := b.writes, "writes", "limits.writes_per_second"
	if method == http.MethodGet || method == http.MethodHead {
		bucket, what, setting = b.reads, "reads", "limits.reads_per_second"
	}
	admitted, err := bucket.wait(ctx)
	if err == nil && !admitted {
		err = roomreel.Errorf(roomreel.TooMany,
			"too many requests: an account may make %.4g %s a second (%s in the settings of this server), and too many of this account are waiting; "+
				"nothing was done, so repeat the request after the seconds in Retry-After", float64(bucket.tokens.Limit()), what, setting)
	}
	return bucket.interval(), err
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
		b = &buckets{reads: newBucket(l.reads), writes: newBucket(l.writes)}
		l.accounts[account] = b
	}
	b.used = now
	return b
}

// bucket is a token bucket with a queue. Requests get tokens in the order in which they came.
type bucket struct {
	tokens *rate.Limiter
	most   int           // requests that may wait: those that get a token within longestWait
	first  chan struct{} // held by the request that is the next to get a token; others wait for it in their order

	mu      sync.Mutex
	waiting int
}

func newBucket(limit rate.Limit) *bucket {
	return &bucket{
		tokens: rate.NewLimiter(limit, max(1, int(min(limit, 1e6)))),
		most:   int(min(mostWaiting, float64(limit)*longestWait.Seconds())),
		first:  make(chan struct{}, 1),
	}
}

// wait takes a token, as soon as it is this request's turn. It reports false at once when too many requests wait.
func (b *bucket) wait(ctx context.Context) (admitted bool, err error) {
	if now, admitted := b.enter(); now {
		return admitted, nil
	}
	defer b.leave()
	select {
	case b.first <- struct{}{}:
		defer func() { <-b.first }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	return true, b.tokens.Wait(ctx)
}

// enter reports whether the request need not wait: it has a token, or is not admitted. Otherwise it is among the waiting.
func (b *bucket) enter() (now, admitted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.waiting == 0 && b.tokens.Allow():
		return true, true
	case b.waiting >= b.most:
		return true, false
	}
	b.waiting++
	return false, false
}

func (b *bucket) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
}

// interval is the time between two tokens.
func (b *bucket) interval() time.Duration {
	return time.Duration(math.Ceil(float64(time.Second) / float64(b.tokens.Limit())))
}
