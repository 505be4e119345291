package api

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/jsonparam"
)

// params reads typed values from a form or query. It keeps the first error, so that a handler reads all parameters and checks err
// once.
//
// Names are case-sensitive. An empty value means that the parameter is absent, except where a method says otherwise. When a
// single-valued parameter is given several times, the last value counts.
type params struct {
	values url.Values
	err    error
}

func (p *params) fail(name, format string, args ...any) {
	if p.err == nil {
		p.err = roomreel.InvalidParam(name, format, args...)
	}
}

func (p *params) text(name string) string {
	values := p.values[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// json reads the text of a JSON value; "" when absent. A parameter that is null is absent, as a field that is null is.
func (p *params) json(name string) string {
	if text := p.text(name); !jsonparam.IsNull(text) {
		return text
	}
	return ""
}

// list reads a repeated parameter. One empty value is an empty list.
func (p *params) list(name string) []string {
	values := p.values[name]
	if len(values) == 1 && values[0] == "" {
		return nil
	}
	return slices.Clone(values)
}

// boolean takes true and false in any case, because Python's clients send True; nil when absent.
func (p *params) boolean(name string) *bool {
	value := false
	switch text := p.text(name); strings.ToLower(text) {
	case "":
		return nil
	case "true":
		value = true
	case "false":
	default:
		p.fail(name, "%q is not true or false", clip(text))
	}
	return &value
}

// integer reads a whole number, nil when absent. Package app checks its range.
func (p *params) integer(name string) *int {
	if p.text(name) == "" {
		return nil
	}
	value := int(p.whole(name, math.MinInt32, math.MaxInt32, "is not a whole number"))
	return &value
}

// whole reads a whole number, by the rule for numbers in JSON: 12.0 is 12. It is 0 when absent. fault says what a text is that is
// no number from least to most.
func (p *params) whole(name string, least, most int64, fault string) int64 {
	text := p.text(name)
	if text == "" {
		return 0
	}
	value, ok := jsonparam.Whole(text, least, most)
	if !ok {
		p.fail(name, "%q %s", clip(text), fault)
	}
	return value
}

// choice reads one of the given words, in this case; "" when absent.
func choice[T ~string](p *params, name string, words ...T) T {
	text := p.text(name)
	if text == "" || slices.Contains(words, T(text)) {
		return T(text)
	}
	var list []string
	for _, word := range words {
		list = append(list, string(word))
	}
	p.fail(name, "%q is not one of %s", clip(text), strings.Join(list, ", "))
	return ""
}

// instantLayouts are the forms of ISO 8601 that are read. Without a time zone they are UTC, because twilio-java sends no zone. A
// date without a time means midnight.
var instantLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly,
}

// instant reads a point in time; zero when absent. In a form, a plus sign that was not escaped means a space, so a space is read as
// the plus sign of an offset.
func (p *params) instant(name string) time.Time {
	text := p.text(name)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range instantLayouts {
		if at, err := time.Parse(layout, strings.Replace(text, " ", "+", 1)); err == nil {
			if at.Year() < 1 || at.Year() > 9999 {
				break
			}
			return at.UTC()
		}
	}
	p.fail(name, "%q is not an ISO 8601 date and time, such as 2026-01-31T23:59:59Z", clip(text))
	return time.Time{}
}

// created reads the two filters by creation time.
func (p *params) created() app.Created {
	return app.Created{After: p.instant("DateCreatedAfter"), Before: p.instant("DateCreatedBefore")}
}

// sidParam reads an optional SID of kind T.
func sidParam[T roomreel.SID](p *params, name string) T {
	text := p.text(name)
	if text == "" {
		return ""
	}
	sid, err := roomreel.ParseSID[T](text)
	if err != nil {
		p.fail(name, "%q is %s", clip(text), err)
	}
	return sid
}

// pathSID reads a SID of the path. A text that is not a SID is answered like a SID that does not exist.
func pathSID[T roomreel.SID](r *http.Request, name string) (T, error) {
	sid, err := roomreel.ParseSID[T](r.PathValue(name))
	if err != nil {
		return "", notFound()
	}
	return sid, nil
}

// clip shortens a caller's text for an error message.
func clip(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// query reads the parameters of a GET. Its body is ignored: some clients send an empty one.
func (a *API) query(r *http.Request) (*params, error) {
	values, err := parseQuery(r.URL.RawQuery)
	return &params{values: values}, err
}

// form reads the parameters of a POST.
func (a *API) form(w http.ResponseWriter, r *http.Request) (*params, error) {
	values, err := readForm(w, r, a.maxForm)
	return &params{values: values}, err
}
