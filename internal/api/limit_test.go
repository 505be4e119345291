package api

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"roomreel"
)

// take makes requests of an account one after the other, and returns how many were admitted and how long that took.
func take(t *testing.T, l *limiter, account roomreel.AccountSID, method string, requests int) (admitted int, took time.Duration) {
	t.Helper()
	begun := time.Now()
	for range requests {
		if _, err := l.wait(t.Context(), account, method); err == nil {
			admitted++
		} else {
			checkError(t, err, roomreel.TooMany, "")
		}
	}
	return admitted, time.Since(begun)
}

// TestLimiter_ASequentialScriptWaits: a client that makes one request after the other is never refused, only slowed down.
func TestLimiter_ASequentialScriptWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{})
		if admitted, took := take(t, l, "AC", "POST", 200); admitted != 200 || took.Round(time.Millisecond) != 9*time.Second {
			t.Errorf("%d of 200 writes in %v, want all in 9 s: 20 at once and 20 a second", admitted, took)
		}
		if admitted, took := take(t, l, "AC", "GET", 80); admitted != 80 || took != 0 {
			t.Errorf("%d of 80 reads in %v, want all at once", admitted, took)
		}
		if admitted, took := take(t, l, "ACother", "DELETE", 20); admitted != 20 || took != 0 {
			t.Errorf("another account: %d of 20 writes in %v, want all at once", admitted, took)
		}
	})
}

// TestLimiter_WaitingIsBoundedAndFair: of many requests at once, those that would wait too long are refused at once. The others
// are admitted in the order in which they came.
func TestLimiter_WaitingIsBoundedAndFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{Writes: 20})
		begun := time.Now()
		var mu sync.Mutex
		var order []int
		refused := 0
		for i := range 300 {
			go func() {
				retry, err := l.wait(t.Context(), "AC", "POST")
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					order = append(order, i)
					return
				}
				checkError(t, err, roomreel.TooMany, "")
				if refused++; time.Since(begun) != 0 || retry != 50*time.Millisecond || !strings.Contains(err.Error(), "limits.writes_per_second") {
					t.Errorf("refused after %v with %v, retry in %v; want at once, with the name of the setting", time.Since(begun), err, retry)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(order) != 120 || refused != 180 || !slices.IsSorted(order) {
			t.Errorf("%d admitted and %d refused, want 120 (20 at once, 100 within 5 s) and 180; in the order %v", len(order), refused, order)
		}
		if admitted, took := take(t, l, "AC", "POST", 1); admitted != 1 || took != 0 {
			t.Error("a request after the burst is not admitted at once")
		}
	})
}

// TestLimiter_ACancelledRequestTakesNoToken: those behind it move up.
func TestLimiter_ACancelledRequestTakesNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{Writes: 1})
		take(t, l, "AC", "POST", 1)
		gone, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := l.wait(gone, "AC", "POST")
				ended <- err
			}()
		}
		synctest.Wait()
		cancel(errors.New("the client has gone"))
		for range 2 {
			if err := <-ended; err == nil {
				t.Error("a request whose client has gone is admitted")
			}
		}
		if admitted, took := take(t, l, "AC", "POST", 1); admitted != 1 || took.Round(time.Millisecond) != time.Second {
			t.Errorf("the next request is admitted %d times after %v, want once after 1 s", admitted, took)
		}
		if waiting := l.accounts["AC"].writes.waiting; waiting != 0 {
			t.Errorf("%d requests are counted as waiting", waiting)
		}
	})
}

func TestLimiter_ForgetsIdleAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{})
		for i := range 1000 {
			take(t, l, roomreel.AccountSID(fmt.Sprint("AC", i)), "GET", 1)
		}
		time.Sleep(idleAfter)
		take(t, l, "ACbusy", "GET", 1)
		time.Sleep(2 * time.Second)
		take(t, l, "ACbusy", "GET", 1)
		if n := len(l.accounts); n != 1 {
			t.Errorf("%d accounts are remembered, want the busy one", n)
		}
	})
}

func TestLimiter_Limits(t *testing.T) {
	for _, test := range []struct {
		limits Limits
		reads  int
		took   time.Duration
	}{{Limits{}, 500, 5250 * time.Millisecond}, {Limits{Reads: -1}, 500, 0}, {Limits{Reads: 0.1}, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			if reads, took := take(t, newLimiter(test.limits), "AC", "GET", 500); reads != test.reads || took.Round(time.Millisecond) != test.took {
				t.Errorf("%+v: %d of 500 reads in %v, want %d in %v", test.limits, reads, took, test.reads, test.took)
			}
		})
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
	if wait := off.wait("a", "AC1", now); wait != 0 || off.recent.Len() != 0 {
		t.Errorf("without a limit: wait %v, %d entries", wait, off.recent.Len())
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
	if n := s.recent.Len(); n != maxFailing {
		t.Errorf("%d entries, want %d", n, maxFailing)
	}
	for i := range maxKnown + 10 {
		s.remember(s.fingerprint("AC1", fmt.Sprint(i)))
	}
	if n := s.known.Len(); n != maxKnown || s.knows(s.fingerprint("AC1", "9")) || !s.knows(s.fingerprint("AC1", "10")) {
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
