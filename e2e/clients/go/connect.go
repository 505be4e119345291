package main

import (
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
)

// toServer sends every request to the server at base, whatever host of Twilio's it was meant for.
type toServer struct{ base *url.URL }

func (to toServer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = to.base.Scheme, to.base.Host, to.base.Host
	return http.DefaultTransport.RoundTrip(r)
}

// connect returns twilio-go, signed in with an API key at the server at ROOMREEL_URL.
func connect() (*twilio.RestClient, error) {
	base, err := url.Parse(os.Getenv("ROOMREEL_URL"))
	if err != nil {
		return nil, err
	}
	inner := &client.Client{
		Credentials: client.NewCredentials(os.Getenv("TWILIO_API_KEY"), os.Getenv("TWILIO_API_SECRET")),
		HTTPClient: &http.Client{
			Timeout:   10 * time.Second, // as the library has it
			Transport: toServer{base},
			// Media answers with a redirect, which is for the caller to follow, without the password.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	inner.SetAccountSid(os.Getenv("TWILIO_ACCOUNT_SID"))
	return twilio.NewRestClientWithParams(twilio.ClientParams{Client: inner}), nil
}
