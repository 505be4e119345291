package api

import (
	"net"
	"net/http"
	"net/netip"
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

// clientAddress is where a request comes from, as far as failed sign-ins are counted: the address of the connection, or the
// one that the nearest proxy names where forwarded headers are trusted. Of an IPv6 address it is the network, of which one
// client often has all addresses.
func (a *API) clientAddress(r *http.Request) string {
	text, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		text = r.RemoteAddr
	}
	if a.trustForwarded {
		if forwarded := lastItem(r.Header.Get("X-Forwarded-For")); forwarded != "" {
			text = forwarded
		}
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if address = address.Unmap().WithZone(""); address.Is6() {
		if network, err := address.Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}

// plainHost reports whether text is a host with an optional port and nothing more.
func plainHost(text string) bool {
	u, err := url.Parse("http://" + text)
	return err == nil && text != "" && u.Host == text
}
