package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/media/demux"
	"roomreel/internal/objectkey"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// Recordings lists an account's recordings, without deleted ones unless the filter asks for them.
func (a *App) Recordings(ctx context.Context, acct roomreel.AccountSID, filter RecordingFilter, page Page) (List[roomreel.Recording], error) {
	if err := checkRecordingFilter(filter); err != nil {
		return List[roomreel.Recording]{}, err
	}
	return a.store.Recordings(ctx, acct, filter, page)
}

// RoomRecordings lists a room's recordings, without deleted ones unless the filter asks for them.
func (a *App) RoomRecordings(ctx context.Context, acct roomreel.AccountSID, room string, filter RecordingFilter, page Page) (List[roomreel.Recording], error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return List[roomreel.Recording]{}, err
	}
	filter.RoomSIDs = []roomreel.RoomSID{r.SID}
	return a.Recordings(ctx, acct, filter, page)
}

func checkRecordingFilter(filter RecordingFilter) error {
	if err := oneOf("Status", filter.Status, roomreel.RecordingProcessing, roomreel.RecordingCompleted,
		roomreel.RecordingFailed, roomreel.RecordingDeleted); err != nil {
		return err
	}
	return oneOf("MediaType", filter.Kind, roomreel.Audio, roomreel.Video)
}

// Recording returns a recording, also a deleted one as long as its metadata is kept.
func (a *App) Recording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	return a.store.Recording(ctx, acct, sid)
}

// RoomRecording returns a recording of a room.
func (a *App) RoomRecording(ctx context.Context, acct roomreel.AccountSID, room string, sid roomreel.RecordingSID) (roomreel.Recording, error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return roomreel.Recording{}, err
	}
	recording, err := a.store.Recording(ctx, acct, sid)
	if err == nil && recording.RoomSID != r.SID {
		return roomreel.Recording{}, roomreel.Errorf(roomreel.NotFound, "there is no recording %s in room %s", sid, r.SID)
	}
	return recording, err
}

// DeleteRecording deletes a recording and its media. A file in a customer's bucket stays.
func (a *App) DeleteRecording(ctx context.Context, acct roomreel.AccountSID, sid roomreel.RecordingSID) error {
	return a.store.DeleteRecording(ctx, acct, sid)
}

// UploadRecording is one recorded track and what its caller said of it.
type UploadRecording struct {
	Media     io.Reader
	Size      int64              // bytes that Media will give at most, or of the request that holds it; 0 when not known
	Identity  string             // the participant's; required
	TrackName string             // "" for a track without a name
	Kind      roomreel.TrackKind // "" takes the file's first usable track
	Track     int                // number among the file's usable tracks of the kind, from 1; 0 takes the first
	Offset    time.Duration      // room time of the first packet of the file's tracks, not negative
	Known     time.Duration      // how long it lasted in room time, as the recorder knows; 0 when that is not known

	// LeftOut, when it is not nil, is set to the tracks of the file that are not this recording.
	LeftOut *[]string

	// Rest, when it is not nil, is called after Media was read to its end, and sets the fields from all that the caller
	// said: in a multipart body, parameters may follow the file. Until then, a field that is zero is not known yet.
	Rest func(*UploadRecording) error
}

// maxOffset leaves room to add durations to an offset. Twilio's offsets count from 2015, ours from where the caller likes.
const maxOffset = 100 * 365 * 24 * time.Hour

// check refuses parameters that are wrong by themselves. Before Rest was called, a parameter may still be missing.
func (in UploadRecording) check() error {
	if in.Identity == "" && in.Rest == nil {
		return roomreel.InvalidParam("ParticipantIdentity", "is missing; give the identity of the participant whose track this is")
	}
	if err := checkName("ParticipantIdentity", in.Identity, maxName); err != nil {
		return err
	}
	if err := checkName("TrackName", in.TrackName, maxName); err != nil {
		return err
	}
	if err := oneOf("Type", in.Kind, roomreel.Audio, roomreel.Video); err != nil {
		return err
	}
	if in.Track < 0 {
		return roomreel.InvalidParam("Track", "must be at least 1")
	}
	if in.Offset < 0 || in.Offset > maxOffset {
		return roomreel.InvalidParam("OffsetMillis", "must be between 0 and %d", maxOffset.Milliseconds())
	}
	if in.Known < 0 || in.Known > maxOffset {
		return roomreel.InvalidParam("DurationMillis", "must be between 0 and %d", maxOffset.Milliseconds())
	}
	if in.Media == nil {
		return roomreel.InvalidParam("Media", "is missing; send the recording's file")
	}
	return nil
}

