package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite roomreel.toml")

// same compares configurations, secrets included.
var same = cmp.Options{
	cmp.Comparer(func(a, b Secret) bool { return a == b }),
	cmp.Comparer(func(a, b DatabaseURL) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roomreel.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_WithoutSourcesReturnsTheDefault(t *testing.T) {
	got, settings, err := Load(Sources{File: "there-is-no-such-file.toml"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, same); diff != "" {
		t.Error(diff)
	}
	for _, s := range settings {
		if s.Origin != "default" || s.Help == "" {
			t.Errorf("%s comes from %q with help %q", s.Key, s.Origin, s.Help)
		}
	}
}

func TestLoad_LaterSourcesOverride(t *testing.T) {
	file := write(t, "[server]\nlisten = \":1\"\ndata = \"/file\"\nmax_upload = \"2GiB\"\n[compose]\nfps = 30\n")
	got, settings, err := Load(Sources{
		File:  file,
		Env:   []string{"ROOMREEL_SERVER_LISTEN=:2", "ROOMREEL_SERVER_DATA=/env", "PATH=/bin", "ROOMREEL_LIMITS_READS_PER_SECOND=7"},
		Flags: map[string]string{"server.listen": ":3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Server.Listen, want.Server.Data, want.Server.MaxUpload = ":3", "/env", 2<<30
	want.Compose.FPS, want.Limits.Reads = 30, 7
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
	origins := map[string]string{
		"server.listen": "flag", "server.data": "environment ROOMREEL_SERVER_DATA",
		"compose.fps": "file " + file, "server.role": "default",
	}
	for _, s := range settings {
		if want, ok := origins[s.Key]; ok && s.Origin != want {
			t.Errorf("%s comes from %q, want %q", s.Key, s.Origin, want)
		}
	}
}

func TestLoad_ReportsAllMistakesTogether(t *testing.T) {
	file := write(t, `
[server]
listn = ":1"
role = "boss"
[compose]
fps = 29.97
chunk = "tomorrow"
[server.nested]
deep = 1
[webhook]
allow = ["10.0.0.0/8", "home"]
[[s3.endpoints]]
host = "minio"
regoin = "x"
`)
	_, _, err := Load(Sources{
		File:  file,
		Env:   []string{"ROOMREEL_SERVER_LISTEM=:2", "ROOMREEL_DATABASE_URL=mysql://u:hunter2@h/d", "ROOMREEL_SERVER_TRUST_FORWARDED=perhaps"},
		Flags: map[string]string{"render.memory": "lots"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"file " + file + ": unknown key server.listn; did you mean server.listen?",
		`server.role is not one of all, api, worker: "boss"`,
		"compose.fps is not a whole number", "compose.chunk is not a duration",
		"unknown key server.nested",
		`webhook.allow has "home"`,
		`s3.endpoints is not a list of tables with host, region, path_style, insecure and ca (unknown field "regoin")`,
		"environment ROOMREEL_SERVER_LISTEM: unknown variable; did you mean ROOMREEL_SERVER_LISTEN?",
		"database.url is not a URL", "server.trust_forwarded is not true or false",
		`flag: render.memory is not a size such as 500MB, 2GiB or 1048576: "lots"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats a password:\n%v", err)
	}
}

// A size is bounded by what encoders take, by what requests without a Resolution ask for, and by the memory of a child.
func TestLoad_BoundsTheLargestResolution(t *testing.T) {
	for flags, want := range map[[2]string]string{
		{"4096x2304", "2GiB"}:   "",
		{"1280x720", "256MiB"}:  "",
		{"4096x2306", "2GiB"}:   `compose.max_resolution is not WIDTHxHEIGHT in pixels, such as 1920x1080, up to 4096x2304: "4096x2306"`,
		{"large", "2GiB"}:       `compose.max_resolution is not WIDTHxHEIGHT`,
		{"640x360", "2GiB"}:     "compose.max_resolution is 640x360, and requests without a Resolution ask for 640x480",
		{"3840x2160", "512MiB"}: "render.memory is 512MiB, and films of 3840x2160 (compose.max_resolution) need 1559 MB",
	} {
		_, _, err := Load(Sources{Flags: map[string]string{"compose.max_resolution": flags[0], "render.memory": flags[1]}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", flags, err, want)
		}
	}
}

func TestLoad_ChecksSettingsAgainstEachOther(t *testing.T) {
	_, _, err := Load(Sources{Flags: map[string]string{
		"server.listen": "here", "server.public_url": "https://example.com/roomreel", "server.tls_cert": "/nowhere/cert.pem",
		"server.role": "worker", "vault.url": "s3://", "render.memory": "1MiB", "compose.chunk": "10ms", "compose.fps": "61", "s3.key": "film",
	}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"server.listen is not an address", "server.public_url must not have a path", "server.tls_cert: stat /nowhere/cert.pem",
		"are needed together", "server.role worker needs database.url", "vault.url is not of the form", "vault.access_key",
		"render.memory is 1MiB", "compose.chunk is 10ms", "compose.fps is 61, not from 1 to 60", "s3.key has no {sid}",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
}

// TestLoad_KeepsRowsUntilTheLastAttempt: a row must not be removed while one of its events or deliveries is still tried.
func TestLoad_KeepsRowsUntilTheLastAttempt(t *testing.T) {
	for _, test := range []struct {
		flags map[string]string
		want  string
	}{
		{map[string]string{"retention.metadata": "1d", "webhook.give_up": "36h"}, "retention.metadata (1d) is shorter than webhook.give_up (1d12h)"},
		{map[string]string{"retention.metadata": "1d", "s3.give_up": "2d"}, "retention.metadata (1d) is shorter than s3.give_up (2d)"},
		{map[string]string{"retention.metadata": "1d"}, ""},
	} {
		_, _, err := Load(Sources{Flags: test.flags})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: error %v, want %q", test.flags, err, test.want)
		}
	}
}

func TestLoad_RefusesAFilmLimitOfZero(t *testing.T) {
	keys := []string{"limits.uploads", "limits.free_space", "limits.tracks", "limits.film_length", "limits.film_frames", "limits.offset_spread"}
	flags := map[string]string{"limits.sign_in_failures": "0", "limits.reads_per_second": "0"} // these two are rates: 0 is no limit
	for _, key := range keys {
		flags[key] = "0"
	}
	_, _, err := Load(Sources{Flags: flags})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, key := range keys {
		if !strings.Contains(err.Error(), key+" must be more than 0") {
			t.Errorf("%s is missing in\n%v", key, err)
		}
	}
	if strings.Contains(err.Error(), "per_second") || strings.Contains(err.Error(), "sign_in") {
		t.Errorf("a rate of 0 was refused:\n%v", err)
	}
}

func TestLoad_RefusesAFileThatWasNamedAndIsNotThere(t *testing.T) {
	if _, _, err := Load(Sources{File: "/nowhere/roomreel.toml", Required: true}); err == nil {
		t.Error("accepted")
	}
	if _, _, err := Load(Sources{File: write(t, "[server\n")}); err == nil || !strings.Contains(err.Error(), "line ") {
		t.Errorf("error %v, want one that names the line", err)
	}
}

func TestLoad_LeavesOtherProgramsVariablesAlone(t *testing.T) {
	_, _, err := Load(Sources{Env: []string{
		"ROOMREEL_PORT=tcp://10.0.0.1:80", "ROOMREEL_PORT_80_TCP=x", "ROOMREEL_SERVICE_HOST=10.0.0.1",
		"ROOMREEL_TEST_REQUIRE=postgres", "ROOMREEL_TOKEN=x", "ROOMREELS=x",
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestLoad_ReadsEndpointsFromBothSources(t *testing.T) {
	want := []S3Endpoint{{Host: "minio:9000", Region: "eu", PathStyle: true, Insecure: true}}
	fromFile, _, err := Load(Sources{File: write(t, "[[s3.endpoints]]\nhost = \"minio:9000\"\nregion = \"eu\"\npath_style = true\ninsecure = true\n")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	fromEnv, _, err := Load(Sources{Env: []string{"ROOMREEL_S3_ENDPOINTS=" + string(text)}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromFile.S3.Endpoints) + cmp.Diff(want, fromEnv.S3.Endpoints); diff != "" {
		t.Error(diff)
	}
}

func TestSecrets_AreNeverPrinted(t *testing.T) {
	config, settings, err := Load(Sources{Flags: map[string]string{
		"vault.url": "s3://b", "vault.access_key": "AK", "vault.secret_key": "hunter2",
		"database.url": "postgres://u:hunter2@host/db?password=hunter2&sslmode=require",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", config, "secret", config.Media.SecretKey, "url", config.Database.URL)
	asJSON, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q", config, config, config, config.Media.SecretKey, config.Media.SecretKey) +
		log.String() + string(asJSON) + fmt.Sprint(settings)
	if strings.Contains(printed, "hunter2") {
		t.Errorf("a secret is in\n%s", printed)
	}
	if config.Media.SecretKey.Reveal() != "hunter2" || !strings.Contains(config.Database.URL.Reveal(), "u:hunter2@") {
		t.Error("Reveal does not return the secret")
	}
}

func TestDuration_HasDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "36h": 36 * time.Hour, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "1d30m": 24*time.Hour + 30*time.Minute,
	} {
		var d, again Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%q is %v (%v), want %v", text, d.Std(), err, want)
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%q prints as %q, which reads as %v (%v)", text, d, again, err)
		}
	}
	for _, text := range []string{"", "d", "-1s", "-1d", "1", "1w", "1d-1h", "99999999d", "1d1d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was accepted as %v", text, d)
		}
	}
}

func TestBytes_HaveUnits(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1048576": 1 << 20, "2GiB": 2 << 30, "500 mb": 500e6, "7B": 7, "1tib": 1 << 40} {
		var b, again Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || int64(b) != want {
			t.Errorf("%q is %d (%v), want %d", text, int64(b), err, want)
		}
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%q prints as %q, which reads as %d (%v)", text, b, int64(again), err)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1.5GiB", "1XB", "9999999TiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was accepted as %d", text, int64(b))
		}
	}
}

func TestExampleFile_ShowsEveryKeyWithItsDefault(t *testing.T) {
	const path = "../../roomreel.toml"
	want := example()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not up to date; run `make golden`\n%s", path, diff)
	}
	var bare strings.Builder // the same without the comment signs must be what is built in
	for line := range strings.Lines(want) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		bare.WriteString(line)
	}
	config, _, err := Load(Sources{File: write(t, bare.String())})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), config, same); diff != "" {
		t.Error(diff)
	}
}

// example is the text of roomreel.toml: every key with its help and its default, commented out.
func example() string {
	var b strings.Builder
	b.WriteString("# The configuration of roomreel. Every line that is commented out shows the built-in default.\n" +
		"# ROOMREEL_SECTION_KEY in the environment and flags win over this file; `roomreel config` shows what is in effect.\n")
	config := Default()
	section := ""
	for _, f := range fieldsOf(&config) {
		name, key, _ := strings.Cut(f.key, ".")
		if name != section {
			section = name
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		if f.key == "s3.endpoints" {
			fmt.Fprintf(&b, "# %s:\n#   [[s3.endpoints]]\n#   host = \"minio.example.com:9000\"\n#   region = \"us-east-1\"\n#   path_style = true\n", f.help)
			continue
		}
		value := fmt.Sprintf("%q", f.show())
		switch f.value.Interface().(type) {
		case bool, int:
			value = f.show()
		case []netip.Prefix:
			value = "[]"
		}
		fmt.Fprintf(&b, "# %s\n#%s = %s\n", f.help, key, value)
	}
	return b.String()
}

func FuzzLoad(f *testing.F) {
	f.Add("[server]\nlisten = \":1\"\n", "2GiB", "1d12h")
	f.Add("[[s3.endpoints]]\nhost = 1\n", "x", "-")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text, size, duration string) {
		path := filepath.Join(dir, "fuzz.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config, settings, err := Load(Sources{File: path, Flags: map[string]string{"server.max_upload": size, "retention.metadata": duration}})
		if err == nil && (config.Server.MaxUpload <= 0 || config.Retention.Metadata < 0 || len(settings) == 0) {
			t.Fatalf("accepted %+v", config)
		}
	})
}

func TestRates_AreHigherWhereTheServerIsNotShared(t *testing.T) {
	for name, test := range map[string]struct {
		change        func(*Config)
		reads, writes int
	}{
		"default":       {func(*Config) {}, 800, 200},
		"loopback_ipv6": {func(c *Config) { c.Server.Listen = "[::1]:8080" }, 800, 200},
		"localhost":     {func(c *Config) { c.Server.Listen = "localhost:8080" }, 800, 200},
		"all_addresses": {func(c *Config) { c.Server.Listen = ":8080" }, 80, 20},
		"one_address":   {func(c *Config) { c.Server.Listen = "192.0.2.1:8080" }, 80, 20},
		"public_url":    {func(c *Config) { c.Server.PublicURL = "https://media.example.com" }, 80, 20},
		"behind_proxy":  {func(c *Config) { c.Server.TrustForwarded = true }, 80, 20},
		"set":           {func(c *Config) { c.Limits.Reads, c.Limits.Writes = 5, 0 }, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := Default()
			test.change(&c)
			if reads, writes := c.Rates(); reads != test.reads || writes != test.writes {
				t.Errorf("%d reads and %d writes, want %d and %d", reads, writes, test.reads, test.writes)
			}
		})
	}
	var rate Rate
	for _, wrong := range []string{"-1", "-2", "1.5", "many", "", "99999999999"} {
		if err := rate.UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q is read as %v", wrong, rate)
		}
	}
}
