package api

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// origin returns scheme://host of the URLs in an answer: the configured public URL; else, where forwarded headers are
// trusted, what the nearest proxy says that it was asked for; else the request's own host.
func (a *API) origin(r *http.Request) string {
	if a.publicURL != "" {
		return a.publicURL
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if a.trustForwarded {
		if forwarded := lastItem(r.Header.Get("X-Forwarded-Proto")); forwarded == "http" || forwarded == "https" {
			scheme = forwarded
		}
		if forwarded := lastItem(r.Header.Get("X-Forwarded-Host")); plainHost(forwarded) {
			host = forwarded
		}
	}
	if host == "" { // HTTP/1.0
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			host = local.String()
		}
	}
	return scheme + "://" + host
}

// lastItem is what the proxy next to us added to a list header; earlier items came with the request and could be
// anyone's.
func lastItem(header string) string {
	return strings.TrimSpace(header[strings.LastIndexByte(header, ',')+1:])
}

// plainHost reports whether text is a host with an optional port and nothing more.
func plainHost(text string) bool {
	u, err := url.Parse("http://" + text)
	return err == nil && text != "" && u.Host == text
}
