package jobs

import (
	"context"
	"errors"
	"io"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/objectkey"
	"roomreel/internal/queue"
	"roomreel/internal/seal"
	"roomreel/internal/store"
	"roomreel/internal/twilio"
)

// customerError is a failure that only the customer can correct: of a bucket, a credential or a public key. A composition
// fails at once with it. A recording, which cannot be made again, is retried until the deadline.
type customerError struct {
	number  int // of Twilio's error dictionary
	message string
	err     error
}

func (e *customerError) Error() string { return e.message + ": " + e.err.Error() }
func (e *customerError) Unwrap() error { return e.err }

// copyError is a failure to read our own working copy of what is delivered.
type copyError struct{ err error }

func (e *copyError) Error() string { return "read what is to be delivered: " + e.err.Error() }
func (e *copyError) Unwrap() error { return e.err }

// delivery is media on its way out: what it is, and where it goes.
type delivery struct {
	account     roomreel.AccountSID
	sid         string
	extension   string
	contentType string
	copyKey     string // of its plain bytes, in the working store
	mediaKey    string // reserved for it in the media store; "" when it goes to a bucket
	size        int64
	sha256      string // of a film, which was checked; "" for others
	destination roomreel.Destination
	errors      twilio.StorageErrors // numbers of a customerError
}

// inOneRequest is a size up to which a bucket takes an object in one request, so that a process that dies leaves nothing
// there. Larger ones go in parts, which must be removed.
const inOneRequest = 5 << 20

// send takes media to its destination, sealed when the destination asks for it, and returns where it is. Without an error the
// destination has confirmed that it holds all of it.
func (w *Worker) send(ctx context.Context, d delivery) (roomreel.Media, error) {
	var media roomreel.Media
	target, key, err := w.destination(ctx, d)
	if err != nil {
		return media, err
	}
	if closer, ok := blob.As[io.Closer](target); ok && d.destination.S3URL != "" {
		defer closer.Close()
	}
	body, err := w.Working.Get(ctx, d.copyKey, 0, -1)
	if err != nil {
		return media, &copyError{err}
	}
	defer body.Close()
	plain := &trackedReader{r: checked(body, d.size, d.sha256)}
	var content io.Reader = plain
	options := blob.PutOptions{ContentType: d.contentType}
	media.Size = d.size
	if d.destination.KeySID != "" {
		sealed, err := w.sealed(ctx, d, plain)
		if err != nil {
			return media, err
		}
		envelope := sealed.Envelope()
		envelope.PublicKeySID = d.destination.KeySID
		content, media.Envelope, media.Size = sealed, &envelope, sealed.Size()
		options = blob.PutOptions{ContentType: seal.ContentType(envelope), Metadata: seal.Metadata(envelope)}
	}
	if bucket, ok := blob.As[blob.Aborter](target); ok && media.Size > inOneRequest {
		if err := bucket.AbortUnfinished(ctx, key); err != nil { // some stores cannot list uploads; that must not keep media from them
			w.Log.Info("did not look for unfinished uploads", "key", key, "err", err)
		}
	}
	info, err := target.Put(ctx, key, content, media.Size, options)
	switch {
	case err != nil && plain.err != nil:
		return media, &copyError{plain.err}
	case err != nil && d.destination.S3URL == "":
		return media, err // the operator repairs the media store; it is worth waiting for
	case err != nil:
		return media, customers(err, d.errors)
	case d.destination.S3URL == "":
		media.Key = key
	default:
		media.External = info.Location
	}
	return media, nil
}

// destination returns the store that media goes to, and its key there.
func (w *Worker) destination(ctx context.Context, d delivery) (blob.Store, string, error) {
	if d.destination.S3URL == "" {
		return w.Media, d.mediaKey, nil
	}
	id, secret, err := w.App.KeyPair(ctx, d.account, d.destination.CredentialSID)
	if roomreel.CodeOf(err) == roomreel.NotFound {
		return nil, "", &customerError{d.errors.CredentialMissing, "The AWS credential cannot be loaded.", err}
	}
	if err != nil {
		return nil, "", err
	}
	target, err := w.OpenBucket(d.destination.S3URL, id, secret)
	if err != nil {
		return nil, "", customers(err, d.errors)
	}
	return target, objectkey.InBucket(w.ObjectKey, d.account, d.sid, d.extension), nil
}

