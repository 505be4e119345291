package app_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/keyring"
)

func TestAuthenticate(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		key, secret, err := f.CreateAPIKey(ctx, f.account, "ci")
		check(t, err)
		other, otherToken, err := f.CreateAccount(ctx, "other")
		check(t, err)
		for _, good := range [][2]string{{string(f.account), f.token}, {string(key.SID), secret}} {
			account, err := f.Authenticate(ctx, good[0], good[1])
			if err != nil || account != f.account {
				t.Errorf("%s: %s, %v", good[0], account, err)
			}
		}
		for name, bad := range map[string][2]string{
			"empty":           {"", ""},
			"no_sid":          {"admin", "admin"},
			"no_password":     {string(f.account), ""},
			"other_token":     {string(f.account), otherToken},
			"key's_secret":    {string(f.account), secret},
			"token_for_key":   {string(key.SID), f.token},
			"unknown_account": {string(roomreel.NewSID[roomreel.AccountSID]()), f.token},
			"unknown_key":     {string(roomreel.NewSID[roomreel.APIKeySID]()), ""},
		} {
			_, err := f.Authenticate(ctx, bad[0], bad[1])
			if roomreel.CodeOf(err) != roomreel.Unauthenticated {
				t.Errorf("%s: %v", name, err)
			}
		}
		wantError(t, f.RevokeAPIKey(ctx, other.SID, key.SID), roomreel.NotFound, "")
		check(t, f.RevokeAPIKey(ctx, f.account, key.SID))
		_, err = f.Authenticate(ctx, string(key.SID), secret)
		wantError(t, err, roomreel.Unauthenticated, "")
	})
}

// TestAuthenticate_TakesAsLongForUnknownUserNames compares the shortest times of many failed sign-ins, which depend little on what else
// the machine does. A way that asks the database for one and not for another differs by more than ten times.
func TestAuthenticate_TakesAsLongForUnknownUserNames(t *testing.T) {
	f := onSQLite(t)
	key, _, err := f.CreateAPIKey(t.Context(), f.account, "ci")
	check(t, err)
	users := map[string]string{
		"account": string(f.account), "key": string(key.SID),
		"unknown_account": string(roomreel.NewSID[roomreel.AccountSID]()), "unknown_key": string(roomreel.NewSID[roomreel.APIKeySID]()),
		"no_sid": "admin", "empty": "",
	}
	shortest := map[string]time.Duration{}
	for range 300 {
		for name, user := range users {
			begun := time.Now()
			_, err := f.Authenticate(t.Context(), user, "guess")
			took := time.Since(begun)
			wantError(t, err, roomreel.Unauthenticated, "")
			if least, measured := shortest[name]; !measured || took < least {
				shortest[name] = took
			}
		}
	}
	for name, took := range shortest {
		if took > 3*shortest["account"] || 3*took < shortest["account"] {
			t.Errorf("%s: %v, and %v for an account that exists", name, took, shortest["account"])
		}
	}
	t.Log(shortest)
}

// TestAuthenticate_StoresALostTokenAgain gives up all secrets, as the operator does after the key file was lost. A sign-in brings the
// account's token back. A credential stays lost.
func TestAuthenticate_StoresALostTokenAgain(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		credential, err := f.CreateCredential(ctx, f.account, roomreel.AWSCredential, app.CreateCredential{Credentials: "AKIA:se:cret"})
		check(t, err)
		_, err = f.store.Reseal(ctx, func(string, []byte) ([]byte, error) { return []byte{}, nil })
		check(t, err)
		if token, err := f.AuthToken(ctx, f.account); err == nil {
			t.Errorf("a token that was given up is %q", token)
		}
		_, err = f.Authenticate(ctx, string(f.account), "wrong")
		wantError(t, err, roomreel.Unauthenticated, "")
		if _, err := f.AuthToken(ctx, f.account); err == nil {
			t.Error("a sign-in that failed stored a token")
		}
		if used, err := f.EverUsed(ctx); err != nil || used {
			t.Errorf("before the first sign-in: used %v, %v", used, err)
		}
		for range 2 {
			_, err = f.Authenticate(ctx, string(f.account), f.token)
			check(t, err)
			token, err := f.AuthToken(ctx, f.account)
			if check(t, err); token != f.token {
				t.Errorf("after a sign-in the token is %q", token)
			}
		}
		if used, err := f.EverUsed(ctx); err != nil || !used {
			t.Errorf("after a sign-in: used %v, %v", used, err)
		}
		_, _, err = f.KeyPair(ctx, f.account, credential.SID)
		wantError(t, err, roomreel.NotFound, "")
		_, err = f.RotateSecrets(ctx)
		check(t, err)
	})
}

