package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"roomreel"
	"roomreel/internal/store"
)

// newSecret returns 128 random bits as 32 hexadecimal digits, the shape of Twilio's auth tokens.
func newSecret() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails, see crypto/rand
	return hex.EncodeToString(raw[:])
}

// hash is how a secret is kept that is only compared. The secrets are random and long, so a slow hash would add nothing.
func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Authenticate returns the account that user and password open: an account's SID and auth token, or an API key's SID and
// secret. Anything else is Unauthenticated, whatever of it is wrong.
func (a *App) Authenticate(ctx context.Context, user, password string) (roomreel.AccountSID, error) {
	var account roomreel.AccountSID
	var want []byte
	var err error
	if sid, bad := roomreel.ParseSID[roomreel.AccountSID](user); bad == nil {
		var secrets store.AccountSecrets
		_, secrets, err = a.store.Account(ctx, sid)
		account, want = sid, secrets.Hash
	} else if sid, bad := roomreel.ParseSID[roomreel.APIKeySID](user); bad == nil {
		var key roomreel.APIKey
		key, want, err = a.store.APIKey(ctx, sid)
		account = key.AccountSID
	}
	if err != nil && roomreel.CodeOf(err) != roomreel.NotFound {
		return "", unavailable("the credentials cannot be checked now", err)
	}
	if subtle.ConstantTimeCompare(hash(password), want) != 1 {
		return "", roomreel.Errorf(roomreel.Unauthenticated, "authenticate with an account SID and its auth token, or an API key SID and its secret")
	}
	return account, nil
}

// CreateAccount adds an account and returns the auth token that opens it. The token is not shown again.
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

// Accounts lists all accounts. It is for the operator.
func (a *App) Accounts(ctx context.Context, page Page) (List[roomreel.Account], error) {
	return a.store.Accounts(ctx, page)
}

// AuthToken returns an account's auth token, which signs its callbacks.
func (a *App) AuthToken(ctx context.Context, acct roomreel.AccountSID) (string, error) {
	_, secrets, err := a.store.Account(ctx, acct)
	if err != nil {
		return "", err
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

// RevokeAPIKey makes a key useless from now on.
func (a *App) RevokeAPIKey(ctx context.Context, acct roomreel.AccountSID, sid roomreel.APIKeySID) error {
	return a.store.DeleteAPIKey(ctx, acct, sid)
}

// RotateSecrets encrypts all secrets anew that another key than the newest sealed, and returns how many those were. After
// it the older keys may be removed from the key file.
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
