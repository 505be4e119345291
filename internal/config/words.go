package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Role is what a node does.
type Role string

const (
	RoleAll    Role = "all"
	RoleAPI    Role = "api"    // answers requests and leaves the work to others
	RoleWorker Role = "worker" // makes films and listens only for health checks
)

// Sandbox is how strictly the render child is locked in.
type Sandbox string

const (
	SandboxAuto    Sandbox = "auto"
	SandboxRequire Sandbox = "require"
	SandboxOff     Sandbox = "off"
)

// Encoder is a point between speed and size.
type Encoder string

const (
	EncoderDraft    Encoder = "draft"
	EncoderStandard Encoder = "standard"
	EncoderArchive  Encoder = "archive"
)

// Seal is an encryption format.
type Seal string

const (
	SealTwilio Seal = "twilio"
	SealCMS    Seal = "cms-gcm"
)

// LogFormat is how log lines look.
type LogFormat string

const (
	LogAuto LogFormat = "auto"
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// LogLevel is the least important line that is written.
type LogLevel string

const (
	LevelDebug LogLevel = "debug"
	LevelInfo  LogLevel = "info"
	LevelWarn  LogLevel = "warn"
	LevelError LogLevel = "error"
)

// Slog returns the level as the standard library's type.
func (l LogLevel) Slog() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l)) // every LogLevel is a name that slog knows; the zero value is info
	return level
}

func (r *Role) UnmarshalText(text []byte) error {
	return oneOf(r, text, RoleAll, RoleAPI, RoleWorker)
}

func (s *Sandbox) UnmarshalText(text []byte) error {
	return oneOf(s, text, SandboxAuto, SandboxRequire, SandboxOff)
}

func (e *Encoder) UnmarshalText(text []byte) error {
	return oneOf(e, text, EncoderDraft, EncoderStandard, EncoderArchive)
}

func (s *Seal) UnmarshalText(text []byte) error {
	return oneOf(s, text, SealTwilio, SealCMS)
}

func (f *LogFormat) UnmarshalText(text []byte) error {
	return oneOf(f, text, LogAuto, LogText, LogJSON)
}

func (l *LogLevel) UnmarshalText(text []byte) error {
	return oneOf(l, text, LevelDebug, LevelInfo, LevelWarn, LevelError)
}

func oneOf[T ~string](to *T, text []byte, words ...T) error {
	if !slices.Contains(words, T(text)) {
		names := make([]string, len(words))
		for i, word := range words {
			names[i] = string(word)
		}
		return fmt.Errorf("is not one of %s", strings.Join(names, ", "))
	}
	*to = T(text)
	return nil
}
