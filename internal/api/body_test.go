package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// slowClient is a connection over which a test sends a request piece by piece.
type slowClient struct {
	net.Conn
	answers *bufio.Reader
}

func dial(t *testing.T, s *service) slowClient {
	t.Helper()
	connection, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	connection.SetDeadline(time.Now().Add(30 * time.Second))
	return slowClient{connection, bufio.NewReader(connection)}
}

// head sends a request without its body.
func (c slowClient) head(t *testing.T, by caller, method, path string, length int, headers ...string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://x"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(by.user, by.password)
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n%s\r\n", method, path,
		r.Header.Get("Authorization"), length, strings.Join(append(headers, ""), "\r\n"))
}

// answer reads an answer.
func (c slowClient) answer(t *testing.T) (*http.Response, string) {
	t.Helper()
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// trickle sends a text, some bytes at a time, until it is sent or the server ends the connection.
func (c slowClient) trickle(text string, bytes int, pause time.Duration) {
	for len(text) > 0 {
		n := min(bytes, len(text))
		if _, err := io.WriteString(c, text[:n]); err != nil {
			return
		}
		text = text[n:]
		time.Sleep(pause)
	}
}

// wantEnd fails the test unless the server ends the connection soon.
func (c slowClient) wantEnd(t *testing.T) {
	t.Helper()
	begun := time.Now()
	c.SetDeadline(begun.Add(5 * time.Second))
	if _, err := c.answers.ReadByte(); err == nil || os.IsTimeout(err) {
		t.Errorf("the connection is open after %v: %v", time.Since(begun), err)
	}
}

// TestBodies_AreNotAwaitedWithoutACause sends the header of a request whose body never comes. The answer does not depend on the body.
func TestBodies_AreNotAwaitedWithoutACause(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	stranger := s.account
	stranger.password = "guess"
	for name, test := range map[string]struct {
		by           caller
		method, path string
		status       int
	}{
		"wrong_token":        {stranger, "POST", "/v1/Rooms", 401},
		"wrong_token_upload": {stranger, "POST", "/roomreel/v1/Rooms/" + room + "/Recordings", 401},
		"no_such_path":       {s.account, "POST", "/v1/Nothing", 404},
		"no_such_method":     {s.account, "POST", "/v1/Recordings", 405},
		"get":                {s.account, "GET", "/v1/Rooms", 200},
		"delete":             {s.account, "DELETE", "/v1/Recordings/RT00000000000000000000000000000000", 404},
		"health":             {stranger, "GET", "/healthz", 200},
	} {
		for _, length := range []int{100, 1 << 30} {
			t.Run(fmt.Sprintf("%s_%d", name, length), func(t *testing.T) {
				c := dial(t, s)
				begun := time.Now()
				c.head(t, test.by, test.method, test.path, length)
				go c.trickle(strings.Repeat("x", length/100), 1, 50*time.Millisecond)
				answer, text := c.answer(t)
				if took := time.Since(begun); answer.StatusCode != test.status || !answer.Close || took > 5*time.Second {
					t.Errorf("%d after %v, close %v: %s; want %d and the end of the connection", answer.StatusCode, took, answer.Close, text, test.status)
				}
				c.wantEnd(t)
			})
		}
	}
}

func TestBodies_ThatAreThereKeepTheConnection(t *testing.T) {
	s := boot(t, Config{})
	stranger := s.account
	stranger.password = "guess"
	c := dial(t, s)
	for range 3 {
		c.head(t, stranger, "POST", "/v1/Rooms", 1000)
		time.Sleep(20 * time.Millisecond) // the body is a packet of its own
		io.WriteString(c, strings.Repeat("x", 1000))
		if answer, text := c.answer(t); answer.StatusCode != 401 || answer.Close {
			t.Fatalf("%d, close %v: %s", answer.StatusCode, answer.Close, text)
		}
	}
	c.head(t, s.account, "POST", "/v1/Rooms", 12, "Content-Type: application/x-www-form-urlencoded")
	io.WriteString(c, "UniqueName=a")
	if answer, text := c.answer(t); answer.StatusCode != 201 || answer.Close {
		t.Errorf("%d, close %v: %s", answer.StatusCode, answer.Close, text)
	}
}

// TestBodies_AreNotAskedForInVain sends a header that offers a body. A server that refuses must not ask for it.
func TestBodies_AreNotAskedForInVain(t *testing.T) {
	s := boot(t, Config{})
	stranger := s.account
	stranger.password = "guess"
	c := dial(t, s)
	c.head(t, stranger, "POST", "/v1/Rooms", 1000, "Expect: 100-continue")
	if answer, text := c.answer(t); answer.StatusCode != 401 || !answer.Close {
		t.Errorf("%d, close %v: %s", answer.StatusCode, answer.Close, text)
	}
	c.wantEnd(t)
}

func TestBodies_MustArriveInTime(t *testing.T) {
	s := boot(t, Config{BodyTimeout: 400 * time.Millisecond})
	c := dial(t, s)
	begun := time.Now()
	c.head(t, s.account, "POST", "/v1/Rooms", 1000, "Content-Type: application/x-www-form-urlencoded")
	go c.trickle(strings.Repeat("x", 1000), 1, 20*time.Millisecond)
	answer, text := c.answer(t)
	if took := time.Since(begun); answer.StatusCode != 400 || !answer.Close || !strings.Contains(text, "too slowly") || took > 5*time.Second {
		t.Errorf("%d after %v, close %v: %s", answer.StatusCode, took, answer.Close, text)
	}
	c.wantEnd(t)
}

// TestUploads_MustHaveARate sends a recording in pieces.
func TestUploads_MustHaveARate(t *testing.T) {
	const timeout = 400 * time.Millisecond
	s := boot(t, Config{BodyTimeout: timeout, UploadRate: 4000})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	media, err := os.ReadFile("testdata/audio.mka")
	if err != nil {
		t.Fatal(err)
	}
	text := "--b\r\nContent-Disposition: form-data; name=\"ParticipantIdentity\"\r\n\r\nalice\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"Media\"; filename=\"f\"\r\n\r\n" + string(media) + "\r\n--b--\r\n"
	for name, test := range map[string]struct {
		piece  int
		pause  time.Duration
		status int
	}{
		"slow_and_steady": {max(1, len(text)/20), timeout / 8, 201}, // 2.5 times as long as a form may take
		"too_slow":        {10, 50 * time.Millisecond, 400},
		"a_long_pause":    {len(text) / 2, 4 * timeout, 400},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			begun := time.Now()
			c.head(t, s.account, "POST", "/roomreel/v1/Rooms/"+room+"/Recordings", len(text), "Content-Type: multipart/form-data; boundary=b")
			go c.trickle(text, test.piece, test.pause)
			answer, body := c.answer(t)
			took := time.Since(begun)
			if answer.StatusCode != test.status || answer.Close != (test.status != 201) || took > 10*time.Second {
				t.Errorf("%d after %v, close %v: %s", answer.StatusCode, took, answer.Close, body)
			}
			if test.status == 201 && took < timeout {
				t.Errorf("the upload took only %v", took)
			}
			if test.status != 201 && !strings.Contains(body, "too slowly") {
				t.Errorf("the answer does not say why: %s", body)
			}
		})
	}
}

