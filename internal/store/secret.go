package store

import (
	"bytes"
	"context"
	"fmt"
)

// secretColumns are where secrets lie that are encrypted under the keyring.
var secretColumns = []struct{ table, column string }{
	{"account", "token"},
	{"credential", "secret"},
}

// Reseal gives every encrypted secret to do, with the SID of its row, and stores what do
// returns where that is something else; changed counts those. It is how keys are
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
			}, `SELECT sid, `+in.column+` FROM `+in.table+` WHERE sid > $1 ORDER BY sid LIMIT 100`, after)
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
