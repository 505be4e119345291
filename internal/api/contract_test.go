package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// descriptions are Twilio's OpenAPI documents, which lie beside a checkout where they are at hand. Without them the
// golden shapes alone hold the wire.
var descriptions = []string{"twilio_video_v1.json", "twilio_accounts_v1.json"}

// contract checks answers against Twilio's descriptions, made strict: every documented property must be there and no
// other may be.
type contract struct {
	routers    []routers.Router
	schemas    map[string]*openapi3.Schema
	operations []string // "METHOD path" of all described operations that concern this service

	mu     sync.Mutex
	driven map[string]bool // "METHOD path" of the descriptions that were answered well
}

var openContract = sync.OnceValues(func() (*contract, error) {
	c := &contract{schemas: map[string]*openapi3.Schema{}, driven: map[string]bool{}}
	for _, name := range descriptions {
		path := filepath.Join("../../../shared/reference/openapi", name)
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return c, nil
		}
		doc, err := openapi3.NewLoader().LoadFromFile(path)
		if err != nil {
			return nil, err
		}
		tighten(doc)
		router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation())
		if err != nil {
			return nil, err
		}
		c.routers = append(c.routers, router)
		for path, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				if name == descriptions[0] || strings.HasPrefix(path, "/v1/Credentials/") {
					c.operations = append(c.operations, method+" "+path)
				}
			}
		}
		for name, schema := range doc.Components.Schemas {
			c.schemas[name] = schema.Value
		}
	}
	return c, nil
})

// TestWire_ShapesAreTwilios holds the golden shapes to the descriptions.
func TestWire_ShapesAreTwilios(t *testing.T) {
	c, err := openContract()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.schemas) == 0 {
		return
	}
	for prefix, name := range map[string]string{
		"room_in_progress": "video.v1.room", "room_completed": "video.v1.room",
		"participant": "video.v1.room.room_participant", "published_track": "video.v1.room.room_participant.room_participant_published_track",
		"recording_rules": "video.v1.room.room_recording_rule", "recording_processing": "video.v1.recording", "recording.json": "video.v1.recording",
		"room_recording": "video.v1.room.room_recording", "composition": "video.v1.composition", "hook": "video.v1.composition_hook",
		"settings": "video.v1.composition_settings", "credential_aws": "accounts.v1.credential.credential_aws",
		"credential_public_key": "accounts.v1.credential.credential_public_key",
	} {
		files, err := filepath.Glob("testdata/shapes/" + prefix + "*")
		if err != nil || len(files) == 0 {
			t.Fatalf("no shape of %s: %v", prefix, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var body any
			if err := json.Unmarshal(text, &body); err != nil {
				t.Fatal(err)
			}
			if err := c.schemas[name].VisitJSON(body, openapi3.MultiErrors()); err != nil {
				t.Errorf("%s is not a %s: %v", file, name, err)
			}
		}
	}
}

// tighten makes the descriptions say what the documentation means.
func tighten(doc *openapi3.T) {
	for name, schema := range doc.Components.Schemas {
		closeObject(schema.Value)
		if strings.HasSuffix(name, "recording_enum_codec") { // written in capitals there, sent in lower case, as Twilio's examples show
			for _, word := range schema.Value.Enum {
				schema.Value.Enum = append(schema.Value.Enum, strings.ToLower(word.(string)))
			}
		}
	}
	for _, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for _, response := range operation.Responses.Map() {
				for _, media := range response.Value.Content {
					closeObject(media.Schema.Value)
					if meta := media.Schema.Value.Properties["meta"]; meta != nil {
						closeObject(meta.Value)
					}
				}
			}
			if operation.RequestBody == nil {
				continue
			}
			for _, media := range operation.RequestBody.Value.Content {
				for _, field := range media.Schema.Value.Properties {
					if field.Value.Type == nil { // VideoLayout and Rules: JSON in a text field
						field.Value.Type = &openapi3.Types{"string"}
					}
				}
			}
		}
	}
}

func closeObject(schema *openapi3.Schema) {
	if len(schema.Properties) == 0 {
		return
	}
	closed := false
	schema.AdditionalProperties = openapi3.AdditionalProperties{Has: &closed}
	schema.Required = nil
	for name := range schema.Properties {
		schema.Required = append(schema.Required, name)
	}
}

// check holds an answer of a Twilio path to its description. Errors are not described there; their shape is pinned by
// TestWriteProblem.
func (c *contract) check(t testing.TB, r *http.Request, status int, header http.Header, body []byte) {
	t.Helper()
	if len(c.routers) == 0 || !strings.HasPrefix(r.URL.Path, "/v1/") || status >= 300 || r.Method == http.MethodOptions || r.Method == http.MethodHead {
		return
	}
	described := r.Clone(context.Background())
	described.Body = http.NoBody
	for i, host := range []string{"video.twilio.com", "accounts.twilio.com"} {
		described.URL = &url.URL{Scheme: "https", Host: host, Path: strings.TrimSuffix(r.URL.EscapedPath(), "/"), RawQuery: r.URL.RawQuery}
		described.Host = host
		route, params, err := c.routers[i].FindRoute(described)
		if err != nil {
			continue
		}
		c.mu.Lock()
		c.driven[r.Method+" "+route.Path] = true
		c.mu.Unlock()
		err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{
				Request: described, PathParams: params, Route: route,
				Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
			},
			Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		})
		if err != nil {
			t.Errorf("%s %s does not answer as described: %v\n%s", r.Method, r.URL.Path, err, body)
		}
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/Media") { // described in words only
		t.Errorf("%s %s is not in Twilio's descriptions", r.Method, r.URL.Path)
	}
}
