package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"roomreel"
)

// Defaults of Config, and how an answer treats what it did not read of the request.
const (
	defaultBodyTimeout = time.Minute
	defaultUploadRate  = 4 << 10 // bytes a second; a modem of the nineties sends more

	// An answer waits restWait for the rest of a short body, so that the connection can be used again. Clients send the header of
	// a request and a form in two writes, and the second is often on its way. Otherwise the connection ends.
	restWait  = 500 * time.Millisecond
	restBytes = 64 << 10
)

// body is the body of a request. It bounds how long a handler waits for the client: reads fail with os.ErrDeadlineExceeded once
// they have waited for longer than the timeout in all. The time in which the handler does something else does not count.
type body struct {
	io.ReadCloser
	connection *http.ResponseController
	timeout    time.Duration
	rate       int64 // bytes for which an upload gets a second more; 0 for other bodies
	expect     bool  // the client sends the body only when it is read

	began  bool
	ended  bool // the client has sent all
	late   bool // a read failed because it waited for too long
	bytes  int64
	waited time.Duration
}

// newBody watches the body of r, which is answered on w.
func newBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) *body {
	return &body{
		ReadCloser: r.Body, connection: http.NewResponseController(w), timeout: timeout,
		expect: r.Header.Get("Expect") != "", ended: r.Body == http.NoBody,
	}
}

// bodyOf returns the body of a request, which ServeHTTP has put there.
func bodyOf(r *http.Request) *body { return r.Body.(*body) }

// asUpload has a body take as long as it needs, if it arrives at a rate of at least so many bytes a second, with pauses of at most the
// timeout for other bodies.
func (b *body) asUpload(rate int64) { b.rate = rate }

// left is how long the next read may wait.
func (b *body) left() time.Duration {
	left := b.timeout - b.waited
	if b.rate > 0 {
		left += time.Duration(float64(b.bytes) / float64(b.rate) * float64(time.Second))
	}
	return min(left, b.timeout)
}

func (b *body) Read(p []byte) (int, error) {
	begun := time.Now()
	b.began = true
	b.deadline(begun.Add(b.left()))
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(begun)
	b.bytes += int64(n)
	if err == io.EOF {
		b.end()
	}
	b.late = b.late || errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}

// explain names the cause of an error that came of a body that was late: parsers of bodies do not pass it on.
func (b *body) explain(err error) error {
	if !b.late || roomreel.CodeOf(err) != roomreel.Invalid {
		return err
	}
	return &roomreel.Error{Code: roomreel.Invalid, Detail: "the body of the request arrived too slowly; send it again", Err: err}
}

// end lifts the deadline. The server goes on reading from the connection, to notice when the client leaves, and a deadline would
// end the request then.
func (b *body) end() {
	b.ended = true
	b.deadline(time.Time{})
}

// deadline sets when reads from the connection fail. A connection without deadlines, as in some tests, keeps none.
func (b *body) deadline(at time.Time) { _ = b.connection.SetReadDeadline(at) }

// settle is called before an answer's header is sent. It reads the rest of the body if that is short and there already. Else it
// has the connection end after the answer: the server would wait for the rest, however slowly it is sent.
func (b *body) settle(h http.Header, protocol int) {
	if b.ended {
		return
	}
	if b.began || !b.expect {
		b.deadline(time.Now().Add(restWait))
		if _, err := io.CopyN(io.Discard, b.ReadCloser, restBytes); err == io.EOF {
			b.end()
			return
		}
	}
	b.ended = true
	b.deadline(time.Unix(1, 0)) // the past: no read waits
	if protocol == 1 {
		h.Set("Connection", "close")
	}
}
