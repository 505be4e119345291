package store

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"roomreel"
)

// AccountSecrets are what the database keeps of an account's token.
type AccountSecrets struct {
	Token    []byte    // encrypted under the keyring
	Hash     []byte    // SHA-256
	SignedIn time.Time // of the first sign-in with the token; zero if there was none
}

// CreateAccount adds an account.
func (s *Store) CreateAccount(ctx context.Context, account roomreel.Account, secrets AccountSecrets) error {
	_, err := s.read().Exec(ctx, `INSERT INTO account (sid, name, token, token_hash, created) VALUES ($1, $2, $3, $4, $5)`,
		account.SID, account.Name, secrets.Token, secrets.Hash, micros(account.Created))
	return err
}

// Account returns an account and its secrets.
func (s *Store) Account(ctx context.Context, sid roomreel.AccountSID) (account roomreel.Account, secrets AccountSecrets, err error) {
	err = s.read().QueryRow(ctx, `SELECT sid, name, created, token, token_hash, signed_in FROM account WHERE sid = $1`, sid).
		Scan(&account.SID, &account.Name, instant{&account.Created}, &secrets.Token, &secrets.Hash, instant{&secrets.SignedIn})
	if isNoRow(err) {
		err = notFound("account", string(sid))
	}
	return account, secrets, err
}

// SignedIn writes down the first sign-in with an account's token.
func (s *Store) SignedIn(ctx context.Context, sid roomreel.AccountSID) error {
	_, err := s.read().Exec(ctx, `UPDATE account SET signed_in = $2 WHERE sid = $1 AND signed_in = 0`, sid, micros(s.now()))
	return err
}

// RestoreToken stores the encrypted token of an account that has none.
func (s *Store) RestoreToken(ctx context.Context, sid roomreel.AccountSID, token []byte) error {
	_, err := s.read().Exec(ctx, `UPDATE account SET token = $2 WHERE sid = $1 AND length(token) = 0`, sid, token)
	return err
}

// EverUsed reports whether anyone ever signed in with an account's token, or has made an API key.
func (s *Store) EverUsed(ctx context.Context) (used bool, err error) {
	return used, s.read().QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM account WHERE signed_in > 0) OR EXISTS (SELECT 1 FROM api_key)`).Scan(&used)
}

var accounts = table[roomreel.Account]{
	name: "account", columns: "sid, name, created", created: "created", id: "sid",
	scan: func(row scanner) (a roomreel.Account, err error) {
		err = row.Scan(&a.SID, &a.Name, instant{&a.Created})
		return a, err
	},
	cursor: func(a roomreel.Account) Cursor { return Cursor{a.Created, string(a.SID)} },
}

// Accounts lists all accounts.
func (s *Store) Accounts(ctx context.Context, page Page) (List[roomreel.Account], error) {
	var w where
	w.and("1 = 1")
	return list(ctx, s.read(), accounts, w, page)
}

// CreateAPIKey adds a key of an account.
func (s *Store) CreateAPIKey(ctx context.Context, key roomreel.APIKey, hash []byte) error {
	return s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO api_key (sid, account_sid, name, secret_hash, created) VALUES ($1, $2, $3, $4, $5)`,
			key.SID, key.AccountSID, key.Name, hash, micros(key.Created))
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, key.AccountSID, "create", string(key.SID), nil)
	})
}

// APIKey returns a key of any account, and the hash of its secret.
func (s *Store) APIKey(ctx context.Context, sid roomreel.APIKeySID) (key roomreel.APIKey, hash []byte, err error) {
	err = s.read().QueryRow(ctx, `SELECT sid, account_sid, name, created, secret_hash FROM api_key WHERE sid = $1`, sid).
		Scan(&key.SID, &key.AccountSID, &key.Name, instant{&key.Created}, &hash)
	if isNoRow(err) {
		err = notFound("API key", string(sid))
	}
	return key, hash, err
}

var apiKeys = table[roomreel.APIKey]{
	name: "api_key", columns: "sid, account_sid, name, created", created: "created", id: "sid",
	scan: func(row scanner) (k roomreel.APIKey, err error) {
		err = row.Scan(&k.SID, &k.AccountSID, &k.Name, instant{&k.Created})
		return k, err
	},
	cursor: func(k roomreel.APIKey) Cursor { return Cursor{k.Created, string(k.SID)} },
}

// APIKeys lists an account's keys.
func (s *Store) APIKeys(ctx context.Context, acct roomreel.AccountSID, page Page) (List[roomreel.APIKey], error) {
	var w where
	w.and("account_sid = ?", acct)
	return list(ctx, s.read(), apiKeys, w, page)
}

