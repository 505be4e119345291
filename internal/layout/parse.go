package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"roomreel"
)

// param is the request parameter that every error of Parse names.
const param = "VideoLayout"

// Bounds of a layout's text that Twilio does not document: they are far above what a screen can hold.
const (
	maxText    = 64 << 10 // bytes
	maxRegions = 100
	maxName    = 128 // characters of a region's name, as of a track's
)

// Limits of a region's fields.
//
// Source: twilio.com/docs/video/api/compositions-resource, "Specifying Video Layouts".
const (
	minRegion   = 16 // pixels of width and height
	maxZ        = 99 // and -99
	maxGrid     = 1000
	maxExcluded = 999999
)

// Parse reads the text of a VideoLayout, a JSON object of regions by name, and checks it against the size of the film
// as requested. Regions keep the order of the text. "{}" is the empty layout, of a film without pictures.
//
// Fields that are absent or null get their defaults. Refused are: unknown fields and fields or regions given twice
// (a slip of the pen must not become a film that looks different), values of another type, numbers that are not whole
// (640.0 is), regions that leave the canvas, a text of more than 64 KiB (as given or as echoed, so that what
// [Layout.JSON] prints is always read back), more than 100 regions. The error is a *roomreel.Error that names
// VideoLayout, the region and the field.
func Parse(text string, canvas Size) (Layout, error) {
	if len(text) > maxText {
		return Layout{}, roomreel.InvalidParam(param, "is %d bytes long; at most %d are possible", len(text), maxText)
	}
	if !utf8.ValidString(text) {
		return Layout{}, roomreel.InvalidParam(param, "is not valid UTF-8")
	}
	l := Layout{Canvas: canvas}
	names, values, err := object(text)
	if err != nil {
		return Layout{}, roomreel.InvalidParam(param, "must be a JSON object of regions, such as {\"grid\":{\"video_sources\":[\"*\"]}}: %v", err)
	}
	if len(names) > maxRegions {
		return Layout{}, roomreel.InvalidParam(param, "has %d regions; at most %d are possible", len(names), maxRegions)
	}
	for i, name := range names {
		if utf8.RuneCountInString(name) > maxName {
			return Layout{}, roomreel.InvalidParam(param, "the name of region %d is longer than %d characters", i+1, maxName)
		}
		if slices.Contains(names[:i], name) {
			return Layout{}, roomreel.InvalidParam(param, "region %q is given twice", name)
		}
		r, err := parseRegion(name, values[i], canvas)
		if err != nil {
			return Layout{}, roomreel.InvalidParam(param, "region %q: %v", name, err)
		}
		l.Regions = append(l.Regions, r)
	}
	if echo := len(l.JSON()); echo > maxText {
		return Layout{}, roomreel.InvalidParam(param, "is %d bytes long with its defaults filled in; at most %d are possible", echo, maxText)
	}
	return l, nil
}

