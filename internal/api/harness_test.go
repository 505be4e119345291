package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   map[string]any // of a JSON body
}

// text is a field of the body, or of an object in it: text("links.media").
func (a answer) text(path string) string {
	var at any = a.JSON
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	text, _ := at.(string)
	return text
}

// rows are the entries of a list's body.
func (a answer) rows(key string) []map[string]any {
	list, _ := a.JSON[key].([]any)
	rows := make([]map[string]any, len(list))
	for i, row := range list {
		rows[i], _ = row.(map[string]any)
	}
	return rows
}

// caller signs in as somebody.
type caller struct {
	*service
	user, password string
	header         string // Authorization instead, as it is
}

// do sends a request as it is and checks the answer against Twilio's descriptions.
func (c caller) do(t testing.TB, r *http.Request) answer {
	t.Helper()
	if c.user != "" {
		r.SetBasicAuth(c.user, c.password)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: response.StatusCode, Header: response.Header, Body: body}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") && len(body) > 0 {
		if err := json.Unmarshal(body, &a.JSON); err != nil {
			t.Fatalf("%s %s: %v: %s", r.Method, r.URL, err, body)
		}
	}
	c.contract.check(t, r, a.Status, a.Header, body)
	return a
}

// request makes a request of a path or a whole URL. A form goes into the query of a GET and into the body of the rest.
func (c caller) request(t testing.TB, method, path, form string) *http.Request {
	t.Helper()
	if !strings.Contains(path, "://") {
		path = c.URL + path
	}
	var body io.Reader
	if method == http.MethodGet || method == http.MethodHead {
		if form != "" {
			path += "?" + form
		}
	} else if form != "" {
		body = strings.NewReader(form)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// want sends a request and fails the test unless it is answered with the status.
func (c caller) want(t testing.TB, status int, method, path string, form ...string) answer {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	a := c.do(t, c.request(t, method, path, values.Encode()))
	if a.Status != status {
		t.Fatalf("%s %s %v: status %d, want %d: %s", method, path, form, a.Status, status, a.Body)
	}
	return a
}

// upload sends a multipart body of fields, in order; a name that begins with @ is the file of that path.
func (c caller) upload(t testing.TB, path string, fields ...string) answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if name, isFile := strings.CutPrefix(fields[i], "@"); isFile {
			content, err := os.ReadFile(fields[i+1])
			if err != nil {
				t.Fatal(err)
			}
			part, err := form.CreateFormFile(name, "file")
			if err != nil {
				t.Fatal(err)
			}
			part.Write(content)
		} else if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	form.Close()
	r, err := http.NewRequest(http.MethodPost, c.URL+path, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	return c.do(t, r)
}
