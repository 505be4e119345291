package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twilio/twilio-go/client"
	"go.uber.org/goleak"

	"roomreel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "12345678901234567890123456789012"

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func event(address, method string) roomreel.Event {
	return roomreel.Event{
		ID: "EV1", Sequence: 3, Type: roomreel.CompositionAvailableEvent,
		Callback: roomreel.Callback{URL: address, Method: method},
		Params: map[string]string{
			"StatusCallbackEvent": "composition-available", "CompositionSid": "CJ0", "Timestamp": "2020-09-02T15:29:19.010Z",
			"HookFriendlyName": "Jörg's daily & more=100%", "Empty": "",
		},
	}
}

func sender(t *testing.T, c Config) *Sender {
	s := New(c)
	t.Cleanup(func() { s.Close() })
	return s
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func TestDeliver_IsAcceptedByTwiliosValidator(t *testing.T) {
	for _, path := range []string{"", "/", "/hook", "/hook?tenant=a%20b&x=1", "/a%2Fb/?q", "/hook?CompositionSid=old&keep=%7E#ct=1&rc=5", "/hook?a=+b", "/hook?a=b c&d='x'", "/hook?ä={}|\"<>&b[c]=1", "/a b"} {
		for _, method := range []string{"POST", "GET", ""} {
			t.Run(method+path, func(t *testing.T) {
				var called bool
				server := serve(t, func(w http.ResponseWriter, r *http.Request) {
					called = true
					body, _ := io.ReadAll(r.Body)
					seen := "http://" + r.Host + r.RequestURI
					signature := r.Header.Get("X-Twilio-Signature")
					v := client.NewRequestValidator(token)
					if r.Method == "GET" {
						if !v.Validate(seen, nil, signature) {
							t.Errorf("%s is refused", seen)
						}
					} else if !v.ValidateBody(seen, body, signature) {
						t.Errorf("%s with %s is refused", seen, body)
					}
					r.Body = io.NopCloser(bytes.NewReader(body))
					if err := r.ParseForm(); err != nil {
						t.Error(err)
					}
					for name, want := range event("", "").Params {
						values := r.Form[name]
						if r.Method == "POST" {
							values = r.PostForm[name]
						}
						if diff := cmp.Diff([]string{want}, values); diff != "" {
							t.Errorf("%s: %s", name, diff)
						}
					}
					if r.Form.Get("SequenceNumber") != "3" || r.Header.Get("I-Twilio-Idempotency-Token") != "EV1" {
						t.Errorf("form %v, header %v", r.Form, r.Header)
					}
					w.WriteHeader(http.StatusNoContent)
				})
				o := sender(t, Config{Allow: loopback}).Deliver(t.Context(), event(server.URL+path, method), token)
				if !o.Delivered || o.Status != 204 || o.Err != nil || !called {
					t.Errorf("got %+v", o)
				}
			})
		}
	}
}

// TestDeliver_SendsCredentialsOfTheURLInTheHeader: the receiver sees its URL without them, so the signature must be without them.
func TestDeliver_SendsCredentialsOfTheURLInTheHeader(t *testing.T) {
	for login, want := range map[string][2]string{"user:pass": {"user", "pass"}, "a%40b:c%3Ad%20e": {"a@b", "c:d e"}, "user": {"user", ""}} {
		for _, method := range []string{"POST", "GET"} {
			var called bool
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				called = true
				body, _ := io.ReadAll(r.Body)
				user, password, _ := r.BasicAuth()
				if got := [2]string{user, password}; got != want {
					t.Errorf("%s: credentials %q, want %q", login, got, want)
				}
				seen, v := "http://"+r.Host+r.RequestURI, client.NewRequestValidator(token)
				if method == "GET" && !v.Validate(seen, nil, r.Header.Get("X-Twilio-Signature")) ||
					method == "POST" && !v.ValidateBody(seen, body, r.Header.Get("X-Twilio-Signature")) {
					t.Errorf("%s with %s is refused", seen, body)
				}
			})
			address := strings.Replace(server.URL, "://", "://"+login+"@", 1) + "/hook?x=1"
			if o := sender(t, Config{Allow: loopback}).Deliver(t.Context(), event(address, method), token); !o.Delivered || !called {
				t.Errorf("%s: got %+v", address, o)
			}
		}
	}
	var sent http.Header
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { sent = r.Header })
	sender(t, Config{Allow: loopback}).Deliver(t.Context(), event(server.URL, "POST"), token)
	if sent.Get("Authorization") != "" {
		t.Errorf("Authorization %q without credentials", sent.Get("Authorization"))
	}
}