// mayRepeat reports whether the upload may have become the recording r already, by what is known of it without its bytes.
func (in UploadRecording) mayRepeat(r roomreel.Recording) bool {
	unknown := in.Rest != nil
	return (in.Identity == r.Identity || unknown && in.Identity == "") &&
		(in.TrackName == r.TrackName || in.TrackName == "") && // a track without a name was given one
		(in.Kind == r.Kind || in.Kind == "") &&
		in.Offset <= r.Offset // the track may begin later than its file
}

// UploadRecording adds a recorded track to a room in progress. The file is kept byte for byte, and refused when it holds no
// usable track. The same file of the same track at the same offset is one recording: uploaded again, also after the room
// was completed, it is found and returned. Parameters and the room are checked before the file is read, as far as they are
// known then. When the upload fails, nothing is left behind.
func (a *App) UploadRecording(ctx context.Context, acct roomreel.AccountSID, room string, in UploadRecording) (roomreel.Recording, error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return roomreel.Recording{}, err
	}
	if err := in.check(); err != nil {
		return roomreel.Recording{}, err
	}
	others, err := a.store.RecordingsOf(ctx, r.SID)
	if err != nil {
		return roomreel.Recording{}, err
	}
	if !slices.ContainsFunc(others, in.mayRepeat) {
		if err := a.admit(r, others, in.Offset, in.Known, in.Rest != nil && in.Offset == 0); err != nil {
			return roomreel.Recording{}, err
		}
	}
	stop, err := a.keepOpen(ctx, r)
	if err != nil {
		return roomreel.Recording{}, err
	}
	defer stop()
	arrived, err := a.scratch.receive(ctx, in.Media, in.Size)
	if err != nil {
		return roomreel.Recording{}, err
	}
	defer arrived.Close()
	if rest := in.Rest; rest != nil {
		if err := rest(&in); err != nil {
			return roomreel.Recording{}, err
		}
		in.Rest = nil
		if err := in.check(); err != nil {
			return roomreel.Recording{}, err
		}
	}
	index, container, err := demux.ReadTrack(arrived.file, arrived.size, in.Kind, in.Track)
	if err != nil {
		return roomreel.Recording{}, err
	}
	kind := roomreel.Audio
	if index.Video {
		kind = roomreel.Video
	}
	if in.LeftOut != nil {
		*in.LeftOut = index.LeftOut(func(k roomreel.TrackKind, number int) bool { return k == kind && number == index.Track })
	}
	offset := in.Offset + index.Start // the tracks of a file keep their distance
	upload := store.Upload{Digest: in.digest(arrived.sum), Recording: roomreel.Recording{
		SID: roomreel.NewSID[roomreel.RecordingSID](), AccountSID: acct, RoomSID: r.SID, Identity: in.Identity,
		TrackName: in.TrackName, Kind: kind, Codec: index.Codec, Container: twilio.RecordingContainer(kind), Size: arrived.size,
		Duration: index.Length(), KnownDuration: in.Known, Offset: offset, Media: roomreel.Media{ContentType: container.ContentType(kind)},
	}}
	if same, found, err := a.store.FindUpload(ctx, r.SID, upload.Digest); err != nil || found {
		return same, err
	}
	if others, err = a.store.RecordingsOf(ctx, r.SID); err != nil { // receiving took its time
		return roomreel.Recording{}, err
	}
	if err := a.admit(r, others, offset, max(index.Length(), in.Known), false); err != nil {
		return roomreel.Recording{}, err
	}
	return a.addRecording(ctx, upload, arrived, index)
}

// admit refuses a recording that the room does not take: the room is completed or full, or the recording lies too far from
// the others. length is 0, and offsetUnknown is true, while they are not known.
func (a *App) admit(r roomreel.Room, others []roomreel.Recording, offset, length time.Duration, offsetUnknown bool) error {
	if !r.TakesRecordings() {
		return &roomreel.Error{Code: roomreel.Conflict, Twilio: twilio.RoomCompleted, Detail: "the room is completed; recordings are added while it is in progress, or after it has ended by itself"}
	}
	others = slices.DeleteFunc(others, func(r roomreel.Recording) bool { return r.Status == roomreel.RecordingFailed })
	if len(others) >= a.limits.Tracks {
		return roomreel.Errorf(roomreel.Conflict, "the room has %d recordings, as many as a composition of this server reads", len(others))
	}
	if offsetUnknown {
		return nil
	}
	for _, other := range others {
		spread := max(offset+length, other.Offset+max(other.Duration, other.KnownDuration)) - min(offset, other.Offset)
		if spread > a.limits.OffsetSpread {
			return roomreel.InvalidParam("OffsetMillis", "is too far from recording %s, whose offset is %d: the two would span %v, and the recordings of a room may span %v",
				other.SID, other.Offset.Milliseconds(), spread.Round(time.Millisecond), a.limits.OffsetSpread)
		}
	}
	return nil
}