func publicKey(t *testing.T) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	check(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestRotateSecrets_OldKeyMayGo(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		credential, err := f.CreateCredential(ctx, f.account, roomreel.AWSCredential, app.CreateCredential{Credentials: "AKIA:se:cret"})
		check(t, err)
		both, err := keyring.AddKey(f.keys)
		check(t, err)
		rotated := app.New(app.Config{Store: f.store, Keys: both, Media: f.media, Log: slog.New(slog.DiscardHandler)})
		for _, want := range []int{2, 0} {
			changed, err := rotated.RotateSecrets(ctx)
			if check(t, err); changed != want {
				t.Errorf("%d secrets were encrypted anew, want %d", changed, want)
			}
		}
		token, err := rotated.AuthToken(ctx, f.account)
		if check(t, err); token != f.token {
			t.Errorf("token is %q", token)
		}
		id, secret, err := rotated.KeyPair(ctx, f.account, credential.SID)
		if check(t, err); id != "AKIA" || secret != "se:cret" {
			t.Errorf("key pair is %s, %s", id, secret)
		}
		if _, err := f.AuthToken(ctx, f.account); !errors.Is(err, keyring.ErrDamaged) {
			t.Errorf("with the old key alone: %v", err)
		}
	})
}

func TestCredentials_Rules(t *testing.T) {
	f := onSQLite(t)
	ctx := t.Context()
	for name, test := range map[string]struct {
		kind  roomreel.CredentialKind
		in    app.CreateCredential
		param string
	}{
		"none":       {roomreel.AWSCredential, app.CreateCredential{}, "Credentials"},
		"no_secret":  {roomreel.AWSCredential, app.CreateCredential{Credentials: "AKIA:"}, "Credentials"},
		"space":      {roomreel.AWSCredential, app.CreateCredential{Credentials: "AKIA: x"}, "Credentials"},
		"no_key":     {roomreel.PublicKey, app.CreateCredential{}, "PublicKey"},
		"bad_key":    {roomreel.PublicKey, app.CreateCredential{PublicKey: "AAAA"}, "PublicKey"},
		"long_name":  {roomreel.AWSCredential, app.CreateCredential{FriendlyName: string(make([]rune, 65)), Credentials: "a:b"}, "FriendlyName"},
		"account":    {roomreel.AWSCredential, app.CreateCredential{AccountSID: string(roomreel.NewSID[roomreel.AccountSID]()), Credentials: "a:b"}, "AccountSid"},
		"no_account": {roomreel.AWSCredential, app.CreateCredential{AccountSID: "me", Credentials: "a:b"}, "AccountSid"},
	} {
		_, err := f.CreateCredential(ctx, f.account, test.kind, test.in)
		var e *roomreel.Error
		if !errors.As(err, &e) || e.Code != roomreel.Invalid || e.Param != test.param {
			t.Errorf("%s: %v", name, err)
		}
	}
	pem := publicKey(t)
	c, err := f.CreateCredential(ctx, f.account, roomreel.PublicKey, app.CreateCredential{FriendlyName: "k", PublicKey: pem})
	check(t, err)
	read, err := f.PublicKey(ctx, f.account, c.SID)
	if check(t, err); read != pem {
		t.Error("the key is another")
	}
	c, err = f.UpdateCredential(ctx, f.account, roomreel.PublicKey, c.SID, ptr("renamed"))
	if check(t, err); c.FriendlyName != "renamed" {
		t.Errorf("name is %q", c.FriendlyName)
	}
	check(t, f.DeleteCredential(ctx, f.account, roomreel.PublicKey, c.SID))
}

