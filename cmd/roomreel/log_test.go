package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/config"
)

// TestLog_WritesLengthsOfTimeInMilliseconds logs as libraries do: with attributes and with pairs, in groups and with With.
func TestLog_WritesLengthsOfTimeInMilliseconds(t *testing.T) {
	const d = 1500*time.Millisecond + 250*time.Microsecond
	var out bytes.Buffer
	log := newLog(config.Log{Format: config.LogJSON}, &out)
	log.With("sleep", d).Warn("retry", slog.Duration("duration", d), "wait_ms", time.Second, "n", 7,
		"sleep_duration", d.String(), "name", "5s", slog.Group("job", slog.Any("timeout", time.Minute)))
	got := map[string]any{}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "WARN", "msg": "retry", "sleep_ms": 1500.25, "duration_ms": 1500.25, "wait_ms": 1000.0, "n": 7.0,
		"sleep_duration_ms": 1500.25, "name": "5s",
		"job": map[string]any{"timeout_ms": 60000.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
