package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"roomreel/internal/layout"
)

// check finds values that are out of range, and settings that contradict each other.
func (c Config) check() []error {
	var mistakes []error
	say := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }

	if _, _, err := net.SplitHostPort(c.Server.Listen); err != nil {
		say("server.listen is not an address and port such as 127.0.0.1:8080: %q", c.Server.Listen)
	}
	if c.Server.Data == "" {
		say("server.data is empty; name a folder")
	}
	if c.Server.PublicURL != "" {
		if why := wrongBase(c.Server.PublicURL); why != "" {
			say("server.public_url %s: %q", why, c.Server.PublicURL)
		}
	}
	if (c.Server.TLSCert == "") != (c.Server.TLSKey == "") {
		say("server.tls_cert and server.tls_key are needed together; one is missing")
	}
	if c.Server.MaxUpload == 0 {
		say("server.max_upload must be more than 0")
	}
	if c.Server.BodyTimeout == 0 || c.Server.UploadRate == 0 {
		say("server.body_timeout and server.upload_rate must be more than 0")
	}
	for _, file := range []struct{ key, path string }{
		{"server.tls_cert", c.Server.TLSCert}, {"server.tls_key", c.Server.TLSKey}, {"vault.ca", c.Media.CA},
	} {
		if file.path != "" {
			if _, err := os.Stat(file.path); err != nil {
				say("%s: %w", file.key, err)
			}
		}
	}
	if c.Server.Role != RoleAll && c.Database.URL.Reveal() == "" {
		say("server.role %s needs database.url: several nodes cannot share SQLite", c.Server.Role)
	}
	mistakes = append(mistakes, c.Media.check()...)
	if c.Compose.FPS < 1 || c.Compose.FPS > maxFPS {
		say("compose.fps is %d, not from 1 to %d", c.Compose.FPS, maxFPS)
	}
	if _, err := layout.ParseResolution(layout.DefaultResolution, layout.Size(c.Compose.MaxResolution)); err != nil {
		say("compose.max_resolution is %s, and requests without a Resolution ask for %s", c.Compose.MaxResolution, layout.DefaultResolution)
	}
	if c.Compose.Chunk.Std() < minChunk {
		say("compose.chunk is %s; the shortest is %s", c.Compose.Chunk, Duration(minChunk))
	}
	if hold := c.Compose.Hold.Std(); hold > 0 && hold < minHold {
		say("compose.hold is %s; the shortest is %s, and 0 is until the camera is on again", c.Compose.Hold, Duration(minHold))
	}
	if c.Render.VideoEncoder == EncodeSoftware && c.Render.Devices != "" {
		say("render.devices needs render.video_encoder vaapi or nvenc")
	}
	if c.Render.Memory < minMemory {
		say("render.memory is %s; decoders and an encoder need at least %s", c.Render.Memory, Bytes(minMemory))
	} else if least := c.Compose.MaxResolution.memory(); c.Render.Memory < least {
		say("render.memory is %s, and films of %s (compose.max_resolution) need %d MB", c.Render.Memory, c.Compose.MaxResolution, least/1e6)
	}
	if c.Webhook.Timeout == 0 || c.Webhook.Connect == 0 {
		say("webhook.connect and webhook.timeout must be more than 0")
	}
	if !strings.Contains(c.S3.Key, "{sid}") {
		say("s3.key has no {sid}, so that objects would replace each other: %q", c.S3.Key)
	}
	for i, endpoint := range c.S3.Endpoints {
		if endpoint.Host == "" || strings.ContainsAny(endpoint.Host, "/@ ") {
			say("s3.endpoints[%d].host is not a host such as minio.example.com:9000: %q", i, endpoint.Host)
		}
		if endpoint.CA != "" {
			if _, err := os.Stat(endpoint.CA); err != nil {
				say("s3.endpoints[%d].ca: %w", i, err)
			}
		}
	}
	mistakes = append(mistakes, c.Limits.check()...)
	if c.Retention.Metadata == 0 {
		say("retention.metadata must be more than 0; Twilio's is 30d")
	} else {
		// An event or a delivery belongs to a row. The row must be there until the last attempt.
		for _, giveUp := range []struct {
			key   string
			value Duration
		}{{"webhook.give_up", c.Webhook.GiveUp}, {"s3.give_up", c.S3.GiveUp}} {
			if c.Retention.Metadata < giveUp.value {
				say("retention.metadata (%s) is shorter than %s (%s): rows would be removed while they are still needed", c.Retention.Metadata, giveUp.key, giveUp.value)
			}
		}
	}
	return mistakes
}

func (l Limits) check() []error {
	var mistakes []error
	for _, limit := range []struct {
		key  string
		zero bool
	}{
		{"limits.uploads", l.Uploads == 0},
		{"limits.free_space", l.FreeSpace == 0},
		{"limits.tracks", l.Tracks == 0},
		{"limits.film_length", l.FilmLength == 0},
		{"limits.film_frames", l.FilmFrames == 0},
		{"limits.offset_spread", l.OffsetSpread == 0},
	} {
		if limit.zero {
			mistakes = append(mistakes, fmt.Errorf("%s must be more than 0", limit.key))
		}
	}
	return mistakes
}

const (
	maxFPS    = 60        // what browsers record at most
	minChunk  = 1e9       // one second; with shorter chunks, starting children takes longer than rendering
	minHold   = 500e6     // half a second; a camera in bad light sends a frame less often than that
	minMemory = 256 << 20 // a 720p composition of four participants was measured at 107 MB
)

// memory is what a child needs for films of this size: for decoders and the program, and for each pixel what the encoder of archive keeps.
// With two cameras a child was measured at 1.40 GB for 3840x2160 and at 1.62 GB for 4096x2304.
func (r Resolution) memory() Bytes { return Bytes(100e6 + 176*r.W*r.H) }

func (m MediaStore) check() []error {
	var mistakes []error
	say := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if m.URL == "" {
		if m.Endpoint != "" || m.AccessKey != "" || m.SecretKey.Reveal() != "" {
			say("vault.endpoint, vault.access_key and vault.secret_key need vault.url")
		}
		return mistakes
	}
	u, err := url.Parse(m.URL)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		say("vault.url is not of the form s3://bucket or s3://bucket/prefix: %q", m.URL)
	}
	if m.Endpoint != "" {
		if why := wrongBase(m.Endpoint); why != "" {
			say("vault.endpoint %s: %q", why, m.Endpoint)
		}
	}
	if m.AccessKey == "" || m.SecretKey.Reveal() == "" {
		say("vault.access_key and vault.secret_key are required with vault.url")
	}
	return mistakes
}

// wrongBase returns why a text is not a scheme and host, or "".
func wrongBase(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil:
		return "is not of the form https://host"
	case strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "":
		return "must not have a path: the API is served at the root"
	}
	return ""
}