// TestCheckURL_RefusesWhatDeliveryWouldRefuse: of the hosts that are never called, it refuses those that are no names to look up.
func TestCheckURL_RefusesWhatDeliveryWouldRefuse(t *testing.T) {
	for _, host := range forbidden {
		err := CheckURL("https://"+host+":8080/hook", nil)
		switch host {
		case "metadata.google.internal", "instance-data", "127.0.0.1.nip.io", "rebind.example", "①②⑦.0.0.1", "127。0。0。1":
			if err != nil && !strings.Contains(err.Error(), "neither a name nor") {
				t.Errorf("%s: %v; names are checked when they are called", host, err)
			}
		default:
			if err == nil {
				t.Errorf("%s is accepted", host)
			}
		}
	}
	for _, address := range []string{"ftp://example.com", "/hook", "https://", "https:///x", "https://:80/", "https://%zz", "mailto:a@b", ""} {
		if CheckURL(address, nil) == nil {
			t.Errorf("%s is accepted", address)
		}
	}
	for _, address := range []string{"https://example.com/", "http://example.com:8080?a=b c", "https://user:pass@example.com", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://1.example.com", "https://localhost.example.com"} {
		if err := CheckURL(address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	err := CheckURL("http://localhost:3000/", nil)
	if !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "webhook.allow") {
		t.Errorf("localhost: %v, want the name of the setting", err)
	}
	for _, address := range []string{"http://localhost:3000/", "http://LOCALHOST./", "http://app.localhost", "http://127.0.0.1:1"} {
		if err := CheckURL(address, loopback); err != nil {
			t.Errorf("%s, which the operator allows: %v", address, err)
		}
	}
	if CheckURL("http://10.0.0.1", loopback) == nil || CheckURL("http://[::1]", loopback) == nil {
		t.Error("a network that the operator did not allow is accepted")
	}
}

// The example of Twilio's own validator tests.
func TestSign_KnownAnswer(t *testing.T) {
	params := map[string]string{
		"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309", "To": "+18005551212",
	}
	v := client.NewRequestValidator("12345")
	for _, address := range []string{"https://mycompany.com/myapp.php?foo=1&bar=2", "https://mycompany.com:8443/x"} {
		if !v.Validate(address, params, Sign("12345", address, params)) {
			t.Errorf("%s is refused", address)
		}
	}
	if got, want := Sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", params), "RSOYDt4T1cUTdK1PDd93/VVr8B8="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzSigned claims: the base string starts with the address, holds every parameter once in the order of their names, and
// whatever is signed Twilio's validator accepts.
func FuzzSigned(f *testing.F) {
	f.Add("https://example.com/hook", "A", "1", "B", "")
	f.Add("http://example.com:8080/?x=1", "Z", "ä", "a", "%")
	f.Fuzz(func(t *testing.T, address, a, av, b, bv string) {
		params := map[string]string{a: av, b: bv}
		got := signed(address, params)
		want := address + a + params[a] + b + bv
		if b < a {
			want = address + b + bv + a + params[a]
		}
		if a == b {
			want = address + a + bv
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		u, err := parse(address)
		if err != nil {
			return
		}
		u.User = nil
		if u.Port() != "" && strings.Contains(u.Hostname(), ":") {
			return // twilio-go cuts IPv6 hosts at their first colon
		}
		v := client.NewRequestValidator(token)
		if seen := u.String(); u.Port() != "" && !v.Validate(seen, params, Sign(token, seen, params)) {
			t.Errorf("%q is refused", seen)
		}
	})
}

func TestDeliver_JudgesAnswers(t *testing.T) {
	for _, status := range []int{200, 201, 204, 299, 301, 302, 307, 400, 401, 404, 410, 429, 500, 503} {
		var calls atomic.Int32
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		o := sender(t, Config{Allow: loopback}).Deliver(t.Context(), event(server.URL, "POST"), token)
		if o.Delivered != (status < 300) || (o.Err == nil) != o.Delivered || o.Status != status || calls.Load() != 1 || o.Duration <= 0 {
			t.Errorf("%d: got %+v after %d calls", status, o, calls.Load())
		}
	}
}

func TestDeliver_EndsInTime(t *testing.T) {
	release := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	o := sender(t, Config{Allow: loopback, Total: 50 * time.Millisecond}).Deliver(t.Context(), event(server.URL, "POST"), token)
	if o.Delivered || o.Err == nil || !strings.Contains(o.Err.Error(), "no answer within 50ms") {
		t.Errorf("got %+v", o)
	}
	reason := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if o := sender(t, Config{Allow: loopback}).Deliver(ctx, event(server.URL, "POST"), token); !errors.Is(o.Err, reason) {
		t.Errorf("got %+v", o)
	}
}

func TestDeliver_ReadsLittleOfALongAnswer(t *testing.T) {
	var written atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for {
			n, err := w.Write(make([]byte, 32<<10))
			if err != nil {
				return
			}
			written.Add(int64(n))
		}
	})
	o := sender(t, Config{Allow: loopback}).Deliver(t.Context(), event(server.URL, "POST"), token)
	server.CloseClientConnections()
	if !o.Delivered || written.Load() > 64<<20 {
		t.Errorf("got %+v after %d bytes", o, written.Load())
	}
}

func TestDeliver_RefusesUntrustedCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	o := sender(t, Config{Allow: loopback}).Deliver(t.Context(), event(server.URL, "POST"), token)
	var bad *tls.CertificateVerificationError
	if o.Delivered || !errors.As(o.Err, &bad) {
		t.Errorf("got %+v", o)
	}
}