// sealed returns a reader of media's sealed bytes.
func (w *Worker) sealed(ctx context.Context, d delivery, plain io.Reader) (*seal.Reader, error) {
	pem, err := w.App.PublicKey(ctx, d.account, d.destination.KeySID)
	if roomreel.CodeOf(err) == roomreel.NotFound {
		return nil, &customerError{d.errors.PublicKeyMissing, "The public key cannot be loaded.", err}
	}
	if err != nil {
		return nil, err
	}
	key, err := seal.ParsePublicKey([]byte(pem))
	if err != nil {
		return nil, &customerError{d.errors.PublicKey, "The public key is not valid.", err}
	}
	return seal.NewReader(plain, w.Seal, key, d.size)
}

// customers turns a bucket's permanent refusal into the customer's error.
func customers(err error, numbers twilio.StorageErrors) error {
	var permanent *blob.PermanentError
	var invalid *roomreel.Error
	switch {
	case errors.As(err, &permanent):
		switch permanent.Kind {
		case blob.BadCredential:
			return &customerError{numbers.Credential, "The bucket does not accept the AWS credential.", err}
		case blob.AccessDenied:
			return &customerError{numbers.AccessDenied, "The AWS credential may not write to the bucket.", err}
		}
		return &customerError{numbers.BucketURL, "The bucket's URL is not valid.", err}
	case errors.As(err, &invalid) && invalid.Code == roomreel.Invalid:
		return &customerError{numbers.BucketURL, "The bucket's URL is not valid.", err}
	}
	return err
}

// reserveMedia reserves a new key in the media store, unless media goes to a bucket.
func (w *Worker) reserveMedia(ctx context.Context, d *delivery, key string) error {
	if d.destination.S3URL != "" {
		return nil
	}
	d.mediaKey = key
	return w.Store.Reserve(ctx, d.sid, d.object())
}

// object is what the delivery stores in the media store.
func (d *delivery) object() store.PendingDeletion {
	return store.PendingDeletion{Store: store.MediaStore, Key: d.mediaKey}
}

// deliver takes an assembled film from the working store to where it is to be kept.
func (w *Worker) deliver(ctx context.Context, job queue.Job) error {
	sid := roomreel.CompositionSID(job.SID)
	saved, err := w.Store.Plan(ctx, sid)
	if err != nil || saved.Film == nil {
		return err
	}
	c, err := w.Store.CompositionBySID(ctx, sid)
	if err != nil {
		return err
	}
	film := *saved.Film
	d := delivery{
		account: c.AccountSID, sid: job.SID, extension: string(c.Spec.Format), contentType: twilio.FilmContentType(c.Spec.Format),
		copyKey: film.Media.CopyKey, size: film.Size, sha256: film.SHA256, destination: c.Destination, errors: twilio.CompositionDelivery,
	}
	if err := w.reserveMedia(ctx, &d, objectkey.Media(c.AccountSID, sid, string(c.Spec.Format))); err != nil {
		return err
	}
	media, err := w.send(ctx, d)
	if err == nil {
		film.Media = media
		if film.Report, err = delivered(film.Report, w.Store.Now()); err != nil {
			return w.discard(ctx, job.SID, err, d.object())
		}
		if _, err = w.Store.CompleteComposition(ctx, sid, film); err != nil {
			return w.discard(ctx, job.SID, err, d.object())
		}
		return nil
	}
	err = w.discard(ctx, job.SID, err, d.object())
	if errors.Is(err, errFilmChanged) {
		return w.joinAgain(ctx, sid)
	}
	var wrong *customerError
	waited := w.Store.Now().Sub(film.Since)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &wrong):
		return w.giveUp(ctx, c, wrong.number, wrong.message, err)
	case waited > w.DeliverFor:
		return w.giveUp(ctx, c, twilio.CompositionFailed, "The film could not be delivered in time.", err)
	}
	w.Log.Warn("film not delivered, tried again later", "composition", sid, "err", err)
	return queue.Snooze(backoff(waited))
}

