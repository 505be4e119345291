package jobs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/keyring"
	"roomreel/internal/queue"
	"roomreel/internal/seal"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
	"roomreel/internal/twilio"
)

// refusing is a folder that a bucket's refusal stands in front of.
type refusing struct {
	blob.Store
	err error
}

func (r refusing) Put(context.Context, string, io.Reader, int64, blob.PutOptions) (blob.Info, error) {
	return blob.Info{}, r.err
}

// sending returns a worker that delivers into target, and a delivery that waits for it, with a public key and a credential.
func sending(t *testing.T, w *world, target blob.Store) (*Worker, delivery) {
	t.Helper()
	secret, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	public, err := x509.MarshalPKIXPublicKey(&secret.PublicKey)
	check(t, err)
	key, err := w.app.CreateCredential(t.Context(), w.account, roomreel.PublicKey, app.CreateCredential{
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	})
	check(t, err)
	aws, err := w.app.CreateCredential(t.Context(), w.account, roomreel.AWSCredential, app.CreateCredential{Credentials: "AKIA:secret"})
	check(t, err)
	_, err = w.working.Put(t.Context(), "film", bytes.NewReader([]byte("what was said")), 13, blob.PutOptions{})
	check(t, err)
	r := w.worker(t, func(_ *queue.Config, c *Config) {
		c.Media, c.Seal = target, seal.Twilio
		c.OpenBucket = func(string, string, string) (blob.Store, error) { return struct{ blob.Store }{target}, nil } // the test closes it
	})
	return r, delivery{
		account: w.account, sid: "CJ1", extension: "mp4", contentType: "video/mp4", copyKey: "film", size: 13,
		destination: roomreel.Destination{CredentialSID: aws.SID, S3URL: "https://bucket", KeySID: key.SID},
		errors:      twilio.CompositionDelivery,
	}
}

func TestSend_SaysWhoseMistakeItIs(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		number int // 0 for none of the customer's
	}{
		"no_such_bucket":  {&blob.PermanentError{Kind: blob.BadURL, Err: errors.New("no")}, 53664},
		"url_not_allowed": {roomreel.InvalidParam("AwsS3Url", "no"), 53664},
		"credential":      {&blob.PermanentError{Kind: blob.BadCredential, Err: errors.New("no")}, 53665},
		"access":          {&blob.PermanentError{Kind: blob.AccessDenied, Err: errors.New("no")}, 53669},
		"passing":         {errors.New("the store answered 500"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storetest.SQLite(t))
			r, p := sending(t, w, refusing{w.media, test.err})
			_, err := r.send(t.Context(), p)
			var customers *customerError
			if !errors.Is(err, test.err) || errors.As(err, &customers) != (test.number != 0) || test.number != 0 && customers.number != test.number {
				t.Errorf("to the customer's bucket: %v, want %d", err, test.number)
			}
			p.destination.CredentialSID, p.destination.S3URL = "", ""
			if _, err := r.send(t.Context(), p); !errors.Is(err, test.err) || errors.As(err, &customers) {
				t.Errorf("to the media store, which is not the customer's: %v", err)
			}
		})
	}
}

// TestSend_NeedsAPublicKey has a key in the database that no version of the API would have taken.
func TestSend_NeedsAPublicKey(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	r, p := sending(t, w, w.media)
	keys, err := keyring.Open(filepath.Join(w.folder, "keys"))
	check(t, err)
	bad := roomreel.Credential{SID: roomreel.NewSID[roomreel.CredentialSID](), AccountSID: w.account, Kind: roomreel.PublicKey}
	bad.Secret = keys.Seal(string(bad.SID), []byte("no key"))
	_, err = w.store.CreateCredential(t.Context(), bad)
	check(t, err)
	p.destination.KeySID = bad.SID
	_, err = r.send(t.Context(), p)
	var customers *customerError
	if !errors.As(err, &customers) || customers.number != 53666 {
		t.Errorf("with what is no key: %v, want 53666", err)
	}
	p.destination.KeySID = roomreel.NewSID[roomreel.CredentialSID]()
	if _, err = r.send(t.Context(), p); !errors.As(err, &customers) || customers.number != 53668 {
		t.Errorf("with a key that is not there: %v, want 53668", err)
	}
}

