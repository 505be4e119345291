package layout

import (
	"encoding/json"
	"strconv"

	"roomreel"
)

const param = "VideoLayout"

func quote(text string) string { return strconv.Quote(text) }

// Parse reads the text of a VideoLayout and checks it against the size of the film.
func Parse(text string, canvas Size) (Layout, error) {
	var regions map[string]struct {
		VideoSources []string `json:"video_sources"`
	}
	if err := json.Unmarshal([]byte(text), &regions); err != nil {
		return Layout{}, roomreel.InvalidParam(param, "must be a JSON object of regions")
	}
	l := Layout{Canvas: canvas}
	for name, r := range regions {
		l.Regions = append(l.Regions, Region{Name: name, Reuse: ShowOldest, VideoSources: r.VideoSources})
	}
	return l, nil
}

// JSON returns the layout as the API echoes it.
func (l Layout) JSON() string { return "{}" }
