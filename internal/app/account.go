package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"roomreel"
	"roomreel/internal/seal"
	"roomreel/internal/store"
)

// newSecret returns 128 random bits as 32 hexadecimal digits, the form of Twilio's auth tokens.
func newSecret() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails, see crypto/rand
	return hex.EncodeToString(raw[:])
}

// hash returns what is stored of a secret that is only compared. The secrets are random and long, so a slow hash adds nothing.
func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Authenticate returns the account of user and password: an account's SID and auth token, or an API key's SID and secret.
// Anything else is Unauthenticated. Each takes one look into the database and one comparison, so that the time does not tell
// whether a user name is known.
func (a *App) Authenticate(ctx context.Context, user, password string) (roomreel.AccountSID, error) {
	var account roomreel.AccountSID
	var secrets store.AccountSecrets
	var want []byte
	var err error
	sid, notAccount := roomreel.ParseSID[roomreel.AccountSID](user)
	if notAccount == nil {
		_, secrets, err = a.store.Account(ctx, sid)
		account, want = sid, secrets.Hash
	} else {
		keySID, _ := roomreel.ParseSID[roomreel.APIKeySID](user) // "" for a text that is no SID: no key has it
		var key roomreel.APIKey
		key, want, err = a.store.APIKey(ctx, keySID)
		account = key.AccountSID
	}
	if err != nil && roomreel.CodeOf(err) != roomreel.NotFound {
		return "", unavailable("the credentials cannot be checked now", err)
	}
	known := err == nil
	if !known {
		want = make([]byte, sha256.Size)
	}
	if subtle.ConstantTimeCompare(hash(password), want) != 1 || !known {
		return "", roomreel.Errorf(roomreel.Unauthenticated, "authenticate with an account SID and its auth token, or an API key SID and its secret")
	}
	if notAccount == nil {
		a.noteSignIn(ctx, account, secrets, password)
	}
	return account, nil
}

// noteSignIn writes down an account's first sign-in with its token. If the encrypted token was lost with the key file, it stores
// the token again. A failure does not concern the caller: the next sign-in tries again.
func (a *App) noteSignIn(ctx context.Context, account roomreel.AccountSID, secrets store.AccountSecrets, token string) {
	var err error
	if secrets.SignedIn.IsZero() {
		err = a.store.SignedIn(ctx, account)
	}
	if len(secrets.Token) == 0 {
		err = errors.Join(err, a.store.RestoreToken(ctx, account, a.keys.Seal(string(account), []byte(token))))
	}
	if err != nil {
		a.log.Warn("a first sign-in could not be written down", "account", account, "err", err)
	}
}

// CreateAccount adds an account and returns its auth token, which is not shown again.
func (a *App) CreateAccount(ctx context.Context, name string) (roomreel.Account, string, error) {
	if err := checkName("FriendlyName", name, maxName); err != nil {
		return roomreel.Account{}, "", err
	}
	account, token := a.store.NewAccount(name), newSecret()
	err := a.store.CreateAccount(ctx, account, store.AccountSecrets{
		Token: a.keys.Seal(string(account.SID), []byte(token)),
		Hash:  hash(token),
	})
	return account, token, err
}

// Accounts lists all accounts, for the operator.
func (a *App) Accounts(ctx context.Context, page Page) (List[roomreel.Account], error) {
	return a.store.Accounts(ctx, page)
}

// EverUsed reports whether anyone ever signed in with an account's token, or has made an API key.
func (a *App) EverUsed(ctx context.Context) (bool, error) { return a.store.EverUsed(ctx) }

// errForgotten is the error of a secret that the operator gave up with a lost key file.
var errForgotten = errors.New("it was lost with the service's key file")

