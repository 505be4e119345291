package api

import (
	"fmt"
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
