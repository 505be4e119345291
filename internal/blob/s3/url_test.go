package s3_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"roomreel/internal/blob"
	"roomreel/internal/blob/s3"
	"roomreel/internal/blob/s3/s3test"
)

var endpoints = s3.Endpoints{Allowed: []s3.Endpoint{
	{Host: "minio.example.com:9000", Region: "here"},
	{Host: "s3.eu-central-003.backblazeb2.com", Region: "eu-central-003"},
	{Host: "127.0.0.1:9000", Insecure: true, PathStyle: true},
	{Host: "s3.eu-west-3.amazonaws.com", Region: "eu-west-3"}, // an endpoint inside a VPC
}}

func TestParseURL_TakesEveryForm(t *testing.T) {
	for text, want := range map[string]struct {
		bucket, prefix, region, host, object string
		pathStyle, trusted                   bool
	}{
		"https://my-bucket.s3.amazonaws.com/recordings":    {"my-bucket", "recordings", "", "amazonaws.com", "https://my-bucket.s3.amazonaws.com/recordings/AC1/RT1.mkv", false, false},
		"https://my-bucket.s3.amazonaws.com":               {"my-bucket", "", "", "amazonaws.com", "https://my-bucket.s3.amazonaws.com/AC1/RT1.mkv", false, false},
		"https://my-bucket.s3.amazonaws.com/":              {"my-bucket", "", "", "amazonaws.com", "https://my-bucket.s3.amazonaws.com/AC1/RT1.mkv", false, false},
		"https://b12.s3-eu-west-1.amazonaws.com/a/b/":      {"b12", "a/b", "eu-west-1", "amazonaws.com", "https://b12.s3-eu-west-1.amazonaws.com/a/b/AC1/RT1.mkv", false, false},
		"https://b12.s3.eu-west-1.amazonaws.com/a%20b":     {"b12", "a b", "eu-west-1", "amazonaws.com", "https://b12.s3.eu-west-1.amazonaws.com/a%20b/AC1/RT1.mkv", false, false},
		"https://b12.s3.dualstack.eu-west-1.amazonaws.com": {"b12", "", "eu-west-1", "amazonaws.com", "https://b12.s3.dualstack.eu-west-1.amazonaws.com/AC1/RT1.mkv", false, false},
		"https://b12.s3.cn-north-1.amazonaws.com.cn":       {"b12", "", "cn-north-1", "amazonaws.com.cn", "https://b12.s3.cn-north-1.amazonaws.com.cn/AC1/RT1.mkv", false, false},
		"https://b12.s3-external-1.amazonaws.com":          {"b12", "", "us-east-1", "amazonaws.com", "https://b12.s3-external-1.amazonaws.com/AC1/RT1.mkv", false, false},
		"https://s3.amazonaws.com/b12/x":                   {"b12", "x", "", "amazonaws.com", "https://s3.amazonaws.com/b12/x/AC1/RT1.mkv", true, false},
		"https://s3-eu-west-1.amazonaws.com:443/b12":       {"b12", "", "eu-west-1", "amazonaws.com", "https://s3-eu-west-1.amazonaws.com/b12/AC1/RT1.mkv", true, false},
		"https://with.dots.s3.eu-west-1.amazonaws.com":     {"with.dots", "", "eu-west-1", "amazonaws.com", "https://with.dots.s3.eu-west-1.amazonaws.com/AC1/RT1.mkv", true, false},
		"https://my-bucket/path":                           {"my-bucket", "path", "", "amazonaws.com", "https://my-bucket.s3.amazonaws.com/path/AC1/RT1.mkv", false, false},
		"HTTPS://My-Bucket.S3.amazonaws.com/Path":          {"my-bucket", "Path", "", "amazonaws.com", "https://my-bucket.s3.amazonaws.com/Path/AC1/RT1.mkv", false, false},
		"https://minio.example.com:9000/b12/x":             {"b12", "x", "here", "minio.example.com:9000", "https://minio.example.com:9000/b12/x/AC1/RT1.mkv", true, true},
		"https://b12.minio.example.com:9000/x":             {"b12", "x", "here", "minio.example.com:9000", "https://b12.minio.example.com:9000/x/AC1/RT1.mkv", false, true},
		"https://b12.s3.eu-central-003.backblazeb2.com":    {"b12", "", "eu-central-003", "s3.eu-central-003.backblazeb2.com", "https://b12.s3.eu-central-003.backblazeb2.com/AC1/RT1.mkv", false, true},
		"http://127.0.0.1:9000/b12":                        {"b12", "", "", "127.0.0.1:9000", "http://127.0.0.1:9000/b12/AC1/RT1.mkv", true, true},
		"https://b12.s3.eu-west-3.amazonaws.com":           {"b12", "", "eu-west-3", "s3.eu-west-3.amazonaws.com", "https://b12.s3.eu-west-3.amazonaws.com/AC1/RT1.mkv", false, true},
	} {
		got, err := s3.ParseURL(text, endpoints)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.Bucket != want.bucket || got.Prefix != want.prefix || got.Region != want.region || got.Host != want.host ||
			got.PathStyle != want.pathStyle || got.Trusted != want.trusted || got.ObjectURL("AC1/RT1.mkv") != want.object {
			t.Errorf("%s: %+v, object %s; want %+v", text, got, got.ObjectURL("AC1/RT1.mkv"), want)
		}
	}
}

