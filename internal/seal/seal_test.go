package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"roomreel"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

var otherKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// media returns n bytes that do not repeat.
func media(n int) []byte {
	b := make([]byte, n)
	io.ReadFull(mrand.NewChaCha8([32]byte{1}), b)
	return b
}

// sealed seals plain in pieces of different sizes.
func sealed(t testing.TB, kind string, plain []byte) ([]byte, roomreel.Envelope) {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, kind, &testKey().PublicKey, int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	for i, rest := 0, plain; len(rest) > 0; i++ {
		n := min(len(rest), []int{1, 7, 16, 100_000, 15, 64 << 10, 33}[i%7])
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != w.Size() {
		t.Errorf("%s: %d sealed bytes; Size said %d", kind, out.Len(), w.Size())
	}
	return out.Bytes(), w.Envelope()
}

func opened(r io.Reader, e roomreel.Envelope, key *rsa.PrivateKey) ([]byte, error) {
	plain, err := Open(r, e, key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}

var (
	kinds   = []string{Twilio, CMS}
	lengths = []int{0, 1, 15, 16, 17, 112, 120, 240, 65_000, 65_519, 65_520, 65_536, 65_537, 131_056, 1_000_003}
)

func TestSeal_OpensAgain(t *testing.T) {
	for _, kind := range kinds {
		for _, length := range lengths {
			plain := media(length)
			bytesSealed, e := sealed(t, kind, plain)
			for name, r := range map[string]io.Reader{
				"whole": bytes.NewReader(bytesSealed), "halves": iotest.HalfReader(bytes.NewReader(bytesSealed)),
				"data_with_error": iotest.DataErrReader(bytes.NewReader(bytesSealed)),
			} {
				got, err := opened(r, e, testKey())
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%s, %d bytes, %s: %d bytes came back, %v", kind, length, name, len(got), err)
				}
			}
		}
	}
}

func TestReader_SealsAsTheWriterDoes(t *testing.T) {
	for _, kind := range kinds {
		for _, length := range lengths {
			plain := media(length)
			r, err := NewReader(iotest.HalfReader(bytes.NewReader(plain)), kind, &testKey().PublicKey, int64(length))
			if err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(r)
			if err != nil || int64(len(all)) != r.Size() {
				t.Fatalf("%s: %d bytes, %v; want %d", kind, len(all), err, r.Size())
			}
			got, err := opened(bytes.NewReader(all), r.Envelope(), testKey())
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s, %d bytes: %v", kind, length, err)
			}
		}
	}
}

func TestSeal_HoldsExactlyWhatWasPromised(t *testing.T) {
	for _, kind := range kinds {
		for _, given := range []int{9, 11} {
			r, err := NewReader(bytes.NewReader(media(given)), kind, &testKey().PublicKey, 10)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(r); err == nil {
				t.Errorf("%s: 10 bytes promised, %d given: no error", kind, given)
			}
		}
	}
}

func TestSeal_NeverRepeatsAKey(t *testing.T) {
	for _, kind := range kinds {
		a, _ := sealed(t, kind, media(1000))
		b, _ := sealed(t, kind, media(1000))
		if bytes.Equal(a[len(a)-500:], b[len(b)-500:]) {
			t.Errorf("%s: the same media sealed twice gives the same bytes", kind)
		}
	}
}

func TestSeal_NamesTheWrongKey(t *testing.T) {
	for _, kind := range kinds {
		all, e := sealed(t, kind, media(1000))
		if _, err := opened(bytes.NewReader(all), e, otherKey()); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s: %v; want ErrWrongKey", kind, err)
		}
	}
}

func TestCMS_AnyChangeIsDamage(t *testing.T) {
	plain := media(70_000)
	all, e := sealed(t, CMS, plain)
	header := len(all) - len(plain) - 2 - gcmTag
	positions := []int{header, header + 1, header + 65_536, len(all) - 19, len(all) - 18, len(all) - 17, len(all) - 1}
	for i := range header {
		positions = append(positions, i)
	}
	for _, at := range positions {
		bad := bytes.Clone(all)
		bad[at] ^= 4
		got, err := opened(bytes.NewReader(bad), e, testKey())
		// The key identifier (SHA-1, 20 bytes) is not authenticated, and decides nothing.
		if err == nil && !(at < header && bytes.Equal(got, plain)) {
			t.Errorf("bit flipped in byte %d: no error", at)
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("bit flipped in byte %d: %v; want ErrDamaged or ErrWrongKey", at, err)
		}
	}
	for _, n := range []int{0, 1, 10, header - 1, header, header + 1, header + 65_536, len(all) - 18, len(all) - 16, len(all) - 1} {
		if _, err := opened(bytes.NewReader(all[:n]), e, testKey()); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut after %d of %d bytes: %v; want ErrDamaged", n, len(all), err)
		}
	}
	if _, err := opened(bytes.NewReader(append(bytes.Clone(all), 0)), e, testKey()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte too many: %v; want ErrDamaged", err)
	}
}

