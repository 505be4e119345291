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

func TestClientAddress(t *testing.T) {
	for _, test := range []struct{ name, remote, forwarded, want string }{
		{"ipv4", "192.0.2.1:4000", "", "192.0.2.1"},
		{"ipv6_network", "[2001:db8:1:2:3:4:5:6]:4000", "", "2001:db8:1:2::/64"},
		{"ipv4_as_ipv6", "[::ffff:192.0.2.1]:4000", "", "192.0.2.1"},
		{"forwarded_by_the_nearest", "10.0.0.1:4000", "198.51.100.7, 192.0.2.1", "192.0.2.1"},
		{"forwarded_nonsense", "10.0.0.1:4000", "unknown", "unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/Rooms", nil)
			r.RemoteAddr = test.remote
			trusting := API{trustForwarded: test.forwarded != ""}
			if test.forwarded != "" {
				r.Header.Set("X-Forwarded-For", test.forwarded)
			}
			if got := trusting.clientAddress(r); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			r.Header.Set("X-Forwarded-For", "203.0.113.1")
			if got := (&API{}).clientAddress(r); got == "203.0.113.1" {
				t.Error("a header that is not trusted is believed")
			}
		})
	}
}
