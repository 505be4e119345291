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
	RecordingProcessing RecordingStatus = "processing" // received, not yet delivered to its destination
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

// Recording is one recorded track of a room. Its bytes are stored exactly as they were received.
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
	Codec          string        // lower case, as in media.Index: vp8, h264, av1, opus, vorbis, …
	Container      string        // mka for audio and mkv for video, as Twilio has it, whatever the bytes are
	Size           int64         // bytes of media as received
	Duration       time.Duration // from the first packet to the end of the last, by the file's timestamps
	KnownDuration  time.Duration // how long it lasted in room time, as its recorder knows; 0 when that is not known
	Offset         time.Duration // room time of the first packet
	Created        time.Time
	Completed      time.Time
	Deleted        time.Time
	Media          Media
	Index          string      // key of the packet index in the media store; "" when it was deleted
	Destination    Destination // where it is delivered, from the account's settings at the time of the upload
	Failure        Failure
}

// Media says where the bytes of a recording or composition are stored, and how they are encrypted.
type Media struct {
	Key         string    // key in the media store; "" when it holds nothing
	Size        int64     // bytes of the stored object; larger than the film when it is encrypted
	External    string    // URL in the customer's bucket; "" when there is none
	Envelope    *Envelope // how the bytes are encrypted for the customer; nil when they are not
	CopyKey     string    // key of the working copy in the working store, which compositions read; encrypted at rest; "" for none
	CopyExpires time.Time // when the working copy is deleted
	ContentType string    // of the recording's file as it was uploaded; "" of one that was uploaded before this was stored
}

// Envelope holds what a customer needs, besides the private key, to decrypt media.
//
// Source: twilio.com/docs/video/api/encrypted-recordings; the x-amz-* names are those of the download's headers.
type Envelope struct {
	Seal          string        // twilio (AES-256-CBC) or cms-gcm
	PublicKeySID  CredentialSID // the public key that wrapped the content key
	WrappedKey    []byte        // x-amz-key
	IV            []byte        // x-amz-iv
	ContentLength int64         // x-amz-unencrypted-content-length: bytes of plaintext
}
