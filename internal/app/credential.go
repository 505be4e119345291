package app

import (
	"context"
	"strings"
	"unicode"

	"roomreel"
	"roomreel/internal/seal"
)

// CreateCredential is a customer's key pair ("key-id:secret") or public key (PEM).
type CreateCredential struct {
	FriendlyName string
	AccountSID   string // "" or the caller's own account
	Credentials  string // AWS: key-id:secret
	PublicKey    string // PublicKeys: PEM
}

// Limits of a credential, in characters. An AWS key id has at most 128 and its secret 40; other stores take longer ones.
//
// Source: twilio.com/docs/iam/credentials/api, docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html.
const (
	maxCredentialName = 64
	maxKeyPair        = 1024
)

// secret checks what the credential holds and returns it as it is to be kept.
func (in CreateCredential) secret(kind roomreel.CredentialKind) ([]byte, error) {
	if kind == roomreel.PublicKey {
		if in.PublicKey == "" {
			return nil, roomreel.InvalidParam("PublicKey", "is missing; give an RSA public key as PEM")
		}
		if _, err := seal.ParsePublicKey([]byte(in.PublicKey)); err != nil {
			return nil, err
		}
		return []byte(in.PublicKey), nil
	}
	id, secret, found := strings.Cut(in.Credentials, ":")
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	if !found || id == "" || secret == "" || len(in.Credentials) > maxKeyPair || strings.ContainsFunc(in.Credentials, bad) {
		return nil, roomreel.InvalidParam("Credentials", "must be an access key id and its secret, joined by a colon")
	}
	return []byte(in.Credentials), nil
}

// CreateCredential keeps a customer's credential, encrypted and bound to its row.
func (a *App) CreateCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, in CreateCredential) (roomreel.Credential, error) {
	if err := checkName("FriendlyName", in.FriendlyName, maxCredentialName); err != nil {
		return roomreel.Credential{}, err
	}
	if in.AccountSID != "" {
		owner, err := sid[roomreel.AccountSID]("AccountSid", in.AccountSID)
		if err != nil {
			return roomreel.Credential{}, err
		}
		if owner != acct {
			return roomreel.Credential{}, roomreel.InvalidParam("AccountSid", "is not the account that signed in")
		}
	}
	secret, err := in.secret(kind)
	if err != nil {
		return roomreel.Credential{}, err
	}
	c := roomreel.Credential{SID: roomreel.NewSID[roomreel.CredentialSID](), AccountSID: acct, Kind: kind, FriendlyName: in.FriendlyName}
	c.Secret = a.keys.Seal(string(c.SID), secret)
	return a.store.CreateCredential(ctx, c)
}

// Credential returns a credential; its Secret stays encrypted.
func (a *App) Credential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) (roomreel.Credential, error) {
	return a.store.Credential(ctx, acct, kind, sid)
}

// Credentials lists an account's credentials of one kind.
func (a *App) Credentials(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, page Page) (List[roomreel.Credential], error) {
	return a.store.Credentials(ctx, acct, kind, page)
}

// UpdateCredential changes the friendly name, all that can be changed; nil leaves it.
func (a *App) UpdateCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID, friendlyName *string) (roomreel.Credential, error) {
	if friendlyName == nil {
		return a.store.Credential(ctx, acct, kind, sid)
	}
	if err := checkName("FriendlyName", *friendlyName, maxCredentialName); err != nil {
		return roomreel.Credential{}, err
	}
	return a.store.RenameCredential(ctx, acct, kind, sid, *friendlyName)
}

// DeleteCredential removes a credential.
func (a *App) DeleteCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) error {
	return a.store.DeleteCredential(ctx, acct, kind, sid)
}

// KeyPair returns the access key id and the secret of an AWS credential, for delivering to a bucket.
func (a *App) KeyPair(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CredentialSID) (id, secret string, err error) {
	text, err := a.secret(ctx, acct, roomreel.AWSCredential, sid)
	id, secret, _ = strings.Cut(text, ":")
	return id, secret, err
}

// PublicKey returns the PEM of a public key, for sealing.
func (a *App) PublicKey(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CredentialSID) (string, error) {
	return a.secret(ctx, acct, roomreel.PublicKey, sid)
}

func (a *App) secret(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) (string, error) {
	c, err := a.store.Credential(ctx, acct, kind, sid)
	if err != nil {
		return "", err
	}
	secret, err := a.keys.Open(string(c.SID), c.Secret)
	return string(secret), err
}
