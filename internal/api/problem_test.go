package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"roomreel"
	"roomreel/internal/twilio"
)

// TestProblems_CoverEveryCode reads the root package's constants, so that a new code cannot miss its row.
func TestProblems_CoverEveryCode(t *testing.T) {
	codes := 0
	file, err := parser.ParseFile(token.NewFileSet(), "../../error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			codes++
			text, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if _, known := problems[roomreel.Code(text)]; !known {
				t.Errorf("code %s has no row", text)
			}
		}
		return true
	})
	if codes == 0 || codes+2 != len(problems) {
		t.Errorf("the root package has %d codes, the table %d rows; want two more: the method and what is ours", codes, len(problems))
	}
}

func TestWriteProblem(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want string
		head map[string]string
	}{
		{"invalid", roomreel.InvalidParam("Ttl", "0 is too short."), `{"code":20422,"message":"Ttl: 0 is too short.","more_info":"https://www.twilio.com/docs/errors/20422","status":400}`, nil},
		{"wrapped", fmt.Errorf("create: %w", roomreel.Errorf(roomreel.Conflict, "The room is over.")), `{"code":20409,"message":"The room is over.","more_info":"https://www.twilio.com/docs/errors/20409","status":409}`, nil},
		{"number", &roomreel.Error{Code: roomreel.Invalid, Twilio: 53120, Param: "Rules", Detail: "none"}, `{"code":53120,"message":"Rules: none","more_info":"https://www.twilio.com/docs/errors/53120","status":400}`, nil},
		{"not_found", notFound(), `{"code":20404,"message":"The requested resource /v1/Rooms/x was not found","more_info":"https://www.twilio.com/docs/errors/20404","status":404}`, nil},
		{"method", &roomreel.Error{Code: methodNotAllowed}, `{"code":20004,"message":"The requested resource /v1/Rooms/x does not support the attempted HTTP method PUT","more_info":"https://www.twilio.com/docs/errors/20004","status":405}`, nil},
		{"unauthenticated", roomreel.Errorf(roomreel.Unauthenticated, "Authenticate."), `{"code":20003,"message":"Authenticate.","more_info":"https://www.twilio.com/docs/errors/20003","status":401}`, map[string]string{"Www-Authenticate": `Basic realm="Twilio API", charset="UTF-8"`}},
		{"too_many", roomreel.Errorf(roomreel.TooMany, "Slower."), `{"code":20429,"message":"Slower.","more_info":"https://www.twilio.com/docs/errors/20429","status":429}`, map[string]string{"Retry-After": "1"}},
		{"cause_stays_here", &roomreel.Error{Code: roomreel.Unavailable, Detail: "Later.", Err: errors.New("dial 10.0.0.1")}, `{"code":20503,"message":"Later.","more_info":"https://www.twilio.com/docs/errors/20503","status":503}`, nil},
		{"ours", errors.New("SELECT secret FROM account"), `{"code":20500,"message":"an internal error has occurred; the request may be repeated, and the log of the service has the details","more_info":"https://www.twilio.com/docs/errors/20500","status":500}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			writeProblem(w, httptest.NewRequest(http.MethodPut, "/v1/Rooms/x?Secret=1", nil), test.err)
			if got := strings.TrimSpace(w.Body.String()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			var body problemBody
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Status != w.Code {
				t.Errorf("status %d, body %+v, %v", w.Code, body, err)
			}
			for name, want := range test.head {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestErrorsPage holds docs/errors.md to the tables; -update writes it.
func TestErrorsPage(t *testing.T) {
	var page bytes.Buffer
	page.WriteString("# Errors\n\n" +
		"Every error is answered with JSON: `code`, `message`, `more_info` and `status`, which is the HTTP status again. Where one\n" +
		"parameter is to blame, `message` begins with its name and a colon. This page is written by `go test ./internal/api -update`\n" +
		"from the tables in `internal/api/problem.go` and `internal/twilio/errors.go`.\n\n" +
		"## By kind\n\n| HTTP status | code | kind | meaning |\n|---|---|---|---|\n")
	kinds := slices.SortedFunc(maps.Keys(problems), func(a, b roomreel.Code) int { return cmp.Compare(problems[a].Status, problems[b].Status) })
	for _, kind := range kinds {
		name := string(kind)
		if name == "" {
			name = "internal"
		}
		p := problems[kind]
		fmt.Fprintf(&page, "| %d | %d | %s | %s |\n", p.Status, p.Twilio, name, p.Meaning)
	}
	page.WriteString("\n## By number\n\nNumbers of Twilio's error dictionary that take the place of the kind's own where they name the case exactly. Those of a\n" +
		"composition or recording that failed are in its callback (`ErrorMessage`, `FailedOperation`) and its report.\n\n| code | meaning |\n|---|---|\n")
	for _, number := range slices.Sorted(maps.Keys(twilio.Errors)) {
		n := twilio.Errors[number]
		fmt.Fprintf(&page, "| %d | %s", number, n.Meaning)
		if n.Status != 0 {
			fmt.Fprintf(&page, " HTTP status %d.", n.Status)
		}
		page.WriteString(" |\n")
	}
	golden(t, "../../docs/errors.md", page.Bytes())
}
