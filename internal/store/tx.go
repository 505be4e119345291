package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"roomreel"
)

// querier runs statements: inside a transaction or on any connection of a database, of either kind.
type querier interface {
	Exec(ctx context.Context, text string, args ...any) (rows int64, err error)
	Query(ctx context.Context, text string, args ...any) (rows, error)
	QueryRow(ctx context.Context, text string, args ...any) scanner
}

type scanner interface{ Scan(dest ...any) error }

type rows interface {
	scanner
	Next() bool
	Err() error
	Close()
}

// Tx is an open transaction on one of the two databases.
type Tx struct {
	querier
	lite      *sql.Tx
	pg        pgx.Tx
	committed []func()
}

// AfterCommit has do called once the transaction is committed, and not at all when it is rolled back.
func (tx *Tx) AfterCommit(do func()) { tx.committed = append(tx.committed, do) }

// SQL returns the transaction on SQLite, nil on PostgreSQL.
func (tx *Tx) SQL() *sql.Tx { return tx.lite }

// PGX returns the transaction on PostgreSQL, nil on SQLite.
func (tx *Tx) PGX() pgx.Tx { return tx.pg }

// InTx runs do in a transaction, which is committed when do returns nil and rolled back otherwise. do must not reach
// for the network, a codec or a blob, and must use no other connection.
//
// The error is ErrFull, within a *roomreel.Error, if the disk of the database is full.
func (s *Store) InTx(ctx context.Context, do func(tx *Tx) error) error { return full(s.inTx(ctx, do)) }

func (s *Store) inTx(ctx context.Context, do func(tx *Tx) error) error {
	var tx Tx
	if err := s.commit(ctx, &tx, do); err != nil {
		return err
	}
	for _, do := range tx.committed {
		do()
	}
	return nil
}

// commit begins tx, runs do in it, and commits it.
func (s *Store) commit(ctx context.Context, tx *Tx, do func(tx *Tx) error) (err error) {
	if s.pool != nil {
		return pgx.BeginFunc(ctx, s.pool, func(pg pgx.Tx) error {
			tx.querier, tx.pg = onPGX{pg}, pg
			return do(tx)
		})
	}
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if tx.lite, err = s.lite.BeginTx(ctx, nil); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.lite.Rollback()
	tx.querier = onSQL{tx.lite}
	if err := do(tx); err != nil {
		return err
	}
	return tx.lite.Commit()
}

// read is for single statements that need no transaction.
func (s *Store) read() querier {
	if s.pool != nil {
		return onPGX{s.pool}
	}
	return onSQL{s.lite}
}

type onSQL struct {
	db interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
		QueryRowContext(context.Context, string, ...any) *sql.Row
	}
}

func (q onSQL) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	result, err := q.db.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, full(err)
	}
	return result.RowsAffected()
}

func (q onSQL) Query(ctx context.Context, text string, args ...any) (rows, error) {
	r, err := q.db.QueryContext(ctx, text, args...)
	return sqlRows{r}, err
}

func (q onSQL) QueryRow(ctx context.Context, text string, args ...any) scanner {
	return rowOf{q.db.QueryRowContext(ctx, text, args...)}
}

type sqlRows struct{ *sql.Rows }

func (r sqlRows) Close() { r.Rows.Close() } // its error is Err's

type onPGX struct {
	db interface {
		Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
		Query(context.Context, string, ...any) (pgx.Rows, error)
		QueryRow(context.Context, string, ...any) pgx.Row
	}
}

func (q onPGX) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	tag, err := q.db.Exec(ctx, text, args...)
	return tag.RowsAffected(), full(err)
}

func (q onPGX) Query(ctx context.Context, text string, args ...any) (rows, error) {
	return q.db.Query(ctx, text, args...)
}

func (q onPGX) QueryRow(ctx context.Context, text string, args ...any) scanner {
	return rowOf{q.db.QueryRow(ctx, text, args...)}
}

// rowOf is the row of a statement, which may be one that writes.
type rowOf struct{ scanner }

func (r rowOf) Scan(dest ...any) error { return full(r.scanner.Scan(dest...)) }

// isNoRow reports whether a QueryRow found nothing. pgx.ErrNoRows is sql.ErrNoRows to errors.Is.
func isNoRow(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// isTaken reports whether a statement would have broken a primary key or unique index.
func isTaken(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505" // unique_violation
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		// SQLITE_CONSTRAINT_PRIMARYKEY and SQLITE_CONSTRAINT_UNIQUE, sqlite.org/rescode.html
		return lite.Code() == 1555 || lite.Code() == 2067
	}
	return false
}

// ErrFull means that the disk of the database is full.
var ErrFull = errors.New("the disk of the database is full")

// full marks the error of a statement that the disk had no space for: callers may try again later.
func full(err error) error {
	if err == nil || errors.Is(err, ErrFull) {
		return err
	}
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg) && pg.Code == "53100": // disk_full
	// SQLITE_FULL, and SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE, which a full disk also gives, sqlite.org/rescode.html
	case errors.As(err, &lite) && slices.Contains([]int{13, 778, 4874}, lite.Code()):
	default:
		return err
	}
	return &roomreel.Error{Code: roomreel.Unavailable, Detail: ErrFull.Error() + "; try again later", Err: fmt.Errorf("%w: %w", ErrFull, err)}
}

// storable reports whether a text can be in a column. PostgreSQL refuses all other texts with an error, also where they
// are only looked for.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// micros is how an instant is stored: microseconds since 1970 UTC, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant scans what micros stored.
type instant struct{ t *time.Time }

func (v instant) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("an instant is stored as %T", src)
	}
	*v.t = time.Time{}
	if n != 0 {
		*v.t = time.UnixMicro(n).UTC()
	}
	return nil
}

// text is how a value without a column of its own is stored. The values are our own structs of plain fields, which
// always have a JSON form.
func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic("store: " + err.Error())
	}
	return string(data)
}

// fromText scans what text stored.
type fromText struct{ value any }

func (v fromText) Scan(src any) error {
	switch src := src.(type) {
	case string:
		return json.Unmarshal([]byte(src), v.value)
	case []byte:
		return json.Unmarshal(src, v.value)
	}
	return fmt.Errorf("JSON is stored as %T", src)
}