func TestDeliver_IgnoresProxies(t *testing.T) {
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	o := sender(t, Config{Resolver: resolver(t, netip.MustParseAddr("10.0.0.1"))}).Deliver(t.Context(), event("http://receiver.example/", "POST"), token)
	if !errors.Is(o.Err, ErrForbidden) {
		t.Errorf("got %+v", o)
	}
}

func TestDeliver_KeepsURLsOutOfErrors(t *testing.T) {
	for _, address := range []string{"http://user:secret@127.0.0.1:1/?key=secret", "http://secret host/", "ftp://secret/", "https:///secret"} {
		o := sender(t, Config{Allow: loopback}).Deliver(t.Context(), event(address, "POST"), token)
		if o.Delivered || o.Err == nil || strings.Contains(o.Err.Error(), "secret") {
			t.Errorf("got %+v", o)
		}
	}
	if o := sender(t, Config{}).Deliver(t.Context(), event("http://example.com", "PUT"), token); o.Err == nil {
		t.Errorf("got %+v", o)
	}
}

// resolver answers every name with the given addresses in turn, one for each question, as a rebinding server does.
func resolver(t *testing.T, addresses ...netip.Addr) *net.Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		question := make([]byte, 512)
		for turn := 0; ; {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			end := 12
			for question[end] != 0 {
				end += int(question[end]) + 1
			}
			kind := binary.BigEndian.Uint16(question[end+1:])
			if end+5 > n {
				continue
			}
			a := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[12:end+5]...)
			if kind == 1 { // A
				ip := addresses[turn%len(addresses)].As4()
				turn++
				a[7] = 1
				a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				a = append(a, ip[:]...)
			}
			conn.WriteTo(a, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestNext_BacksOffAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := time.Now()
		last, attempts := time.Duration(0), 0
		for attempt := 1; ; attempt++ {
			delay, giveUp := Next("EV1", attempt, first, time.Now(), 0)
			if again, _ := Next("EV1", attempt, first, time.Now(), 0); again != delay {
				t.Fatal("two answers")
			}
			if giveUp {
				attempts = attempt
				break
			}
			if most := min(firstDelay<<min(attempt-1, 20), maxDelay); delay > most || delay < most/2 && time.Since(first)+delay < DefaultMaxAge {
				t.Errorf("attempt %d: %v, want %v to %v", attempt, delay, most/2, most)
			}
			time.Sleep(delay)
			last = time.Since(first)
		}
		if last != DefaultMaxAge {
			t.Errorf("last attempt after %v", last)
		}
		if attempts < 30 || attempts > 70 {
			t.Errorf("%d attempts", attempts)
		}
	})
}

func TestNext_SpreadsEventsThatFailTogether(t *testing.T) {
	now := time.Now()
	seen := map[time.Duration]bool{}
	for i := range 100 {
		delay, _ := Next(strings.Repeat("x", i), 5, now, now, time.Hour)
		seen[delay.Round(time.Second)] = true
	}
	if len(seen) < 25 { // of 40 possible seconds
		t.Errorf("only %d different delays", len(seen))
	}
	if _, giveUp := Next("x", 1, now, now.Add(-time.Hour), time.Hour); giveUp {
		t.Error("a clock that was set back ends deliveries")
	}
}
