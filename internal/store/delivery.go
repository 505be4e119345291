package store

import (
	"time"

	"roomreel"
)

// Delivery is one attempt to tell a callback of an event.
type Delivery struct {
	ID       string
	EventID  string
	Resource string // SID of what the event happened to
	Sequence int    // of the event within Resource
	Type     roomreel.EventType
	URL      string
	Method   string
	Attempt  int // 1 for the first
	Started  time.Time
	Duration time.Duration
	Status   int    // HTTP status of the answer; 0 when there was none
	Error    string // why it counts as failed; "" when it was delivered
}