func TestParseURL_RefusesTheRest(t *testing.T) {
	for text, words := range map[string]string{
		"":                                                           "not a URL",
		"bucket":                                                     "not a URL",
		"ftp://b12.s3.amazonaws.com":                                 "https://",
		"s3://bucket/prefix":                                         "https://",
		"http://b12.s3.amazonaws.com":                                "https://",
		"http://minio.example.com:9000/b12":                          "https://",
		"https://u:p@b12.s3.amazonaws.com":                           "user name",
		"https://b12.s3.amazonaws.com/?a=b":                          "query",
		"https://b12.s3.amazonaws.com/#x":                            "fragment",
		"https://s3.amazonaws.com/":                                  "no bucket",
		"https://s3.amazonaws.com/UPPER":                             "cannot be a bucket",
		"https://s3.amazonaws.com/a_b":                               "cannot be a bucket",
		"https://s3.amazonaws.com/ab":                                "cannot be a bucket",
		"https://s3.amazonaws.com/a..b":                              "cannot be a bucket",
		"https://s3.amazonaws.com/192.168.5.4":                       "cannot be a bucket",
		"https://s3.amazonaws.com/" + strings.Repeat("a", 64):        "cannot be a bucket",
		"https://b12.s3-website-us-east-1.amazonaws.com":             "not an address to store at",
		"https://b12.s3-accelerate.amazonaws.com":                    "not an address to store at",
		"https://b12.s3.amazonaws.com.cn":                            "name its region",
		"https://b12.s3.amazonaws.com/a//b":                          "empty",
		"https://b12.s3.amazonaws.com/../b":                          "..",
		"https://b12.s3.amazonaws.com/%2e%2e/b":                      "..",
		"https://b12.s3.amazonaws.com/a%00b":                         "control",
		"https://b12.s3.amazonaws.com/" + strings.Repeat("a", 201):   "longer than",
		"https://b12.s3.amazonaws.com/" + strings.Repeat("a/", 5000): "longer than",
		"https://b12.s3.eu-west-1.amazonaws.com.evil.example":        "does not allow",
		"https://s3.amazonaws.com.evil.example/b12":                  "does not allow",
		"https://evilamazonaws.com/b12":                              "does not allow",
		"https://b12.s3.amazonaws.com:8443/x":                        "does not allow",
		"https://localhost/x":                                        "does not allow",
		"https://127.0.0.1/x":                                        "does not allow",
		"https://[::1]/x":                                            "does not allow",
		"https://169.254.169.254/latest":                             "does not allow",
		"https://minio.example.com/b12":                              "does not allow",
		"https://notminio.example.com:9000/b12":                      "does not allow",
	} {
		got, err := s3.ParseURL(text, endpoints)
		if err == nil || kindOf(err) != blob.BadURL || !strings.Contains(err.Error(), words) {
			t.Errorf("%.100s: %+v, %v; want %q in the error", text, got, err, words)
		}
	}
	if _, err := s3.ParseURL("https://b12.s3.amazonaws.com", s3.Endpoints{NoAmazon: true}); err == nil {
		t.Error("Amazon was not refused where the configuration says so")
	}
}

