package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"roomreel"
	"roomreel/internal/compose"
)

const aboutTheAPI = `The recordings and compositions of Twilio Video's REST API, served by a server of one's own, and what roomreel adds under /roomreel/v1.

Parameters of POST requests are form fields. Lists are read page by page: follow meta.next_page_url until it is null. Every path also answers HEAD like GET, and OPTIONS. A method that a path does not have is answered with 405. Resources of other accounts are answered as if they did not exist.`

// document describes every route.
func document(t *testing.T, routes []route) []byte {
	t.Helper()
	src := readSource(t, ".", "../..", "../compose", "../still")
	s := &schemas{t, src, map[string]object{"VideoLayout": videoLayout(true), "VideoLayoutRequest": videoLayout(false)}}
	describeRequests(s)
	s.of(reflectValue(compose.Report{}))
	var paths object
	described := map[string]bool{}
	for _, route := range routes {
		var item object
		names := pathNames(route.Path)
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			serve := route.Methods[method]
			if serve == nil {
				continue
			}
			id := operationName(route.Path, handlerName(serve))
			about, known := operations[id]
			if !known {
				t.Fatalf("%s %s: add %s to operations", method, route.Path, id)
			}
			described[id] = true
			if id == "noTranscriptions" { // one handler of several paths
				id = strings.ToLower(method) + lastName(route.Path)
			}
			item = append(item, member{strings.ToLower(method), s.operation(id, about, route, src.of(t, handlerName(serve)), names)})
		}
		paths = append(paths, member{route.Path, item})
	}
	for id := range operations {
		if !described[id] {
			t.Errorf("operations has %s, which no route serves", id)
		}
	}
	answers := object{}
	for _, code := range slices.SortedFunc(maps.Keys(problems), func(a, b roomreel.Code) int { return problems[a].Status - problems[b].Status }) {
		p := problems[code]
		answer := obj("description", p.Meaning)
		switch p.Status {
		case http.StatusUnauthorized:
			answer = append(answer, obj("headers", obj("WWW-Authenticate", header("string")))...)
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			answer = append(answer, obj("headers", obj("Retry-After", header("integer")))...)
		}
		answers = append(answers, member{strconv.Itoa(p.Status), append(answer, obj("content", jsonContent(s.ref(reflectValue(problemBody{}))))...)})
	}
	var components object
	for _, name := range slices.Sorted(maps.Keys(s.made)) {
		components = append(components, member{name, s.made[name]})
	}
	var tags []object
	for _, name := range []string{tagRooms, tagParticipants, tagRecordings, tagCompositions, tagHooks, tagSettings, tagCredentials, tagEvents, tagService} {
		tags = append(tags, obj("name", name))
	}
	text, err := json.Marshal(obj(
		"openapi", "3.1.1",
		"info", obj("title", "roomreel", "version", "0.0.0", "description", aboutTheAPI, "license", obj("name", "Apache-2.0", "identifier", "Apache-2.0")),
		"servers", []object{obj("url", "/")},
		"security", []object{{{"basic", []string{}}}},
		"tags", tags,
		"paths", paths,
		"components", obj("schemas", components, "responses", answers, "securitySchemes", obj("basic", obj(
			"type", "http", "scheme", "basic", "description", "An account SID and its auth token, or the SID of an API key and its secret.",
		))),
	))
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	json.Indent(&indented, text, "", " ")
	indented.WriteByte('\n')
	return indented.Bytes()
}

