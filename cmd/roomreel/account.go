// The commands on a node's data: accounts, their API keys, and the service's own keys. They work beside a running service.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/keyring"
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

func (c accountCreateCommand) Run(ctx context.Context, s *session) error {
	return c.with(ctx, s, func(a *app.App) error {
		account, token, err := a.CreateAccount(ctx, c.Name)
		if err != nil {
			return err
		}
		return json.NewEncoder(s.stdout).Encode(newAccount{account.SID, token})
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

// keyringCommand replaces the key that encrypts the service's secrets; docs/operating/keys.md lists all steps.
type keyringCommand struct {
	Add    keyringAddCommand    `cmd:"" help:"Add a new key to the key file. Restart every node afterwards."`
	Reseal keyringResealCommand `cmd:"" help:"Encrypt every secret again with the newest key, once all nodes have it."`
}

type keyringAddCommand struct{ dataFlags }

func (c keyringAddCommand) Run(ctx context.Context, s *session) error {
	settings, _, err := c.load(s, nil)
	if err != nil {
		return err
	}
	path := filepath.Join(settings.Server.Data, keyFile)
	ring, err := keyring.AddKey(path)
	if err != nil {
		return usageError{fmt.Errorf("add a key: %w", err)}
	}
	return json.NewEncoder(s.stdout).Encode(struct {
		File string `json:"file"`
		Keys int    `json:"keys"`
	}{path, len(ring.Keys("count"))})
}

type keyringResealCommand struct{ dataFlags }

func (c keyringResealCommand) Run(ctx context.Context, s *session) error {
	return c.with(ctx, s, func(a *app.App) error {
		changed, err := a.RotateSecrets(ctx)
		if err != nil {
			return fmt.Errorf("%d secrets were encrypted again, then: %w", changed, err)
		}
		return json.NewEncoder(s.stdout).Encode(struct {
			Resealed int `json:"resealed"`
		}{changed})
	})
}

// with runs do on the data of the configuration. It is safe beside a running service, because do changes only rows.
func (f dataFlags) with(ctx context.Context, s *session, do func(*app.App) error) error {
	c, _, err := f.load(s, nil)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
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
