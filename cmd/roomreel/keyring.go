package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"roomreel/internal/app"
	"roomreel/internal/keyring"
)

// keyringCommand replaces the key under which the service keeps secrets; docs/operating/keys.md has the whole way.
type keyringCommand struct {
	Add    keyringAddCommand    `cmd:"" help:"Add a fresh key to the key file. Restart every node afterwards."`
	Reseal keyringResealCommand `cmd:"" help:"Encrypt every secret anew under the newest key, once all nodes have it."`
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
			return fmt.Errorf("%d secrets were encrypted anew, then: %w", changed, err)
		}
		return json.NewEncoder(s.stdout).Encode(struct {
			Resealed int `json:"resealed"`
		}{changed})
	})
}
