package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestOpenAPI_IsOfTheRoutes makes the description anew and compares it with the file that is served.
func TestOpenAPI_IsOfTheRoutes(t *testing.T) {
	golden(t, "openapi.json", document(t, boot(t, Config{}).api.routes()))
}

// TestOpenAPI_IsServed also shows that it needs no signing in, and that a client which has it is told so.
func TestOpenAPI_IsServed(t *testing.T) {
	s := boot(t, Config{Version: "1.2.3"})
	anonymous := caller{service: s}
	a := anonymous.want(t, 200, "GET", openAPIPath)
	if a.text("info.version") != "1.2.3" || a.text("openapi") != "3.1.1" || len(a.Body) > 300<<10 || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%d bytes of %s: %.200s", len(a.Body), a.Header.Get("Content-Type"), a.Body)
	}
	r := anonymous.request(t, "GET", openAPIPath, "")
	r.Header.Set("If-None-Match", a.Header.Get("ETag"))
	if again := anonymous.do(t, r); again.Status != 304 || len(again.Body) != 0 {
		t.Errorf("with its ETag: %d, %d bytes", again.Status, len(again.Body))
	}
	if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Cache-Control") == "" {
		t.Errorf("headers: %v", a.Header)
	}
	if other := boot(t, Config{Version: "1.2.4"}); (caller{service: other}).want(t, 200, "GET", openAPIPath).Header.Get("ETag") == a.Header.Get("ETag") {
		t.Error("another version has the same ETag")
	}
}

// description is openapi.json, made strict: an answer may have no field that it does not name.
type description struct{ doc *openapi3.T }

var openDescription = sync.OnceValues(func() (*description, error) {
	var text any
	if err := json.Unmarshal(openAPIText, &text); err != nil {
		return nil, err
	}
	closeObjects(text)
	strict, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(strict)
	if err != nil {
		return nil, err
	}
	return &description{doc}, doc.Validate(context.Background())
})

// closeObjects refuses unknown members in every schema with properties.
func closeObjects(at any) {
	switch at := at.(type) {
	case []any:
		for _, item := range at {
			closeObjects(item)
		}
	case map[string]any:
		for _, item := range at {
			closeObjects(item)
		}
		if at["properties"] != nil && at["additionalProperties"] == nil {
			at["additionalProperties"] = false
		}
	}
}

// check holds an answer to the description: its status, its body, and the parameters of a request that was accepted.
func (d *description) check(t testing.TB, s *service, r *http.Request, a answer) {
	t.Helper()
	if r.Method == http.MethodHead || r.Method == http.MethodOptions || a.Status == http.StatusMethodNotAllowed {
		return
	}
	path, ok := trimSlash(&http.Request{Method: r.Method, URL: sentURL(r), Host: "localhost"})
	if !ok {
		return
	}
	_, route := s.api.mux.Handler(path)
	item := d.doc.Paths.Value(route)
	if item == nil {
		if route != "" {
			t.Errorf("%s is not described", route)
		}
		return
	}
	operation := item.GetOperation(r.Method)
	answer := operation.Responses.Status(a.Status)
	if answer == nil {
		t.Errorf("%s is answered with %d, which is not described: %s", operation.OperationID, a.Status, a.Body)
		return
	}
	if media := answer.Value.Content.Get("application/json"); media != nil && answer.Value.Content["*/*"] == nil {
		if err := visit(media.Schema, a.Body); err != nil {
			t.Errorf("%s does not answer as described: %v\n%s", operation.OperationID, err, a.Body)
		}
	} else if answer.Value.Content == nil && len(a.Body) > 0 {
		t.Errorf("%s is answered with a body that is not described: %s", operation.OperationID, a.Body)
	}
	for name := range answer.Value.Headers {
		if a.Header.Get(name) == "" {
			t.Errorf("%s is answered with %d without %s", operation.OperationID, a.Status, name)
		}
	}
	if a.Status < 400 {
		checkParameters(t, operation, r)
	}
}

