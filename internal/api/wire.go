package api

import (
	"encoding/json"
	"time"

	"roomreel"
)

// The shapes of wire*.go are Twilio's JSON, field by field: every field is always there, and null where there is no
// value. Their order is that of the published descriptions.

// instantText writes a time as the API does: whole seconds, UTC. Fractions would not be read by Python's clients.
func instantText(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }

func instantOrNull(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	text := instantText(at)
	return &text
}

// orNull is text, or null for "".
func orNull[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

// orEmpty is a list that is [] rather than null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// callbackMethod is POST even where there is no URL, as Twilio shows it.
func callbackMethod(c roomreel.Callback) string {
	if c.Method == "" {
		return "POST"
	}
	return c.Method
}

// layoutJSON is a stored layout as it is; {} for none.
func layoutJSON(text string) json.RawMessage {
	if text == "" {
		text = "{}"
	}
	return json.RawMessage(text)
}