func TestUpdateSettings_Rules(t *testing.T) {
	f := onSQLite(t)
	ctx := t.Context()
	aws, err := f.CreateCredential(ctx, f.account, roomreel.AWSCredential, app.CreateCredential{Credentials: "AKIA:secret"})
	check(t, err)
	key, err := f.CreateCredential(ctx, f.account, roomreel.PublicKey, app.CreateCredential{PublicKey: publicKey(t)})
	check(t, err)
	const url = "https://bucket.s3.amazonaws.com/films"
	on := app.UpdateSettings{
		FriendlyName: "s", AWSStorageEnabled: ptr(true), AWSCredentialsSID: string(aws.SID), AWSS3URL: url,
		EncryptionEnabled: ptr(true), EncryptionKeySID: string(key.SID),
	}
	change := func(do func(*app.UpdateSettings)) app.UpdateSettings {
		in := on
		do(&in)
		return in
	}
	refuse := func(kind blob.PermanentKind) error { return &blob.PermanentError{Kind: kind, Err: errors.New("403")} }
	for name, test := range map[string]struct {
		in     app.UpdateSettings
		bucket error
		param  string
		number int
	}{
		"no_name":       {in: change(func(in *app.UpdateSettings) { in.FriendlyName = "" }), param: "FriendlyName"},
		"no_credential": {in: change(func(in *app.UpdateSettings) { in.AWSCredentialsSID = "" }), param: "AwsCredentialsSid", number: 53621},
		"bad_sid":       {in: change(func(in *app.UpdateSettings) { in.AWSCredentialsSID = "CR1" }), param: "AwsCredentialsSid", number: 53623},
		"other_kind":    {in: change(func(in *app.UpdateSettings) { in.AWSCredentialsSID = string(key.SID) }), param: "AwsCredentialsSid", number: 53623},
		"no_url":        {in: change(func(in *app.UpdateSettings) { in.AWSS3URL = "" }), param: "AwsS3Url", number: 53620},
		"bad_url":       {in: change(func(in *app.UpdateSettings) { in.AWSS3URL = "s3://bucket" }), param: "AwsS3Url", number: 53620},
		"user_in_url":   {in: change(func(in *app.UpdateSettings) { in.AWSS3URL = "https://a:b@bucket" }), param: "AwsS3Url", number: 53620},
		"no_key":        {in: change(func(in *app.UpdateSettings) { in.EncryptionKeySID = "" }), param: "EncryptionKeySid", number: 53622},
		"other_key":     {in: change(func(in *app.UpdateSettings) { in.EncryptionKeySID = string(aws.SID) }), param: "EncryptionKeySid", number: 53624},
		"no_bucket":     {in: on, bucket: refuse(blob.BadURL), param: "AwsS3Url", number: 53620},
		"wrong_secret":  {in: on, bucket: refuse(blob.BadCredential), param: "AwsCredentialsSid", number: 53621},
		"not_allowed":   {in: on, bucket: refuse(blob.AccessDenied), param: "AwsS3Url", number: 53625},
	} {
		t.Run(name, func(t *testing.T) {
			f.bucket.err = test.bucket
			_, err := f.UpdateSettings(ctx, f.account, roomreel.CompositionSettings, test.in)
			wantError(t, err, roomreel.Invalid, test.param)
			var e *roomreel.Error
			if errors.As(err, &e) && e.Twilio != test.number {
				t.Errorf("number is %d, want %d", e.Twilio, test.number)
			}
		})
	}
	f.bucket.err = errors.New("connection refused")
	_, err = f.UpdateSettings(ctx, f.account, roomreel.CompositionSettings, on)
	wantError(t, err, roomreel.Unavailable, "")

	f.bucket.err, f.bucket.asked = nil, nil
	_, err = f.UpdateSettings(ctx, f.account, roomreel.CompositionSettings, on)
	check(t, err)
	if len(f.bucket.asked) != 1 || f.bucket.asked[0] != url+" AKIA secret" {
		t.Errorf("the bucket was asked %v", f.bucket.asked)
	}
	room := string(f.room(t, app.CreateRoom{}).SID)
	sealed, err := f.CreateComposition(ctx, f.account, app.CreateComposition{RoomSID: room, FilmParams: app.FilmParams{VideoLayout: grid}})
	check(t, err)
	if sealed.Destination != (roomreel.Destination{CredentialSID: aws.SID, S3URL: url, KeySID: key.SID}) {
		t.Errorf("destination is %+v", sealed.Destination)
	}
	off, err := f.UpdateSettings(ctx, f.account, roomreel.CompositionSettings, app.UpdateSettings{FriendlyName: "off"})
	check(t, err)
	read, err := f.Settings(ctx, f.account, roomreel.CompositionSettings)
	check(t, err)
	if read != off || read.Destination() != (roomreel.Destination{}) || read.AWSS3URL != "" {
		t.Errorf("a new configuration keeps something of the old: %+v", read)
	}
	log, err := f.AuditLog(app.WithActor(ctx, "x"), f.account, app.Page{Size: 10})
	check(t, err)
	if len(log.Items) != 4 || log.Items[0].Subject != "composition settings" {
		t.Errorf("audit log is %v", log.Items)
	}
}

