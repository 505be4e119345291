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

// mostMemory is what a service may hold at most while it delivers, its program and database included.
const mostMemory = 64 << 20

// TestDelivery_TakesMemoryThatDoesNotGrow delivers a recording, sealed, of several times the memory that it is allowed.
// ROOMREEL_TEST_DELIVERY sets another number of MiB: docs/performance.md has 2048.
func TestDelivery_TakesMemoryThatDoesNotGrow(t *testing.T) {
	mebibytes, err := strconv.Atoi(cmp.Or(os.Getenv("ROOMREEL_TEST_DELIVERY"), "192"))
	if err != nil {
		t.Fatal(err)
	}
	path := largeRecording(t, int64(mebibytes)<<20)
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			d := openDepot(t)
			c := external(d.credential(t, false), "http://"+d.line.Host+"/"+d.bucket.Bucket)
			if sealed {
				_, c.EncryptionKeySid = d.keys(t)
				c.EncryptionEnabled = yes(true)
			}
			withGo(t, d, "recording", c)
			before := d.peak(t)
			open := make(chan struct{})
			d.faults.set(func(s3test.Request) s3test.Fault { <-open; return s3test.Fault{} })
			began := time.Now()
			sid := d.upload(t, d.openRoom(t), path)
			uploaded := time.Since(began)
			received := d.peak(t)
			began, cpu := time.Now(), d.cpu(t)
			close(open)
			eventually(t, "it is delivered", func() bool { return len(d.told.of(sid, "recording-completed")) > 0 })
			took, used := time.Since(began), d.cpu(t)-cpu
			delivered := d.peak(t)
			t.Logf("%d MiB: received in %v, delivered in %v with %v of cpu; memory at rest %d, receiving %d, delivering %d MiB",
				mebibytes, uploaded.Round(time.Millisecond), took.Round(time.Millisecond), used.Round(time.Millisecond),
				before>>20, received>>20, delivered>>20)
			if received > mostMemory || delivered > mostMemory {
				t.Errorf("the service held %d MiB, then %d MiB, want at most %d", received>>20, delivered>>20, mostMemory>>20)
			}
		})
	}
}

// peak returns the most memory that the service has held since it was last asked, in bytes, as the kernel counts it.
//
// Source: proc(5), status and clear_refs.
func (d *depot) peak(t *testing.T) int64 {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/", d.command.Process.Pid)
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

// cpu returns the processor time that the service has used.
func (d *depot) cpu(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.command.Process.Pid))
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
