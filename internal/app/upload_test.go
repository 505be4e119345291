package app_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

func TestUpload_IsKeptByteForByte(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx, file := t.Context(), audioFile(t, 50)
		room := f.room(t, app.CreateRoom{UniqueName: "standup"})
		r := f.upload(t, room, app.UploadRecording{Media: bytes.NewReader(file), Identity: "alice", Offset: 1500 * time.Millisecond})
		if r.KnownDuration != 0 || r.Status != roomreel.RecordingCompleted || r.Kind != roomreel.Audio || r.Codec != "opus" || r.Container != "mka" ||
			r.Size != int64(len(file)) || r.Duration != time.Second || r.Offset != 1500*time.Millisecond {
			t.Errorf("recording is %+v", r)
		}
		object, err := f.MediaObject(ctx, f.account, string(r.SID))
		check(t, err)
		body, err := object.Open(ctx, 0, -1)
		check(t, err)
		defer body.Close()
		got, err := io.ReadAll(body)
		check(t, err)
		if !bytes.Equal(got, file) || object.ContentType != "audio/webm" || object.Size != int64(len(file)) {
			t.Errorf("media of %d bytes, type %s", len(got), object.ContentType)
		}
		raw, err := f.media.Get(ctx, r.Index, 0, -1)
		check(t, err)
		defer raw.Close()
		data, err := io.ReadAll(raw)
		check(t, err)
		var index media.Index
		check(t, index.UnmarshalBinary(data))
		if len(index.Packets) != 50 {
			t.Errorf("the index holds %d packets", len(index.Packets))
		}
		left, err := f.store.PendingDeletions(ctx, string(r.SID))
		check(t, err)
		if len(left) != 0 {
			t.Errorf("what is kept is to be deleted: %v", left)
		}
	})
}

func TestUpload_TheSameAgainIsFound(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, app.CreateRoom{})
		in := func(change func(*app.UploadRecording)) app.UploadRecording {
			u := app.UploadRecording{Media: bytes.NewReader(audioFile(t, 50)), Identity: "alice", TrackName: "microphone"}
			change(&u)
			return u
		}
		first := f.upload(t, room, in(func(*app.UploadRecording) {}))
		if again := f.upload(t, room, in(func(*app.UploadRecording) {})); again.SID != first.SID {
			t.Error("the same upload made another recording")
		}
		for name, change := range map[string]func(*app.UploadRecording){
			"content":  func(u *app.UploadRecording) { u.Media = bytes.NewReader(audioFile(t, 51)) },
			"identity": func(u *app.UploadRecording) { u.Identity = "bob" },
			"track":    func(u *app.UploadRecording) { u.TrackName = "other" },
			"offset":   func(u *app.UploadRecording) { u.Offset = time.Millisecond },
			"duration": func(u *app.UploadRecording) { u.Known = time.Second },
		} {
			if other := f.upload(t, room, in(change)); other.SID == first.SID {
				t.Errorf("an upload of another %s is the same recording", name)
			}
		}
		_, err := f.CompleteRoom(t.Context(), f.account, string(room.SID))
		check(t, err)
		if again := f.upload(t, room, in(func(*app.UploadRecording) {})); again.SID != first.SID {
			t.Error("after the room was completed it is not found")
		}
		_, err = f.UploadRecording(t.Context(), f.account, string(room.SID), app.UploadRecording{Media: bytes.NewReader(audioFile(t, 9)), Identity: "carol"})
		var e *roomreel.Error
		if !errors.As(err, &e) || e.Twilio != 53118 {
			t.Errorf("a new recording of a completed room: %v", err)
		}
	})
}

// How long a recording lasted in the room is kept beside how long its file lasts, and previews show it for that long.
func TestUpload_KeepsTheKnownDuration(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, app.CreateRoom{})
		r := f.upload(t, room, app.UploadRecording{Media: bytes.NewReader(audioFile(t, 50)), Identity: "alice", Known: 19 * time.Second})
		got, err := f.Recording(t.Context(), f.account, r.SID)
		check(t, err)
		if got.Duration != time.Second || got.KnownDuration != 19*time.Second {
			t.Errorf("%v by its file, %v known", got.Duration, got.KnownDuration)
		}
		preview, err := f.PreviewLayout(t.Context(), f.account, app.PreviewLayout{RoomSID: string(room.SID), FilmParams: app.FilmParams{AudioSources: []string{"*"}}})
		check(t, err)
		if preview.Length != 19*time.Second {
			t.Errorf("the film would last %v", preview.Length)
		}
	})
}

