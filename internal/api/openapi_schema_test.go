package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"roomreel/internal/layout"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// obj makes an object of names and values. Members whose value is nil, "" or an empty list are left out.
func obj(pairs ...any) object {
	var o object
	for i := 0; i < len(pairs); i += 2 {
		if v := reflect.ValueOf(pairs[i+1]); !v.IsValid() || (v.Kind() == reflect.String || v.Kind() == reflect.Slice) && v.Len() == 0 {
			continue
		}
		o = append(o, member{pairs[i].(string), pairs[i+1]})
	}
	return o
}

func (o object) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	text.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			text.WriteByte(',')
		}
		for j, value := range []any{m.name, m.value} {
			var part bytes.Buffer
			e := json.NewEncoder(&part)
			e.SetEscapeHTML(false)
			if err := e.Encode(value); err != nil {
				return nil, err
			}
			text.Write(bytes.TrimSpace(part.Bytes()))
			if j == 0 {
				text.WriteByte(':')
			}
		}
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// schemas collects the components of the description.
type schemas struct {
	t      *testing.T
	source source
	made   map[string]object
}

// componentNames are the names of types that are not those of Go without Body.
var componentNames = map[string]string{
	"participantFields": "AnonymizedParticipant", "problemBody": "Error", "Report": "FilmReport", "Checks": "FilmChecks",
	"layoutBody": "LayoutPreview", "meta": "PageMeta", "groupingSIDs": "GroupingSids", "recordingReportBody": "RecordingReport",
	"compositionReportBody": "CompositionReport",
}

func componentName(of reflect.Type) string {
	if name := componentNames[of.Name()]; name != "" {
		return name
	}
	name := strings.TrimSuffix(of.Name(), "Body")
	name = strings.ToUpper(name[:1]) + name[1:]
	if sid, is := strings.CutSuffix(name, "SID"); is {
		return sid + "Sid"
	}
	return name
}

// rawJSON names the schema of each field that is JSON by itself.
var rawJSON = map[string]object{
	"video_layout": obj("$ref", "#/components/schemas/VideoLayout"),
	"report":       orNullSchema(obj("$ref", "#/components/schemas/FilmReport")),
}

// wider are the fields that hold more words than their Go type names: participants may subscribe to data.
var wider = map[string]object{
	"recordingRuleBody.kind": obj("type", "string", "enum", []string{"audio", "video", "data"}),
}

func orNullSchema(schema object) object {
	if schema[0].name == "type" {
		if kind, is := schema[0].value.(string); is {
			return append(obj("type", []string{kind, "null"}), schema[1:]...)
		}
	}
	return obj("anyOf", []object{schema, obj("type", "null")})
}

// of returns the schema of a value's type. Of a map it takes the names that the value has.
func (s *schemas) of(value reflect.Value) object {
	kind := value.Type()
	switch kind {
	case reflect.TypeFor[time.Time]():
		return obj("type", "string", "format", "date-time")
	case reflect.TypeFor[object]():
		return value.Interface().(object)
	}
	switch kind.Kind() {
	case reflect.Pointer:
		return orNullSchema(s.of(reflect.Zero(kind.Elem())))
	case reflect.Interface:
		return s.of(value.Elem())
	case reflect.Slice:
		item := reflect.Zero(kind.Elem())
		if value.Len() > 0 {
			item = value.Index(0)
		}
		return obj("type", "array", "items", s.of(item))
	case reflect.Map:
		if value.IsNil() {
			return obj("type", []string{"object", "null"}, "additionalProperties", obj("type", "string"))
		}
		var names []string
		for _, name := range value.MapKeys() {
			names = append(names, name.String())
		}
		slices.Sort(names)
		var properties object
		for _, name := range names {
			field := s.of(value.MapIndex(reflect.ValueOf(name)))
			properties = append(properties, member{name, append(field, obj("format", format(name))...)})
		}
		return obj("type", "object", "properties", properties, "required", names)
	case reflect.Struct:
		return s.ref(value)
	case reflect.String:
		switch {
		case kind.Implements(reflect.TypeFor[interface{ Prefix() string }]()):
			prefix := value.Interface().(interface{ Prefix() string }).Prefix()
			return s.component(componentName(kind), obj("type", "string", "pattern", "^"+prefix+"[0-9a-fA-F]{32}$"))
		case s.source.enums[kind.Name()] != nil && kind.PkgPath() != "":
			return s.component(componentName(kind), obj("type", "string", "enum", s.source.enums[kind.Name()]))
		}
		return obj("type", "string")
	case reflect.Bool:
		return obj("type", "boolean")
	case reflect.Int, reflect.Int32:
		return obj("type", "integer")
	case reflect.Int64:
		return obj("type", "integer", "format", "int64")
	case reflect.Float64:
		return obj("type", "number")
	}
	s.t.Fatalf("no schema of %s", kind)
	return nil
}

