package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roomreel/internal/seal"
)

// sealedFilm is a folder with a private key, a wrong private key, and a film under both seals with its metadata.
type sealedFilm struct {
	folder string
	plain  []byte
	sealed map[string][]byte
	header map[string]map[string]string
}

func sealFilm(t *testing.T) sealedFilm {
	t.Helper()
	f := sealedFilm{t.TempDir(), bytes.Repeat([]byte("film "), 50_000), map[string][]byte{}, map[string]map[string]string{}}
	var key *rsa.PrivateKey
	for _, name := range []string{"other.pem", "key.pem"} {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		f.write(t, name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	for _, kind := range []string{seal.Twilio, seal.CMS} {
		r, err := seal.NewReader(bytes.NewReader(f.plain), kind, &key.PublicKey, int64(len(f.plain)))
		if err != nil {
			t.Fatal(err)
		}
		if f.sealed[kind], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		f.header[kind] = seal.Headers(r.Envelope())
		meta, err := json.Marshal(seal.Metadata(r.Envelope()))
		if err != nil {
			t.Fatal(err)
		}
		f.write(t, kind, f.sealed[kind])
		f.write(t, kind+".json", meta)
	}
	return f
}

func (f sealedFilm) path(name string) string { return filepath.Join(f.folder, name) }

func (f sealedFilm) write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(f.path(name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// decrypt runs the command and returns its exit code, the file it wrote, and its messages.
func (f sealedFilm) decrypt(t *testing.T, stdin io.Reader, args ...string) (code int, out []byte, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	os.Remove(f.path("out.mp4"))
	code = run(t.Context(), append([]string{"decrypt", "-o", f.path("out.mp4")}, args...), nil, stdin, &stdout, &stderr)
	out, err := os.ReadFile(f.path("out.mp4"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return code, out, stderr.String()
}

func TestDecrypt_OpensBothSeals(t *testing.T) {
	f := sealFilm(t)
	for name, args := range map[string][]string{
		"twilio":                {f.path("twilio"), "--metadata", f.path("twilio.json")},
		"cms":                   {f.path("cms-gcm")},
		"cms_with_its_metadata": {f.path("cms-gcm"), "--metadata", f.path("cms-gcm.json")},
	} {
		code, out, said := f.decrypt(t, nil, append(args, "--key", f.path("key.pem"))...)
		if code != codeDone || !bytes.Equal(out, f.plain) {
			t.Errorf("%s: code %d, %d bytes, %s", name, code, len(out), said)
		}
	}
	code, out, said := f.decrypt(t, bytes.NewReader(f.sealed[seal.CMS]), "-", "--key", f.path("key.pem"))
	if code != codeDone || !bytes.Equal(out, f.plain) {
		t.Errorf("from standard input: code %d, %d bytes, %s", code, len(out), said)
	}
}

func TestDecrypt_FailsClearlyAndLeavesNothing(t *testing.T) {
	f := sealFilm(t)
	f.write(t, "cut", f.sealed[seal.CMS][:100_000])
	altered := bytes.Clone(f.sealed[seal.CMS])
	altered[150_000] ^= 1
	f.write(t, "altered", altered)
	f.write(t, "cut_twilio", f.sealed[seal.Twilio][:100_000])
	for name, c := range map[string]struct {
		args  []string
		code  int
		words string
	}{
		"wrong_key":        {[]string{f.path("cms-gcm"), "--key", f.path("other.pem")}, codeFailed, "not the one"},
		"wrong_key_twilio": {[]string{f.path("twilio"), "--key", f.path("other.pem"), "--metadata", f.path("twilio.json")}, codeFailed, "not the one"},
		"cut":              {[]string{f.path("cut"), "--key", f.path("key.pem")}, codeFailed, "incomplete"},
		"altered":          {[]string{f.path("altered"), "--key", f.path("key.pem")}, codeFailed, "damaged"},
		"cut_twilio":       {[]string{f.path("cut_twilio"), "--key", f.path("key.pem"), "--metadata", f.path("twilio.json")}, codeFailed, "incomplete"},
		"no_metadata":      {[]string{f.path("twilio"), "--key", f.path("key.pem")}, codeUsage, "--metadata"},
		"no_such_key":      {[]string{f.path("cms-gcm"), "--key", f.path("nothing")}, codeUsage, "--key"},
		"key_is_no_key":    {[]string{f.path("cms-gcm"), "--key", f.path("twilio.json")}, codeUsage, "PEM"},
		"nothing_to_open":  {[]string{"--key", f.path("key.pem")}, codeUsage, "--url"},
		"no_such_file":     {[]string{f.path("nothing"), "--key", f.path("key.pem")}, codeUsage, "no such file"},
	} {
		code, out, said := f.decrypt(t, nil, c.args...)
		if code != c.code || out != nil || !strings.Contains(said, c.words) {
			t.Errorf("%s: code %d, %d bytes, %q; want code %d, nothing, and %q", name, code, len(out), said, c.code, c.words)
		}
	}
	entries, err := os.ReadDir(f.folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.Contains(entry.Name(), "decrypt") {
			t.Errorf("%s was left", entry.Name())
		}
	}
}

// TestDecrypt_FromTheAPI follows the redirect to the media and sends the credentials to the API only.
func TestDecrypt_FromTheAPI(t *testing.T) {
	f := sealFilm(t)
	kind := seal.Twilio
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the credentials were sent on to the store")
		}
		if r.URL.Path == "/expired" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		for name, value := range f.header[kind] {
			w.Header().Set(name, value)
		}
		w.Write(f.sealed[kind])
	}))
	defer store.Close()
	target := "/film"
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "AC1" || password != "token:1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if target == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusFound) // without a Location: Twilio's clients read the body
		json.NewEncoder(w).Encode(map[string]string{"redirect_to": store.URL + target})
	}))
	defer api.Close()
	args := []string{"--key", f.path("key.pem"), "--url", api.URL + "/v1/Compositions/CJ1/Media", "--user"}
	for _, kind = range []string{seal.Twilio, seal.CMS} {
		if code, out, said := f.decrypt(t, nil, append(args, "AC1:token:1")...); code != codeDone || !bytes.Equal(out, f.plain) {
			t.Errorf("%s: code %d, %d bytes, %s", kind, code, len(out), said)
		}
	}
	if code, _, said := f.decrypt(t, nil, append(args, "AC1:wrong")...); code != codeUsage || !strings.Contains(said, "--user") {
		t.Errorf("wrong credentials: code %d, %s", code, said)
	}
	for target = range map[string]bool{"/expired": true, "": true} {
		if code, out, said := f.decrypt(t, nil, append(args, "AC1:token:1")...); code != codeUsage || out != nil {
			t.Errorf("%q: code %d, %s", target, code, said)
		}
	}
}
