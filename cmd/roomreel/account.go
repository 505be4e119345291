package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

type accountCommand struct {
	Create accountCreateCommand `cmd:"" help:"Create an account and print its SID and auth token."`
	List   accountListCommand   `cmd:"" help:"List accounts, one line of JSON for each, the newest first."`
}

type accountCreateCommand struct {
	dataFlags
	Name string `required:"" placeholder:"TEXT" help:"A name for people."`
}

// madeAccount is how a new account is told. The token is shown once: the service keeps it encrypted.
type madeAccount struct {
	SID   roomreel.AccountSID `json:"account_sid"`
	Token string              `json:"auth_token"`
}

func (c accountCreateCommand) Run(ctx context.Context, s *session) error {
	return c.with(ctx, s, func(a *app.App) error {
		account, token, err := a.CreateAccount(ctx, c.Name)
		if err != nil {
			return err
		}
		return json.NewEncoder(s.stdout).Encode(madeAccount{account.SID, token})
	})
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

// with runs do on the data of the configuration. It is safe beside a running service: rows are all that is touched.
func (f dataFlags) with(ctx context.Context, s *session, do func(*app.App) error) error {
	c, _, err := f.load(s, nil)
	if err != nil {
		return err
	}
	p, err := openParts(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer p.close()
	return do(p.app)
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
