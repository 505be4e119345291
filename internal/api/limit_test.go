package api

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"roomreel"
)

func TestLimiter_CountsReadsAndWritesOfEachAccountApart(t *testing.T) {
	l := newLimiter(Limits{Reads: 3, Writes: 2})
	now := time.Unix(1000, 0)
	take := func(account roomreel.AccountSID, method string) (allowed int) {
		for range 10 {
			if err := l.allow(account, method, now); err == nil {
				allowed++
			} else {
				checkError(t, err, roomreel.TooMany, "")
			}
		}
		return allowed
	}
	if reads, writes := take("ACa", "GET"), take("ACa", "POST"); reads != 3 || writes != 2 {
		t.Errorf("%d reads and %d writes at once, want 3 and 2", reads, writes)
	}
	if reads := take("ACb", "HEAD"); reads != 3 {
		t.Errorf("another account has %d reads, want its own 3", reads)
	}
	now = now.Add(time.Second)
	if reads, writes := take("ACa", "GET"), take("ACa", "DELETE"); reads != 3 || writes != 2 {
		t.Errorf("%d reads and %d writes a second later, want 3 and 2", reads, writes)
	}
}

func TestLimiter_ForgetsIdleAccounts(t *testing.T) {
	l := newLimiter(Limits{})
	now := time.Unix(1000, 0)
	for i := range 1000 {
		l.allow(roomreel.AccountSID(fmt.Sprint("AC", i)), "GET", now)
	}
	l.allow("ACbusy", "GET", now.Add(idleAfter))
	l.allow("ACbusy", "GET", now.Add(idleAfter+2*time.Second))
	if n := len(l.accounts); n != 1 {
		t.Errorf("%d accounts are remembered, want the busy one", n)
	}
}

func TestLimiter_Limits(t *testing.T) {
	for _, test := range []struct {
		limits Limits
		reads  int
	}{{Limits{}, defaultReads}, {Limits{Reads: -1}, 500}, {Limits{Reads: 0.5}, 1}} {
		l, allowed, now := newLimiter(test.limits), 0, time.Unix(1000, 0)
		for range 500 {
			if l.allow("AC", "GET", now) == nil {
				allowed++
			}
		}
		if allowed != test.reads {
			t.Errorf("%+v: %d reads at once, want %d", test.limits, allowed, test.reads)
		}
	}
}

func TestSignIns_CountUserNamesAndAddresses(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newSignIns(6)
	fail := func(address, user string, times int) {
		for range times {
			s.failed(address, user, now)
		}
	}
	want := func(what, address, user string, wait time.Duration) {
		t.Helper()
		if got := s.wait(address, user, now); got.Round(time.Millisecond) != wait {
			t.Errorf("%s: wait %v, want %v", what, got, wait)
		}
	}
	fail("a", "AC1", 5)
	want("one failure before the limit", "a", "AC1", 0)
	fail("a", "AC1", 1)
	want("at the limit", "a", "AC1", 10*time.Second)
	want("another user name", "a", "AC2", 0)
	want("another address", "b", "AC1", 0)
	now = now.Add(4 * time.Second)
	want("four seconds later", "a", "AC1", 6*time.Second)
	now = now.Add(6 * time.Second)
	want("ten seconds later", "a", "AC1", 0)
	fail("a", "AC1", 100)
	want("after many failures", "a", "AC1", 10*time.Second)

	for i := range 60 {
		fail("c", fmt.Sprint("AC", i), 1)
	}
	want("a new user name at an address with ten times the limit", "c", "AC999", time.Second)
	want("that user name elsewhere", "b", "AC999", 0)

	off := newSignIns(-1)
	off.failed("a", "AC1", now)
	if wait := off.wait("a", "AC1", now); wait != 0 || off.recent.len() != 0 {
		t.Errorf("without a limit: wait %v, %d entries", wait, off.recent.len())
	}
}

func TestSignIns_ForgetTheOldest(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newSignIns(1)
	s.failed("a", "AC1", now)
	s.failed("b", "AC1", now)
	for i := range maxFailing {
		s.failed("a", fmt.Sprint("AC", i), now.Add(time.Millisecond))
	}
	if n := s.recent.len(); n != maxFailing || len(s.recent.byKey) != n {
		t.Errorf("%d entries and %d keys, want %d", n, len(s.recent.byKey), maxFailing)
	}
	for i := range maxKnown + 10 {
		s.remember(s.fingerprint("AC1", fmt.Sprint(i)))
	}
	if n := s.known.len(); n != maxKnown || s.knows(s.fingerprint("AC1", "9")) || !s.knows(s.fingerprint("AC1", "10")) {
		t.Errorf("%d credentials are remembered, want the last %d", n, maxKnown)
	}
	if s.wait("b", "AC1", now) != 0 {
		t.Error("what was not seen for the longest time is remembered")
	}
	if s.wait("a", "AC5", now) == 0 {
		t.Error("an address that goes on failing is forgotten")
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
