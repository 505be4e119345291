package queue

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"roomreel/internal/store"
)

// Workers look for jobs when they are told that there are some, and now and then in case they were not told (pollEvery). A
// film is made by three jobs, one after another, and a look that comes late delays it each time.
//
// River notifies of a class once in a while only, even if that transaction is rolled back: the job of another one then waits for the next poll.
// So each transaction wakes the workers itself, at its commit.

// waker has the workers of a class look for jobs when tx is committed.
type waker func(ctx context.Context, tx *store.Tx, class string) error

const insertTopic = "river_insert" // River's, of the notifications that jobs were inserted

func insertPayload(class string) string { return fmt.Sprintf(`{"queue": %q}`, class) }

// notify wakes workers on all nodes by PostgreSQL's NOTIFY. PostgreSQL sends equal notifications of a transaction once.
func notify(driver *riverpgxv5.Driver) waker {
	return func(ctx context.Context, tx *store.Tx, class string) error {
		return driver.UnwrapExecutor(tx.PGX()).NotifyMany(ctx, &riverdriver.NotifyManyParams{Topic: insertTopic, Payload: []string{insertPayload(class)}})
	}
}

// bell wakes the workers of this process. With SQLite there are no others.
type bell chan *riverdriver.Notification

// newBell returns a bell that holds what its listener has not taken yet: more than there are classes.
func newBell() bell { return make(bell, 64) }

func (b bell) ring(_ context.Context, tx *store.Tx, class string) error {
	tx.AfterCommit(func() {
		select {
		case b <- &riverdriver.Notification{Topic: insertTopic, Payload: insertPayload(class)}:
		default: // the queue is not started, or workers are about to look in any case
		}
	})
	return nil
}

// belled is River's driver for SQLite with a bell in place of a table of notifications, which River's own listener reads every
// 50 ms.
type belled struct {
	riverdriver.Driver[*sql.Tx]
	bell bell
}

func (belled) SupportsListenNotify() bool { return false } // writes no notifications into the table

func (d belled) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener { return d.bell }

func (b bell) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case n := <-b:
		return n, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (bell) Connect(context.Context) error          { return nil }
func (bell) Close(context.Context) error            { return nil }
func (bell) Ping(context.Context) error             { return nil }
func (bell) Listen(context.Context, string) error   { return nil }
func (bell) Unlisten(context.Context, string) error { return nil }
func (bell) Schema() string                         { return "" }
func (bell) SetAfterConnectExec(string)             {}
