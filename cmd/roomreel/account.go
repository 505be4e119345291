// The commands on accounts and their API keys. They work beside a running service.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/store"
)

type accountCommand struct {
	Create accountCreateCommand `cmd:"" help:"Create an account and print its SID and auth token."`
	List   accountListCommand   `cmd:"" help:"List accounts, one line of JSON for each, the newest first."`
}

type accountCreateCommand struct {
	dataFlags
	Name string `required:"" placeholder:"TEXT" help:"A name for people."`
}

// newAccount is printed once: the service keeps the token encrypted and does not show it again.
type newAccount struct {
	SID   roomreel.AccountSID `json:"account_sid"`
	Token string              `json:"auth_token"`
}

// Run also prepares a server that never ran: it alone of these commands makes a database, and says so.
func (c accountCreateCommand) Run(ctx context.Context, s *session) error {
	settings, origins, err := c.load(s, nil)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	b, err := openBackend(ctx, settings, true, log)
	if errors.Is(err, store.ErrNoDatabase) {
		fmt.Fprintf(s.stderr, "roomreel: %s: making one. %s\n", noDatabase(settings), whereData(origins))
		b, err = openBackend(ctx, settings, false, log)
	}
	if err != nil {
		return err
	}
	defer b.close()
	account, token, err := b.app.CreateAccount(ctx, c.Name)
	if err != nil {
		return err
	}
	return json.NewEncoder(s.stdout).Encode(newAccount{account.SID, token})
}

type accountListCommand struct{ dataFlags }

func (c accountListCommand) Run(ctx context.Context, s *session) error {
	return c.with(ctx, s, func(a *app.App) error {
		return each(s.stdout, func(page app.Page) (app.List[roomreel.Account], error) { return a.Accounts(ctx, page) },
			func(account roomreel.Account) any {
				return struct {
					SID     roomreel.AccountSID `json:"account_sid"`
					Name    string              `json:"name"`
					Created time.Time           `json:"date_created"`
				}{account.SID, account.Name, account.Created}
			})
	})
}

type keyCommand struct {
	Create keyCreateCommand `cmd:"" help:"Create an API key of an account and print its SID and secret."`
	List   keyListCommand   `cmd:"" help:"List an account's API keys, one line of JSON for each, the newest first."`
	Revoke keyRevokeCommand `cmd:"" help:"Revoke an API key."`
}

// keyFlags are the flags of every command on API keys.
type keyFlags struct {
	dataFlags
	Account string `required:"" placeholder:"SID" help:"The account, AC…"`
}

func (f keyFlags) account() (roomreel.AccountSID, error) {
	sid, err := roomreel.ParseSID[roomreel.AccountSID](f.Account)
	if err != nil {
		return "", roomreel.InvalidParam("--account", "%v", err)
	}
	return sid, nil
}

type keyCreateCommand struct {
	keyFlags
	Name string `required:"" placeholder:"TEXT" help:"A name for people."`
}

func (c keyCreateCommand) Run(ctx context.Context, s *session) error {
	account, err := c.account()
	if err != nil {
		return err
	}
	return c.with(ctx, s, func(a *app.App) error {
		key, secret, err := a.CreateAPIKey(ctx, account, c.Name)
		if err != nil {
			return err
		}
		return json.NewEncoder(s.stdout).Encode(struct {
			SID    roomreel.APIKeySID `json:"api_key_sid"`
			Secret string             `json:"api_key_secret"`
		}{key.SID, secret})
	})
}

type keyListCommand struct{ keyFlags }

func (c keyListCommand) Run(ctx context.Context, s *session) error {
	account, err := c.account()
	if err != nil {
		return err
	}
	return c.with(ctx, s, func(a *app.App) error {
		return each(s.stdout, func(page app.Page) (app.List[roomreel.APIKey], error) { return a.APIKeys(ctx, account, page) },
			func(key roomreel.APIKey) any {
				return struct {
					SID     roomreel.APIKeySID `json:"api_key_sid"`
					Name    string             `json:"name"`
					Created time.Time          `json:"date_created"`
				}{key.SID, key.Name, key.Created}
			})
	})
}

type keyRevokeCommand struct {
	keyFlags
	Key string `arg:"" placeholder:"SID" help:"The key, SK…"`
}

func (c keyRevokeCommand) Run(ctx context.Context, s *session) error {
	account, err := c.account()
	if err != nil {
		return err
	}
	key, err := roomreel.ParseSID[roomreel.APIKeySID](c.Key)
	if err != nil {
		return roomreel.InvalidParam(c.Key, "%v", err)
	}
	return c.with(ctx, s, func(a *app.App) error { return a.RevokeAPIKey(ctx, account, key) })
}

// with runs do on the data of the configuration, which must be there. It is safe beside a running service, because do changes
// only rows.
func (f dataFlags) with(ctx context.Context, s *session, do func(*app.App) error) error {
	c, origins, err := f.load(s, nil)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, c, true, slog.New(slog.DiscardHandler))
	if err != nil {
		return explainNoDatabase(err, c, origins)
	}
	defer b.close()
	return do(b.app)
}

// each writes every item of a list as a line of JSON, page by page.
func each[T any](out io.Writer, read func(app.Page) (app.List[T], error), line func(T) any) error {
	encoder := json.NewEncoder(out)
	page := app.Page{Size: 1000}
	for {
		list, err := read(page)
		if err != nil {
			return err
		}
		for _, item := range list.Items {
			if err := encoder.Encode(line(item)); err != nil {
				return err
			}
		}
		if list.Next == nil {
			return nil
		}
		page.After = list.Next
	}
}