// AuthToken returns an account's auth token, which signs its callbacks.
func (a *App) AuthToken(ctx context.Context, acct roomreel.AccountSID) (string, error) {
	_, secrets, err := a.store.Account(ctx, acct)
	if err != nil {
		return "", err
	}
	if len(secrets.Token) == 0 {
		return "", fmt.Errorf("the token of account %s signs its callbacks, and %w; the account's next sign-in with it stores it again", acct, errForgotten)
	}
	token, err := a.keys.Open(string(acct), secrets.Token)
	return string(token), err
}

// CreateAPIKey adds another way to sign in to an account, and returns its secret, which is not shown again.
func (a *App) CreateAPIKey(ctx context.Context, acct roomreel.AccountSID, name string) (roomreel.APIKey, string, error) {
	if err := checkName("FriendlyName", name, maxName); err != nil {
		return roomreel.APIKey{}, "", err
	}
	if _, _, err := a.store.Account(ctx, acct); err != nil {
		return roomreel.APIKey{}, "", err
	}
	key := roomreel.APIKey{SID: roomreel.NewSID[roomreel.APIKeySID](), AccountSID: acct, Name: name, Created: a.store.Now()}
	secret := newSecret()
	return key, secret, a.store.CreateAPIKey(ctx, key, hash(secret))
}

// APIKeys lists an account's keys.
func (a *App) APIKeys(ctx context.Context, acct roomreel.AccountSID, page Page) (List[roomreel.APIKey], error) {
	return a.store.APIKeys(ctx, acct, page)
}

// RevokeAPIKey deletes a key. Sign-ins with it fail from then on.
func (a *App) RevokeAPIKey(ctx context.Context, acct roomreel.AccountSID, sid roomreel.APIKeySID) error {
	return a.store.DeleteAPIKey(ctx, acct, sid)
}

// RotateSecrets encrypts all secrets with the newest key that an older one encrypted, and returns their number. Then the older
// keys may be removed from the key file.
func (a *App) RotateSecrets(ctx context.Context) (int, error) {
	return a.store.Reseal(ctx, func(sid string, sealed []byte) ([]byte, error) {
		if a.keys.Current(sealed) {
			return sealed, nil
		}
		secret, err := a.keys.Open(sid, sealed)
		if err != nil {
			return nil, err
		}
		return a.keys.Seal(sid, secret), nil
	})
}

// CreateCredential is a customer's key pair ("key-id:secret") or public key (PEM) to store.
type CreateCredential struct {
	FriendlyName string
	AccountSID   string // "" or the caller's own account
	Credentials  string // AWS: key-id:secret
	PublicKey    string // PublicKeys: PEM
}

// Limits of a credential, in characters. An AWS key ID has at most 128 and its secret 40; other stores have longer ones.
//
// Source: twilio.com/docs/iam/credentials/api, docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html.
const (
	maxCredentialName = 64
	maxKeyPair        = 1024
)

// secret checks the credential and returns the bytes to store.
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

// CreateCredential stores a customer's credential, encrypted and bound to its row.
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

// UpdateCredential changes the friendly name, the only field that can be changed; nil keeps it.
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

// KeyPair returns the access key ID and the secret of an AWS credential, for deliveries to a bucket.
func (a *App) KeyPair(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CredentialSID) (id, secret string, err error) {
	text, err := a.secret(ctx, acct, roomreel.AWSCredential, sid)
	id, secret, _ = strings.Cut(text, ":")
	return id, secret, err
}

// PublicKey returns the PEM of a public key, for encryption.
func (a *App) PublicKey(ctx context.Context, acct roomreel.AccountSID, sid roomreel.CredentialSID) (string, error) {
	return a.secret(ctx, acct, roomreel.PublicKey, sid)
}

func (a *App) secret(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) (string, error) {
	c, err := a.store.Credential(ctx, acct, kind, sid)
	if err != nil {
		return "", err
	}
	if len(c.Secret) == 0 {
		return "", &roomreel.Error{Code: roomreel.NotFound, Detail: "the secret of credential " + string(sid) + " is gone; create the credential again", Err: errForgotten}
	}
	secret, err := a.keys.Open(string(c.SID), c.Secret)
	return string(secret), err
}
