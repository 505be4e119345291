package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/media/demux"
	"roomreel/internal/objectkey"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// UploadRecording is one recorded track and what is known of it.
type UploadRecording struct {
	Media     io.Reader
	Identity  string             // the participant's; required
	TrackName string             // "" for a track without a name
	Kind      roomreel.TrackKind // "" takes the file's first usable track
	Offset    time.Duration      // room time of the first packet, not negative

	// Rest, when it is not nil, is called after Media was read to its end and fills in what the caller said only then: in
	// a multipart body the file may come before the words about it.
	Rest func(*UploadRecording) error
}

// maxOffset leaves room to add durations to an offset. Twilio's offsets count from 2015; ours from wherever the caller
// likes.
const maxOffset = 100 * 365 * 24 * time.Hour

func (in UploadRecording) check() error {
	if in.Identity == "" {
		return roomreel.InvalidParam("ParticipantIdentity", "is missing; say whose track this is")
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
	if in.Offset < 0 || in.Offset > maxOffset {
		return roomreel.InvalidParam("OffsetMillis", "must be between 0 and %d", maxOffset.Milliseconds())
	}
	if in.Media == nil {
		return roomreel.InvalidParam("Media", "is missing; send the recording's file")
	}
	return nil
}

// UploadRecording adds a recorded track to a room in progress. The file is kept byte for byte, and refused when it holds no
// usable track. The same file of the same track at the same offset is one recording: uploaded again, also after the room
// was completed, it is found and returned. Whatever fails, nothing is left behind.
func (a *App) UploadRecording(ctx context.Context, acct roomreel.AccountSID, room string, in UploadRecording) (roomreel.Recording, error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return roomreel.Recording{}, err
	}
	if in.Rest == nil {
		if err := in.check(); err != nil {
			return roomreel.Recording{}, err
		}
	}
	arrived, err := a.receive(in.Media)
	if err != nil {
		return roomreel.Recording{}, err
	}
	defer arrived.file.Close()
	if in.Rest != nil {
		if err := in.Rest(&in); err != nil {
			return roomreel.Recording{}, err
		}
		if err := in.check(); err != nil {
			return roomreel.Recording{}, err
		}
	}
	index, container, err := demux.ReadIndex(arrived.file, arrived.size, in.Kind)
	if err != nil {
		return roomreel.Recording{}, err
	}
	upload := store.Upload{Digest: in.digest(arrived.sum), Recording: roomreel.Recording{
		SID: roomreel.NewSID[roomreel.RecordingSID](), AccountSID: acct, RoomSID: r.SID, Identity: in.Identity,
		TrackName: in.TrackName, Kind: roomreel.Audio, Codec: index.Codec, Container: twilio.RecordingContainer(roomreel.Audio), Size: arrived.size,
		Duration: index.Length(), Offset: in.Offset,
	}}
	if index.Video {
		upload.Recording.Kind, upload.Recording.Container = roomreel.Video, twilio.RecordingContainer(roomreel.Video)
	}
	upload.Recording.Media.ContentType = container.ContentType(upload.Recording.Kind)
	if same, found, err := a.store.FindUpload(ctx, r.SID, upload.Digest); err != nil || found {
		return same, err
	}
	if r.Status != roomreel.RoomInProgress {
		return roomreel.Recording{}, &roomreel.Error{Code: roomreel.Conflict, Twilio: twilio.RoomCompleted, Detail: "the room is completed; recordings are added while it is in progress"}
	}
	return a.keep(ctx, upload, arrived, index)
}

// digest names an upload by its content and by all that the caller said of it.
func (in UploadRecording) digest(content []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%x %q %q %q %d", content, in.Identity, in.TrackName, in.Kind, in.Offset)
	return hex.EncodeToString(h.Sum(nil))
}

// arrival is an uploaded file on our disk. It has no name there, so it is gone when it is closed.
type arrival struct {
	file *os.File
	size int64
	sum  []byte // SHA-256
}

