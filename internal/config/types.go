package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"roomreel"
	"roomreel/internal/layout"
)

// Duration is a time.Duration that can be written with days: 30d, 1d12h, 90s. It is never negative.
type Duration time.Duration

const day = 24 * time.Hour

// Std returns the duration as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalText reads a whole number of days, a duration of the standard library, or both in that order.
func (d *Duration) UnmarshalText(text []byte) error {
	const wrong = "is not a duration such as 90s, 36h, 30d or 1d12h"
	rest := string(text)
	var sum time.Duration
	if days, after, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return errors.New(wrong)
		}
		sum, rest = time.Duration(n)*day, after
	}
	if rest != "" || sum == 0 && len(text) == 0 {
		part, err := time.ParseDuration(rest)
		if err != nil || part < 0 || sum > math.MaxInt64-part {
			return errors.New(wrong)
		}
		sum += part
	}
	*d = Duration(sum)
	return nil
}

func (d Duration) String() string {
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	switch {
	case days == 0:
		return trimZeros(rest)
	case rest == 0:
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd%s", days, trimZeros(rest))
}

// trimZeros writes 24h0m0s as 24h.
func trimZeros(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}

func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Bytes is a size. It is written as a plain number, or with a unit: KB, MB, GB, TB count in thousands, KiB, MiB, GiB, TiB
// in 1024s.
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// UnmarshalText reads a whole number and a unit of any case, with or without a space between.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	if at := strings.IndexFunc(number, unicode.IsLetter); at >= 0 {
		name := number[at:]
		unit = 0
		for _, known := range byteUnits {
			if strings.EqualFold(name, known.name) {
				unit = known.size
			}
		}
		number = strings.TrimSpace(number[:at])
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || unit == 0 || n > math.MaxInt64/unit {
		return errors.New("is not a size such as 500MB, 2GiB or 1048576")
	}
	*b = Bytes(n * unit)
	return nil
}

func (b Bytes) String() string {
	for _, unit := range byteUnits {
		if n := int64(b); n > 0 && n%unit.size == 0 && unit.size > 1 {
			return strconv.FormatInt(n/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// Resolution is the size of a film in pixels, written as WIDTHxHEIGHT.
type Resolution layout.Size

// UnmarshalText reads a size that films may have.
func (r *Resolution) UnmarshalText(text []byte) error {
	size, err := layout.ParseResolution(string(text), layout.Largest)
	if err != nil {
		return fmt.Errorf("is not WIDTHxHEIGHT in pixels, such as 1920x1080, up to %v", layout.Largest)
	}
	*r = Resolution(size)
	return nil
}

func (r Resolution) String() string { return layout.Size(r).String() }

func (r Resolution) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Rate is a number of requests a second; 0 is no limit. RateAuto depends on how the server is reached, see [Config.Rates].
type Rate int

const RateAuto Rate = -1

// UnmarshalText reads auto or a whole number.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*r = RateAuto
		return nil
	}
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return errors.New("is not auto or a whole number from 0")
	}
	*r = Rate(n)
	return nil
}

func (r Rate) String() string {
	if r == RateAuto {
		return "auto"
	}
	return strconv.Itoa(int(r))
}

func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

const redacted = "[redacted]"

// Secret is a text that fmt, JSON and the log do not print. [Secret.Reveal] is the only way to read it.
type Secret struct{ text string }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.text }

// String returns "" or a placeholder: it shows only whether there is a secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return redacted
}

func (s Secret) GoString() string             { return fmt.Sprintf("config.Secret{%s}", s) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}

// DatabaseURL is a PostgreSQL URL that prints without its password.
type DatabaseURL struct{ text string }

// Reveal returns the URL with its password, for the driver.
func (d DatabaseURL) Reveal() string { return d.text }

// UnmarshalText takes an empty text or a postgres:// URL.
func (d *DatabaseURL) UnmarshalText(text []byte) error {
	raw := string(text)
	if raw != "" {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			// The cause would repeat the URL, and with it the password.
			return errors.New("is not a URL of the form postgres://user:password@host:5432/name")
		}
	}
	d.text = raw
	return nil
}

func (d DatabaseURL) String() string {
	u, err := url.Parse(d.text)
	if err != nil || d.text == "" {
		return ""
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), "redacted")
	}
	if query := u.Query(); query.Has("password") {
		query.Set("password", "redacted")
		u.RawQuery = query.Encode()
	}
	return u.String()
}

func (d DatabaseURL) GoString() string             { return fmt.Sprintf("config.DatabaseURL{%s}", d) }
func (d DatabaseURL) LogValue() slog.Value         { return slog.StringValue(d.String()) }
func (d DatabaseURL) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// Role is what a node does.
type Role string

const (
	RoleAll    Role = "all"
	RoleAPI    Role = "api"    // answers requests and runs no jobs
	RoleWorker Role = "worker" // runs jobs and answers only health checks
)

// Sandbox is how strictly the render child is isolated.
type Sandbox string

const (
	SandboxAuto    Sandbox = "auto"
	SandboxRequire Sandbox = "require"
	SandboxOff     Sandbox = "off"
)

// Copy says whether packets of recordings are copied into films.
type Copy string

// The values of compose.copy.
const (
	CopyAuto  Copy = "auto"
	CopyNever Copy = "never"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Copy) UnmarshalText(text []byte) error { return oneOf(c, text, CopyAuto, CopyNever) }

// VideoEncoder is what encodes H.264 on a node.
type VideoEncoder string

const (
	EncodeSoftware VideoEncoder = "software"
	EncodeVAAPI    VideoEncoder = "vaapi"
	EncodeNVENC    VideoEncoder = "nvenc"
)

// DeviceFiles returns the files of the device that encodes; none for software.
func (r Render) DeviceFiles() []string {
	switch {
	case r.VideoEncoder == EncodeSoftware:
		return nil
	case r.Devices != "":
		return strings.Split(r.Devices, ",")
	case r.VideoEncoder == EncodeNVENC:
		return []string{"/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"}
	}
	return []string{"/dev/dri/renderD128"}
}

// Quality is the quality of films.
type Quality roomreel.Quality

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

// LogLevel is the lowest level that is written.
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

func (e *VideoEncoder) UnmarshalText(text []byte) error {
	return oneOf(e, text, EncodeSoftware, EncodeVAAPI, EncodeNVENC)
}

func (q *Quality) UnmarshalText(text []byte) error {
	return oneOf(q, text, Quality(roomreel.QualityDraft), Quality(roomreel.QualityStandard), Quality(roomreel.QualityArchive), Quality(roomreel.QualitySmall))
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