func TestTwilio_ShorterAndLongerIsDamage(t *testing.T) {
	all, e := sealed(t, Twilio, media(200_000))
	for _, n := range []int{0, 15, 16, 100, 65_536, 131_072, len(all) - 16, len(all) - 1} {
		if _, err := opened(bytes.NewReader(all[:n]), e, testKey()); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut after %d of %d bytes: %v; want ErrDamaged", n, len(all), err)
		}
	}
	if _, err := opened(io.MultiReader(bytes.NewReader(all), bytes.NewReader(all)), e, testKey()); !errors.Is(err, ErrDamaged) {
		t.Errorf("twice as long: %v; want ErrDamaged", err)
	}
	e.IV = e.IV[:8]
	if _, err := opened(bytes.NewReader(all), e, testKey()); !errors.Is(err, ErrDamaged) {
		t.Errorf("half an IV: %v; want ErrDamaged", err)
	}
}

func TestOpen_KeepsTheReadersOwnErrors(t *testing.T) {
	broken := errors.New("the line broke")
	for _, kind := range kinds {
		all, e := sealed(t, kind, media(200_000))
		for _, n := range []int{100_000, len(all) - 5} {
			r := io.MultiReader(bytes.NewReader(all[:n]), iotest.ErrReader(broken))
			if _, err := opened(r, e, testKey()); !errors.Is(err, broken) {
				t.Errorf("%s: %v; want the reader's error", kind, err)
			}
		}
	}
}

// openssl runs the program with stdin and returns its stdout.
func openssl(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	return out
}

func keyFile(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(testKey())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "private_key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTwilio_OpensWithOpenSSL runs the commands of Twilio's documentation.
func TestTwilio_OpensWithOpenSSL(t *testing.T) {
	key := keyFile(t)
	for _, length := range []int{0, 16, 746_518} {
		plain := media(length)
		all, e := sealed(t, Twilio, plain)
		if length == 746_518 && len(all) != 746_528 {
			t.Errorf("746518 bytes sealed are %d; Twilio's sample has 746528", len(all))
		}
		headers := Headers(e)
		if got := headers["x-amz-meta-x-amz-unencrypted-content-length"]; got != fmt.Sprint(length) {
			t.Errorf("content length %q; want %d", got, length)
		}
		if got := headers["x-amz-meta-x-amz-matdesc"]; got != "{}" {
			t.Errorf("matdesc %q; want {}", got)
		}
		wrapped, err := base64.StdEncoding.DecodeString(headers["x-amz-meta-x-amz-key"])
		if err != nil {
			t.Fatal(err)
		}
		iv, err := base64.StdEncoding.DecodeString(headers["x-amz-meta-x-amz-iv"])
		if err != nil {
			t.Fatal(err)
		}
		secret := openssl(t, wrapped, "rsautl", "-decrypt", "-inkey", key)
		if len(secret) != 32 {
			t.Fatalf("the unwrapped key has %d bytes; want 32", len(secret))
		}
		got := openssl(t, all, "enc", "-d", "-aes-256-cbc", "-K", hex.EncodeToString(secret), "-iv", hex.EncodeToString(iv))
		if !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came back; want %d", len(got), length)
		}
	}
}

func TestCMS_OpensWithOpenSSL(t *testing.T) {
	key := keyFile(t)
	for _, length := range []int{1, 100, 200, 65_000, 746_518, 20 << 20} {
		plain := media(length)
		all, _ := sealed(t, CMS, plain)
		if got := openssl(t, all, "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", key); !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came back; want %d", len(got), length)
		}
	}
	all, _ := sealed(t, CMS, media(1000))
	all[len(all)-100] ^= 1
	cmd := exec.Command("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", key)
	cmd.Stdin = bytes.NewReader(all)
	if cmd.Run() == nil {
		t.Error("openssl opens an altered message: it is not authenticated")
	}
}

func TestDecrypt_PublishesAllOrNothing(t *testing.T) {
	for _, kind := range kinds {
		plain := media(300_000)
		all, e := sealed(t, kind, plain)
		folder := t.TempDir()
		out := filepath.Join(folder, "film.mp4")
		list := func() (names []string) {
			entries, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				names = append(names, entry.Name())
			}
			return names
		}
		for name, in := range map[string][]byte{"cut": all[:len(all)-20], "empty": nil} {
			if _, err := Decrypt(t.Context(), bytes.NewReader(in), e, testKey(), out); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s, %s: %v; want ErrDamaged", kind, name, err)
			}
		}
		if _, err := Decrypt(t.Context(), bytes.NewReader(all), e, otherKey(), out); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s: %v; want ErrWrongKey", kind, err)
		}
		if got := list(); got != nil {
			t.Errorf("%s: failures left %v", kind, got)
		}
		n, err := Decrypt(t.Context(), bytes.NewReader(all), e, testKey(), out)
		got, _ := os.ReadFile(out)
		if err != nil || n != int64(len(plain)) || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", kind, n, err)
		}
		if got := list(); len(got) != 1 {
			t.Errorf("%s: there are %v; want the film alone", kind, got)
		}
	}
}

