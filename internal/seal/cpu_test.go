package seal

import (
	"syscall"
	"testing"
	"time"
)

// perCPUSecond reports how many MiB one second of one core does: unlike wall time, it does not depend on what else the
// machine is doing. Call what it returns when the work is done.
func perCPUSecond(b *testing.B, bytesEach int64) func() {
	start := cpuTime(b)
	return func() {
		b.ReportMetric(float64(bytesEach)*float64(b.N)/(1<<20)/(cpuTime(b)-start).Seconds(), "MiB/cpu-s")
	}
}

func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