func (s *schemas) component(name string, schema object) object {
	s.made[name] = schema
	return obj("$ref", "#/components/schemas/"+name)
}

// ref makes the component of a struct.
func (s *schemas) ref(value reflect.Value) object {
	name := componentName(value.Type())
	if _, done := s.made[name]; !done {
		s.made[name] = nil // against recursion
		var properties object
		var required []string
		s.fields(value, &properties, &required)
		s.made[name] = obj("type", "object", "properties", properties, "required", required)
	}
	return obj("$ref", "#/components/schemas/"+name)
}

func (s *schemas) fields(value reflect.Value, properties *object, required *[]string) {
	for i := range value.NumField() {
		field := value.Type().Field(i)
		name := jsonName(field.Tag)
		if field.Anonymous && name == "" {
			s.fields(value.Field(i), properties, required)
			continue
		}
		var schema object
		if field.Type == reflect.TypeFor[json.RawMessage]() {
			schema = rawJSON[name]
		} else {
			schema = s.of(value.Field(i))
			schema = append(schema, obj("format", format(name))...)
		}
		if other := wider[value.Type().Name()+"."+name]; other != nil {
			schema = other
		}
		schema = append(schema, obj("description", s.source.comments[value.Type().Name()+"."+name])...)
		*properties = append(*properties, member{name, schema})
		if options := field.Tag.Get("json"); !strings.Contains(options, ",omit") {
			*required = append(*required, name)
		}
	}
}

// format is what the name of a field of text says about it.
func format(name string) string {
	switch {
	case strings.HasPrefix(name, "date_"), name == "date", name == "start_time", name == "end_time":
		return "date-time"
	case name == "url", strings.HasSuffix(name, "_url"), name == "more_info", name == "redirect_to":
		return "uri"
	}
	return ""
}

// videoLayout is the schema of layouts in answers. Requests may leave out all fields but video_sources.
func videoLayout(required bool) object {
	size := func(description string) object {
		return obj("type", []string{"integer", "null"}, "description", description)
	}
	sources := func(description string) object {
		return obj("type", "array", "items", obj("type", "string"), "description", description)
	}
	properties := obj(
		"x_pos", obj("type", "integer", "minimum", 0, "description", "pixels from the left edge"),
		"y_pos", obj("type", "integer", "minimum", 0, "description", "pixels from the upper edge"),
		"z_pos", obj("type", "integer", "minimum", -99, "maximum", 99, "description", "regions with a higher number lie on top"),
		"width", size("pixels; null for all up to the right edge"), "height", size("pixels; null for all down to the lower edge"),
		"max_columns", size("of the grid; null for no maximum"), "max_rows", size("of the grid; null for no maximum"),
		"cells_excluded", obj("type", "array", "items", obj("type", "integer", "minimum", 0), "description", "numbers of cells that stay empty, row by row from 0"),
		"reuse", obj("type", "string", "enum", []layout.Reuse{layout.ReuseNone, layout.ShowOldest, layout.ShowNewest}, "description", "how a cell is used again"),
		"video_sources", sources("names or SIDs; * at the beginning, the end or both stands for any text"),
		"video_sources_excluded", sources("of those, the ones that are left out"),
	)
	var names []string
	for _, p := range properties {
		if required || p.name == "video_sources" {
			names = append(names, p.name)
		}
	}
	return obj("type", "object", "additionalProperties", obj("type", "object", "properties", properties, "required", names),
		"description", "Regions by name.")
}

func reflectValue(value any) reflect.Value { return reflect.ValueOf(value) }
