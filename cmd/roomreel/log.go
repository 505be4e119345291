package main

import (
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"roomreel/internal/config"
	"roomreel/internal/progress"
)

// newLog makes the logger that the configuration asks for: text on a terminal, JSON otherwise.
func newLog(c config.Log, out io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level.Slog(), ReplaceAttr: withUnit}
	if c.Format == config.LogText || c.Format == config.LogAuto && progress.IsTerminal(out) {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}

// timeKey is the key of an attribute that holds a length of time.
var timeKey = regexp.MustCompile(`^(.*_)?(duration|took|wait|elapsed|delay|age|timeout|interval|period)$`)

// withUnit gives each length of time its unit: a number of milliseconds, under a key that ends in _ms. Libraries such as River log
// a time.Duration, which would be a bare number of nanoseconds in JSON, or its text, such as 1m30s.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	var d time.Duration
	switch a.Value.Kind() {
	case slog.KindDuration:
		d = a.Value.Duration()
	case slog.KindString:
		parsed, err := time.ParseDuration(a.Value.String())
		if err != nil || !timeKey.MatchString(a.Key) {
			return a
		}
		d = parsed
	default:
		return a
	}
	return slog.Float64(strings.TrimSuffix(a.Key, "_ms")+"_ms", float64(d.Microseconds())/1000)
}
