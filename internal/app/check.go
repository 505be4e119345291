package app

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/webhook"
)

// maxName is the longest name of a room, identity or track, in characters.
//
// Source: twilio.com/docs/video/programmable-video-limits.
const maxName = 128

// maxURL is the longest callback or bucket URL, in bytes, that common servers take.
const maxURL = 2048

// checkName refuses names that are too long or cannot be printed. An empty name is allowed.
func checkName(param, name string, longest int) error {
	switch {
	case !utf8.ValidString(name):
		return roomreel.InvalidParam(param, "is not valid UTF-8")
	case utf8.RuneCountInString(name) > longest:
		return roomreel.InvalidParam(param, "is longer than %d characters", longest)
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return roomreel.InvalidParam(param, "holds a control character")
	}
	return nil
}

// oneOf refuses values that are not listed. An empty value is allowed.
func oneOf[T ~string](param string, value T, known ...T) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	words := make([]string, len(known))
	for i, word := range known {
		words[i] = string(word)
	}
	return roomreel.InvalidParam(param, "must be %s", orList(words))
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// between returns the value or its default, and refuses values out of range.
func between(param string, value *int, standard, least, most int) (int, error) {
	if value == nil {
		return standard, nil
	}
	if *value < least || *value > most {
		return 0, roomreel.InvalidParam(param, "must be between %d and %d", least, most)
	}
	return *value, nil
}

func or(value *bool, standard bool) bool {
	if value == nil {
		return standard
	}
	return *value
}

// sid parses a SID that a caller gave as a parameter.
func sid[T roomreel.SID](param, text string) (T, error) {
	parsed, err := roomreel.ParseSID[T](text)
	if err != nil {
		return "", roomreel.InvalidParam(param, "%v", err)
	}
	return parsed, nil
}

// callback checks a callback's URL and its method. What a name resolves to is checked at each delivery.
func (a *App) callback(address, method string) (roomreel.Callback, error) {
	if method == "" {
		method = "POST"
	}
	if err := oneOf("StatusCallbackMethod", method, "GET", "POST"); err != nil {
		return roomreel.Callback{}, err
	}
	if address != "" {
		if len(address) > maxURL {
			return roomreel.Callback{}, roomreel.InvalidParam("StatusCallback", "is longer than %d bytes", maxURL)
		}
		if err := webhook.CheckURL(address, a.callbackNetworks); err != nil {
			return roomreel.Callback{}, roomreel.InvalidParam("StatusCallback", "cannot be called: %v", err)
		}
	}
	return roomreel.Callback{URL: address, Method: method}, nil
}
