package api

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"
)

func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		name    string
		api     API
		tls     bool
		headers map[string]string
		want    string
	}{
		{name: "host", want: "http://video.twilio.com:8080"},
		{name: "tls", tls: true, want: "https://video.twilio.com:8080"},
		{name: "configured", api: API{publicURL: "https://films.example.com"}, headers: map[string]string{"X-Forwarded-Host": "evil"}, want: "https://films.example.com"},
		{name: "forwarded_not_trusted", headers: map[string]string{"X-Forwarded-Host": "evil", "X-Forwarded-Proto": "https"}, want: "http://video.twilio.com:8080"},
		{name: "forwarded", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "films.example.com", "X-Forwarded-Proto": "https"}, want: "https://films.example.com"},
		{name: "forwarded_by_the_nearest", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "evil, films.example.com:8443", "X-Forwarded-Proto": "gopher, https"}, want: "https://films.example.com:8443"},
		{name: "forwarded_nonsense", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "a/b", "X-Forwarded-Proto": "javascript"}, want: "http://video.twilio.com:8080"},
		{name: "forwarded_user", api: API{trustForwarded: true}, headers: map[string]string{"X-Forwarded-Host": "user@evil"}, want: "http://video.twilio.com:8080"},
		{name: "forwarded_without_headers", api: API{trustForwarded: true}, want: "http://video.twilio.com:8080"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/Rooms", nil)
			r.Host = "video.twilio.com:8080"
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			for name, value := range test.headers {
				r.Header.Set(name, value)
			}
			if got := test.api.origin(r); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