// TestBodies_DoNotLimitTheAnswer reads a body, and then works for longer than the body may take.
func TestBodies_DoNotLimitTheAnswer(t *testing.T) {
	const timeout = 100 * time.Millisecond
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = newBody(w, r, timeout)
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			ended <- context.Cause(r.Context())
		case <-time.After(4 * timeout):
			ended <- nil
		}
	}))
	defer server.Close()
	answer, err := http.Post(server.URL, "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if err := <-ended; err != nil {
		t.Errorf("the request ended early: %v", err)
	}
}

// TestBodies_OverHTTP2 refuses a stream whose body never ends.
func TestBodies_OverHTTP2(t *testing.T) {
	s := boot(t, Config{BodyTimeout: 300 * time.Millisecond})
	server := httptest.NewUnstartedServer(s.api)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for password, status := range map[string]int{"guess": 401, s.account.password: 400} {
		body, feed := io.Pipe()
		defer feed.Close()
		go func() { // ends with the pipe
			for err := error(nil); err == nil; time.Sleep(50 * time.Millisecond) {
				_, err = io.WriteString(feed, "x")
			}
		}()
		r, err := http.NewRequest(http.MethodPost, server.URL+"/v1/Rooms", body)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(s.account.user, password)
		begun := time.Now()
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if took := time.Since(begun); answer.ProtoMajor != 2 || answer.StatusCode != status || took > 5*time.Second {
			t.Errorf("%s %d after %v, want %d", answer.Proto, answer.StatusCode, took, status)
		}
	}
}