func TestSend_NamesObjectsByTheTemplate(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	r, p := sending(t, w, w.media)
	r.ObjectKey = "films/{sid}/{account}.{ext}"
	_, err := r.send(t.Context(), p)
	check(t, err)
	info, err := w.media.Stat(t.Context(), "films/CJ1/"+string(w.account)+".mp4")
	if err != nil || info.Size != 16 {
		t.Errorf("in the bucket there are %+v, %v; want 13 bytes sealed in 16", info, err)
	}
}

func TestDeliverRecording_ReportsWhyItWaits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var bucket blob.Store
		r, p := sending(t, w, w.media)
		r.OpenBucket = func(string, string, string) (blob.Store, error) { return bucket, nil }
		check(t, w.store.SetSettings(ctx, roomreel.Settings{
			AccountSID: w.account, Kind: roomreel.RecordingSettings, FriendlyName: "bucket", AWSStorageEnabled: true,
			AWSCredentialsSID: p.destination.CredentialSID, AWSS3URL: p.destination.S3URL,
		}))
		uploaded := func() roomreel.Recording {
			t.Helper()
			all, err := w.store.RecordingsOf(ctx, w.room(t, "").SID)
			check(t, err)
			return all[0]
		}
		recording := uploaded()
		deliver := func(to blob.Store) roomreel.Recording {
			t.Helper()
			bucket = to
			err := r.deliverRecording(ctx, queue.Job{Job: store.Job{SID: string(recording.SID)}})
			if _, snoozed := queue.Snoozed(err); err != nil && !snoozed {
				t.Fatal(err)
			}
			after, err := w.store.RecordingBySID(ctx, recording.SID)
			check(t, err)
			return after
		}
		refuses := func(err error) blob.Store { return refusing{w.media, err} }

		for name, test := range map[string]struct {
			err  error
			want int
		}{
			"passing":    {errors.New("the store answered 500"), twilio.RecordingUploadFailed},
			"credential": {&blob.PermanentError{Kind: blob.BadCredential, Err: errors.New("no")}, twilio.RecordingStorage.Credential},
		} {
			got := deliver(refuses(test.err))
			if got.Status != roomreel.RecordingProcessing || got.Failure.Code != test.want || got.Failure.Operation != twilio.RecordingUpload {
				t.Errorf("%s: %s, %+v; want processing, %d", name, got.Status, got.Failure, test.want)
			}
		}
		if got := deliver(struct{ blob.Store }{w.media}); got.Status != roomreel.RecordingCompleted || got.Failure != (roomreel.Failure{}) {
			t.Errorf("delivered at last: %s, %+v; want completed and no failure", got.Status, got.Failure)
		}

		recording = uploaded()
		check(t, w.working.Delete(ctx, recording.Media.CopyKey))
		if got := deliver(struct{ blob.Store }{w.media}); got.Failure.Code != twilio.RecordingFailed {
			t.Errorf("without its working copy: %+v, want %d", got.Failure, twilio.RecordingFailed)
		}
		w.offset.Add(int64(2 * time.Hour)) // over the deadline
		if got := deliver(struct{ blob.Store }{w.media}); got.Status != roomreel.RecordingFailed || got.Failure.Code != twilio.RecordingFailed {
			t.Errorf("without its working copy, at the deadline: %s, %+v; want failed, %d", got.Status, got.Failure, twilio.RecordingFailed)
		}
		recording = uploaded()
		w.offset.Add(int64(2 * time.Hour))
		if got := deliver(refuses(errors.New("the store answered 500"))); got.Status != roomreel.RecordingFailed || got.Failure.Code != twilio.RecordingGivenUp {
			t.Errorf("refused until the deadline: %s, %+v; want failed, %d", got.Status, got.Failure, twilio.RecordingGivenUp)
		}
	})
}

func TestBackoff_Grows(t *testing.T) {
	for age, want := range map[time.Duration]time.Duration{
		0: 2 * time.Second, time.Minute: 6 * time.Second, time.Hour: 6 * time.Minute, 20 * time.Hour: 10 * time.Minute,
	} {
		if got := backoff(age); got != want {
			t.Errorf("after %v: %v, want %v", age, got, want)
		}
	}
}
