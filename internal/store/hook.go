package store

import (
	"context"
	"strings"

	"roomreel"
)

const hookColumns = filmColumns + `, sid, account_sid, friendly_name, enabled, created, updated`

func scanHook(row scanner) (h roomreel.Hook, err error) {
	err = row.Scan(append(filmDest(&h.Spec), &h.SID, &h.AccountSID, &h.FriendlyName, &h.Enabled,
		instant{&h.Created}, instant{&h.Updated})...)
	return h, err
}

var hookTable = table[roomreel.Hook]{
	name: "hook", columns: hookColumns, created: "created", id: "sid", scan: scanHook,
	cursor: func(h roomreel.Hook) Cursor { return Cursor{h.Created, string(h.SID)} },
}

func nameTaken(err error) error {
	if isTaken(err) {
		return &roomreel.Error{Code: roomreel.Conflict, Param: "FriendlyName", Detail: "another hook of the account has this name"}
	}
	return err
}

// CreateHook adds a hook. A friendly name that another of the account's hooks has is a Conflict.
func (s *Store) CreateHook(ctx context.Context, h roomreel.Hook) (roomreel.Hook, error) {
	h.Created = s.now()
	args := append(filmArgs(h.Spec), h.SID, h.AccountSID, h.FriendlyName, h.Enabled, micros(h.Created), 0, strings.ToLower(h.FriendlyName))
	_, err := s.read().Exec(ctx, `INSERT INTO hook (`+hookColumns+`, friendly_lower)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`, args...)
	return h, nameTaken(err)
}

// UpdateHook replaces all of a hook but its SID and when it was created.
func (s *Store) UpdateHook(ctx context.Context, h roomreel.Hook) (roomreel.Hook, error) {
	h.Updated = s.now()
	args := append(filmArgs(h.Spec), h.AccountSID, h.SID, h.FriendlyName, strings.ToLower(h.FriendlyName), h.Enabled, micros(h.Updated))
	err := s.read().QueryRow(ctx, `UPDATE hook SET video_layout = $1, audio_sources = $2, audio_sources_excluded = $3,
		resolution = $4, format = $5, trim = $6, callback_url = $7, callback_method = $8, quality = $9, friendly_name = $12,
		friendly_lower = $13, enabled = $14, updated = $15 WHERE account_sid = $10 AND sid = $11 RETURNING created`, args...).
		Scan(instant{&h.Created})
	if isNoRow(err) {
		return roomreel.Hook{}, notFound("composition hook", string(h.SID))
	}
	return h, nameTaken(err)
}

// Hook returns a hook of an account.
func (s *Store) Hook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID) (roomreel.Hook, error) {
	h, err := scanHook(s.read().QueryRow(ctx, `SELECT `+hookColumns+` FROM hook WHERE account_sid = $1 AND sid = $2`, acct, sid))
	if isNoRow(err) {
		err = notFound("composition hook", string(sid))
	}
	return h, err
}

// Hooks lists an account's hooks.
func (s *Store) Hooks(ctx context.Context, acct roomreel.AccountSID, f HookFilter, page Page) (List[roomreel.Hook], error) {
	return list(ctx, s.read(), hookTable, f.where(acct), page)
}

func (f HookFilter) where(acct roomreel.AccountSID) where {
	var w where
	w.and("account_sid = ?", acct)
	by := w.and
	if f.FriendlyName != "" && !strings.Contains(f.FriendlyName, "*") {
		w.and("friendly_lower = ?", strings.ToLower(f.FriendlyName))
		by = w.check
	}
	if f.Enabled != nil {
		by("enabled = ?", *f.Enabled)
	}
	if strings.Contains(f.FriendlyName, "*") {
		w.and(`friendly_lower LIKE ? ESCAPE '\'`, likePattern.Replace(strings.ToLower(f.FriendlyName)))
	}
	w.created(f.Created)
	return w
}

// likePattern turns a name with * for any characters into a LIKE pattern in which everything else stands for itself.
var likePattern = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`)

// EnabledHooks returns the hooks that run when a room of the account completes, oldest first.
func (s *Store) EnabledHooks(ctx context.Context, acct roomreel.AccountSID) ([]roomreel.Hook, error) {
	return collect(ctx, s.read(), scanHook, `SELECT `+hookColumns+` FROM hook WHERE account_sid = $1 AND enabled = $2 ORDER BY created, sid`, acct, true)
}

// DeleteHook removes a hook.
func (s *Store) DeleteHook(ctx context.Context, acct roomreel.AccountSID, sid roomreel.HookSID) error {
	return s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM hook WHERE account_sid = $1 AND sid = $2`, acct, sid)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("composition hook", string(sid))
		}
		return s.audit(ctx, tx, acct, "delete", string(sid), nil)
	})
}