// describeRequests makes the schemas of parameters that are JSON.
func describeRequests(s *schemas) {
	rule := func(kinds []string, more ...any) object {
		text := obj("type", []string{"string", "null"})
		return obj("type", "array", "minItems", 1, "maxItems", 20, "items", obj("type", "object", "properties", obj(append([]any{
			"type", obj("type", "string", "enum", []string{"include", "exclude"}),
			"all", obj("type", []string{"boolean", "null"}, "description", "true: every track; no other filter may stand beside it"),
			"kind", obj("type", []string{"string", "null"}, "enum", append([]any{nil}, anyOf(kinds)...)),
			"publisher", text, "track", text,
		}, more...)...), "required", []string{"type"}))
	}
	s.made["RecordingRulesRequest"] = rule([]string{"audio", "video"})
	s.made["SubscribeRulesRequest"] = rule([]string{"audio", "video", "data"}, "priority",
		obj("type", []string{"string", "null"}, "enum", []any{nil, "low", "standard", "high"}))
	text := obj("type", "string")
	moment := obj("type", "integer", "minimum", 0, "maximum", longestTrack.Milliseconds(), "description", "of the room's time")
	s.made["InventedTracks"] = obj("type", "array", "items", obj("type", "object", "properties", obj(
		"track_name", text, "type", obj("type", "string", "enum", []string{"audio", "video"}, "default", "video"),
		"start_millis", moment, "end_millis", moment, "recording_sid", text, "track_sid", text, "participant_sid", text,
	), "required", []string{"end_millis"}))
	for _, sid := range []any{roomreel.RoomSID(""), roomreel.CredentialSID(""), roomreel.AccountSID("")} {
		s.of(reflectValue(sid))
	}
}

func anyOf(texts []string) (all []any) {
	for _, text := range texts {
		all = append(all, text)
	}
	return all
}

// operationName is the name of a handler, or one after the resource of a handler that serves several.
func operationName(path, handler string) string {
	resource := strings.TrimSuffix(strings.Split(path, "/")[min(3, strings.Count(path, "/"))], "s")
	switch handler {
	case "events.list":
		return "list" + resource + "Deliveries"
	case "events.redeliver":
		return "redeliver" + resource + "Event"
	}
	return handler
}

func lastName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return strings.Trim(name, "{}")
}

var pathName = regexp.MustCompile(`\{(\w+)\}`)

func pathNames(path string) (names []string) {
	for _, name := range pathName.FindAllStringSubmatch(path, -1) {
		names = append(names, name[1])
	}
	return names
}

// pathSchema is the schema of a parameter of a path: the SID of its resource, or a text.
func (s *schemas) pathSchema(path, name string) (schema object, description string) {
	if text := pathParameters[name]; text != "" {
		return obj("type", "string"), text
	}
	if name == "Resource" {
		name = strings.TrimSuffix(strings.Split(path, "/")[3], "s")
	}
	if name == "CompositionHook" {
		name = "Hook"
	}
	name += "Sid"
	if s.made[name] == nil {
		s.t.Fatalf("%s: there is no schema %s", path, name)
	}
	return obj("$ref", "#/components/schemas/"+name), ""
}

func (s *schemas) operation(id string, about operation, route route, reads reads, names []string) object {
	o := obj("operationId", id, "tags", []string{about.tag}, "summary", about.summary)
	if route.Open {
		o = append(o, member{"security", []object{}})
	}
	answers := s.answers(id, about, route, reads, names)
	var all []object
	for _, name := range names {
		schema, description := s.pathSchema(route.Path, name)
		all = append(all, obj("name", name, "in", "path", "required", true, "description", description, "schema", schema))
	}
	if reads.Upload {
		reads.Params = append(reads.Params, param{Name: mediaPart, Reader: "text"})
	}
	var form object
	var required []string
	for _, p := range reads.Params {
		about, known := parameters[id+"."+p.Name]
		if !known {
			if about, known = parameters[p.Name]; !known {
				s.t.Fatalf("%s: add %s to parameters", id, p.Name)
			}
		}
		if about.ignored {
			continue
		}
		schema := s.paramSchema(p, about.schema)
		if reads.Query {
			all = append(all, obj("name", p.Name, "in", "query", "description", about.text, "schema", schema))
			continue
		}
		form = append(form, member{p.Name, append(schema, obj("description", about.text)...)})
		if about.required {
			required = append(required, p.Name)
		}
	}
	o = append(o, obj("parameters", all)...)
	if reads.Form || reads.Upload {
		name := strings.ToUpper(id[:1]) + id[1:] + "Form"
		s.made[name] = obj("type", "object", "properties", form, "required", required)
		content := object{{"multipart/form-data", obj("schema", obj("$ref", "#/components/schemas/"+name))}}
		if reads.Form {
			content = append(object{{"application/x-www-form-urlencoded", content[0].value}}, content...)
		}
		o = append(o, member{"requestBody", append(obj("content", content), func() object {
			if len(required) == 0 {
				return nil
			}
			return object{{"required", true}}
		}()...)})
	}
	return append(o, member{"responses", answers})
}

