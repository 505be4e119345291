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

// transport carries the requests of one store. It knows no proxy: HTTP_PROXY and its like are not looked at.
type transport struct {
	*http.Transport
}

func newTransport(target Target, idle time.Duration) (*transport, error) {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	if !target.Trusted {
		// Checked when a connection is made, after the name has been resolved: a name that resolves to an inner
		// address, or to another one the second time, gets nowhere.
		dialer.Control = ssrf.New(ssrf.WithPorts(443)).Safe
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &patientConn{Conn: c, patience: idle}, nil
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

// patientConn fails when nothing moves for a while, in whichever direction. Each byte that moves in one gives both
// new time: a connection that sends a long body waits for its answer all the while.
type patientConn struct {
	net.Conn
	patience time.Duration
	stalled  atomic.Bool // patience has ended; what fails from now on fails for that
}

func (c *patientConn) Read(p []byte) (int, error) {
	c.Conn.SetDeadline(time.Now().Add(c.patience))
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

func (c *patientConn) Write(p []byte) (n int, err error) {
	const piece = 64 << 10 // 64 KiB within the default patience is a line of 9 kbit/s
	for {
		c.Conn.SetDeadline(time.Now().Add(c.patience))
		m, err := c.Conn.Write(p[:min(piece, len(p))])
		n += m
		if p = p[m:]; err != nil || len(p) == 0 {
			return n, c.explain(err)
		}
	}
}

// explain says that nothing moved, also to the other direction, which finds the connection closed for it.
func (c *patientConn) explain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.stalled.Store(true)
	}
	if err != nil && c.stalled.Load() {
		return fmt.Errorf("nothing moved on the connection for %v: %w", c.patience, err)
	}
	return err
}

type answerKey struct{}

type answerNote struct {
	mu     sync.Mutex
	header http.Header
}

// noteAnswer returns a context whose requests leave the headers of their last answer for the function returned.
// minio-go does not hand on the headers that say how an object was encrypted, or how large it is.
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

// refusedAddress says whether err is the dialer's guard speaking.
func refusedAddress(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedPort) ||
		errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
}

// discoverRegion asks in which region the bucket is. The question is not signed and needs no permission: Amazon tells it
// to whoever asks, with whatever status. It is put to the address in path style, whose certificate covers every bucket.
// A store that does not answer it has, by custom, us-east-1.
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
