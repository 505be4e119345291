// Package webhook tells an application what happened to its rooms, recordings and compositions, as Twilio does: a form
// by POST, or a query by GET, signed with the account's Auth Token.
//
// [Sender.Deliver] makes one request and returns its result. The caller retries it, at the times that [Next] gives. Redirects
// are not followed and proxies are not used. Addresses of private, local and special networks are refused unless the operator
// allowed them. The address is checked when a connection is made, after its name was resolved, so a name that resolves to
// another address the second time is refused too.
//
// The fragment of a callback's URL is neither sent nor signed. Twilio's overrides of timeouts in it (#ct=…&rc=…) have no
// effect: whether they work for Video is not documented, and with them a receiver could keep a worker waiting.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"code.dny.dev/ssrf"

	"roomreel"
)

// Timeouts of a delivery.
//
// Source: twilio.com/docs/usage/webhooks/webhooks-connection-overrides, its defaults.
const (
	DefaultConnect = 5 * time.Second
	DefaultTotal   = 15 * time.Second
)

const (
	maxBody   = 64 << 10 // bytes of an answer that are read
	maxHeader = 64 << 10
)

// Config says how to reach receivers. The zero value is ready to use: public addresses only.
type Config struct {
	Allow    []netip.Prefix // private, local or special networks that are allowed
	Connect  time.Duration  // to resolve the name, to connect, and for the TLS handshake; 0 means DefaultConnect
	Total    time.Duration  // of one delivery; 0 means DefaultTotal
	Resolver *net.Resolver  // nil means the system's
}

// Sender delivers events. It is safe for concurrent use.
type Sender struct {
	client    *http.Client
	transport *http.Transport
	total     time.Duration
}

// New returns a Sender. Close it when no delivery is under way.
func New(c Config) *Sender {
	if c.Connect <= 0 {
		c.Connect = DefaultConnect
	}
	if c.Total <= 0 {
		c.Total = DefaultTotal
	}
	dialer := &net.Dialer{Timeout: c.Connect, Resolver: c.Resolver, Control: allowedAddresses(c.Allow).Safe}
	transport := &http.Transport{
		Proxy:                  nil, // nor the environment's: a proxy would connect to addresses that are refused here
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    c.Connect,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
	return &Sender{
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		transport: transport,
		total:     c.Total,
	}
}

// Close drops connections that are kept for reuse.
func (s *Sender) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// allowedAddresses returns the check of the addresses that are connected to. It takes an IPv4 address that is written as an
// IPv6 address for the IPv4 address.
func allowedAddresses(allow []netip.Prefix) *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		switch {
		case p.Addr().Is4():
			v4 = append(v4, p)
		case p.Addr().Is4In6() && p.Bits() >= 96:
			v4 = append(v4, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96))
		default:
			v6 = append(v6, p)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// ErrForbidden says that a callback's address is refused. Nothing was sent.
var ErrForbidden = errors.New("the address is in a private, local or special network; this server calls it only if the setting webhook.allow names the network")

// Result is the result of one delivery.
type Result struct {
	Delivered bool          // the receiver answered 2xx
	Status    int           // of its answer; 0 when there was none
	Duration  time.Duration // from the first lookup to the end of the answer
	Err       error         // why it was not delivered; nil when it was. The URL is not in it: it may hold the customer's secrets
}

// Deliver sends one event to its callback, signed with token, the account's Auth Token. An answer of 2xx is success,
// everything else may be retried. When ctx ends, the delivery fails at once.
func (s *Sender) Deliver(ctx context.Context, e roomreel.Event, token string) Result {
	begin := time.Now()
	r := s.deliver(ctx, e, token)
	r.Duration = time.Since(begin)
	return r
}

func (s *Sender) deliver(ctx context.Context, e roomreel.Event, token string) Result {
	ctx, cancel := context.WithTimeoutCause(ctx, s.total, fmt.Errorf("no answer within %v", s.total))
	defer cancel()
	r, err := NewRequest(ctx, e, token)
	if err != nil {
		return Result{Err: err}
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return failed(ctx, err)
	}
	defer answer.Body.Close()
	// Only the status counts. The body is read, up to a limit, so that the connection can be used again. If reading fails, a
	// new connection is made the next time.
	io.CopyN(io.Discard, answer.Body, maxBody)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return Result{Status: answer.StatusCode, Err: fmt.Errorf("the receiver answered %d", answer.StatusCode)}
	}
	return Result{Delivered: true, Status: answer.StatusCode}
}

func failed(ctx context.Context, err error) Result {
	if ctx.Err() != nil {
		return Result{Err: context.Cause(ctx)}
	}
	var full *url.Error
	if errors.As(err, &full) {
		err = full.Err
	}
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort) {
		err = ErrForbidden
	}
	return Result{Err: err}
}

const (
	// DefaultMaxAge is how long the delivery of an event is retried.
	DefaultMaxAge = 24 * time.Hour

	firstDelay = 5 * time.Second
	maxDelay   = time.Hour
)

// Next returns how long to wait after the given attempt (1 is the first) failed at now, or whether to give up. first is the
// time of the first attempt; the last one is made maxAge after it (0 means DefaultMaxAge).
//
// Delays double from five seconds to an hour. Each is shortened by up to a half, by an amount that depends on id and attempt
// only, so that events which failed together because their receiver was down are not retried together.
func Next(id string, attempt int, first, now time.Time, maxAge time.Duration) (delay time.Duration, giveUp bool) {
	if maxAge <= 0 {
		maxAge = DefaultMaxAge
	}
	left := first.Add(maxAge).Sub(now)
	if left <= 0 {
		return 0, true
	}
	delay = maxDelay
	if doublings := max(attempt, 1) - 1; doublings < 10 { // 5 s << 10 is more than an hour
		delay = min(firstDelay<<doublings, maxDelay)
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	h.Write([]byte(strconv.Itoa(attempt)))
	share := h.Sum64() * 0x9e3779b97f4a7c15 >> 44 // 20 well-mixed bits
	delay -= time.Duration(share) * (delay / 2) >> 20
	return min(delay, left), false
}
