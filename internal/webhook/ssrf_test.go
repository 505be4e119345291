package webhook

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// forbidden are hosts that lead, or look as if they led, where a callback must not go.
var forbidden = strings.Fields(`
	127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.254 0.0.0.0 0.1.2.3
	10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.254 192.168.0.1 192.168.255.1
	100.64.0.1 100.100.100.200 100.127.255.254
	169.254.0.1 169.254.169.254 169.254.170.2 169.254.169.123
	192.0.0.1 192.0.0.192 192.0.2.1 198.18.0.1 198.19.255.254 198.51.100.7 203.0.113.9 192.88.99.1
	224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
	[::] [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::127.0.0.1]
	[0:0:0:0:0:0:0:1] [0:0:0:0:0:ffff:127.0.0.1]
	[64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::1]
	[fe80::1] [fe80::1%25lo] [febf::1] [fec0::1] [fc00::1] [fd00:ec2::254] [fdff::1] [ff02::1] [ff05::2]
	[2001:db8::1] [2001::1] [2001:10::1] [2002:7f00:1::] [2002:a9fe:a9fe::] [100::1] [5f00::1]
	localhost localhost. metadata.google.internal instance-data 127.0.0.1.nip.io rebind.example
	2130706433 017700000001 0x7f000001 0x7f.0.0.1 0177.0.0.1 127.1 127.0.1 0 0x0 ①②⑦.0.0.1 127。0。0。1
	3232235521 2852039166 0xa9fea9fe 0251.0376.0251.0376 user@127.0.0.1 example.com@127.0.0.1 127.0.0.1%00.example.com
`)

func TestDeliver_NeverConnectsWhereItMustNot(t *testing.T) {
	if len(forbidden) < 60 {
		t.Fatalf("only %d hosts", len(forbidden))
	}
	listener, err := net.Listen("tcp", ":0") // every address of this machine
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())

	// Every name resolves to one forbidden address after another.
	names := resolver(t, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("169.254.169.254"))
	s := sender(t, Config{Resolver: names, Total: 5 * time.Second})
	for _, scheme := range []string{"http", "https"} {
		for _, host := range forbidden {
			o := s.Deliver(t.Context(), event(scheme+"://"+host+":"+port+"/hook", "POST"), token)
			if o.Delivered || o.Err == nil || o.Status != 0 {
				t.Errorf("%s://%s: got %+v", scheme, host, o)
			}
			if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && !errors.Is(o.Err, ErrForbidden) {
				t.Errorf("%s://%s: not forbidden but %v", scheme, host, o.Err)
			}
			if o.Duration > 4*time.Second {
				t.Errorf("%s://%s: took %v: something was dialled", scheme, host, o.Duration)
			}
		}
	}
	listener.Close()
	<-done
	if n := accepted.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestAllowedAddresses_AreThoseOfTheOperatorAndPublicOnes(t *testing.T) {
	g := allowedAddresses([]netip.Prefix{
		netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32"), netip.MustParsePrefix("::ffff:192.168.7.0/120"),
	})
	for address, want := range map[string]bool{
		"10.1.2.3:8080": true, "10.2.0.1:80": false, "[fd00:1::5]:443": true, "[fd00:2::5]:443": false,
		"192.168.7.9:80": true, "192.168.8.9:80": false, "93.184.216.34:443": true, "[2606:2800:220:1::1]:9443": true,
		"[::ffff:10.2.0.1]:80": false, "169.254.169.254:80": false, "127.0.0.1:80": false,
	} {
		network := "tcp4"
		if strings.HasPrefix(address, "[") {
			network = "tcp6"
		}
		if err := g.Safe(network, address, nil); (err == nil) != want {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
