package jobs

import (
	"context"
	"errors"
	"io"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/objectkey"
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

// parcel is media on its way out: what it is, and where it goes.
type parcel struct {
	account     roomreel.AccountSID
	sid         string
	extension   string
	contentType string
	workKey     string // where its plain bytes are, in the working store
	mediaKey    string // where it goes in the media store, reserved; "" when it goes to a bucket
	size        int64
	destination roomreel.Destination
	errors      twilio.StorageErrors // numbers of a customerError
}

// inOneRequest is a size up to which a bucket takes an object in one request, so that a process that dies leaves nothing
// there. Larger ones go in parts, which somebody has to remove.
const inOneRequest = 5 << 20

// send takes a parcel to its destination, sealed when that asks for it, and returns where it is. When it returns, the
// destination has confirmed to hold all of it.
func (r *Runner) send(ctx context.Context, p parcel) (roomreel.Media, error) {
	var media roomreel.Media
	target, key, err := r.destination(ctx, p)
	if err != nil {
		return media, err
	}
	if closer, ok := blob.As[io.Closer](target); ok && p.destination.S3URL != "" {
		defer closer.Close()
	}
	body, err := r.Work.Get(ctx, p.workKey, 0, -1)
	if err != nil {
		return media, &copyError{err}
	}
	defer body.Close()
	plain := &source{r: body}
	var content io.Reader = plain
	options := blob.PutOptions{ContentType: p.contentType}
	media.Size = p.size
	if p.destination.KeySID != "" {
		sealed, err := r.sealed(ctx, p, plain)
		if err != nil {
			return media, err
		}
		envelope := sealed.Envelope()
		envelope.PublicKeySID = p.destination.KeySID
		content, media.Envelope, media.Size = sealed, &envelope, sealed.Size()
		options = blob.PutOptions{ContentType: seal.ContentType(envelope), Metadata: seal.Metadata(envelope)}
	}
	if bucket, ok := blob.As[blob.Aborter](target); ok && media.Size > inOneRequest {
		if err := bucket.AbortUnfinished(ctx, key); err != nil { // some stores cannot list uploads; that must not keep media from them
			r.Log.Info("did not look for unfinished uploads", "key", key, "err", err)
		}
	}
	info, err := target.Put(ctx, key, content, media.Size, options)
	switch {
	case err != nil && plain.err != nil:
		return media, &copyError{err}
	case err != nil && p.destination.S3URL == "":
		return media, err // the vault is the operator's to mend, and worth waiting for
	case err != nil:
		return media, customers(err, p.errors)
	case p.destination.S3URL == "":
		media.Key = key
	default:
		media.External = info.Location
	}
	return media, nil
}

// destination returns the store that a parcel goes to, and its key there.
func (r *Runner) destination(ctx context.Context, p parcel) (blob.Store, string, error) {
	if p.destination.S3URL == "" {
		return r.Vault, p.mediaKey, nil
	}
	id, secret, err := r.App.KeyPair(ctx, p.account, p.destination.CredentialSID)
	if roomreel.CodeOf(err) == roomreel.NotFound {
		return nil, "", &customerError{p.errors.CredentialMissing, "The AWS credential cannot be loaded.", err}
	}
	if err != nil {
		return nil, "", err
	}
	target, err := r.OpenBucket(p.destination.S3URL, id, secret)
	if err != nil {
		return nil, "", customers(err, p.errors)
	}
	return target, objectkey.InBucket(r.ObjectKey, p.account, p.sid, p.extension), nil
}

// sealed returns a reader of a parcel's sealed bytes.
func (r *Runner) sealed(ctx context.Context, p parcel, plain io.Reader) (*seal.Reader, error) {
	pem, err := r.App.PublicKey(ctx, p.account, p.destination.KeySID)
	if roomreel.CodeOf(err) == roomreel.NotFound {
		return nil, &customerError{p.errors.PublicKeyMissing, "The public key cannot be loaded.", err}
	}
	if err != nil {
		return nil, err
	}
	key, err := seal.ParsePublicKey([]byte(pem))
	if err != nil {
		return nil, &customerError{p.errors.PublicKey, "The public key is not valid.", err}
	}
	return seal.NewReader(plain, r.Seal, key, p.size)
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

// deliver takes an assembled film from the work store to where it is to be kept.
func (r *Runner) deliver(ctx context.Context, job args) error {
	sid := roomreel.CompositionSID(job.SID)
	saved, err := r.Store.Work(ctx, sid)
	if err != nil || saved.Film == nil {
		return err
	}
	c, err := r.Store.CompositionBySID(ctx, sid)
	if err != nil {
		return err
	}
	film := *saved.Film
	p := parcel{
		account: c.AccountSID, sid: job.SID, extension: string(c.Spec.Format), contentType: twilio.FilmContentType(c.Spec.Format),
		workKey: film.Media.CopyKey, size: film.Size, destination: c.Destination, errors: twilio.CompositionDelivery,
	}
	if p.destination.S3URL == "" {
		p.mediaKey = objectkey.Media(c.AccountSID, sid, string(c.Spec.Format))
		if err := r.reserve(ctx, sid, store.MediaStore, p.mediaKey); err != nil {
			return err
		}
	}
	media, err := r.send(ctx, p)
	if err == nil {
		film.Media = media
		if _, err = r.Store.CompleteComposition(ctx, sid, film); err != nil {
			return r.discard(ctx, sid, err, store.PendingDeletion{Store: store.MediaStore, Key: media.Key})
		}
		return nil
	}
	var wrong *customerError
	waited := r.Store.Now().Sub(film.Since)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &wrong):
		return r.giveUp(ctx, c, wrong.number, wrong.message, err)
	case waited > r.DeliverFor:
		return r.giveUp(ctx, c, twilio.CompositionFailed, "The film could not be delivered in time.", err)
	}
	r.Log.Warn("film not delivered, tried again later", "composition", sid, "err", err)
	return later(patience(waited))
}

