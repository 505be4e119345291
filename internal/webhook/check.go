package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// CheckURL returns why no event can be sent to a URL, as far as its text says, or nil. It looks no name up: the addresses of a
// name are checked at each delivery. allow is that of [Config]. An error about the address wraps [ErrForbidden].
func CheckURL(address string, allow []netip.Prefix) error {
	u, err := parse(address)
	if err != nil {
		return err
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "" {
		return errors.New("callback URL must name a host")
	}
	addresses := allowedAddresses(allow)
	forbidden := func(ip netip.Addr) bool {
		network := "tcp4"
		if ip = ip.Unmap(); ip.Is6() {
			network = "tcp6"
		}
		return addresses.Safe(network, net.JoinHostPort(ip.String(), "80"), nil) != nil
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && forbidden(ip):
		return fmt.Errorf("%s: %w", host, ErrForbidden)
	case err == nil:
		return nil
	case isLocalhost(host) && forbidden(netip.AddrFrom4([4]byte{127, 0, 0, 1})) && forbidden(netip.IPv6Loopback()):
		return fmt.Errorf("%s: %w", host, ErrForbidden)
	case endsInNumber(host):
		return fmt.Errorf("%s is neither a name nor an IP address in its usual form", host)
	}
	return nil
}

// isLocalhost reports whether a name means the machine itself.
//
// Source: RFC 6761, section 6.3.
func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "localhost.localdomain"
}

// endsInNumber reports whether a host can be no name: names do not end in a number. Some programs take such a host for an IPv4
// address: 127.1, 0x7f000001.
//
// Source: url.spec.whatwg.org, "ends in a number checker".
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if digits, hexadecimal := strings.CutPrefix(last, "0x"); hexadecimal {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}
