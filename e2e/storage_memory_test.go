package e2e

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomreel/internal/blob/s3/s3test"
)

// maxMemory is the limit for the memory of a service that delivers, including its program and database.
const maxMemory = 64 << 20

// TestDelivery_UsesConstantMemory delivers a recording that is several times larger than the memory limit.
// ROOMREEL_TEST_DELIVERY sets its size in MiB; docs/performance.md uses 2048.
func TestDelivery_UsesConstantMemory(t *testing.T) {
	mebibytes, err := strconv.Atoi(cmp.Or(os.Getenv("ROOMREEL_TEST_DELIVERY"), "192"))
	if err != nil {
		t.Fatal(err)
	}
	path := largeRecording(t, int64(mebibytes)<<20)
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			s := startWithS3(t)
			c := external(s.credential(t, false), "http://"+s.proxy.Host+"/"+s.s3.Bucket)
			if sealed {
				_, c.EncryptionKeySid = s.keys(t)
				c.EncryptionEnabled = new(true)
			}
			configureWithGo(t, s, "recording", c)
			before := s.peak(t)
			open := make(chan struct{})
			s.faults.set(func(s3test.Request) s3test.Fault { <-open; return s3test.Fault{} })
			began := time.Now()
			sid := s.upload(t, s.openRoom(t), path)
			uploaded := time.Since(began)
			received := s.peak(t)
			began, cpu := time.Now(), s.cpu(t)
			close(open)
			s.eventually(t, "it is delivered", func() bool { return len(s.callbacks.named(sid, "recording-completed")) > 0 })
			took, used := time.Since(began), s.cpu(t)-cpu
			delivered := s.peak(t)
			t.Logf("%d MiB: received in %v, delivered in %v with %v of cpu; memory at rest %d, receiving %d, delivering %d MiB",
				mebibytes, uploaded.Round(time.Millisecond), took.Round(time.Millisecond), used.Round(time.Millisecond),
				before>>20, received>>20, delivered>>20)
			if received > maxMemory || delivered > maxMemory {
				t.Errorf("the service used %d MiB while receiving and %d MiB while delivering, want at most %d", received>>20, delivered>>20, maxMemory>>20)
			}
		})
	}
}

// peak returns the peak memory of the service in bytes since the last call of peak, as the kernel counts it.
//
// Source: proc(5), status and clear_refs.
func (s *s3Service) peak(t *testing.T) int64 {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/", s.command.Process.Pid)
	text, err := os.ReadFile(folder + "status")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no VmHWM in %s", text)
	}
	kibibytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
	if err := os.WriteFile(folder+"clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return kibibytes << 10
}

// cpu returns the CPU time that the service has used.
func (s *s3Service) cpu(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var state string
	var skip, user, system int64
	_, after, _ := strings.Cut(string(text), ") ") // the name may hold spaces
	_, err = fmt.Sscan(after, &state, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &user, &system)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}
