package roomreel

import "time"

// A CompositionStatus moves enqueued -> processing -> completed or failed; each of these may become deleted.
type CompositionStatus string

const (
	CompositionEnqueued   CompositionStatus = "enqueued"
	CompositionProcessing CompositionStatus = "processing"
	CompositionCompleted  CompositionStatus = "completed"
	CompositionFailed     CompositionStatus = "failed"
	CompositionDeleted    CompositionStatus = "deleted"
)

// InProgress reports whether there may be work to do.
func (s CompositionStatus) InProgress() bool {
	return s == CompositionEnqueued || s == CompositionProcessing
}

// CanBecome reports whether the API promises this transition. The store refuses all others.
func (s CompositionStatus) CanBecome(next CompositionStatus) bool {
	switch s {
	case CompositionEnqueued:
		return next == CompositionProcessing || next == CompositionFailed || next == CompositionDeleted
	case CompositionProcessing:
		return next == CompositionCompleted || next == CompositionFailed || next == CompositionDeleted
	case CompositionCompleted, CompositionFailed:
		return next == CompositionDeleted
	}
	return false
}

// Format is the container of a film.
type Format string

const (
	MP4  Format = "mp4"  // H.264 High, or AV1 of the quality small, and AAC-LC
	WebM Format = "webm" // VP8, or AV1 of the quality small, and Opus
)

// Quality is a point between the time that a film takes to make, its size and how it looks. Twilio has none.
type Quality string

const (
	QualityDraft    Quality = "draft"    // quickest
	QualityStandard Quality = "standard" // the default
	QualityArchive  Quality = "archive"  // looks best
	QualitySmall    Quality = "small"    // AV1 in both containers: fewest bytes, and the longest time
)

// FilmSpec describes a requested film: the fields that compositions and hooks share.
type FilmSpec struct {
	VideoLayout          string // JSON with all defaults filled in; "{}": no video
	AudioSources         []string
	AudioSourcesExcluded []string
	Resolution           string // WxH
	Format               Format
	Quality              Quality // "" leaves it to the server: of hooks, and of compositions of earlier versions of the program
	Trim                 bool
	StatusCallback       Callback
}

// Composition is a film made of the recordings of one room.
type Composition struct {
	SID         CompositionSID
	AccountSID  AccountSID
	RoomSID     RoomSID
	HookSID     HookSID // the hook that created it; "" for none
	Spec        FilmSpec
	Status      CompositionStatus
	Created     time.Time
	Started     time.Time
	Completed   time.Time
	Deleted     time.Time
	Progress    int           // percent of the time that it takes
	Remaining   time.Duration // how long the rest took when that was noted last; see RemainingAt
	Noted       time.Time     // when that was; zero for never
	Bitrate     int           // kbit/s of the finished film; 0 until it is done
	Size        int64         // bytes of the finished film; 0 until it is done
	Duration    time.Duration // of the finished film; 0 until it is done
	Media       Media
	Destination Destination // where the film is delivered, from the account's settings at the time of the request
	Failure     Failure
	Report      string // JSON: which tracks are in the film and what was left out; "" until it is done
}

// RemainingAt returns how long the composition will go on being processed at a time. It is not known before a part of the work is done.
func (c Composition) RemainingAt(now time.Time) (remaining time.Duration, known bool) {
	if c.Status != CompositionProcessing || c.Noted.IsZero() {
		return 0, false
	}
	return max(0, c.Remaining-max(0, now.Sub(c.Noted))), true
}

// Failure says why a composition or recording failed. The zero value means that it did not fail.
type Failure struct {
	Code      int    // a number of Twilio's error dictionary, such as 53630
	Operation string // the callback's FailedOperation
	Message   string // one sentence for the customer
	Detail    string // last lines of the render child, causes; for the operator only
}
