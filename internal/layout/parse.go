package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/jsonparam"
)

// param is the request parameter that all errors of Parse name.
const param = "VideoLayout"

// Limits of a layout's text. Twilio does not document any. These are far above what fits on a screen.
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
// as requested. Regions keep the order of the text. "{}" is the empty layout: a film without video.
//
// Fields that are absent get their defaults. Unknown fields are refused, so that a typing error is noticed. Package jsonparam has
// the rules for null, numbers and text. Parse also refuses values of another type, numbers that are not whole, regions that leave
// the canvas, more than 100 regions, and a text of more than 64 KiB. That limit applies to the given text
// and to the output of [Layout.JSON], so that Parse always accepts that output. The error is a *roomreel.Error that names
// VideoLayout, the region and the field.
func Parse(text string, canvas Size) (Layout, error) {
	if len(text) > maxText {
		return Layout{}, roomreel.InvalidParam(param, "is %d bytes long; at most %d are possible", len(text), maxText)
	}
	l := Layout{Canvas: canvas}
	regions, err := jsonparam.Object(text)
	if err != nil {
		return Layout{}, roomreel.InvalidParam(param, "must be a JSON object of regions, such as {\"grid\":{\"video_sources\":[\"*\"]}}: %v", err)
	}
	if len(regions) > maxRegions {
		return Layout{}, roomreel.InvalidParam(param, "has %d regions; at most %d are possible", len(regions), maxRegions)
	}
	for i, region := range regions {
		name := region.Name
		if utf8.RuneCountInString(name) > maxName {
			return Layout{}, roomreel.InvalidParam(param, "the name of region %d is longer than %d characters", i+1, maxName)
		}
		r, err := parseRegion(name, region.Value, canvas)
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
	fields, err := jsonparam.Object(string(text))
	if err != nil {
		return r, fmt.Errorf("must be a JSON object such as {\"video_sources\":[\"*\"]}: %v", err)
	}
	given := make(map[string]json.RawMessage, len(fields))
	for _, field := range fields {
		if !slices.Contains(fieldNames[:], field.Name) {
			return r, fmt.Errorf("%s is not a field of a region; those are %s", shorten(field.Name), strings.Join(fieldNames[:], ", "))
		}
		given[field.Name] = field.Value
	}

	// The order matters: the limits of a size depend on the position.
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
		text := string(given[f.name])
		if text == "" {
			continue
		}
		n, ok := jsonparam.Whole(text, int64(f.min), int64(f.max))
		if !ok {
			return r, fmt.Errorf("%s must be a whole number from %d to %d%s, not %s", f.name, f.min, f.max, f.about, shorten(text))
		}
		*f.to = int(n)
	}
	if r.X+r.Width > canvas.W {
		return r, fmt.Errorf("x_pos %d and width %d reach beyond the film, which is %d wide", r.X, r.Width, canvas.W)
	}
	if r.Y+r.Height > canvas.H {
		return r, fmt.Errorf("y_pos %d and height %d reach beyond the film, which is %d high", r.Y, r.Height, canvas.H)
	}

	if text := given["reuse"]; text != nil {
		if json.Unmarshal(text, &r.Reuse) != nil || !slices.Contains([]Reuse{ReuseNone, ShowOldest, ShowNewest}, r.Reuse) {
			return r, fmt.Errorf("reuse must be \"none\", \"show_oldest\" or \"show_newest\", not %s", shorten(string(text)))
		}
	}
	if r.CellsExcluded, err = cells(given["cells_excluded"]); err != nil {
		return r, err
	}
	if given["video_sources"] == nil {
		return r, errors.New("video_sources is missing; give a list of track names, RT, MT or PA SIDs, such as [\"*\"]")
	}
	if r.VideoSources, err = selectors("video_sources", given["video_sources"]); err != nil {
		return r, err
	}
	r.VideoSourcesExcluded, err = selectors("video_sources_excluded", given["video_sources_excluded"])
	return r, err
}

// cells reads cells_excluded. It neither sorts the numbers nor removes duplicates.
func cells(text json.RawMessage) ([]int, error) {
	if text == nil {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		return nil, fmt.Errorf("cells_excluded must be a list of cell numbers, not %s", shorten(string(text)))
	}
	var cells []int
	for _, item := range list {
		n, ok := jsonparam.Whole(string(item), 0, maxExcluded)
		if !ok {
			return nil, fmt.Errorf("cells_excluded must hold whole numbers from 0 to %d, not %s", maxExcluded, shorten(string(item)))
		}
		cells = append(cells, int(n))
	}
	return cells, nil
}

// selectors reads a list of source selectors.
func selectors(field string, text json.RawMessage) ([]string, error) {
	if text == nil {
		return nil, nil
	}
	// Pointers, because null in a list of strings would be read as "".
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

// shorten returns at most 40 characters of a caller's text, for an error.
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

const minSide = 16 // pixels

// The sizes of films. Each side may be as long as the longer side of the largest size, and both together may have as many pixels.
//
// Source of Twilio: twilio.com/docs/video/api/compositions-resource, parameter Resolution.
var (
	Largest = Size{4096, 2304} // what decoders and encoders take: media.MaxFrameSide and media.MaxFramePixels
	Twilio  = Size{1280, 720}
)

// DefaultResolution is the resolution of a request without one.
const DefaultResolution = "640x480"

// ParseResolution reads WIDTHxHEIGHT, such as 1280x720, of at most the largest size. The error is a *roomreel.Error that names
// Resolution.
func ParseResolution(text string, largest Size) (Size, error) {
	most := max(largest.W, largest.H)
	w, h, found := strings.Cut(text, "x")
	width, okW := side(w, most)
	height, okH := side(h, most)
	if !found || !okW || !okH {
		return Size{}, roomreel.InvalidParam("Resolution", "must be WIDTHxHEIGHT in pixels, such as 640x480, each between %d and %d", minSide, most)
	}
	if pixels := largest.W * largest.H; width*height > pixels {
		return Size{}, roomreel.InvalidParam("Resolution", "%dx%d has %d pixels; at most %d (%v) are possible", width, height, width*height, pixels, largest)
	}
	return Size{width, height}, nil
}

// side reads the width or height of a resolution: decimal digits without sign or leading zero.
func side(text string, most int) (int, bool) {
	if len(text) == 0 || len(text) > 4 || text[0] < '1' || text[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= minSide && n <= most
}