// receive reads an upload to its end.
func (a *App) receive(media io.Reader) (arrived arrival, err error) {
	file, err := os.CreateTemp(a.scratch, "upload-*")
	if err != nil {
		return arrived, unavailable("the upload cannot be stored now", err)
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return arrived, unavailable("the upload cannot be stored now", err)
	}
	source := &reading{r: io.LimitReader(media, a.maxUpload+1)}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), source)
	var large *http.MaxBytesError
	var ours *roomreel.Error
	switch {
	case errors.As(source.err, &large) || n > a.maxUpload:
		return arrived, &roomreel.Error{Code: roomreel.TooLarge, Param: "Media", Detail: fmt.Sprintf("the file is larger than the %d bytes that this server takes", a.maxUpload), Err: err}
	case errors.As(source.err, &ours):
		return arrived, source.err
	case source.err != nil:
		return arrived, &roomreel.Error{Code: roomreel.Invalid, Param: "Media", Detail: "the upload broke off; send it again", Err: source.err}
	case err != nil: // writing failed: most likely the disk is full
		return arrived, unavailable("the upload cannot be stored now", err)
	case n == 0:
		return arrived, roomreel.InvalidParam("Media", "the file is empty")
	}
	return arrival{file, n, sum.Sum(nil)}, nil
}

// reading remembers why reading ended, to tell a caller who went away from a disk that is full.
type reading struct {
	r   io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// keep stores a recording's bytes, then its index, then its row. What is stored is noted first, so that it is erased
// should the row never come, whatever dies in between.
func (a *App) keep(ctx context.Context, u store.Upload, arrived arrival, index *media.Index) (roomreel.Recording, error) {
	r := &u.Recording
	settings, err := a.store.Settings(ctx, r.AccountSID, roomreel.RecordingSettings)
	if err != nil {
		return roomreel.Recording{}, err
	}
	r.Index, r.Destination = objectkey.Index(r.AccountSID, r.SID), settings.Destination()
	media, place := a.vault, store.PendingDeletion{Store: store.MediaStore, Key: objectkey.Media(r.AccountSID, r.SID, r.Container)}
	if r.Destination == (roomreel.Destination{}) {
		r.Media.Key, r.Media.Size = place.Key, r.Size
	} else if a.work == nil {
		return roomreel.Recording{}, unavailable("this server is not set up to seal media or to store it externally", nil)
	} else {
		media, place = a.work, store.PendingDeletion{Store: store.WorkingStore, Key: place.Key}
		r.Media.CopyKey = place.Key
		if a.composeWindow > 0 {
			r.Media.CopyExpires = a.store.Now().Add(a.composeWindow)
		}
	}
	left := []store.PendingDeletion{place, {Store: store.MediaStore, Key: r.Index}}
	if err := a.store.Reserve(ctx, string(r.SID), left...); err != nil {
		return roomreel.Recording{}, err
	}
	recording, added, err := a.putRecording(ctx, media, place.Key, u, arrived, index)
	if !added {
		a.discard(ctx, string(u.Recording.SID))
	}
	return recording, err
}

func (a *App) putRecording(ctx context.Context, media blob.Store, key string, u store.Upload, arrived arrival, index *media.Index) (roomreel.Recording, bool, error) {
	if _, err := arrived.file.Seek(0, io.SeekStart); err != nil {
		return roomreel.Recording{}, false, err
	}
	options := blob.PutOptions{ContentType: twilio.RecordingContentType(u.Recording)}
	if _, err := media.Put(ctx, key, arrived.file, arrived.size, options); err != nil {
		return roomreel.Recording{}, false, unavailable("the recording cannot be stored now", err)
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
	if _, err := a.vault.Put(ctx, key, bytes.NewReader(data), int64(len(data)), blob.PutOptions{ContentType: "application/octet-stream"}); err != nil {
		return unavailable("the recording cannot be stored now", err)
	}
	return nil
}

// discard deletes what was stored in vain: what is still reserved, for the transaction that writes the row releases the
// reservations even when its commit was reported as failed. What cannot be deleted now stays pending, and is deleted later.
func (a *App) discard(ctx context.Context, resource string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := a.store.DiscardReserved(ctx, resource)
	if err == nil {
		err = a.store.DeletePending(ctx, resource, func(ctx context.Context, object store.PendingDeletion) error {
			if object.Store == store.WorkingStore {
				return a.work.Delete(ctx, object.Key)
			}
			return a.vault.Delete(ctx, object.Key)
		})
	}
	if err != nil {
		a.log.Warn("upload left objects behind, which are deleted later", "recording", resource, "err", err)
	}
}