// sentURL is the URL as the server saw it.
func sentURL(r *http.Request) *url.URL {
	if r.URL.Opaque == "" {
		return r.URL
	}
	u, err := url.Parse("http:" + r.URL.Opaque)
	if err != nil {
		return r.URL
	}
	return u
}

func visit(schema *openapi3.SchemaRef, text []byte) error {
	var body any
	if err := json.Unmarshal(text, &body); err != nil {
		return err
	}
	return schema.Value.VisitJSON(body, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors())
}

// checkParameters holds the parameters of a request that was accepted to their schemas. Those that the description does not name are
// ignored by the service.
func checkParameters(t testing.TB, operation *openapi3.Operation, r *http.Request) {
	t.Helper()
	for name, values := range sentParameters(t, r) {
		schema := parameterSchema(operation, name)
		if schema == nil || len(values) == 0 || values[0] == "" {
			continue
		}
		if err := parameterFits(schema, values); err != nil {
			t.Errorf("%s accepts %s=%.80q, which is not described: %v", operation.OperationID, name, values, err)
		}
	}
}

// parameterFits checks the values of a parameter as the service reads them.
func parameterFits(schema *openapi3.SchemaRef, values []string) error {
	if schema.Value.Type.Is("array") {
		return visit(schema, must1(json.Marshal(values)))
	}
	text := values[len(values)-1]
	switch {
	case schema.Value.Type.Is("boolean"):
		return visit(schema, []byte(strings.ToLower(text)))
	case schema.Value.Type.Is("integer"):
		return visit(schema, []byte(text))
	}
	return visit(schema, must1(json.Marshal(text)))
}

func must1(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}

func parameterSchema(operation *openapi3.Operation, name string) *openapi3.SchemaRef {
	if p := operation.Parameters.GetByInAndName("query", name); p != nil {
		return p.Schema
	}
	if operation.RequestBody == nil {
		return nil
	}
	return operation.RequestBody.Value.Content["multipart/form-data"].Schema.Value.Properties[name]
}

// sentParameters are the query of a GET, or the form of a POST without its files.
func sentParameters(t testing.TB, r *http.Request) url.Values {
	t.Helper()
	if r.Method == http.MethodGet || r.GetBody == nil {
		return r.URL.Query()
	}
	body, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	kind, attributes, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		text, _ := io.ReadAll(body)
		values, _ := parseQuery(string(text))
		return values
	}
	form, err := multipart.NewReader(body, attributes["boundary"]).ReadForm(1 << 20)
	if err != nil {
		return nil
	}
	return form.Value
}

