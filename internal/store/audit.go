package store

import (
	"context"
	"crypto/rand"
	"time"

	"roomreel"
)

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