// A file of two audio tracks becomes two recordings. The upload says what it left out, and each recording is found again.
func TestUpload_ChoosesATrack(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, app.CreateRoom{})
		file := audioFile(t, 50, 20)
		var leftOut []string
		in := func(track int) app.UploadRecording {
			return app.UploadRecording{Media: bytes.NewReader(file), Identity: "alice", Track: track, LeftOut: &leftOut, Offset: time.Second}
		}
		first := f.upload(t, room, in(0))
		if d := cmp.Diff([]string{"audio track 2 (opus)"}, leftOut); d != "" || first.Duration != time.Second {
			t.Errorf("%s, lasts %v", d, first.Duration)
		}
		second := f.upload(t, room, in(2))
		if d := cmp.Diff([]string{"audio track 1 (opus)"}, leftOut); d != "" || second.Duration != 400*time.Millisecond || second.SID == first.SID {
			t.Errorf("%s, lasts %v", d, second.Duration)
		}
		_, err := f.CompleteRoom(t.Context(), f.account, string(room.SID))
		check(t, err)
		if again := f.upload(t, room, in(2)); again.SID != second.SID {
			t.Error("the second track is not found again")
		}
	})
}

// A track that begins 300 ms later than the other in its file is 300 ms later in the room, and found again.
func TestUpload_TracksOfOneFileKeepTheirDistance(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, app.CreateRoom{})
		file := lateTrack(t, audioFile(t, 50, 20), 300*time.Millisecond)
		in := func(track int) app.UploadRecording {
			return app.UploadRecording{Media: bytes.NewReader(file), Identity: []string{"", "alice", "bob"}[track], Track: track, Offset: time.Second}
		}
		first, second := f.upload(t, room, in(1)), f.upload(t, room, in(2))
		if first.Offset != time.Second || second.Offset != 1300*time.Millisecond {
			t.Errorf("offsets %v and %v, want 1 s and 1.3 s", first.Offset, second.Offset)
		}
		_, err := f.CompleteRoom(t.Context(), f.account, string(room.SID))
		check(t, err)
		if again := f.upload(t, room, in(2)); again.SID != second.SID {
			t.Error("the second track is not found again")
		}
	})
}

func TestUpload_RefusesAndLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *app.Config) { c.MaxUpload = 10_000 })
		room := f.room(t, app.CreateRoom{})
		good := audioFile(t, 50)
		ambisonics := bytes.Clone(good)
		ambisonics[bytes.Index(good, []byte("OpusHead"))+18] = 2 // the mapping family
		for name, test := range map[string]struct {
			in    app.UploadRecording
			code  roomreel.Code
			param string
		}{
			"no_identity":   {app.UploadRecording{Media: bytes.NewReader(good)}, roomreel.Invalid, "ParticipantIdentity"},
			"long_identity": {app.UploadRecording{Media: bytes.NewReader(good), Identity: strings.Repeat("ä", 129)}, roomreel.Invalid, "ParticipantIdentity"},
			"bad_name":      {app.UploadRecording{Media: bytes.NewReader(good), Identity: "a", TrackName: "a\nb"}, roomreel.Invalid, "TrackName"},
			"bad_kind":      {app.UploadRecording{Media: bytes.NewReader(good), Identity: "a", Kind: "data"}, roomreel.Invalid, "Type"},
			"other_kind":    {app.UploadRecording{Media: bytes.NewReader(good), Identity: "a", Kind: roomreel.Video}, roomreel.Invalid, "Media"},
			"offset":        {app.UploadRecording{Media: bytes.NewReader(good), Identity: "a", Offset: -1}, roomreel.Invalid, "OffsetMillis"},
			"track":         {app.UploadRecording{Media: bytes.NewReader(good), Identity: "a", Track: -1}, roomreel.Invalid, "Track"},
			"no_such_track": {app.UploadRecording{Media: bytes.NewReader(good), Identity: "a", Track: 2}, roomreel.Invalid, "Track"},
			"no_file":       {app.UploadRecording{Identity: "a"}, roomreel.Invalid, "Media"},
			"empty_file":    {app.UploadRecording{Media: strings.NewReader(""), Identity: "a"}, roomreel.Invalid, "Media"},
			"ambisonics":    {app.UploadRecording{Media: bytes.NewReader(ambisonics), Identity: "a"}, roomreel.Invalid, "Media"},
			"text_file":     {app.UploadRecording{Media: strings.NewReader("hello, I am a text"), Identity: "a"}, roomreel.Invalid, "Media"},
			"too_large":     {app.UploadRecording{Media: bytes.NewReader(make([]byte, 10_001)), Identity: "a"}, roomreel.TooLarge, "Media"},
			"broken_off":    {app.UploadRecording{Media: iotest.ErrReader(io.ErrUnexpectedEOF), Identity: "a"}, roomreel.Invalid, "Media"},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := f.UploadRecording(t.Context(), f.account, string(room.SID), test.in)
				wantError(t, err, test.code, test.param)
			})
		}
		list, err := f.RoomRecordings(t.Context(), f.account, string(room.SID), app.RecordingFilter{}, app.Page{Size: 10})
		check(t, err)
		if len(list.Items) != 0 {
			t.Errorf("recordings: %v", list.Items)
		}
	})
}

