package api

import (
	"errors"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

// uploadParams are the parameters of an upload besides the file.
var uploadParams = []string{"ParticipantIdentity", "TrackName", "Type", "OffsetMillis"}

// uploadRecording is ours: a recorded track comes in as multipart/form-data with the file in Media.
//
// The parts may come in any order. When all parameters come before the file it is streamed to where it is kept;
// otherwise it waits in a scratch file until the end of the body, because what it is for is not known earlier.
func (a *API) uploadRecording(w http.ResponseWriter, r *http.Request) error {
	kind, attributes, err := contentType(r)
	if err != nil {
		return err
	}
	if kind != "multipart/form-data" || attributes["boundary"] == "" {
		return roomreel.Errorf(roomreel.Invalid, "Send the recording as multipart/form-data, with the file in Media.")
	}
	limit := a.maxUpload + a.maxForm // the file's, and room for the other parts
	parts := multipart.NewReader(http.MaxBytesReader(w, r.Body, limit), attributes["boundary"])
	upload := upload{api: a, request: r, values: url.Values{}}
	defer upload.close()
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return bodyError(err)
		}
		if err := upload.take(part); err != nil {
			return bodyError(err)
		}
	}
	rec, err := upload.finish()
	if err != nil {
		return err
	}
	callback, err := a.callbackOf(r, rec)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, recordingShape(a.origin(r), rec, callback))
	return nil
}

// upload is one body on its way in.
type upload struct {
	api     *API
	request *http.Request
	values  url.Values
	spooled *os.File // the file, when it came before a parameter; has no name
	stored  *roomreel.Recording
	media   bool
}

// take reads one part.
func (u *upload) take(part *multipart.Part) error {
	name := part.FormName()
	if name == "Media" {
		if u.media {
			return roomreel.InvalidParam("Media", "The file is given twice; upload each recording in a request of its own.")
		}
		u.media = true
		return u.takeMedia(&sizeLimit{reader: part, left: u.api.maxUpload, limit: u.api.maxUpload})
	}
	if u.stored != nil {
		return nil // all that is known was said before the file, and is done
	}
	text, err := io.ReadAll(&sizeLimit{reader: part, left: u.api.maxForm, limit: u.api.maxForm})
	if err != nil {
		return err
	}
	return addPart(u.values, name, string(text))
}

func (u *upload) takeMedia(media io.Reader) error {
	for _, name := range uploadParams {
		if _, known := u.values[name]; !known {
			return u.spool(media)
		}
	}
	return u.store(media)
}

// spool keeps the file in the scratch folder, under no name, so that nothing is left of it whatever happens.
func (u *upload) spool(media io.Reader) error {
	file, err := os.CreateTemp(u.api.scratch, "upload-*")
	if err != nil {
		return err
	}
	u.spooled = file
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	if _, err := io.Copy(file, media); err != nil {
		return err
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}

// store hands the file and what was said of it to the app.
func (u *upload) store(media io.Reader) error {
	p := &params{values: u.values}
	in := app.UploadRecording{
		Media:     media,
		Identity:  p.text("ParticipantIdentity"),
		TrackName: p.text("TrackName"),
		Kind:      choice(p, "Type", roomreel.Audio, roomreel.Video),
		Offset:    p.millis("OffsetMillis"),
	}
	if p.err != nil {
		return p.err
	}
	rec, err := u.api.app.UploadRecording(u.request.Context(), accountOf(u.request), u.request.PathValue("Room"), in)
	if err != nil {
		return err
	}
	u.stored = &rec
	return nil
}

// finish stores what waited for the end of the body.
func (u *upload) finish() (roomreel.Recording, error) {
	switch {
	case !u.media:
		return roomreel.Recording{}, roomreel.InvalidParam("Media", "The file is missing; send it as a part of this name.")
	case u.stored == nil:
		if err := u.store(u.spooled); err != nil {
			return roomreel.Recording{}, bodyError(err)
		}
	}
	return *u.stored, nil
}

func (u *upload) close() {
	if u.spooled != nil {
		u.spooled.Close()
	}
}

// millis reads a duration in milliseconds; zero when absent.
func (p *params) millis(name string) time.Duration {
	text := p.text(name)
	if text == "" {
		return 0
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < 0 || value > math.MaxInt64/int64(time.Millisecond) {
		p.fail(name, "%q is not a whole number of milliseconds, at least 0.", clip(text))
		return 0
	}
	return time.Duration(value) * time.Millisecond
}

// sizeLimit reads at most limit bytes; one more is a *http.MaxBytesError rather than the end, so that half a file is
// never taken for a whole one.
type sizeLimit struct {
	reader io.Reader
	left   int64
	limit  int64
}

func (s *sizeLimit) Read(p []byte) (int, error) {
	if int64(len(p)) > s.left+1 {
		p = p[:s.left+1]
	}
	n, err := s.reader.Read(p)
	if int64(n) > s.left {
		n = int(s.left)
		err = &http.MaxBytesError{Limit: s.limit}
	}
	s.left -= int64(n)
	if err != nil && err != io.EOF && !errors.As(err, new(*http.MaxBytesError)) {
		err = &roomreel.Error{Code: roomreel.Invalid, Err: err, Detail: "The upload ended early; send it again."}
	}
	return n, err
}
