package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/seal"
)

// decryptCommand opens sealed media with the private key. It needs a server only to download the media.
type decryptCommand struct {
	Key      string `required:"" placeholder:"FILE" help:"The private key, PEM."`
	In       string `arg:"" optional:"" help:"The sealed file; - is standard input."`
	Metadata string `placeholder:"FILE" help:"The file's metadata: JSON, or the headers of its download. The seal cms-gcm needs none."`
	URL      string `name:"url" placeholder:"URL" help:"Download from here instead: …/v1/Compositions/CJ…/Media, or a signed URL."`
	User     string `env:"ROOMREEL_USER" placeholder:"SID:TOKEN" help:"Account or API key for --url."`
	Out      string `short:"o" required:"" placeholder:"FILE" help:"The opened file. It appears when it is complete."`
}

func (c *decryptCommand) Run(ctx context.Context, s *session) error {
	if (c.In == "") == (c.URL == "") {
		return usageError{errors.New("name either a sealed file or --url")}
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return usageError{fmt.Errorf("--key: %w", err)}
	}
	key, err := seal.ParsePrivateKey(text)
	if err != nil {
		return usageError{fmt.Errorf("--key: %w", err)}
	}
	if info, err := os.Stat(c.Out); err == nil && info.IsDir() {
		return usageError{fmt.Errorf("--out: %s is a folder; name the file", c.Out)}
	}
	if _, err := os.Stat(filepath.Dir(c.Out)); err != nil {
		return usageError{fmt.Errorf("--out: %w", err)}
	}
	if c.URL != "" {
		return c.fromURL(ctx, s, key)
	}
	return c.fromFile(ctx, s, key)
}

func (c *decryptCommand) fromFile(ctx context.Context, s *session, key *rsa.PrivateKey) error {
	in := s.stdin
	if c.In != "-" {
		f, err := os.Open(c.In)
		if err != nil {
			return usageError{err}
		}
		defer f.Close()
		in = f
	}
	envelope := roomreel.Envelope{Seal: seal.CMS}
	if c.Metadata != "" {
		text, err := os.ReadFile(c.Metadata)
		if err != nil {
			return usageError{fmt.Errorf("--metadata: %w", err)}
		}
		if envelope, err = seal.ParseMetadata(text); err != nil {
			return usageError{fmt.Errorf("--metadata: %w", err)}
		}
	}
	buffered := bufio.NewReaderSize(in, 64<<10)
	if c.Metadata == "" && !seal.LooksLikeCMS(buffered) {
		return usageError{fmt.Errorf("%s does not contain how it is sealed: give its metadata with --metadata", c.In)}
	}
	return c.open(ctx, s, buffered, envelope, key)
}

func (c *decryptCommand) open(ctx context.Context, s *session, in io.Reader, envelope roomreel.Envelope, key *rsa.PrivateKey) error {
	n, err := seal.Decrypt(ctx, in, envelope, key, c.Out)
	if err != nil {
		return fmt.Errorf("%s was not written: %w", c.Out, err)
	}
	fmt.Fprintf(s.stdout, "%s: %d bytes\n", c.Out, n)
	return nil
}

// fetchTimeout bounds the wait for the headers of an answer. The download itself has no limit.
const fetchTimeout = time.Minute

// fromURL follows the API's redirect to the media, as Twilio's own decrypter does. The seal is in the headers of the media.
func (c *decryptCommand) fromURL(ctx context.Context, s *session, key *rsa.PrivateKey) error {
	address, err := url.Parse(c.URL)
	if err != nil || address.Host == "" {
		return usageError{errors.New("--url: it is not a URL")}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = fetchTimeout
	transport.DisableCompression = true
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	user, password, _ := strings.Cut(c.User, ":")
	for range 5 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
		if err != nil {
			return usageError{fmt.Errorf("--url: %w", err)}
		}
		if user != "" {
			request.SetBasicAuth(user, password)
		}
		answer, err := client.Do(request)
		if err != nil {
			return withoutURL(err)
		}
		next, err := redirect(answer)
		if err == nil && next == "" {
			defer answer.Body.Close()
			envelope, err := seal.FromHeaders(answer.Header)
			if err != nil {
				return usageError{fmt.Errorf("--url: %w", err)}
			}
			return c.open(ctx, s, answer.Body, envelope, key)
		}
		answer.Body.Close()
		if err != nil {
			return err
		}
		if address, err = address.Parse(next); err != nil {
			return errors.New("--url: the target of the redirect is not a URL")
		}
		user = "" // a signed URL needs no credentials, and its host must not get them
	}
	return errors.New("--url: redirected too often")
}

// redirect returns the URL that an answer redirects to, or "" if it is the media itself.
func redirect(answer *http.Response) (string, error) {
	switch answer.StatusCode {
	case http.StatusOK:
		return "", nil
	case http.StatusFound, http.StatusTemporaryRedirect, http.StatusSeeOther, http.StatusMovedPermanently, http.StatusPermanentRedirect:
		if location := answer.Header.Get("Location"); location != "" {
			return location, nil
		}
		var body struct {
			RedirectTo string `json:"redirect_to"`
		}
		if text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20)); err == nil && json.NewDecoder(bytes.NewReader(text)).Decode(&body) == nil && body.RedirectTo != "" {
			return body.RedirectTo, nil
		}
		return "", errors.New("--url: the server redirects without a URL")
	case http.StatusUnauthorized:
		return "", usageError{errors.New("--url: the server refuses the credentials; give them with --user SID:TOKEN")}
	case http.StatusForbidden:
		return "", usageError{errors.New("--url: the server forbids it; a signed URL may have expired")}
	case http.StatusNotFound:
		return "", usageError{errors.New("--url: there is no such media, or not yet")}
	}
	return "", fmt.Errorf("--url: the server answered %s", answer.Status)
}

// withoutURL leaves the URL out of the error of a failed request: a signed URL gives access to the media.
func withoutURL(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return fmt.Errorf("--url: %w", failed.Err)
	}
	return err
}