// joinAgain has a film joined again that was changed in the working store. A composition whose film was joined again before fails.
func (w *Worker) joinAgain(ctx context.Context, sid roomreel.CompositionSID) error {
	switch again := w.Store.JoinAgain(ctx, sid); {
	case errors.Is(again, store.ErrJoinedAgain):
		return &filmError{errFilmChanged}
	case again != nil:
		return again
	}
	w.Log.Warn("the film is joined again", "composition", sid, "err", errFilmChanged)
	return nil
}

func (w *Worker) giveUp(ctx context.Context, c roomreel.Composition, number int, message string, err error) error {
	w.Log.Warn("composition failed", "composition", c.SID, "code", number, "err", err)
	_, err = w.Store.FailComposition(ctx, c.SID, roomreel.Failure{
		Code: number, Operation: twilio.CompositionUpload, Message: message, Detail: err.Error(),
	})
	return err
}

// deliverRecording takes a recording from the working store to where it is to be kept. While it cannot, nothing is lost: the
// working copy stays, and delivery is tried until the deadline.
func (w *Worker) deliverRecording(ctx context.Context, job queue.Job) error {
	sid := roomreel.RecordingSID(job.SID)
	recording, err := w.Store.RecordingBySID(ctx, sid)
	if err != nil {
		return ignoreSettled(err)
	}
	if recording.Status != roomreel.RecordingProcessing {
		return nil // what an attempt stored before the recording was deleted is reserved, and will be deleted
	}
	d := delivery{
		account: recording.AccountSID, sid: job.SID, extension: recording.Container,
		contentType: twilio.RecordingContentType(recording),
		copyKey:     recording.Media.CopyKey, size: recording.Size, destination: recording.Destination,
		errors: twilio.RecordingStorage,
	}
	if err := w.reserveMedia(ctx, &d, objectkey.Media(recording.AccountSID, sid, recording.Container)); err != nil {
		return err
	}
	media, err := w.send(ctx, d)
	if err == nil {
		media.ContentType = recording.Media.ContentType
		if !recording.Media.CopyExpires.IsZero() {
			media.CopyKey, media.CopyExpires = recording.Media.CopyKey, recording.Media.CopyExpires
		}
		_, err = w.Store.CompleteRecording(ctx, sid, media)
		if err != nil {
			err = w.discard(ctx, job.SID, err, d.object())
		}
		return ignoreSettled(err)
	}
	err = w.discard(ctx, job.SID, err, d.object())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failure := recordingFailure(err)
	age := w.Store.Now().Sub(recording.Created)
	if age > w.DeliverFor {
		if failure.Code != twilio.RecordingFailed {
			failure.Code = twilio.RecordingGivenUp
		}
		w.Log.Warn("recording failed", "recording", sid, "code", failure.Code, "err", err)
		_, err = w.Store.FailRecording(ctx, sid, failure)
		return ignoreSettled(err)
	}
	w.Log.Warn("recording not delivered, will retry", "recording", sid, "code", failure.Code, "err", err)
	if failure != recording.Failure {
		if err := w.Store.NoteRecordingFailure(ctx, sid, failure); err != nil {
			return err
		}
	}
	return queue.Snooze(backoff(age))
}

// recordingFailure says why a recording was not delivered, for its report.
func recordingFailure(err error) roomreel.Failure {
	failure := roomreel.Failure{
		Code: twilio.RecordingUploadFailed, Operation: twilio.RecordingUpload, Message: "The recording could not be uploaded.",
		Detail: err.Error(),
	}
	var wrong *customerError
	var own *copyError
	switch {
	case errors.As(err, &wrong):
		failure.Code, failure.Message = wrong.number, wrong.message
	case errors.As(err, &own):
		failure.Code, failure.Message = twilio.RecordingFailed, "The recording could not be processed."
	}
	return failure
}

// backoff is how long to wait after something has failed for so long: a tenth of that, from 2 s to 10 min.
func backoff(age time.Duration) time.Duration {
	return min(max(age/10, 2*time.Second), 10*time.Minute)
}
