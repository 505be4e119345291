package api

import (
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

// uploadRecording is ours: a recorded track arrives as multipart/form-data with the file in Media, and the parameters
// before or after it. Parameters before the file are checked before the file is read. The file is streamed to the app.
func (a *API) uploadRecording(w http.ResponseWriter, r *http.Request) error {
	bodyOf(r).asUpload(a.uploadRate)
	rec, leftOut, err := a.receiveRecording(r)
	if err != nil {
		return numbered(err, uploadNumbers)
	}
	callback, err := a.callbackOf(r, rec)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, uploadBody{recordingShape(a.origin(r), rec, callback), leftOut})
	return nil
}

// uploadBody is the recording and what the request may have meant too.
type uploadBody struct {
	recordingBody
	LeftOut []string `json:"left_out,omitempty"` // tracks of the file that are not this recording
}

func (a *API) receiveRecording(r *http.Request) (rec roomreel.Recording, leftOut []string, err error) {
	kind, attributes, err := contentType(r)
	if err != nil {
		return roomreel.Recording{}, nil, err
	}
	if kind != "multipart/form-data" || attributes["boundary"] == "" {
		return roomreel.Recording{}, nil, roomreel.Errorf(roomreel.Invalid, "send the recording as multipart/form-data, with the file in Media")
	}
	upload := &upload{parts: multipart.NewReader(r.Body, attributes["boundary"]), left: a.maxForm, maxForm: a.maxForm, values: url.Values{}}
	media, err := upload.readToMedia()
	if err != nil {
		return roomreel.Recording{}, nil, err
	}
	in := app.UploadRecording{Media: media, Size: max(0, r.ContentLength), Rest: upload.readRest, LeftOut: &leftOut}
	if err := upload.fill(&in); err != nil {
		return roomreel.Recording{}, nil, err
	}
	rec, err = a.app.UploadRecording(r.Context(), accountOf(r), r.PathValue("Room"), in)
	return rec, leftOut, err
}

// upload reads one multipart body.
type upload struct {
	parts   *multipart.Reader
	maxForm int64 // bytes of all parameters together
	left    int64 // of them
	values  url.Values
}

// mediaPart is the name of the part with the file.
const mediaPart = "Media"

// readToMedia reads the parameters before the file and returns the file.
func (u *upload) readToMedia() (io.Reader, error) {
	for {
		part, err := u.parts.NextPart()
		switch {
		case err == io.EOF:
			return nil, roomreel.InvalidParam(mediaPart, "is missing; send the recording's file as the part of this name")
		case err != nil:
			return nil, bodyError(err)
		case part.FormName() == mediaPart:
			return part, nil
		}
		if err := u.readParam(part); err != nil {
			return nil, err
		}
	}
}

// readRest reads the parameters after the file, and sets the fields that all parameters say.
func (u *upload) readRest(in *app.UploadRecording) error {
	for {
		part, err := u.parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return bodyError(err)
		}
		if part.FormName() == mediaPart {
			return roomreel.InvalidParam(mediaPart, "is given twice; upload each recording in a request of its own")
		}
		if err := u.readParam(part); err != nil {
			return err
		}
	}
	return u.fill(in)
}

// fill sets the fields that the parameters read so far say.
func (u *upload) fill(in *app.UploadRecording) error {
	p := &params{values: u.values}
	in.Identity = p.text("ParticipantIdentity")
	in.TrackName = p.text("TrackName")
	in.Kind = roomreel.TrackKind(p.text("Type"))
	in.Track = p.trackNumber("Track")
	in.Offset = p.millis("OffsetMillis")
	in.Known = p.millis("DurationMillis")
	return p.err
}

func (u *upload) readParam(part *multipart.Part) error {
	text, err := io.ReadAll(io.LimitReader(part, u.left+1))
	if err != nil {
		return bodyError(err)
	}
	if u.left -= int64(len(text)); u.left < 0 {
		return bodyError(&http.MaxBytesError{Limit: u.maxForm})
	}
	return addPart(u.values, part.FormName(), string(text))
}

// trackNumber reads the number of a track in a file; zero when absent.
func (p *params) trackNumber(name string) int {
	return int(p.whole(name, 1, math.MaxInt32, "is not the number of a track, at least 1"))
}

// millis reads a duration in milliseconds; zero when absent.
func (p *params) millis(name string) time.Duration {
	return time.Duration(p.whole(name, 0, math.MaxInt64/int64(time.Millisecond), "is not a whole number of milliseconds, at least 0")) * time.Millisecond
}