// accepted are requests that are accepted as often as they are sent: one for each operation with parameters that have limits.
var accepted = []struct{ method, path, form string }{
	{"GET", "/v1/Rooms", ""},
	{"POST", "/v1/Rooms", ""},
	{"POST", "/v1/Rooms/{completed2}", "Status=completed"},
	{"GET", "/v1/Rooms/{room}/Participants", ""},
	{"POST", "/v1/Rooms/{room}/Participants/alice", "Status=disconnected"},
	{"GET", "/v1/Rooms/{room}/Participants/alice/PublishedTracks", ""},
	{"GET", "/v1/Rooms/{room}/Participants/alice/SubscribedTracks", ""},
	{"POST", "/v1/Rooms/{room}/Participants/alice/SubscribeRules", `Rules=[{"type":"include","all":true}]`},
	{"GET", "/v1/Recordings", ""},
	{"GET", "/v1/Recordings/{recording}/Media", ""},
	{"GET", "/v1/Rooms/{room}/Recordings", ""},
	{"GET", "/v1/Rooms/{room}/Recordings/{recording}/Media", ""},
	{"POST", "/v1/Rooms/{room}/RecordingRules", `Rules=[{"type":"include","all":true}]`},
	{"POST", "/v1/RecordingSettings/Default", "FriendlyName=x"},
	{"GET", "/v1/Compositions", ""},
	{"POST", "/v1/Compositions", "RoomSid={room}&AudioSources=none"},
	{"GET", "/v1/Compositions/{film}/Media", ""},
	{"GET", "/v1/CompositionHooks", ""},
	{"POST", "/v1/CompositionHooks", "FriendlyName={unique}&AudioSources=*"},
	{"POST", "/v1/CompositionHooks/{hook}", "FriendlyName=renamed&AudioSources=*"},
	{"POST", "/v1/CompositionSettings/Default", "FriendlyName=x"},
	{"GET", "/v1/Credentials/AWS", ""},
	{"POST", "/v1/Credentials/AWS", "Credentials=a:b"},
	{"POST", "/v1/Credentials/AWS/{aws}", ""},
	{"GET", "/v1/Credentials/PublicKeys", ""},
	{"POST", "/v1/Credentials/PublicKeys", "PublicKey={pem}"},
	{"POST", "/v1/Credentials/PublicKeys/{key}", ""},
	{"POST", "/roomreel/v1/Rooms/{room}/Recordings", "ParticipantIdentity=carol"},
	{"GET", "/roomreel/v1/Rooms/{room}/Deliveries", ""},
	{"GET", "/roomreel/v1/Recordings/{recording}/Deliveries", ""},
	{"GET", "/roomreel/v1/Compositions/{composition}/Deliveries", ""},
	{"GET", "/roomreel/v1/CompositionHooks/{hook}/Deliveries", ""},
	{"GET", "/roomreel/v1/AuditLog", ""},
	{"POST", "/roomreel/v1/Compositions", "RoomSid={room}&AudioSources=none"},
	{"POST", "/roomreel/v1/CompositionHooks", "FriendlyName={unique}&AudioSources=*"},
	{"POST", "/roomreel/v1/CompositionHooks/{hook}", "FriendlyName=renamed{unique}&AudioSources=*"},
	{"POST", "/roomreel/v1/Layouts", "RoomSid={room}&AudioSources=none"},
	{"POST", "/roomreel/v1/CompositionEstimates", "RoomSid={room}&AudioSources=none"},
	{"POST", "/roomreel/v1/CompositionPreviews", "RoomSid={room}&AudioSources=none"},
}

// TestOpenAPI_LimitsHold sends every parameter of every operation at its limits, which is accepted, and beyond them, which is not.
func TestOpenAPI_LimitsHold(t *testing.T) {
	s := boot(t, Config{})
	w := s.furnish(t)
	w.names["completed2"] = s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	w.names["film"] = s.account.want(t, 201, "POST", "/v1/Compositions", "RoomSid", w.names["room"], "AudioSources", "*").text("sid")
	s.finish(t, w.names["film"], []byte("a film"), filmOf(s.account.user, w.names["film"]))
	tried := map[string]bool{}
	unique := 0
	for _, request := range accepted {
		send := func(name string, values ...string) answer {
			unique++
			w.names["unique"] = strconv.Itoa(unique)
			form, err := url.ParseQuery(w.fill(request.form))
			if err != nil {
				t.Fatal(err)
			}
			form[name] = values
			if strings.HasPrefix(request.path, "/roomreel/v1/Rooms") && request.method == "POST" {
				var fields []string
				for name, values := range form {
					for _, value := range values {
						fields = append(fields, name, value)
					}
				}
				if name != mediaPart {
					fields = append(fields, "@Media", "testdata/audio.mka")
				}
				return s.account.upload(t, w.fill(request.path), fields...)
			}
			if request.path == "/v1/Rooms/{completed2}" { // a room is completed once
				w.names["completed2"] = s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
			}
			return s.account.do(t, s.account.request(t, request.method, w.fill(request.path), form.Encode()))
		}
		probe, _ := http.NewRequest(request.method, w.fill(request.path), nil)
		_, route := s.api.mux.Handler(probe)
		operation := s.description.doc.Paths.Value(route).GetOperation(request.method)
		tried[operation.OperationID] = true
		for name, p := range describedParameters(operation) {
			good, bad := atLimits(p.schema)
			if p.required {
				bad = append(bad, nil)
			}
			for _, values := range good {
				about := name + ": " // an error about another parameter says that this one needs it, or that the file does not fit
				if a := send(name, values...); a.Status >= 400 && strings.HasPrefix(a.text("message"), about) && a.Status != 409 {
					t.Errorf("%s refuses %s=%.80q: %s", operation.OperationID, name, values, a.Body)
				} else if standard, shown := a.JSON[snake(name)]; shown && p.schema.Value.Default != nil && len(values) == 0 && fmt.Sprint(standard) != fmt.Sprint(p.schema.Value.Default) {
					t.Errorf("%s: without %s it is %v, described is %v", operation.OperationID, name, standard, p.schema.Value.Default)
				}
			}
			for _, values := range bad {
				if a := send(name, values...); a.Status != 400 || !strings.HasPrefix(a.text("message"), name+": ") {
					t.Errorf("%s answers %s=%.80q with %d, want 400 about it: %.300s", operation.OperationID, name, values, a.Status, a.Body)
				}
			}
		}
	}
	for path, item := range s.description.doc.Paths.Map() {
		for _, operation := range item.Operations() {
			if len(describedParameters(operation)) > 0 && !tried[operation.OperationID] {
				t.Errorf("%s of %s is not tried", operation.OperationID, path)
			}
		}
	}
}

