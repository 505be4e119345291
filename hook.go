package roomreel

import "time"

// Hook creates one composition of every room of its account that completes with at least one recording.
type Hook struct {
	SID          HookSID
	AccountSID   AccountSID
	FriendlyName string // unique in the account, at most 100 characters
	Enabled      bool
	Spec         FilmSpec
	Created      time.Time
	Updated      time.Time // zero until it is updated
}