func TestParseMetadata_ReadsWhatToolsWrite(t *testing.T) {
	for _, kind := range kinds {
		_, want := sealed(t, kind, media(100))
		plain, _ := json.Marshal(Metadata(want))
		prefixed, _ := json.Marshal(Headers(want))
		head, _ := json.Marshal(map[string]any{"ContentLength": 112, "Metadata": Metadata(want)})
		curl := "HTTP/1.1 302 Found\r\nLocation: https://example.com\r\n\r\nHTTP/1.1 200 OK\r\n"
		h := make(http.Header)
		for name, value := range Headers(want) {
			curl += strings.ToUpper(name[:1]) + name[1:] + ": " + value + "\r\n"
			h.Set(name, value)
		}
		check := func(form string, got roomreel.Envelope, err error) {
			if err != nil || got.Seal != want.Seal || !bytes.Equal(got.WrappedKey, want.WrappedKey) || !bytes.Equal(got.IV, want.IV) || got.ContentLength != want.ContentLength {
				t.Errorf("%s, %s: %+v, %v", kind, form, got, err)
			}
		}
		for form, text := range map[string]string{"plain": string(plain), "prefixed": string(prefixed), "aws": string(head), "curl": curl} {
			got, err := ParseMetadata([]byte(text))
			check(form, got, err)
		}
		got, err := FromHeaders(h)
		check("headers", got, err)
	}
	for text, want := range map[string]string{
		`{}`: "does not say how", `{`: "JSON", `{"x-amz-key":"AA=="}`: "is missing",
		`{"x-amz-key":"?","x-amz-unencrypted-content-length":"1"}`: "base64", `{"x-amz-key":"AA==","x-amz-unencrypted-content-length":"-1"}`: "number of bytes",
	} {
		if _, err := ParseMetadata([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", text, err, want)
		}
	}
}

// FuzzOpen looks for panics and unbounded memory.
func FuzzOpen(f *testing.F) {
	for _, kind := range kinds {
		all, e := sealed(f, kind, media(100))
		f.Add(all, e.Seal == CMS)
	}
	_, e := sealed(f, Twilio, media(100))
	f.Fuzz(func(t *testing.T, b []byte, cms bool) {
		if e := e; cms {
			e.Seal = CMS
			opened(bytes.NewReader(b), e, testKey())
		} else {
			opened(bytes.NewReader(b), e, testKey())
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	plain := media(4 << 20)
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			b.SetBytes(64 << 20)
			b.ReportAllocs()
			defer perCPUSecond(b, 64<<20)()
			for b.Loop() {
				w, err := NewWriter(io.Discard, kind, &testKey().PublicKey, 64<<20)
				if err != nil {
					b.Fatal(err)
				}
				for range 16 {
					w.Write(plain)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, kind := range kinds {
		all, e := sealed(b, kind, media(64<<20))
		b.Run(kind, func(b *testing.B) {
			b.SetBytes(64 << 20)
			b.ReportAllocs()
			defer perCPUSecond(b, 64<<20)()
			for b.Loop() {
				r, err := Open(bytes.NewReader(all), e, testKey())
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// perCPUSecond reports how many MiB one second of processor time is enough for. Unlike wall time, that does not depend on
// the machine's other load. Call the returned function after the work.
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

func TestDecrypt_RemovesWhatKilledProcessesLeft(t *testing.T) {
	folder := t.TempDir()
	running, err := createUnfinished(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	killed, err := createUnfinished(folder)
	if err != nil {
		t.Fatal(err)
	}
	killed.Close() // as the end of a process does
	plain := media(300_000)
	all, e := sealed(t, kinds[0], plain)
	// While a film is decrypted, another process that begins removes nothing of it.
	in := io.MultiReader(bytes.NewReader(all[:200_000]), readerFunc(func([]byte) (int, error) {
		removeUnfinished(folder)
		return 0, io.EOF
	}), bytes.NewReader(all[200_000:]))
	out := filepath.Join(folder, "film.mp4")
	if _, err := Decrypt(t.Context(), in, e, testKey(), out); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for path, want := range map[string]bool{running.Name(): true, killed.Name(): false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it to be there: %v", filepath.Base(path), err, want)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