func TestParseOwnURL(t *testing.T) {
	minio := s3.Endpoints{NoAmazon: true, Allowed: []s3.Endpoint{{Host: "minio:9000", Insecure: true}}}
	for text, want := range map[string]string{
		"s3://my-bucket/media/rooms/":   "https://my-bucket.s3.amazonaws.com/media/rooms/key",
		"s3://my-bucket":                "https://my-bucket.s3.amazonaws.com/key",
		"s3://my.bucket/x":              "https://s3.amazonaws.com/my.bucket/x/key",
		"http://minio:9000/my-bucket/x": "http://minio:9000/my-bucket/x/key",
	} {
		got, err := s3.ParseOwnURL(text, minio)
		if err != nil || !got.Trusted || got.ObjectURL("key") != want {
			t.Errorf("%s: %+v, object %s, %v; want %s", text, got, got.ObjectURL("key"), err, want)
		}
	}
	for _, text := range []string{"", "my-bucket", "s3://", "s3://UPPER", "s3://my-bucket/../x", "s3://my-bucket/a//x", "s3://evil.example/@x"} {
		if got, err := s3.ParseOwnURL(text, s3.Endpoints{}); err == nil && text != "s3://evil.example/@x" {
			t.Errorf("%q was not refused: %+v", text, got)
		} else if err == nil && !strings.HasPrefix(got.ObjectURL("key"), "https://s3.amazonaws.com/") {
			t.Errorf("%q leads to %s", text, got.ObjectURL("key"))
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("https://b12.s3-eu-west-1.amazonaws.com/a%20b")
	f.Add("https://minio.example.com:9000/b12/x")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s3.ParseURL(text, endpoints)
		if err != nil {
			return
		}
		again, err := s3.ParseURL(strings.TrimSuffix(got.ObjectURL("key"), "/key"), endpoints)
		if err != nil || again.Bucket != got.Bucket || again.Prefix != got.Prefix || again.Host != got.Host {
			t.Errorf("%q is %+v; its object's URL is %+v, %v", text, got, again, err)
		}
	})
}

// TestStore_RefusesPrivateAddresses uses a target that is not trusted and resolves to this machine, as a customer's own
// name could.
func TestStore_RefusesPrivateAddresses(t *testing.T) {
	touched := false
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { touched = true }))
	defer inner.Close()
	target := s3.Target{Endpoint: s3.Endpoint{Host: strings.TrimPrefix(inner.URL, "http://"), Insecure: true, PathStyle: true}, Bucket: "b12"}
	for _, region := range []string{"", "eu-test-1"} {
		target.Region = region
		store := s3test.Open(t, s3.Config{Target: target, AccessKey: "key", SecretKey: "secret", Tries: 1})
		_, err := put(t.Context(), store, "film", []byte("film"))
		if kindOf(err) != blob.BadURL || !strings.Contains(err.Error(), "may reach") {
			t.Errorf("region %q: %v; want a refused address", region, err)
		}
	}
	if touched {
		t.Error("the private address was reached")
	}
}

func TestStore_FindsTheRegion(t *testing.T) {
	server := s3test.Start(t)
	config := server.Config(t, server.Host, "")
	config.Target.Region = ""
	// The server sends its region with every answer to an unsigned request.
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.Header.Get("Authorization") == "" {
			asked = r.URL.Path
			w.Header().Set("X-Amz-Bucket-Region", "moon-1")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if !strings.Contains(r.Header.Get("Authorization"), "/moon-1/s3/") {
			t.Errorf("signed for another region: %s", r.Header.Get("Authorization"))
		}
		w.Header().Set("ETag", `"8d777f385d3dfec8815d20f7496026dc"`) // of "data"
	}))
	defer proxy.Close()
	config.Target.Host = strings.TrimPrefix(proxy.URL, "http://")
	store := s3test.Open(t, config)
	if _, err := put(t.Context(), store, "film", []byte("data")); err != nil {
		t.Error(err)
	}
	if asked != "/"+server.Bucket {
		t.Errorf("asked for the region of %q", asked)
	}
}

func TestStore_TrustsTheConfiguredCA(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"8d777f385d3dfec8815d20f7496026dc"`) // of "data"
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the client that does not trust it
	server.StartTLS()
	defer server.Close()
	e := s3.Endpoint{
		Host: strings.TrimPrefix(server.URL, "https://"), Region: "here",
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
	buckets := s3.Buckets{Endpoints: s3.Endpoints{Allowed: []s3.Endpoint{e}}, Config: s3.Config{Tries: 1}}
	store, err := buckets.Open(server.URL+"/b12", "key", "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := put(t.Context(), store, "film", []byte("data")); err != nil {
		t.Error(err)
	}
	buckets.Endpoints.Allowed[0].CA = nil
	if store, err = buckets.Open(server.URL+"/b12", "key", "secret"); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := put(t.Context(), store, "film", []byte("data")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v; want an error that speaks of it", err)
	}
}
