// The service's own keys, and the secrets in the database that they encrypt.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/config"
	"roomreel/internal/keyring"
	"roomreel/internal/store"
)

// secretCount is how many secrets the database holds, and how many of them no key of the key file opens.
type secretCount struct {
	Tokens          int `json:"account_tokens"`
	Credentials     int `json:"credentials"` // key pairs and public keys of customers
	LostTokens      int `json:"lost_account_tokens"`
	LostCredentials int `json:"lost_credentials"`
}

func (c secretCount) all() int  { return c.Tokens + c.Credentials }
func (c secretCount) lost() int { return c.LostTokens + c.LostCredentials }

// countSecrets reads all secrets of the database. ring is nil if there is no key file.
func countSecrets(ctx context.Context, db *store.Store, ring *keyring.Ring) (c secretCount, err error) {
	_, err = db.Reseal(ctx, func(sid string, sealed []byte) ([]byte, error) {
		all, lost := &c.Credentials, &c.LostCredentials
		if _, err := roomreel.ParseSID[roomreel.AccountSID](sid); err == nil {
			all, lost = &c.Tokens, &c.LostTokens
		}
		*all++
		if ring == nil || !ring.Has(sealed) {
			*lost++
		}
		return sealed, nil
	})
	return c, err
}

// keysError says that the key file is not the one that encrypted the secrets of the database.
type keysError struct {
	path    string
	missing bool // there is no key file
	count   secretCount
}

func (e *keysError) Error() string {
	what := fmt.Sprintf("the key file %s does not open %d of the %d secrets in the database: it is another file, or lacks a key", e.path, e.count.lost(), e.count.all())
	if e.missing {
		what = fmt.Sprintf("the key file %s is missing, and the database holds %d secrets that it encrypts", e.path, e.count.lost())
	}
	return what + "; put the right file there, from a backup or from another node; `roomreel keyring check` says what can be saved without it"
}

// openKeys reads the key file at path. It creates one only while the database holds no secret.
func openKeys(ctx context.Context, path string, db *store.Store) (*keyring.Ring, error) {
	ring, err := keyring.Read(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, usageError{err}
	}
	count, err := countSecrets(ctx, db, ring)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the secrets of the database: %w", err)
	case count.lost() > 0:
		return nil, usageError{&keysError{path, missing, count}}
	case missing:
		return keyring.Open(path)
	}
	return ring, nil
}

// keyringCommand replaces the key that encrypts the service's secrets; docs/operating/keys.md lists all steps.
type keyringCommand struct {
	Add    keyringAddCommand    `cmd:"" help:"Add a new key to the key file. Restart every node afterwards."`
	Reseal keyringResealCommand `cmd:"" help:"Encrypt every secret again with the newest key, once all nodes have it."`
	Check  keyringCheckCommand  `cmd:"" help:"Say whether the key file opens the secrets of the database, and what can be saved if it does not."`
	Forget keyringForgetCommand `cmd:"" help:"Give up the secrets that no key opens, so that the service starts again; a last resort."`
}

type keyringAddCommand struct{ dataFlags }

func (c keyringAddCommand) Run(ctx context.Context, s *session) error {
	settings, origins, err := c.load(s, nil)
	if err != nil {
		return err
	}
	path := keyPath(settings)
	ring, err := keyring.AddKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("there is no key file %s; `roomreel serve` makes it with the database. %s", path, whereData(origins))}
	}
	if err != nil {
		return usageError{fmt.Errorf("add a key: %w", err)}
	}
	return json.NewEncoder(s.stdout).Encode(struct {
		File string `json:"file"`
		Keys int    `json:"keys"`
	}{path, ring.Len()})
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

type keyringCheckCommand struct{ dataFlags }

// Help explains the exit codes.
func (keyringCheckCommand) Help() string {
	return "Exit code 0: the key file opens every secret; 3: it does not, and the output says what is lost and what to do."
}

func (c keyringCheckCommand) Run(ctx context.Context, s *session) error {
	return c.withSecrets(ctx, s, func(path string, ring *keyring.Ring, db *store.Store) error {
		count, err := countSecrets(ctx, db, ring)
		if err != nil {
			return err
		}
		switch {
		case ring == nil:
			fmt.Fprintf(s.stdout, "key file  %s is missing\n", path)
		default:
			fmt.Fprintf(s.stdout, "key file  %s, %d keys\n", path, ring.Len())
		}
		fmt.Fprintf(s.stdout, "secrets   %d account tokens and %d credentials of customers are encrypted in the database\n", count.Tokens, count.Credentials)
		if count.lost() == 0 {
			fmt.Fprintf(s.stdout, "lost      none\n")
			return nil
		}
		fmt.Fprintf(s.stdout, "lost      %d account tokens and %d credentials do not open\n", count.LostTokens, count.LostCredentials)
		explainLoss(s.stdout, path)
		return errPartial
	})
}