// unread fails the test when it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the file is read")
	return 0, io.EOF
}

func TestUpload_IsRefusedBeforeItIsRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *app.Config) {
			c.Limits = roomreel.FilmLimits{OffsetSpread: time.Hour, Tracks: 2}
			c.MaxUpload = 1 << 20
		})
		open, full, completed := f.room(t, app.CreateRoom{}), f.room(t, app.CreateRoom{}), f.room(t, app.CreateRoom{})
		kept := f.upload(t, open, app.UploadRecording{Identity: "alice", TrackName: "microphone", Offset: 30 * time.Minute})
		for i := range 2 {
			f.upload(t, full, app.UploadRecording{Identity: "alice", Offset: time.Duration(i) * time.Minute})
		}
		repeat := app.UploadRecording{Identity: "alice", TrackName: "microphone"}
		first := f.upload(t, completed, repeat)
		_, err := f.CompleteRoom(t.Context(), f.account, string(completed.SID))
		check(t, err)
		later := func(*app.UploadRecording) error {
			t.Error("the rest of the body is read")
			return nil
		}
		for name, test := range map[string]struct {
			room   roomreel.Room
			in     app.UploadRecording
			code   roomreel.Code
			param  string
			detail string
		}{
			"offset":           {open, app.UploadRecording{Identity: "a", Offset: -1, Rest: later}, roomreel.Invalid, "OffsetMillis", ""},
			"duration":         {open, app.UploadRecording{Known: -1, Rest: later}, roomreel.Invalid, "DurationMillis", ""},
			"too_long":         {open, app.UploadRecording{Identity: "a", Offset: 30 * time.Minute, Known: 61 * time.Minute, Rest: later}, roomreel.Invalid, "OffsetMillis", string(kept.SID)},
			"identity":         {open, app.UploadRecording{Identity: "a\n", Rest: later}, roomreel.Invalid, "ParticipantIdentity", ""},
			"kind":             {open, app.UploadRecording{Kind: "data", Rest: later}, roomreel.Invalid, "Type", ""},
			"no_identity":      {open, app.UploadRecording{}, roomreel.Invalid, "ParticipantIdentity", ""},
			"said_to_be_large": {open, app.UploadRecording{Identity: "a", Size: 1 << 30}, roomreel.TooLarge, "Media", ""},
			"too_far":          {open, app.UploadRecording{Identity: "a", Offset: 91 * time.Minute, Rest: later}, roomreel.Invalid, "OffsetMillis", string(kept.SID)},
			"full":             {full, app.UploadRecording{Identity: "bob", Rest: later}, roomreel.Conflict, "", "2 recordings"},
			"completed":        {completed, app.UploadRecording{Identity: "bob", Rest: later}, roomreel.Conflict, "", "completed"},
			"completed_track":  {completed, app.UploadRecording{Identity: "alice", TrackName: "camera", Rest: later}, roomreel.Conflict, "", "completed"},
		} {
			t.Run(name, func(t *testing.T) {
				test.in.Media = unread{t}
				_, err := f.UploadRecording(t.Context(), f.account, string(test.room.SID), test.in)
				wantError(t, err, test.code, test.param)
				if err != nil && !strings.Contains(err.Error(), test.detail) {
					t.Errorf("%v; want %q in it", err, test.detail)
				}
			})
		}
		if again := f.upload(t, completed, repeat); again.SID != first.SID {
			t.Error("the same upload is not found in a completed room")
		}
		if again := f.upload(t, full, app.UploadRecording{Identity: "alice", Offset: time.Minute}); again.Offset != time.Minute {
			t.Errorf("the same upload is not found in a full room: %+v", again)
		}
	})
}

