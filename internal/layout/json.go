package layout

import (
	"bytes"
	"encoding/json"
)

// fieldNames are a region's fields, as the API spells them.
var fieldNames = [...]string{
	"x_pos", "y_pos", "z_pos", "width", "height", "max_columns", "max_rows", "cells_excluded",
	"reuse", "video_sources", "video_sources_excluded",
}

// wire is a region as the API prints it, every field present.
//
// Source: the stored answers of Twilio's API snippets. A field that is not set is null there, not 0.
type wire struct {
	X                    int      `json:"x_pos"`
	Y                    int      `json:"y_pos"`
	Z                    int      `json:"z_pos"`
	Width                *int     `json:"width"`
	Height               *int     `json:"height"`
	MaxColumns           *int     `json:"max_columns"`
	MaxRows              *int     `json:"max_rows"`
	CellsExcluded        []int    `json:"cells_excluded"`
	Reuse                Reuse    `json:"reuse"`
	VideoSources         []string `json:"video_sources"`
	VideoSourcesExcluded []string `json:"video_sources_excluded"`
}

// JSON returns the layout as the API prints it: all fields of all regions with their defaults, null for a size or maximum
// that was not given, regions in the order of the request, "{}" for none. [Parse] reads it back to the same layout.
func (l Layout) JSON() string {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	write := func(value any) {
		if err := e.Encode(value); err != nil {
			panic(err) // strings and numbers only: cannot happen
		}
		text.Truncate(text.Len() - 1) // the encoder's line end
	}
	text.WriteByte('{')
	for i, r := range l.Regions {
		if i > 0 {
			text.WriteByte(',')
		}
		write(r.Name)
		text.WriteByte(':')
		write(wire{
			r.X, r.Y, r.Z, orNull(r.Width), orNull(r.Height), orNull(r.MaxColumns), orNull(r.MaxRows),
			list(r.CellsExcluded), r.Reuse, list(r.VideoSources), list(r.VideoSourcesExcluded),
		})
	}
	text.WriteByte('}')
	return text.String()
}

// orNull returns nil for 0, which means that a size or maximum was not given.
func orNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// list returns an empty list for nil, so that its JSON is [] and not null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