func TestMedia_Links(t *testing.T) {
	f := onSQLite(t)
	ctx := t.Context()
	r := f.upload(t, f.room(t, app.CreateRoom{}), app.UploadRecording{Identity: "alice"})
	link, err := f.RecordingMedia(ctx, f.account, r.SID, app.MediaRequest{})
	check(t, err)
	if ttl := link.Expires.Sub(f.store.Now()); ttl > 600e9 || ttl < 590e9 || link.URL != "" ||
		link.Disposition != `attachment; filename="`+string(r.SID)+`.mka"` {
		t.Errorf("link is %+v", link)
	}
	for param, in := range map[string]app.MediaRequest{
		"Ttl":                {TTL: ptr(0)},
		"ContentDisposition": {Disposition: "form-data; name=x"},
	} {
		_, err := f.RecordingMedia(ctx, f.account, r.SID, in)
		wantError(t, err, roomreel.Invalid, param)
	}
	_, err = f.RecordingMedia(ctx, f.account, r.SID, app.MediaRequest{TTL: ptr(3601)})
	wantError(t, err, roomreel.Invalid, "Ttl")
	_, err = f.RecordingMedia(ctx, f.account, r.SID, app.MediaRequest{TTL: ptr(3600), Disposition: `inline; filename*=UTF-8''caf%C3%A9.mka`})
	check(t, err)
	other, _, err := f.CreateAccount(ctx, "other")
	check(t, err)
	_, err = f.MediaObject(ctx, other.SID, string(r.SID))
	wantError(t, err, roomreel.NotFound, "")
	check(t, f.DeleteRecording(ctx, f.account, r.SID))
	_, err = f.RecordingMedia(ctx, f.account, r.SID, app.MediaRequest{})
	wantError(t, err, roomreel.NotFound, "")
	_, err = f.MediaObject(ctx, f.account, string(r.SID))
	wantError(t, err, roomreel.NotFound, "")
}

func TestSign_HoldsForItsPurpose(t *testing.T) {
	f := onSQLite(t)
	mac := f.Sign("media", []byte("data"))
	if !f.Verify("media", []byte("data"), mac) || f.Verify("pages", []byte("data"), mac) || f.Verify("media", []byte("date"), mac) {
		t.Error("a signature holds for other data or another purpose")
	}
}