// paramSchema is the schema of a parameter by the method that reads it.
func (s *schemas) paramSchema(p param, more object) object {
	schema := obj("type", "string")
	switch p.Reader {
	case "list":
		schema = obj("type", "array", "items", obj("type", "string"))
	case "boolean":
		schema = obj("type", "boolean")
	case "integer", "whole", "trackNumber", "millis":
		schema = obj("type", "integer")
	case "seconds":
		schema = obj("type", "number")
	case "instant":
		schema = obj("type", "string", "pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}")
	case "choice":
		schema = obj("type", "string", "enum", p.Words)
	case "sidParam":
		return obj("$ref", "#/components/schemas/"+strings.TrimSuffix(p.SID, "SID")+"Sid")
	}
	for _, m := range more {
		if m.name == "$ref" {
			return object{m}
		}
		if i := slices.IndexFunc(schema, func(of member) bool { return of.name == m.name }); i >= 0 {
			schema[i] = m
		} else {
			schema = append(schema, m)
		}
	}
	return schema
}

func reason(status int) string { return http.StatusText(status) }

func header(kind string) object { return obj("schema", obj("type", kind)) }

func jsonContent(schema object) object { return obj("application/json", obj("schema", schema)) }

// answers are the answers of an operation by status.
func (s *schemas) answers(id string, about operation, route route, reads reads, names []string) object {
	good := map[int]object{}
	if about.status < 400 {
		good[about.status] = obj("description", reason(about.status))
		switch body := about.body.(type) {
		case nil:
		case object:
			schema := body
			if body[0].name != "type" { // a list
				var properties object
				var required []string
				for _, m := range body {
					properties, required = append(properties, member{m.name, s.of(reflectValue(m.value))}), append(required, m.name)
				}
				name := strings.ToUpper(id[4:5]) + id[5:] + "Page"
				schema = s.component(name, obj("type", "object", "properties", properties, "required", required))
			}
			good[about.status] = append(good[about.status], obj("content", jsonContent(schema))...)
		default:
			good[about.status] = append(good[about.status], obj("content", jsonContent(s.of(reflectValue(body))))...)
		}
	}
	var bad []int
	switch id {
	case "serveMedia":
		media := obj("content", object{{"*/*", object{{"schema", object{}}}}})
		good[200], good[206] = append(good[200], media...), append(obj("description", "The range that was asked for"), media...)
		good[304], good[412] = obj("description", reason(304)), obj("description", reason(412))
		good[416] = append(obj("description", reason(416)), obj("content", obj("text/plain", obj("schema", obj("type", "string"))))...)
		bad = []int{403, 404}
	case "previewComposition":
		image := obj("schema", object{})
		good[200] = append(good[200], obj("content", object{{"image/jpeg", image}, {"image/png", image}})...)
	case "fetchOpenAPI":
		good[304] = obj("description", reason(304))
		good[200] = append(good[200], obj("headers", obj("ETag", header("string")))...)
	}
	if about.status == http.StatusFound {
		good[302] = append(good[302], obj("headers", obj("Location", obj("schema", obj("type", "string", "format", "uri"))))...)
	}
	if reads.Query || reads.Form || reads.Upload {
		bad = append(bad, 400)
	}
	if !route.Open {
		bad = append(bad, 401, 429)
		if len(names) > 0 {
			bad = append(bad, 404)
		}
	}
	if reads.Form || reads.Upload {
		bad = append(bad, 413)
	}
	if about.conflict {
		bad = append(bad, 409)
	}
	if about.tag == tagService && id != "listAudit" && id != "serveMedia" && id != "readiness" {
		return statuses(good, nil)
	}
	return statuses(good, append(bad, 500, 503))
}

func statuses(good map[int]object, bad []int) (o object) {
	for _, status := range bad {
		good[status] = obj("$ref", "#/components/responses/"+strconv.Itoa(status))
	}
	for _, status := range slices.Sorted(maps.Keys(good)) {
		o = append(o, member{strconv.Itoa(status), good[status]})
	}
	return o
}
