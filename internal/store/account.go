package store

import (
	"context"
	"time"

	"roomreel"
)

// AccountSecrets are what the database keeps of an account's token.
type AccountSecrets struct {
	Token []byte // encrypted under the keyring
	Hash  []byte // SHA-256
}

// CreateAccount adds an account.
func (s *Store) CreateAccount(ctx context.Context, account roomreel.Account, secrets AccountSecrets) error {
	_, err := s.read().Exec(ctx, `INSERT INTO account (sid, name, token, token_hash, created) VALUES ($1, $2, $3, $4, $5)`,
		account.SID, account.Name, secrets.Token, secrets.Hash, micros(account.Created))
	return err
}

// Account returns an account and its secrets.
func (s *Store) Account(ctx context.Context, sid roomreel.AccountSID) (account roomreel.Account, secrets AccountSecrets, err error) {
	err = s.read().QueryRow(ctx, `SELECT sid, name, created, token, token_hash FROM account WHERE sid = $1`, sid).
		Scan(&account.SID, &account.Name, instant{&account.Created}, &secrets.Token, &secrets.Hash)
	if isNoRow(err) {
		err = notFound("account", string(sid))
	}
	return account, secrets, err
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

// APIKey returns a key, whoever's it is, and the hash of its secret.
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
