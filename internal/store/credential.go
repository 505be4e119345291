package store

import (
	"context"

	"roomreel"
)

const credentialColumns = `sid, account_sid, kind, friendly_name, secret, created, updated`

func scanCredential(row scanner) (c roomreel.Credential, err error) {
	err = row.Scan(&c.SID, &c.AccountSID, &c.Kind, &c.FriendlyName, &c.Secret, instant{&c.Created}, instant{&c.Updated})
	return c, err
}

var credentialTable = table[roomreel.Credential]{
	name: "credential", columns: credentialColumns, created: "created", id: "sid", scan: scanCredential,
	cursor: func(c roomreel.Credential) Cursor { return Cursor{c.Created, string(c.SID)} },
}

// CreateCredential adds a credential whose Secret is encrypted already.
func (s *Store) CreateCredential(ctx context.Context, c roomreel.Credential) (roomreel.Credential, error) {
	c.Created = s.now()
	c.Updated = c.Created
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO credential (`+credentialColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			c.SID, c.AccountSID, c.Kind, c.FriendlyName, c.Secret, micros(c.Created), micros(c.Updated)); err != nil {
			return err
		}
		return s.audit(ctx, tx, c.AccountSID, "create", string(c.SID), nil)
	})
	return c, err
}

// Credential returns a credential of an account and kind.
func (s *Store) Credential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) (roomreel.Credential, error) {
	c, err := scanCredential(s.read().QueryRow(ctx, `SELECT `+credentialColumns+` FROM credential
		WHERE account_sid = $1 AND kind = $2 AND sid = $3`, acct, kind, sid))
	if isNoRow(err) {
		err = notFound("credential", string(sid))
	}
	return c, err
}

// Credentials lists an account's credentials of one kind.
func (s *Store) Credentials(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, page Page) (List[roomreel.Credential], error) {
	var w where
	w.and("account_sid = ?", acct)
	w.and("kind = ?", kind)
	return list(ctx, s.read(), credentialTable, w, page)
}

// RenameCredential changes a credential's friendly name.
func (s *Store) RenameCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID, name string) (roomreel.Credential, error) {
	c, err := scanCredential(s.read().QueryRow(ctx, `UPDATE credential SET friendly_name = $4, updated = $5
		WHERE account_sid = $1 AND kind = $2 AND sid = $3 RETURNING `+credentialColumns, acct, kind, sid, name, micros(s.now())))
	if isNoRow(err) {
		err = notFound("credential", string(sid))
	}
	return c, err
}

// DeleteCredential removes a credential. What was to be delivered with it will fail for the lack of it.
func (s *Store) DeleteCredential(ctx context.Context, acct roomreel.AccountSID, kind roomreel.CredentialKind, sid roomreel.CredentialSID) error {
	return s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM credential WHERE account_sid = $1 AND kind = $2 AND sid = $3`, acct, kind, sid)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("credential", string(sid))
		}
		return s.audit(ctx, tx, acct, "delete", string(sid), nil)
	})
}
