package app

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/twilio"
)

// UpdateSettings replaces an account's settings. A field that is not given is reset to its default.
type UpdateSettings struct {
	FriendlyName      string
	AWSCredentialsSID string
	AWSS3URL          string
	AWSStorageEnabled *bool
	EncryptionKeySID  string
	EncryptionEnabled *bool
}

// Settings returns an account's settings of one kind. Before the first update, encryption and storage in a bucket are off.
func (a *App) Settings(ctx context.Context, acct roomreel.AccountSID, kind roomreel.SettingsKind) (roomreel.Settings, error) {
	return a.store.Settings(ctx, acct, kind)
}

// UpdateSettings replaces an account's settings of one kind, for recordings or compositions that are created afterwards. A bucket
// is accepted only after a test object was written to it.
func (a *App) UpdateSettings(ctx context.Context, acct roomreel.AccountSID, kind roomreel.SettingsKind, in UpdateSettings) (roomreel.Settings, error) {
	v := roomreel.Settings{
		AccountSID: acct, Kind: kind, FriendlyName: in.FriendlyName, AWSS3URL: in.AWSS3URL,
		AWSStorageEnabled: or(in.AWSStorageEnabled, false), EncryptionKeyEnabled: or(in.EncryptionEnabled, false),
	}
	if in.FriendlyName == "" {
		return v, roomreel.InvalidParam("FriendlyName", "is missing; give the settings a name")
	}
	if err := checkName("FriendlyName", in.FriendlyName, maxName); err != nil {
		return v, err
	}
	if (v.AWSStorageEnabled || v.EncryptionKeyEnabled) && a.working == nil {
		return v, unavailable("this server is not set up to encrypt media or to store it in a bucket", nil)
	}
	numbers := twilio.SettingsErrors(kind)
	id, secret, err := a.settingsBucket(ctx, &v, in, numbers)
	if err != nil {
		return v, err
	}
	if err := a.settingsKey(ctx, &v, in, numbers); err != nil {
		return v, err
	}
	if v.AWSStorageEnabled {
		if err := a.checkBucket(ctx, v, id, secret, numbers); err != nil {
			return v, err
		}
	}
	return v, a.store.SetSettings(ctx, v)
}

// settingsBucket checks the fields about a bucket, and returns the key pair for it.
func (a *App) settingsBucket(ctx context.Context, v *roomreel.Settings, in UpdateSettings, numbers twilio.StorageErrors) (id, secret string, err error) {
	if in.AWSCredentialsSID != "" {
		if v.AWSCredentialsSID, err = sid[roomreel.CredentialSID]("AwsCredentialsSid", in.AWSCredentialsSID); err != nil {
			return "", "", numbered(err, numbers.CredentialMissing)
		}
		id, secret, err = a.KeyPair(ctx, v.AccountSID, v.AWSCredentialsSID)
		if roomreel.CodeOf(err) == roomreel.NotFound {
			return "", "", numbered(roomreel.InvalidParam("AwsCredentialsSid", "the account has no AWS credential %s", v.AWSCredentialsSID), numbers.CredentialMissing)
		}
		if err != nil {
			return "", "", err
		}
	}
	if in.AWSS3URL != "" {
		if err := checkBucketURL(in.AWSS3URL); err != nil {
			return "", "", numbered(err, numbers.BucketURL)
		}
	}
	switch {
	case !v.AWSStorageEnabled:
	case in.AWSCredentialsSID == "":
		err = numbered(roomreel.InvalidParam("AwsCredentialsSid", "is missing; storage in a bucket needs an AWS credential"), numbers.Credential)
	case in.AWSS3URL == "":
		err = numbered(roomreel.InvalidParam("AwsS3Url", "is missing; storage in a bucket needs its URL"), numbers.BucketURL)
	}
	return id, secret, err
}

// settingsKey checks the fields about a public key.
func (a *App) settingsKey(ctx context.Context, v *roomreel.Settings, in UpdateSettings, numbers twilio.StorageErrors) (err error) {
	if in.EncryptionKeySID == "" {
		if v.EncryptionKeyEnabled {
			return numbered(roomreel.InvalidParam("EncryptionKeySid", "is missing; encryption needs a public key"), numbers.PublicKey)
		}
		return nil
	}
	if v.EncryptionKeySID, err = sid[roomreel.CredentialSID]("EncryptionKeySid", in.EncryptionKeySID); err != nil {
		return numbered(err, numbers.PublicKeyMissing)
	}
	_, err = a.PublicKey(ctx, v.AccountSID, v.EncryptionKeySID)
	if roomreel.CodeOf(err) == roomreel.NotFound {
		return numbered(roomreel.InvalidParam("EncryptionKeySid", "the account has no public key %s", v.EncryptionKeySID), numbers.PublicKeyMissing)
	}
	return err
}

// checkBucket writes a test object to the bucket.
func (a *App) checkBucket(ctx context.Context, v roomreel.Settings, id, secret string, numbers twilio.StorageErrors) error {
	if a.buckets == nil {
		return unavailable("this server is not set up to store media in a bucket", nil)
	}
	err := a.buckets.Check(ctx, v.AWSS3URL, id, secret)
	var permanent *blob.PermanentError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &permanent):
		return unavailable("the bucket does not answer", err)
	}
	param, detail, number := "AwsS3Url", "there is no bucket that this server may write to under this URL", numbers.BucketURL
	switch permanent.Kind {
	case blob.BadCredential:
		param, detail, number = "AwsCredentialsSid", "the bucket does not accept this access key and secret", numbers.Credential
	case blob.AccessDenied:
		detail, number = "the credential may not write there; it needs s3:PutObject", numbers.AccessDenied
	}
	return &roomreel.Error{Code: roomreel.Invalid, Twilio: number, Param: param, Detail: detail, Err: err}
}

// numbered sets the number in Twilio's error dictionary of an error.
func numbered(err error, number int) error {
	var e *roomreel.Error
	if errors.As(err, &e) {
		e.Twilio = number
	}
	return err
}

// checkBucketURL refuses a text that is not the URL of a bucket and a prefix in it. Buckets decides which hosts are allowed.
func checkBucketURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return roomreel.InvalidParam("AwsS3Url", "is longer than %d bytes", maxURL)
	case err != nil || !utf8.ValidString(text) || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return roomreel.InvalidParam("AwsS3Url", "must be the https URL of a bucket, such as https://bucket.s3.amazonaws.com/recordings")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Contains(text, "?") || strings.Contains(text, "#"):
		return roomreel.InvalidParam("AwsS3Url", "must not hold a user, a query or a fragment")
	}
	return nil
}