// explainLoss says what a lost key file means and what to do.
func explainLoss(out io.Writer, path string) {
	io.WriteString(out, strings.ReplaceAll(`
Do not delete anything yet. Look for the file: in a backup, or on another node of the service, which has the same one. Put it
at KEYS with mode 0600, and start the service.

Without the file, this is not lost:
  - rooms, recordings, films, reports, events and the audit log, with the media in the media store;
  - sign-ins: clients go on with the tokens and API keys that they have;
  - media that was encrypted for a customer: the customer's private key opens it.
This is lost:
  - account tokens as they sign callbacks: each is stored again when its account next signs in with it, and its callbacks wait
    until then;
  - customers' AWS credentials and public keys: they have to be created again, and the settings that name them set again;
  - what waits in the working store: recordings on their way to a customer's bucket or to encryption, working copies, and
    compositions in progress, which fail and can be requested again;
  - links to media and page tokens, which are valid for an hour at most.
To go on without the file: roomreel keyring forget --yes
`, "KEYS", path))
}

type keyringForgetCommand struct {
	dataFlags
	Yes bool `help:"Confirm: the secrets that no key opens are lost for good."`
}

func (c keyringForgetCommand) Run(ctx context.Context, s *session) error {
	return c.withSecrets(ctx, s, func(path string, ring *keyring.Ring, db *store.Store) error {
		count, err := countSecrets(ctx, db, ring)
		if err != nil {
			return err
		}
		if !c.Yes && count.lost() > 0 {
			return usageError{fmt.Errorf("%d account tokens and %d credentials would be lost for good: read `roomreel keyring check`, then confirm with --yes", count.LostTokens, count.LostCredentials)}
		}
		forgotten, err := db.Reseal(ctx, func(_ string, sealed []byte) ([]byte, error) {
			if ring == nil || !ring.Has(sealed) {
				return []byte{}, nil
			}
			return sealed, nil
		})
		if err != nil {
			return fmt.Errorf("%d secrets were given up, then: %w", forgotten, err)
		}
		if _, err := keyring.Open(path); err != nil { // no secret is left that needs another file
			return err
		}
		return json.NewEncoder(s.stdout).Encode(struct {
			Forgotten int `json:"forgotten"`
		}{forgotten})
	})
}

// withSecrets runs do on the database and the key file of the configuration, also if they do not fit. ring is nil if there is no
// key file.
func (f dataFlags) withSecrets(ctx context.Context, s *session, do func(path string, ring *keyring.Ring, db *store.Store) error) error {
	settings, origins, err := f.load(s, nil)
	if err != nil {
		return err
	}
	path := keyPath(settings)
	ring, err := keyring.Read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	db, err := openStore(ctx, settings, true)
	if err != nil {
		return explainNoDatabase(err, settings, origins)
	}
	defer db.Close()
	return do(path, ring, db)
}

// explainNoDatabase says in which folder a database was looked for, and how to name another.
func explainNoDatabase(err error, c config.Config, origins []config.Setting) error {
	if !errors.Is(err, store.ErrNoDatabase) {
		return err
	}
	return usageError{fmt.Errorf("%s; `roomreel serve` makes one. %s", noDatabase(c), whereData(origins))}
}

// noDatabase names the place in which there is no database.
func noDatabase(c config.Config) string {
	if url := c.Database.URL; url.Reveal() != "" {
		return "there is no database of roomreel in " + url.String()
	}
	return "there is no database in " + absolute(c.Server.Data)
}

// whereData says where the place of the data comes from, and how to change it.
func whereData(origins []config.Setting) string {
	key, flag := "server.data", "--data"
	for _, setting := range origins {
		if setting.Key == "database.url" && setting.Value != "" {
			key, flag = "database.url", "--database"
		}
	}
	at := slices.IndexFunc(origins, func(setting config.Setting) bool { return setting.Key == key })
	return fmt.Sprintf("Another place: %s or %s (now from: %s)", flag, key, origins[at].Origin)
}
