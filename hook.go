package roomreel

import "time"

// Hook creates one composition for each room of its account that is completed and has at least one recording.
type Hook struct {
	SID          HookSID
	AccountSID   AccountSID
	FriendlyName string // unique in the account, at most 100 characters
	Enabled      bool
	Spec         FilmSpec
	Created      time.Time
	Updated      time.Time // zero until it is updated
}