// parseRegion reads one region. Its errors begin with the field's name.
func parseRegion(name string, text json.RawMessage, canvas Size) (Region, error) {
	r := Region{Name: name, Reuse: ShowOldest}
	fields, values, err := object(string(text))
	if err != nil {
		return r, fmt.Errorf("must be a JSON object such as {\"video_sources\":[\"*\"]}: %v", err)
	}
	given := make(map[string]json.RawMessage, len(fields))
	for i, field := range fields {
		if !slices.Contains(fieldNames[:], field) {
			return r, fmt.Errorf("%s is not a field of a region; those are %s", shorten(field), strings.Join(fieldNames[:], ", "))
		}
		if _, twice := given[field]; twice {
			return r, fmt.Errorf("%s is given twice", field)
		}
		given[field] = values[i]
	}

	// In this order, because the limits of a size depend on the position.
	for _, f := range []struct {
		name     string
		to       *int
		min, max int
		about    string
	}{
		{"x_pos", &r.X, 0, canvas.W - minRegion, fmt.Sprintf(" in a film %d wide", canvas.W)},
		{"y_pos", &r.Y, 0, canvas.H - minRegion, fmt.Sprintf(" in a film %d high", canvas.H)},
		{"z_pos", &r.Z, -maxZ, maxZ, ""},
		{"width", &r.Width, minRegion, canvas.W, fmt.Sprintf(" in a film %d wide", canvas.W)},
		{"height", &r.Height, minRegion, canvas.H, fmt.Sprintf(" in a film %d high", canvas.H)},
		{"max_columns", &r.MaxColumns, 1, maxGrid, ""},
		{"max_rows", &r.MaxRows, 1, maxGrid, ""},
	} {
		if unset(given[f.name]) {
			continue
		}
		n, ok := whole(given[f.name])
		if !ok || n < f.min || n > f.max {
			return r, fmt.Errorf("%s must be a whole number from %d to %d%s, not %s", f.name, f.min, f.max, f.about, shorten(string(given[f.name])))
		}
		*f.to = n
	}
	if r.X+r.Width > canvas.W {
		return r, fmt.Errorf("x_pos %d and width %d reach beyond the film, which is %d wide", r.X, r.Width, canvas.W)
	}
	if r.Y+r.Height > canvas.H {
		return r, fmt.Errorf("y_pos %d and height %d reach beyond the film, which is %d high", r.Y, r.Height, canvas.H)
	}

	if text := given["reuse"]; !unset(text) {
		if json.Unmarshal(text, &r.Reuse) != nil || !slices.Contains([]Reuse{ReuseNone, ShowOldest, ShowNewest}, r.Reuse) {
			return r, fmt.Errorf("reuse must be \"none\", \"show_oldest\" or \"show_newest\", not %s", shorten(string(text)))
		}
	}
	if r.CellsExcluded, err = cells(given["cells_excluded"]); err != nil {
		return r, err
	}
	if unset(given["video_sources"]) {
		return r, errors.New("video_sources is missing; give a list of track names, RT, MT or PA SIDs, such as [\"*\"]")
	}
	if r.VideoSources, err = selectors("video_sources", given["video_sources"]); err != nil {
		return r, err
	}
	r.VideoSourcesExcluded, err = selectors("video_sources_excluded", given["video_sources_excluded"])
	return r, err
}

// object returns the keys of a JSON object in the order of its text, with their values. Keys may repeat.
func object(text string) (keys []string, values []json.RawMessage, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	open, err := d.Token()
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("it is empty")
	}
	if err != nil {
		return nil, nil, err
	}
	if open != json.Delim('{') {
		return nil, nil, errors.New("it is something else")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, early(err)
		}
		keys = append(keys, key.(string)) // the decoder lets nothing else be a key
		values = append(values, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, early(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("something follows it")
	}
	return keys, values, nil
}

// early says in words that a text ended too soon.
func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

// unset reports whether a field is absent or null: the API itself prints null for what has no value.
func unset(text json.RawMessage) bool { return len(text) == 0 || string(text) == "null" }

// whole reads a JSON number that has no fraction, also when it is written as one: some languages print 640 as 640.0.
func whole(text json.RawMessage) (int, bool) {
	if c := text[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<31 {
		return 0, false
	}
	return int(f), true
}

// cells reads cells_excluded. What it returns is as given: not sorted, duplicates kept.
func cells(text json.RawMessage) ([]int, error) {
	if unset(text) {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		return nil, fmt.Errorf("cells_excluded must be a list of cell numbers, not %s", shorten(string(text)))
	}
	var cells []int
	for _, item := range list {
		n, ok := whole(item)
		if !ok || n < 0 || n > maxExcluded {
			return nil, fmt.Errorf("cells_excluded must hold whole numbers from 0 to %d, not %s", maxExcluded, shorten(string(item)))
		}
		cells = append(cells, n)
	}
	return cells, nil
}

// selectors reads a list of source selectors.
func selectors(field string, text json.RawMessage) ([]string, error) {
	if unset(text) {
		return nil, nil
	}
	// Pointers, because null in a list of strings would pass as "".
	var list []*string
	if json.Unmarshal(text, &list) != nil || slices.Contains(list, nil) {
		return nil, fmt.Errorf("%s must be a list of strings such as [\"*\"], not %s", field, shorten(string(text)))
	}
	var names []string
	for _, name := range list {
		names = append(names, *name)
	}
	if fault := selectorsFault(names); fault != "" {
		return nil, fmt.Errorf("%s %s", field, fault)
	}
	return names, nil
}

// shorten quotes a caller's own text in an error without making the error as long as the text.
func shorten(text string) string {
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(text)) == nil {
		text = compact.String()
	}
	const most = 40
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
