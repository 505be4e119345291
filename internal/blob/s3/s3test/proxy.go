package s3test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Fault is what the proxy does to one request. The zero Fault does nothing.
type Fault struct {
	Status int    // answer with this status, without asking the store
	Code   string // of the XML in that answer; "" for a body that is no XML
	Region string // of the XML in that answer

	ResetAfter     int64 // break the connection after this many bytes of the request's body (1 or more)
	Stall          bool  // read no body and never answer
	LoseAnswer     bool  // let the store do it, and break the connection instead of answering
	CutAnswer      int64 // close the connection after this many bytes of the answer's body (1 or more)
	FlipBody       bool  // turn one bit in the middle of the request's body
	WrongETag      bool  // answer with the ETag of something else
	BytesPerSecond int64 // let the body of request and answer pass no faster
}

// Request is what a fault is chosen by.
type Request struct {
	Number int // 1 for the first through this proxy
	Method string
	Path   string
	Query  string
}

// Part says whether the request sends a part of a multipart upload.
func (r Request) Part() bool { return strings.Contains(r.Query, "partNumber=") }

// Begin says whether the request begins a multipart upload.
func (r Request) Begin() bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.Query, "uploads")
}

// Complete says whether the request joins the parts of a multipart upload.
func (r Request) Complete() bool {
	return r.Method == http.MethodPost && strings.Contains(r.Query, "uploadId=")
}

// Proxy stands between a client and the server.
type Proxy struct {
	Host string // 127.0.0.1:port

	listener net.Listener
	backend  string
	plan     func(Request) Fault
	done     chan struct{}
	wg       sync.WaitGroup

	mu       sync.Mutex
	requests []Request
	conns    map[net.Conn]bool
}

// Proxy starts a proxy in front of the server until the test ends. plan chooses each request's fault; it may be called
// concurrently.
func (s *Server) Proxy(t testing.TB, plan func(Request) Fault) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Host: l.Addr().String(), listener: l, backend: s.Host, plan: plan, done: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Requests lists what has come through.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Request(nil), p.requests...)
}

func (p *Proxy) close() {
	close(p.done)
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns[c] = true
		p.mu.Unlock()
		p.wg.Go(func() {
			p.serve(c.(*net.TCPConn))
			p.mu.Lock()
			delete(p.conns, c)
			p.mu.Unlock()
		})
	}
}

// serve handles one connection, request by request, as long as none breaks it.
func (p *Proxy) serve(c *net.TCPConn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if !p.forward(c, r) {
			return
		}
	}
}

// forward hands one request on, with its fault. It says whether the connection can go on.
func (p *Proxy) forward(c *net.TCPConn, r *http.Request) bool {
	p.mu.Lock()
	seen := Request{len(p.requests) + 1, r.Method, r.URL.Path, r.URL.RawQuery}
	p.requests = append(p.requests, seen)
	p.mu.Unlock()
	fault := p.plan(seen)
	if hungUp(c) {
		return false // plan held the request for so long that its client has gone: it must not arrive after all that followed
	}

	switch {
	case fault.Status != 0:
		io.Copy(io.Discard, r.Body)
		return answer(c, fault) == nil
	case fault.Stall:
		<-p.done
		return false
	case fault.ResetAfter > 0:
		io.CopyN(io.Discard, r.Body, fault.ResetAfter)
		c.SetLinger(0) // a reset instead of an orderly end
		return false
	}

	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = "http", p.backend // r.Host stays what the client signed
	if fault.FlipBody {
		r.Body = io.NopCloser(&flip{r: r.Body, at: r.ContentLength / 2})
	}
	if fault.BytesPerSecond > 0 {
		r.Body = io.NopCloser(p.slowly(r.Body, fault.BytesPerSecond))
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	a, err := transport.RoundTrip(r)
	if err != nil {
		return false
	}
	defer a.Body.Close()
	io.Copy(io.Discard, r.Body)
	if fault.LoseAnswer {
		io.Copy(io.Discard, a.Body)
		c.SetLinger(0)
		return false
	}
	if fault.WrongETag {
		a.Header.Set("ETag", `"0123456789abcdef0123456789abcdef"`)
	}
	a.Close = false
	a.Header.Del("Connection")
	if fault.BytesPerSecond > 0 {
		a.Body = io.NopCloser(p.slowly(a.Body, fault.BytesPerSecond))
	}
	if fault.CutAnswer > 0 {
		a.Body = io.NopCloser(io.LimitReader(a.Body, fault.CutAnswer))
		a.Write(c)
		return false // closed in order and not reset, so that the client receives exactly these bytes
	}
	return a.Write(c) == nil
}

// hungUp reports whether the other end has closed the connection, also when there is still something to read.
func hungUp(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		state := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(state, 0)
		gone = err == nil && n > 0 && state[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}

func answer(w io.Writer, f Fault) error {
	body := "the machine is on fire"
	if f.Code != "" {
		body = fmt.Sprintf("<Error><Code>%s</Code><Message>as the test wants it</Message><Region>%s</Region></Error>", f.Code, f.Region)
	}
	_, err := fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s",
		f.Status, http.StatusText(f.Status), len(body), body)
	return err
}

type flip struct {
	r  io.Reader
	at int64
}

func (f *flip) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.at >= 0 && f.at < int64(n) {
		p[f.at] ^= 0x10
	}
	f.at -= int64(n)
	return n, err
}

// slowly lets r pass in ten pieces a second.
func (p *Proxy) slowly(r io.Reader, bytesPerSecond int64) io.Reader {
	return &slow{r: r, piece: max(1, bytesPerSecond/10), done: p.done}
}

type slow struct {
	r     io.Reader
	piece int64
	done  chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-s.done:
		return 0, io.ErrClosedPipe
	}
	return s.r.Read(p[:min(int64(len(p)), s.piece)])
}