// TestUpload_ChecksAgainWhatFollowsTheFile gives all parameters after the file, and two files that end at different times.
func TestUpload_ChecksAgainWhatFollowsTheFile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *app.Config) { c.Limits = roomreel.FilmLimits{OffsetSpread: time.Hour, Tracks: 2} })
		room := f.room(t, app.CreateRoom{})
		upload := func(identity string, offset time.Duration) error {
			_, err := f.UploadRecording(t.Context(), f.account, string(room.SID), app.UploadRecording{
				Media: bytes.NewReader(audioFile(t, 50)), Rest: func(in *app.UploadRecording) error { // 1 s
					in.Identity, in.Offset = identity, offset
					return nil
				},
			})
			return err
		}
		check(t, upload("alice", 0))
		wantError(t, upload("bob", time.Hour-999*time.Millisecond), roomreel.Invalid, "OffsetMillis")
		wantError(t, upload("", 0), roomreel.Invalid, "ParticipantIdentity")
		check(t, upload("bob", time.Hour-time.Second))
		wantError(t, upload("carol", 0), roomreel.Conflict, "")
		check(t, upload("bob", time.Hour-time.Second)) // it is there
	})
}

func TestUpload_SideBySideAreLimited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *app.Config) { c.MaxUploads = 1 })
		room := f.room(t, app.CreateRoom{})
		file := audioFile(t, 50)
		body, client := io.Pipe()
		done := make(chan error)
		go func() {
			_, err := f.UploadRecording(t.Context(), f.account, string(room.SID), app.UploadRecording{Media: body, Identity: "alice"})
			done <- err
		}()
		_, err := client.Write(file[:1])
		check(t, err)
		_, err = f.UploadRecording(t.Context(), f.account, string(room.SID), app.UploadRecording{Media: unread{t}, Identity: "bob"})
		wantError(t, err, roomreel.Unavailable, "")
		_, err = client.Write(file[1:])
		check(t, err)
		check(t, client.Close())
		check(t, <-done)
		f.upload(t, room, app.UploadRecording{Identity: "bob"})
	})
}

func TestUpload_LeavesScratchSpaceFree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *app.Config) { c.ScratchFloor = 1 << 60 })
		_, err := f.UploadRecording(t.Context(), f.account, string(f.room(t, app.CreateRoom{}).SID),
			app.UploadRecording{Media: unread{t}, Identity: "alice"})
		wantError(t, err, roomreel.Unavailable, "")
		if !strings.Contains(err.Error(), "scratch") {
			t.Errorf("%v; want scratch in it", err)
		}
	})
}

// full is a media store whose disk fills up after a number of objects.
type full struct {
	blob.Store
	left int
	keys []string
}

func (s *full) Put(ctx context.Context, key string, r io.Reader, size int64, o blob.PutOptions) (blob.Info, error) {
	s.keys = append(s.keys, key)
	if s.left == 0 {
		return blob.Info{}, syscall.ENOSPC
	}
	s.left--
	return s.Store.Put(ctx, key, r, size, o)
}