func (r *Runner) giveUp(ctx context.Context, c roomreel.Composition, number int, message string, err error) error {
	r.Log.Warn("composition failed", "composition", c.SID, "code", number, "err", err)
	_, err = r.Store.FailComposition(ctx, c.SID, roomreel.Failure{
		Code: number, Operation: twilio.CompositionUpload, Message: message, Detail: err.Error(),
	}, "")
	return err
}

// deliverRecording takes a recording from the work store to where it is to be kept. Nothing is lost while it cannot: the
// working copy stays, and delivery is tried until the deadline.
func (r *Runner) deliverRecording(ctx context.Context, job args) error {
	sid := roomreel.RecordingSID(job.SID)
	recording, err := r.Store.RecordingBySID(ctx, sid)
	if err != nil {
		return over(err)
	}
	if recording.Status != roomreel.RecordingProcessing {
		return nil // what an attempt stored before the recording was deleted is reserved, and will be deleted
	}
	p := parcel{
		account: recording.AccountSID, sid: job.SID, extension: recording.Container,
		contentType: twilio.RecordingContentType(recording),
		workKey:     recording.Media.CopyKey, size: recording.Size, destination: recording.Destination,
		errors: twilio.RecordingStorage,
	}
	if p.destination.S3URL == "" {
		p.mediaKey = objectkey.Media(recording.AccountSID, sid, recording.Container)
		if err := r.Store.Reserve(ctx, job.SID, store.PendingDeletion{Store: store.MediaStore, Key: p.mediaKey}); err != nil {
			return err
		}
	}
	media, err := r.send(ctx, p)
	if err == nil {
		media.ContentType = recording.Media.ContentType
		if !recording.Media.CopyExpires.IsZero() {
			media.CopyKey, media.CopyExpires = recording.Media.CopyKey, recording.Media.CopyExpires
		}
		_, err = r.Store.CompleteRecording(ctx, sid, media)
		if roomreel.CodeOf(err) == roomreel.Conflict && media.Key != "" {
			return r.Store.Erase(context.WithoutCancel(ctx), job.SID, store.PendingDeletion{Store: store.MediaStore, Key: media.Key})
		}
		return over(err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failure := recordingFailure(err)
	age := r.Store.Now().Sub(recording.Created)
	if age > r.DeliverFor {
		if failure.Code != twilio.RecordingFailed {
			failure.Code = twilio.RecordingGivenUp
		}
		r.Log.Warn("recording failed", "recording", sid, "code", failure.Code, "err", err)
		_, err = r.Store.FailRecording(ctx, sid, failure)
		return over(err)
	}
	r.Log.Warn("recording not delivered, will retry", "recording", sid, "code", failure.Code, "err", err)
	if failure != recording.Failure {
		if err := r.Store.NoteRecordingFailure(ctx, sid, failure); err != nil {
			return err
		}
	}
	return later(patience(age))
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

// patience is how long to wait after something has been tried in vain for so long: a tenth of it, from 2 s to 10 min.
func patience(age time.Duration) time.Duration {
	return min(max(age/10, 2*time.Second), 10*time.Minute)
}
