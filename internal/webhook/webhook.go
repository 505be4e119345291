// Package webhook tells an application what happened to its rooms, recordings and compositions, as Twilio does: a form
// by POST, or a query by GET, signed with the account's Auth Token.
//
// It makes one request and says what became of it; who tries again, and when, is the caller's to carry out: [Next] is
// the rule. It refuses to follow redirects, to use a proxy, and to connect to any address of a private, local or special
// network that the operator did not allow: the address is judged when it is dialled, after every name was resolved, so
// that a name which changes its address gains nothing.
//
// The fragment of a callback's URL is neither sent nor signed. Twilio's overrides of timeouts in it (#ct=…&rc=…) have no
// effect: whether they work for Video is not documented, and a receiver could hold a worker with them. Start with [Sender.Deliver].
package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"code.dny.dev/ssrf"

	"roomreel"
)

// Source of both: twilio.com/docs/usage/webhooks/webhooks-connection-overrides, its defaults.
const (
	DefaultConnect = 5 * time.Second
	DefaultTotal   = 15 * time.Second
)

const (
	maxBody   = 64 << 10 // bytes of an answer that are read, so that its connection can be used again
	maxHeader = 64 << 10
)

// Config says how to reach receivers. The zero value is ready to use: public addresses only.
type Config struct {
	Allow    []netip.Prefix // networks that receivers may be in although they are private, local or special
	Connect  time.Duration  // to resolve, connect and greet; 0 means DefaultConnect
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
	dialer := &net.Dialer{Timeout: c.Connect, Resolver: c.Resolver, Control: guard(c.Allow).Safe}
	transport := &http.Transport{
		Proxy:                  nil, // not even the environment's: a proxy would connect where we may not
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

// guard judges addresses. IPv4 addresses written as IPv6 ones are judged as what they are.
func guard(allow []netip.Prefix) *ssrf.Guardian {
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

// Outcome is what became of one delivery.
type Outcome struct {
	Delivered bool          // the receiver answered 2xx
	Status    int           // of its answer; 0 when there was none
	Forbidden bool          // the address is not allowed; nothing was sent
	Took      time.Duration // from the first lookup to the end of the answer
	Err       error         // why it was not delivered, without the URL, which may hold the customer's secrets; nil when it was
}

// Deliver sends one event to its callback, signed with token, the account's Auth Token, and judges the answer: 2xx is
// success, everything else may be tried again. A context that ends makes it end at once, undelivered.
func (s *Sender) Deliver(ctx context.Context, e roomreel.Event, token string) Outcome {
	begin := time.Now()
	o := s.deliver(ctx, e, token)
	o.Took = time.Since(begin)
	return o
}

func (s *Sender) deliver(ctx context.Context, e roomreel.Event, token string) Outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, s.total, fmt.Errorf("no answer within %v", s.total))
	defer cancel()
	r, err := NewRequest(ctx, e, token)
	if err != nil {
		return Outcome{Err: err}
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return failed(ctx, err)
	}
	defer answer.Body.Close()
	// The status is the answer. The rest is read, up to a bound, so that the connection can be used again; if that fails
	// it cannot, and nothing else follows.
	io.CopyN(io.Discard, answer.Body, maxBody)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return Outcome{Status: answer.StatusCode, Err: fmt.Errorf("the receiver answered %d", answer.StatusCode)}
	}
	return Outcome{Delivered: true, Status: answer.StatusCode}
}

func failed(ctx context.Context, err error) Outcome {
	if ctx.Err() != nil {
		return Outcome{Err: context.Cause(ctx)}
	}
	var full *url.Error
	if errors.As(err, &full) {
		err = full.Err
	}
	forbidden := errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
	return Outcome{Forbidden: forbidden, Err: err}
}