// DeleteAPIKey removes a key of an account: from now on it opens nothing.
func (s *Store) DeleteAPIKey(ctx context.Context, acct roomreel.AccountSID, sid roomreel.APIKeySID) error {
	return s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM api_key WHERE account_sid = $1 AND sid = $2`, acct, sid)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("API key", string(sid))
		}
		return s.audit(ctx, tx, acct, "delete", string(sid), nil)
	})
}

// NewAccount returns an account that CreateAccount may add.
func (s *Store) NewAccount(name string) roomreel.Account {
	return roomreel.Account{SID: roomreel.NewSID[roomreel.AccountSID](), Name: name, Created: s.now()}
}

// Now is the present instant by the store's clock, in the precision that it keeps.
func (s *Store) Now() time.Time { return s.now() }

// Settings returns an account's settings of one kind; before they were ever set, all of them are off.
func (s *Store) Settings(ctx context.Context, acct roomreel.AccountSID, kind roomreel.SettingsKind) (roomreel.Settings, error) {
	v := roomreel.Settings{AccountSID: acct, Kind: kind}
	err := s.read().QueryRow(ctx, `SELECT friendly_name, aws_credentials_sid, aws_s3_url, aws_storage_enabled, encryption_key_sid,
		encryption_enabled FROM settings WHERE account_sid = $1 AND kind = $2`, acct, kind).
		Scan(&v.FriendlyName, &v.AWSCredentialsSID, &v.AWSS3URL, &v.AWSStorageEnabled, &v.EncryptionKeySID, &v.EncryptionKeyEnabled)
	if isNoRow(err) {
		err = nil
	}
	return v, err
}

// SetSettings replaces an account's settings of one kind and writes the change into the audit log.
func (s *Store) SetSettings(ctx context.Context, v roomreel.Settings) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO settings (account_sid, kind, friendly_name, aws_credentials_sid, aws_s3_url,
			aws_storage_enabled, encryption_key_sid, encryption_enabled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (account_sid, kind) DO UPDATE SET friendly_name = excluded.friendly_name,
			aws_credentials_sid = excluded.aws_credentials_sid, aws_s3_url = excluded.aws_s3_url,
			aws_storage_enabled = excluded.aws_storage_enabled, encryption_key_sid = excluded.encryption_key_sid,
			encryption_enabled = excluded.encryption_enabled`,
			v.AccountSID, v.Kind, v.FriendlyName, v.AWSCredentialsSID, v.AWSS3URL, v.AWSStorageEnabled, v.EncryptionKeySID,
			v.EncryptionKeyEnabled); err != nil {
			return err
		}
		return s.audit(ctx, tx, v.AccountSID, "update", string(v.Kind)+" settings", map[string]string{
			"friendly_name":       v.FriendlyName,
			"aws_credentials_sid": string(v.AWSCredentialsSID),
			"aws_s3_url":          v.AWSS3URL,
			"aws_storage_enabled": strconv.FormatBool(v.AWSStorageEnabled),
			"encryption_key_sid":  string(v.EncryptionKeySID),
			"encryption_enabled":  strconv.FormatBool(v.EncryptionKeyEnabled),
		})
	})
}

type actorKey struct{}

// WithActor notes in the context who acts, for the audit log: a user name, or the name of a command.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// audit writes down who did what to which resource.
func (s *Store) audit(ctx context.Context, tx *Tx, acct roomreel.AccountSID, verb, subject string, detail map[string]string) error {
	actor, _ := ctx.Value(actorKey{}).(string)
	_, err := tx.Exec(ctx, `INSERT INTO audit_log (id, account_sid, actor, verb, subject, detail, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		rand.Text(), acct, actor, verb, subject, text(detail), micros(s.now()))
	return err
}

// AuditEntry says who did what.
type AuditEntry struct {
	ID      string
	Actor   string // the user name of the request, "" for the service itself
	Verb    string // create, update or delete
	Subject string // SID of the resource, or the kind of settings
	Detail  map[string]string
	Created time.Time
}

var auditLog = table[AuditEntry]{
	name: "audit_log", columns: "id, actor, verb, subject, detail, created", created: "created", id: "id",
	scan: func(row scanner) (e AuditEntry, err error) {
		err = row.Scan(&e.ID, &e.Actor, &e.Verb, &e.Subject, fromText{&e.Detail}, instant{&e.Created})
		return e, err
	},
	cursor: func(e AuditEntry) Cursor { return Cursor{e.Created, e.ID} },
}

// AuditLog lists what was done in an account.
func (s *Store) AuditLog(ctx context.Context, acct roomreel.AccountSID, page Page) (List[AuditEntry], error) {
	var w where
	w.and("account_sid = ?", acct)
	return list(ctx, s.read(), auditLog, w, page)
}
