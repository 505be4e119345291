package roomreel

import "time"

// TrackKind is what a track carries.
type TrackKind string

const (
	Audio TrackKind = "audio"
	Video TrackKind = "video"
)

// A RecordingStatus moves processing -> completed or failed; each of these may become deleted.
type RecordingStatus string

const (
	RecordingProcessing RecordingStatus = "processing" // received, not yet where it is to be kept
	RecordingCompleted  RecordingStatus = "completed"
	RecordingFailed     RecordingStatus = "failed"
	RecordingDeleted    RecordingStatus = "deleted"
)

// CanBecome reports whether the API promises this transition. The store refuses all others.
func (s RecordingStatus) CanBecome(next RecordingStatus) bool {
	switch s {
	case RecordingProcessing:
		return next == RecordingCompleted || next == RecordingFailed || next == RecordingDeleted
	case RecordingCompleted, RecordingFailed:
		return next == RecordingDeleted
	}
	return false
}

// Recording is one recorded track of a room, kept byte for byte as it arrived.
type Recording struct {
	SID            RecordingSID
	AccountSID     AccountSID
	RoomSID        RoomSID
	ParticipantSID ParticipantSID
	Identity       string   // the participant's
	TrackSID       TrackSID // Twilio's source_sid
	TrackName      string   // the track SID when the caller gave none
	Kind           TrackKind
	Status         RecordingStatus
	Codec          string // lower case: vp8, vp9, h264, opus, pcmu
	Container      string // mka or mkv
	Size           int64  // bytes of media as recorded
	Duration       time.Duration
	Offset         time.Duration // room time of the first packet
	Created        time.Time
	Completed      time.Time
	Deleted        time.Time
	Media          Media
	Index          string      // vault key of the packet index; "" when it is gone
	Destination    Destination // where it goes, by the account's settings when it came
	Failure        Failure
}

// Media says where the bytes of a recording or composition are, and under what seal.
type Media struct {
	Key         string    // vault key; "" when the vault holds nothing
	Size        int64     // bytes of the stored object; larger than the film when it is sealed
	External    string    // URL in the customer's bucket; "" when there is none
	Envelope    *Envelope // how the bytes are sealed for the customer; nil for plain bytes
	CopyKey     string    // vault key of the copy that compositions may read, encrypted at rest; "" for none
	CopyExpires time.Time // when that copy is deleted
}

// Envelope holds what a customer needs, besides the private key, to open sealed media.
//
// Source: twilio.com/docs/video/api/encrypted-recordings; the x-amz-* names are those of the download's headers.
type Envelope struct {
	Seal          string        // twilio (AES-256-CBC) or cms-gcm
	PublicKeySID  CredentialSID // the key that wrapped
	WrappedKey    []byte        // x-amz-key
	IV            []byte        // x-amz-iv
	ContentLength int64         // x-amz-unencrypted-content-length: bytes of plaintext
}
