package main

import (
	"context"
	"encoding/json"
	"time"

	"roomreel"
	"roomreel/internal/app"
)

type keyCommand struct {
	Create keyCreateCommand `cmd:"" help:"Create an API key of an account and print its SID and secret."`
	List   keyListCommand   `cmd:"" help:"List an account's API keys, one line of JSON for each, the newest first."`
	Revoke keyRevokeCommand `cmd:"" help:"Revoke an API key."`
}

// keyFlags are shared by the commands on keys.
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
