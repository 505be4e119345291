package layout

import (
	"strconv"
	"strings"

	"roomreel"
)

// Limits of a film's size, in pixels.
//
// Source: twilio.com/docs/video/api/compositions-resource, parameter Resolution.
const (
	minSide = 16
	maxSide = 1280
	maxArea = 921600
)

// DefaultResolution is what a request that names none asks for.
const DefaultResolution = "640x480"

// ParseResolution reads WIDTHxHEIGHT, such as 1280x720. The error is a *roomreel.Error that names Resolution.
func ParseResolution(text string) (Size, error) {
	w, h, found := strings.Cut(text, "x")
	width, okW := side(w)
	height, okH := side(h)
	if !found || !okW || !okH {
		return Size{}, roomreel.InvalidParam("Resolution", "must be WIDTHxHEIGHT in pixels, such as 640x480, each between %d and %d", minSide, maxSide)
	}
	if width*height > maxArea {
		return Size{}, roomreel.InvalidParam("Resolution", "%dx%d has %d pixels; at most %d (1280x720) are possible", width, height, width*height, maxArea)
	}
	return Size{width, height}, nil
}

// side reads one side of a resolution: decimal digits only, without sign or leading zero.
func side(text string) (int, bool) {
	if len(text) == 0 || len(text) > 4 || text[0] < '1' || text[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= minSide && n <= maxSide
}
