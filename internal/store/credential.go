package store

import (
	"bytes"
	"context"
	"fmt"

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

// secretColumns are where secrets lie that are encrypted under the keyring.
var secretColumns = []struct{ table, column string }{
	{"account", "token"},
	{"credential", "secret"},
}

// Reseal gives every encrypted secret to do, with the SID of its row, and stores what do
// returns where that is something else; changed counts those. Secrets that were forgotten are left out. It is how keys are
// rotated: it may be interrupted and repeated, and the service may run meanwhile.
func (s *Store) Reseal(ctx context.Context, do func(sid string, secret []byte) ([]byte, error)) (changed int, err error) {
	type row struct {
		sid    string
		secret []byte
	}
	for _, in := range secretColumns {
		for after := ""; ; {
			found, err := collect(ctx, s.read(), func(r scanner) (v row, err error) {
				err = r.Scan(&v.sid, &v.secret)
				return v, err
			}, `SELECT sid, `+in.column+` FROM `+in.table+` WHERE sid > $1 AND length(`+in.column+`) > 0 ORDER BY sid LIMIT 100`, after)
			if err != nil {
				return changed, err
			}
			for _, v := range found {
				fresh, err := do(v.sid, v.secret)
				if err != nil {
					return changed, fmt.Errorf("%s of %s: %w", in.column, v.sid, err)
				}
				if bytes.Equal(fresh, v.secret) {
					continue
				}
				// Only while it is still the one that was read.
				n, err := s.read().Exec(ctx, `UPDATE `+in.table+` SET `+in.column+` = $3 WHERE sid = $1 AND `+in.column+` = $2`, v.sid, v.secret, fresh)
				if err != nil {
					return changed, err
				}
				changed += int(n)
			}
			if len(found) < 100 {
				break
			}
			after = found[len(found)-1].sid
		}
	}
	return changed, nil
}