func TestUpload_AFullMediaStoreLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for room := range 2 {
			var target *full
			var scratch string
			f := newFixture(t, s, func(c *app.Config) {
				target = &full{Store: c.Media, left: room}
				c.Media, scratch = target, c.Scratch
			})
			_, err := f.UploadRecording(t.Context(), f.account, string(f.room(t, app.CreateRoom{}).SID),
				app.UploadRecording{Media: bytes.NewReader(audioFile(t, 50)), Identity: "alice"})
			wantError(t, err, roomreel.Unavailable, "")
			if n := blobs(t, f.media, target.keys...); n != 0 {
				t.Errorf("room for %d objects: %d are left", room, n)
			}
			uploads, err := filepath.Glob(filepath.Join(scratch, "upload-*"))
			if check(t, err); len(uploads) != 0 {
				t.Errorf("left in the scratch folder: %v", uploads)
			}
			list, err := f.Recordings(t.Context(), f.account, app.RecordingFilter{}, app.Page{Size: 10})
			check(t, err)
			if len(list.Items) != 0 {
				t.Errorf("recordings: %v", list.Items)
			}
		}
	})
}

func TestUpload_WithoutScratchSpace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *app.Config) { c.Scratch = filepath.Join(c.Scratch, "gone") })
		_, err := f.UploadRecording(t.Context(), f.account, string(f.room(t, app.CreateRoom{}).SID),
			app.UploadRecording{Media: bytes.NewReader(audioFile(t, 50)), Identity: "alice"})
		wantError(t, err, roomreel.Unavailable, "")
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the log would not tell why: %v", err)
		}
	})
}

func TestUpload_GoesWhereTheSettingsSay(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		credential, err := f.CreateCredential(ctx, f.account, roomreel.AWSCredential, app.CreateCredential{Credentials: "AKIA:secret"})
		check(t, err)
		_, err = f.UpdateSettings(ctx, f.account, roomreel.RecordingSettings, app.UpdateSettings{
			FriendlyName:      "s",
			AWSStorageEnabled: ptr(true), AWSCredentialsSID: string(credential.SID), AWSS3URL: "https://bucket.s3.amazonaws.com/x",
		})
		check(t, err)
		r := f.upload(t, f.room(t, app.CreateRoom{}), app.UploadRecording{Identity: "alice"})
		if r.Status != roomreel.RecordingProcessing || r.Media.Key != "" || r.Destination.S3URL != "https://bucket.s3.amazonaws.com/x" ||
			r.Destination.CredentialSID != credential.SID {
			t.Errorf("recording is %+v", r)
		}
		if blobs(t, f.working, r.Media.CopyKey) != 1 || f.queue.count(store.JobDeliverRecording) != 1 {
			t.Error("there is no working copy to deliver, or no job to do it")
		}
		_, err = f.RecordingMedia(ctx, f.account, r.SID, app.MediaRequest{})
		wantError(t, err, roomreel.NotFound, "")
	})
}

// TestUpload_KeepsItsRoomOpen: a room does not end while an upload runs, however long it takes.
func TestUpload_KeepsItsRoomOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *app.Config) { c.KeepRoomOpen = 20 * time.Millisecond })
		room := f.room(t, app.CreateRoom{EmptyRoomTimeout: ptr(1), UnusedRoomTimeout: ptr(1)})
		file := audioFile(t, 50)
		reader, writer := io.Pipe()
		uploaded := make(chan error)
		go func() {
			_, err := f.UploadRecording(t.Context(), f.account, string(room.SID), app.UploadRecording{Media: reader, Identity: "alice"})
			uploaded <- err
		}()
		for part := range slices.Chunk(file, len(file)/4+1) {
			storetest.TimeOut(t, s, room.SID)
			_, err := writer.Write(part)
			check(t, err)
			time.Sleep(200 * time.Millisecond) // ten times as long as a running upload takes to say so
			ended, err := s.EndIdleRooms(t.Context())
			check(t, err)
			if ended != 0 {
				t.Fatal("the room ended during the upload")
			}
		}
		writer.Close()
		check(t, <-uploaded)
		storetest.TimeOut(t, s, room.SID)
		ended, err := s.EndIdleRooms(t.Context())
		check(t, err)
		if ended != 1 || f.queue.count(store.JobHook) != 1 {
			t.Errorf("%d rooms ended and %d hooks ran after the upload, want 1 and 1", ended, f.queue.count(store.JobHook))
		}
		f.upload(t, room, app.UploadRecording{Identity: "bob"}) // later: the room ended by itself
	})
}
