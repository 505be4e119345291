// Package client sends requests to a roomreel server: those that `roomreel import`, `roomreel preview`, `roomreel report` and
// the demo need.
//
// Applications use Twilio's own client libraries instead; docs/clients.md shows how. An answer that is no success becomes a
// *roomreel.Error with the server's message. Start with [New].
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"roomreel"
)

// Client sends requests to one server as one account. Its methods may be called concurrently.
type Client struct {
	base           string // scheme and host
	user, password string
	http           *http.Client
}

const (
	// continueWait is how long an upload waits for the server's 100 Continue before it sends the body. A server refuses a wrong
	// token before gigabytes are sent.
	continueWait = 5 * time.Second

	// answerLimit bounds an answer; a page of 1,000 recordings is below 1 MiB, and an image of 1280x720 below 3 MiB.
	answerLimit = 16 << 20

	// maxAttempts is how often a request is sent that the server answers with 429 or 503.
	maxAttempts = 20
)

// New returns a client of the server at base (scheme and host), signed in as an account SID with its token or as an API
// key with its secret.
func New(base, user, password string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, roomreel.InvalidParam("server", "%q is not an address of the form http://host:8080", base)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ExpectContinueTimeout = continueWait
	return &Client{
		base: u.Scheme + "://" + u.Host, user: user, password: password,
		http: &http.Client{
			Transport: transport,
			// Media answers redirect to a signed URL. The password must not be sent there; see [Client.Media].
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call. body makes the body anew for each attempt, with its length in bytes.
type request struct {
	method, path string
	contentType  string
	body         func() (io.Reader, int64, error)
}

func form(values url.Values) request {
	text := values.Encode()
	return request{contentType: "application/x-www-form-urlencoded", body: func() (io.Reader, int64, error) {
		return strings.NewReader(text), int64(len(text)), nil
	}}
}

func (c *Client) get(ctx context.Context, path string, to any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path}, to)
}

func (c *Client) post(ctx context.Context, path string, values url.Values, to any) error {
	r := form(values)
	r.method, r.path = http.MethodPost, path
	return c.call(ctx, r, to)
}

// call sends a request and reads its answer into to.
func (c *Client) call(ctx context.Context, r request, to any) error {
	text, err := c.answer(ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s %s: the answer is not what a roomreel server sends; is it one? %w", r.method, c.base+r.path, err)
	}
	return nil
}

// answer sends a request and returns the body of its answer. A request that the server did not process (429, 503) is sent again after
// the seconds in Retry-After, or one second.
func (c *Client) answer(ctx context.Context, r request) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		response, err := c.send(ctx, r)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
		response.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("%s %s: read the answer: %w", r.method, r.path, err)
		}
		if response.StatusCode < 300 {
			return text, nil
		}
		refusal := refused(response, text)
		if attempt == maxAttempts || refusal.Code != roomreel.TooMany && refusal.Code != roomreel.Unavailable {
			return nil, refusal
		}
		select {
		case <-time.After(retryAfter(response)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	target := r.path
	if strings.HasPrefix(target, "/") {
		target = c.base + target
	}
	var body io.Reader
	var length int64
	if r.body != nil {
		var err error
		if body, length, err = r.body(); err != nil {
			return nil, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	q.ContentLength = length
	q.SetBasicAuth(c.user, c.password)
	if r.body != nil {
		q.Header.Set("Content-Type", r.contentType)
		if length > 64<<10 {
			q.Header.Set("Expect", "100-continue")
		}
	}
	response, err := c.http.Do(q)
	if err != nil {
		var wrong *url.Error
		if errors.As(err, &wrong) && ctx.Err() == nil {
			err = wrong.Err // the line below adds the URL
		}
		return nil, fmt.Errorf("%s %s: %w", r.method, target, err)
	}
	return response, nil
}

func retryAfter(response *http.Response) time.Duration {
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		return min(time.Duration(seconds)*time.Second, time.Minute)
	}
	return time.Second
}

// refused makes an error of an answer that is no success.
func refused(response *http.Response, text []byte) *roomreel.Error {
	var body struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &body) != nil || body.Message == "" {
		body.Message = "the server answered " + response.Status
	}
	code := roomreel.Code("")
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized:
		code = roomreel.Unauthenticated
	case status == http.StatusForbidden:
		code = roomreel.Forbidden
	case status == http.StatusNotFound:
		code = roomreel.NotFound
	case status == http.StatusConflict:
		code = roomreel.Conflict
	case status == http.StatusRequestEntityTooLarge:
		code = roomreel.TooLarge
	case status == http.StatusTooManyRequests:
		code = roomreel.TooMany
	case status == http.StatusServiceUnavailable:
		code = roomreel.Unavailable
	case status >= 400 && status < 500:
		code = roomreel.Invalid
	}
	return &roomreel.Error{Code: code, Twilio: body.Code, Detail: body.Message}
}
