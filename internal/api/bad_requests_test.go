package api

import (
	"bufio"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestBadRequests sends every request of testdata/bad_requests.txt and holds its answer to status, code and parameter.
func TestBadRequests(t *testing.T) {
	s := boot(t, Config{})
	w := s.furnish(t)
	file, err := os.Open("testdata/bad_requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := s.census(t)
	requests := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		requests++
		t.Run(strconv.Itoa(requests), func(t *testing.T) { sendBad(t, s, w, line) })
	}
	if requests < 150 {
		t.Errorf("%d bad requests, want 150 or more", requests)
	}
	if after := s.census(t); after != before {
		t.Errorf("bad requests changed what is there: %s before, %s after", before, after)
	}
}

func sendBad(t *testing.T, s *service, w world, line string) {
	fields := strings.Fields(line)
	as := s.account
	if fields[0] == "as" {
		as = w.callers[fields[1]]
		fields = fields[2:]
	}
	if len(fields) != 6 {
		t.Fatalf("not six columns: %s", line)
	}
	method, path, form := fields[0], w.fill(fields[1]), w.fill(fields[2])
	if form == "-" {
		form = ""
	}
	r := as.request(t, method, path, form)
	if as.header != "" {
		r.Header.Set("Authorization", as.header)
	}
	if strings.Contains(path, "%") || strings.Contains(path, "/.") { // as written, not as a client would tidy it
		r.URL.Opaque = strings.TrimPrefix(s.URL, "http:") + path
		r.URL.RawPath = ""
	}
	a := as.do(t, r)
	status, _ := strconv.Atoi(fields[3])
	code, _ := strconv.ParseFloat(fields[4], 64)
	param, _, named := strings.Cut(a.text("message"), ": ")
	if !named || strings.Contains(param, " ") {
		param = "-"
	}
	if a.Status != status || a.JSON["code"] != code || param != fields[5] {
		t.Errorf("%s\n got %d %v %s: %s", line, a.Status, a.JSON["code"], param, a.Body)
	}
	if a.JSON["status"] != float64(a.Status) || a.text("more_info") != "https://www.twilio.com/docs/errors/"+fields[4] || len(a.JSON) != 4 {
		t.Errorf("%s\n not Twilio's error body: %s", line, a.Body)
	}
	if (a.Status == http.StatusUnauthorized) != (a.Header.Get("WWW-Authenticate") != "") {
		t.Errorf("%s\n WWW-Authenticate: %q", line, a.Header.Get("WWW-Authenticate"))
	}
	if (a.Status == http.StatusMethodNotAllowed) != (a.Header.Get("Allow") != "") {
		t.Errorf("%s\n Allow: %q", line, a.Header.Get("Allow"))
	}
}
