package roomreel

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// The identifiers of the API: two letters for the kind, then 32 hexadecimal digits. Each kind is a type of its own, so that
// a RoomSID cannot be passed to a function that takes a RecordingSID.
type (
	AccountSID     string // AC: an account, the owner of everything else
	APIKeySID      string // SK: a key of an account
	RoomSID        string // RM
	ParticipantSID string // PA: one participant's stay in one room
	TrackSID       string // MT: a published track; a recording's source
	RecordingSID   string // RT: the recording of one track
	CompositionSID string // CJ
	HookSID        string // HK: a composition hook
	CredentialSID  string // CR: an AWS credential or a public key
)

// SID is any of the identifier types.
type SID interface {
	AccountSID | APIKeySID | RoomSID | ParticipantSID | TrackSID | RecordingSID | CompositionSID | HookSID | CredentialSID
	Prefix() string
}

func (AccountSID) Prefix() string     { return "AC" }
func (APIKeySID) Prefix() string      { return "SK" }
func (RoomSID) Prefix() string        { return "RM" }
func (ParticipantSID) Prefix() string { return "PA" }
func (TrackSID) Prefix() string       { return "MT" }
func (RecordingSID) Prefix() string   { return "RT" }
func (CompositionSID) Prefix() string { return "CJ" }
func (HookSID) Prefix() string        { return "HK" }
func (CredentialSID) Prefix() string  { return "CR" }

// NewSID returns a new random identifier of kind T.
func NewSID[T SID]() T {
	var raw [16]byte
	rand.Read(raw[:]) // never fails, see crypto/rand
	var kind T
	return T(kind.Prefix() + hex.EncodeToString(raw[:]))
}

// ParseSID reads an identifier of kind T. Hexadecimal digits may be in upper or lower case; the result has lower case, as the
// service stores it. The error says what was expected. Callers add the name of the parameter.
func ParseSID[T SID](text string) (T, error) {
	var kind T
	prefix := kind.Prefix()
	if len(text) != 34 || !strings.HasPrefix(text, prefix) {
		return "", fmt.Errorf("not a SID of the form %s followed by 32 hexadecimal digits", prefix)
	}
	if _, err := hex.DecodeString(text[2:]); err != nil {
		return "", fmt.Errorf("not a SID of the form %s followed by 32 hexadecimal digits", prefix)
	}
	return T(prefix + strings.ToLower(text[2:])), nil
}
