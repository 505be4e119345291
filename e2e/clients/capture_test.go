package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// capture is a file of testdata: what a library sent in the scenario, and what it got.
type capture struct {
	Library string `json:"library"` // its User-Agent, which has the versions of library and runtime
	Origin  string `json:"origin"`  // how the requests were had
	Steps   []step `json:"steps"`
}

// step is a request byte for byte, in lines that end with CR LF, and the part of the answer that the scenario depends on. Names such as
// ${RM1} stand for what is another in every run. A GET request is repeated until the answer is this one.
type step struct {
	Request []string        `json:"request"`
	Status  int             `json:"status"`
	Answer  json.RawMessage `json:"answer,omitempty"`
}

// names are what the names in a capture stand for in one run of the scenario.
type names struct {
	values map[string]string // by name, without the braces
	counts map[string]int    // SIDs so far, by their first letters
	files  map[string]string // the content of the room's files, by name
}

func newNames(t *testing.T, a account, host, callback, files string) *names {
	t.Helper()
	n := &names{values: map[string]string{}, counts: map[string]int{}, files: map[string]string{}}
	_, port, err := net.SplitHostPort(callback)
	if err != nil {
		t.Fatal(err)
	}
	n.values["host"], n.values["callback port"] = host, port
	for name, secret := range map[string]string{"credentials": a.Secret, "wrong credentials": "wrong"} {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(a.Key, secret)
		n.values[name] = r.Header.Get("Authorization")
	}
	paths, err := filepath.Glob(filepath.Join(files, "*.mk*"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n.files["file "+filepath.Base(path)] = string(text)
	}
	n.learn([]byte(a.SID))
	return n
}

var (
	sid  = regexp.MustCompile(`\b[A-Z]{2}[0-9a-f]{32}\b`)
	name = regexp.MustCompile(`\$\{([^}]+)\}`)
)

// learn gives names to the SIDs and addresses of an answer.
func (n *names) learn(body []byte) {
	for _, found := range sid.FindAllString(string(body), -1) {
		if n.nameOf(found) == "" {
			n.counts[found[:2]]++
			n.values[found[:2]+strconv.Itoa(n.counts[found[:2]])] = found
		}
	}
	var answer struct {
		Redirect string `json:"redirect_to"`
		Meta     struct {
			Next string `json:"next_page_url"`
		}
	}
	if json.Unmarshal(body, &answer) == nil {
		if _, target, found := strings.Cut(answer.Redirect, n.values["host"]); found {
			n.values["media"] = target
		}
		if _, token, found := strings.Cut(answer.Meta.Next, "PageToken="); found {
			n.values["page token"], _, _ = strings.Cut(token, "&")
		}
	}
}

func (n *names) nameOf(value string) string {
	for name, known := range n.values {
		if known == value {
			return name
		}
	}
	return ""
}

// hide puts names in the place of values.
func (n *names) hide(text string) string {
	for name, content := range n.files {
		text = strings.ReplaceAll(text, content, "${"+name+"}")
	}
	for _, name := range []string{"media", "page token", "credentials", "wrong credentials", "host"} {
		if value := n.values[name]; value != "" {
			text = strings.ReplaceAll(text, value, "${"+name+"}")
		}
	}
	for _, colon := range []string{":", "%3A"} {
		text = strings.ReplaceAll(text, colon+n.values["callback port"], colon+"${callback port}")
	}
	return n.hideSIDs(text)
}

func (n *names) hideSIDs(text string) string {
	return sid.ReplaceAllStringFunc(text, func(value string) string {
		if name := n.nameOf(value); name != "" {
			return "${" + name + "}"
		}
		return value
	})
}

// fill puts values in the place of names, and corrects the length of the body.
func (n *names) fill(t *testing.T, text string) string {
	t.Helper()
	text = name.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if value, ok := n.values[name]; ok {
			return value
		}
		if value, ok := n.files[name]; ok {
			return value
		}
		t.Fatalf("no answer so far has %s", found)
		return ""
	})
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	head = contentLength.ReplaceAllString(head, "${1}"+strconv.Itoa(len(body)))
	return head + "\r\n\r\n" + body
}

var contentLength = regexp.MustCompile(`(?i)(\r\ncontent-length: )\d+`)

// kept are the fields that the scenario depends on. A room has another duration in every run, but no bitrate.
var kept = []string{
	"sid", "status", "unique_name", "friendly_name", "identity", "name", "type", "codec", "format", "resolution", "enabled", "trim", "rules",
	"audio_sources", "audio_sources_excluded", "video_layout", "duration", "encryption_enabled", "aws_storage_enabled", "encryption_key_sid",
	"code", "more_info",
}

// summary returns the part of an answer's body that the scenario depends on: of a list its SIDs, and whether it goes on.
func (n *names) summary(body []byte) json.RawMessage {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return nil
	}
	summary := map[string]any{}
	if meta, ok := fields["meta"].(map[string]any); ok {
		sids := []any{}
		items, _ := fields[meta["key"].(string)].([]any)
		for _, item := range items {
			sids = append(sids, item.(map[string]any)["sid"])
		}
		summary[meta["key"].(string)], summary["more"] = sids, meta["next_page_url"] != nil
	}
	for _, name := range kept {
		if value, ok := fields[name]; ok && (name != "duration" || fields["bitrate"] != nil) {
			summary[name] = value
		}
	}
	text, err := json.Marshal(summary)
	if err != nil {
		panic(err)
	}
	return json.RawMessage(n.hideSIDs(string(text)))
}

// proxy sits between a library and a server. It writes down each request as it was sent.
type proxy struct {
	host, server string // host and port of either

	mu    sync.Mutex
	names *names
	steps []step
}

func newProxy(t *testing.T, s server) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &proxy{host: listener.Addr().String(), server: strings.TrimPrefix(s.url, "http://")}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// serve passes the requests of one connection on, one after the other.
func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	var raw bytes.Buffer
	in := bufio.NewReader(io.TeeReader(client, &raw))
	for {
		raw.Reset()
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if request.Header.Get("Expect") != "" {
			io.WriteString(client, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
		response, body, err := send(p.server, request.Method, raw.Bytes())
		if err != nil {
			return
		}
		p.note(raw.String(), request.Method, response.StatusCode, body)
		response.Body = io.NopCloser(bytes.NewReader(body))
		text, err := httputil.DumpResponse(response, true)
		if err != nil {
			return
		}
		if _, err := client.Write(text); err != nil || response.Close || request.Close {
			return
		}
	}
}

// note adds a request, unless it repeats the last one.
func (p *proxy) note(raw, method string, status int, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	request := p.names.hide(raw)
	p.names.learn(body)
	next := step{Request: strings.Split(request, "\r\n"), Status: status, Answer: p.names.summary(body)}
	if last := len(p.steps) - 1; last >= 0 && method == http.MethodGet && strings.Join(p.steps[last].Request, "\r\n") == request {
		p.steps[last] = next
		return
	}
	p.steps = append(p.steps, next)
}

// send sends the bytes of a request on a connection of its own and reads the answer.
func send(host, method string, raw []byte) (*http.Response, []byte, error) {
	connection, err := net.Dial("tcp", host)
	if err != nil {
		return nil, nil, err
	}
	defer connection.Close()
	if _, err := connection.Write(raw); err != nil {
		return nil, nil, err
	}
	in := bufio.NewReader(connection)
	for {
		response, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil, nil, err
		}
		if response.StatusCode == http.StatusContinue {
			continue
		}
		body, err := io.ReadAll(response.Body)
		return response, body, err
	}
}
