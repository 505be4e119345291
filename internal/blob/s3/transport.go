package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"code.dny.dev/ssrf"

	"roomreel/internal/blob"
)

// transport sends the requests of one store. It uses no proxy: HTTP_PROXY and the like are ignored.
type transport struct {
	*http.Transport
}

func newTransport(target Target, idle time.Duration) (*transport, error) {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	if !target.Trusted {
		// The address is checked when a connection is made, after the name was resolved. So a name that resolves to a
		// private address, also the second time, is refused.
		dialer.Control = ssrf.New(ssrf.WithPorts(443)).Safe
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &idleConn{Conn: c, timeout: idle}, nil
		},
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 5 * time.Minute, // joining thousands of parts takes a store its time
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true, // what is stored is what is wanted
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if len(target.CA) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(target.CA) {
			return nil, fmt.Errorf("s3: the CA of the endpoint %s holds no PEM certificate", target.Host)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &transport{t}, nil
}

// idleConn fails when no byte moves for the timeout. A byte in either direction restarts the timeout of both, because a
// connection that sends a long body waits for its answer at the same time.
type idleConn struct {
	net.Conn
	timeout time.Duration
	stalled atomic.Bool // the timeout has passed; it is the reason of all later errors
}

func (c *idleConn) Read(p []byte) (int, error) {
	c.Conn.SetDeadline(time.Now().Add(c.timeout))
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

func (c *idleConn) Write(p []byte) (n int, err error) {
	const piece = 64 << 10 // 64 KiB within the default of 60 s are 9 kbit/s
	for {
		c.Conn.SetDeadline(time.Now().Add(c.timeout))
		m, err := c.Conn.Write(p[:min(piece, len(p))])
		n += m
		if p = p[m:]; err != nil || len(p) == 0 {
			return n, c.explain(err)
		}
	}
}

// explain names the timeout as the reason, also of the error in the other direction, which finds the connection closed.
func (c *idleConn) explain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.stalled.Store(true)
	}
	if err != nil && c.stalled.Load() {
		return fmt.Errorf("nothing moved on the connection for %v: %w", c.timeout, err)
	}
	return err
}

type answerKey struct{}

type answerNote struct {
	mu     sync.Mutex
	header http.Header
}

// noteAnswer returns a context for requests, and a function that returns the headers of their last answer. minio-go does not
// return the headers with the object's encryption and size.
func noteAnswer(ctx context.Context) (context.Context, func() http.Header) {
	note := new(answerNote)
	return context.WithValue(ctx, answerKey{}, note), func() http.Header {
		note.mu.Lock()
		defer note.mu.Unlock()
		return note.header
	}
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if note, ok := r.Context().Value(answerKey{}).(*answerNote); ok {
		note.mu.Lock()
		note.header = answer.Header
		note.mu.Unlock()
	}
	return answer, nil
}

// refusedAddress reports whether err says that the address is not allowed.
func refusedAddress(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedPort) ||
		errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
}

// discoverRegion asks for the bucket's region. The request is not signed and needs no permission: Amazon sends the region with
// any status. It goes to the address in path style, whose certificate covers every bucket. For a store that does not send the
// region, us-east-1 is usual.
func discoverRegion(ctx context.Context, t http.RoundTripper, target Target) (string, error) {
	scheme := "https"
	if target.Insecure {
		scheme = "http"
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodHead, scheme+"://"+target.host("us-east-1")+"/"+target.Bucket, nil)
	if err != nil {
		return "", &blob.PermanentError{Kind: blob.BadURL, Err: err}
	}
	answer, err := t.RoundTrip(ask)
	if err != nil {
		return "", classify(ctx, fmt.Errorf("find the region of bucket %s: %w", target.Bucket, err))
	}
	answer.Body.Close()
	region := answer.Header.Get("X-Amz-Bucket-Region")
	switch {
	case regionForm.MatchString(region):
		return region, nil
	case answer.StatusCode == http.StatusNotFound:
		return "", &blob.PermanentError{Kind: blob.BadURL, Err: fmt.Errorf("no bucket is named %s", target.Bucket)}
	case answer.StatusCode >= 500:
		return "", fmt.Errorf("find the region of bucket %s: the store answered %s", target.Bucket, answer.Status)
	}
	return "us-east-1", nil
}