type describedParameter struct {
	schema   *openapi3.SchemaRef
	required bool
}

func describedParameters(operation *openapi3.Operation) map[string]describedParameter {
	all := map[string]describedParameter{}
	for _, p := range operation.Parameters {
		if p.Value.In == "query" {
			all[p.Value.Name] = describedParameter{p.Value.Schema, p.Value.Required}
		}
	}
	if operation.RequestBody != nil {
		form := operation.RequestBody.Value.Content["multipart/form-data"].Schema.Value
		for name, schema := range form.Properties {
			all[name] = describedParameter{schema, slices.Contains(form.Required, name)}
		}
	}
	return all
}

// atLimits returns values that a schema allows, and such that it does not. A good value of none is the request as it is, which shows
// the default.
func atLimits(ref *openapi3.SchemaRef) (good, bad [][]string) {
	schema := ref.Value
	one := func(value any) []string { return []string{fmt.Sprint(value)} }
	if schema.Default != nil {
		good = append(good, nil)
	}
	switch {
	case schema.Type.Is("boolean"):
		return append(good, one(true), one(false)), append(bad, one("yes"))
	case schema.Type.Is("integer"):
		bad = append(bad, one("1.5"), one("many"))
		if schema.Min != nil {
			good, bad = append(good, one(int64(*schema.Min))), append(bad, one(int64(*schema.Min)-1))
		}
		if schema.Max != nil && schema.Format != "int64" { // a recording may not be 100 years after the others of its room
			good = append(good, one(int64(*schema.Max)))
		}
		if schema.Max != nil {
			bad = append(bad, one(int64(*schema.Max)+1))
		}
	case schema.Type.Is("array"):
		if schema.Items.Value.Enum != nil {
			bad = append(bad, one("VP7"))
		}
		if schema.MaxItems != nil {
			good, bad = append(good, slices.Repeat([]string{"x"}, int(*schema.MaxItems))), append(bad, slices.Repeat([]string{"x"}, int(*schema.MaxItems)+1))
		}
	case schema.Enum != nil:
		bad = append(bad, one("none of them"))
		for _, word := range schema.Enum {
			good = append(good, one(word))
		}
	case schema.Pattern != "":
		bad = append(bad, one("none of this form"))
	case schema.MaxLength != nil:
		long := int(*schema.MaxLength)
		bad = append(bad, one(strings.Repeat("x", long+1)))
		if schema.Format == "" && long < 1000 {
			good = append(good, one(strings.Repeat("é", long)))
		}
	case len(schema.ContentMediaType) > 0:
		bad = append(bad, one("{"))
	}
	return good, bad
}

// snake is the name of a parameter's field in answers.
func snake(name string) string {
	var text bytes.Buffer
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			text.WriteByte('_')
		}
		text.WriteString(strings.ToLower(string(r)))
	}
	return text.String()
}