// digest identifies an upload by its content and parameters.
func (in UploadRecording) digest(content []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%x %q %q %q %d", content, in.Identity, in.TrackName, in.Kind, in.Offset)
	if in.Track > 0 {
		fmt.Fprintf(h, " %d", in.Track)
	}
	if in.Known > 0 {
		fmt.Fprintf(h, " lasts %d", in.Known)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// addRecording stores a recording's file and index, and then writes its row. The keys are reserved before, so that the objects are
// deleted when the row is not written, also when the process dies in between.
func (a *App) addRecording(ctx context.Context, u store.Upload, arrived *arrival, index *media.Index) (roomreel.Recording, error) {
	r := &u.Recording
	settings, err := a.store.Settings(ctx, r.AccountSID, roomreel.RecordingSettings)
	if err != nil {
		return roomreel.Recording{}, err
	}
	r.Index, r.Destination = objectkey.Index(r.AccountSID, r.SID), settings.Destination()
	file := store.PendingDeletion{Store: store.MediaStore, Key: objectkey.Media(r.AccountSID, r.SID, r.Container)}
	target := a.media
	if r.Destination == (roomreel.Destination{}) {
		r.Media.Key, r.Media.Size = file.Key, r.Size
	} else if a.working == nil {
		return roomreel.Recording{}, unavailable("this server is not set up to encrypt media or to store it in a bucket", nil)
	} else {
		target, file.Store = a.working, store.WorkingStore
		r.Media.CopyKey = file.Key
		if a.composeWindow > 0 {
			r.Media.CopyExpires = a.store.Now().Add(a.composeWindow)
		}
	}
	if err := a.store.Reserve(ctx, string(r.SID), file, store.PendingDeletion{Store: store.MediaStore, Key: r.Index}); err != nil {
		return roomreel.Recording{}, err
	}
	recording, added, err := a.putRecording(ctx, target, file.Key, u, arrived, index)
	if !added {
		a.discard(ctx, string(u.Recording.SID))
	}
	return recording, err
}

func (a *App) putRecording(ctx context.Context, target blob.Store, key string, u store.Upload, arrived *arrival, index *media.Index) (roomreel.Recording, bool, error) {
	if _, err := arrived.file.Seek(0, io.SeekStart); err != nil {
		return roomreel.Recording{}, false, err
	}
	options := blob.PutOptions{ContentType: twilio.RecordingContentType(u.Recording)}
	if _, err := target.Put(ctx, key, arrived.file, arrived.size, options); err != nil {
		return roomreel.Recording{}, false, notStored(err)
	}
	if err := a.putIndex(ctx, u.Recording.Index, index); err != nil {
		return roomreel.Recording{}, false, err
	}
	return a.store.AddRecording(ctx, u)
}

func (a *App) putIndex(ctx context.Context, key string, index *media.Index) error {
	data, err := index.MarshalBinary()
	if err != nil {
		return err
	}
	if _, err := a.media.Put(ctx, key, bytes.NewReader(data), int64(len(data)), blob.PutOptions{ContentType: "application/octet-stream"}); err != nil {
		return notStored(err)
	}
	return nil
}

// discard deletes the objects that are still reserved for an upload that failed. When the row was written although the commit was
// reported as failed, none is reserved. An object that cannot be deleted now stays pending, and is deleted later.
func (a *App) discard(ctx context.Context, resource string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := a.store.DiscardReserved(ctx, resource)
	if err == nil {
		err = a.store.DeletePending(ctx, resource, func(ctx context.Context, object store.PendingDeletion) error {
			if object.Store == store.WorkingStore {
				return a.working.Delete(ctx, object.Key)
			}
			return a.media.Delete(ctx, object.Key)
		})
	}
	if err != nil {
		a.log.Warn("upload left objects behind, which are deleted later", "recording", resource, "err", err)
	}
}
