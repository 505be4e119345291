package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"roomreel/internal/api"
	"roomreel/internal/app"
	"roomreel/internal/config"
	"roomreel/internal/jobs"
	"roomreel/internal/render"
	"roomreel/internal/render/sandbox"
	"roomreel/internal/webhook"
)

type serveCommand struct {
	dataFlags
	Listen    string `placeholder:"HOST:PORT" help:"Address to listen on (server.listen)."`
	Role      string `placeholder:"all|api|worker" help:"What this node does (server.role)."`
	PublicURL string `name:"public-url" placeholder:"URL" help:"Scheme and host in answers (server.public_url)."`
	TLSCert   string `name:"tls-cert" placeholder:"FILE" help:"Certificate chain, PEM (server.tls_cert)."`
	TLSKey    string `name:"tls-key" placeholder:"FILE" help:"Private key, PEM (server.tls_key)."`
}

// Run is the list of the service's parts, in the order in which they need each other.
func (c serveCommand) Run(ctx context.Context, s *session) error {
	settings, _, err := c.load(s, map[string]string{
		"server.listen": c.Listen, "server.role": c.Role, "server.public_url": c.PublicURL,
		"server.tls_cert": c.TLSCert, "server.tls_key": c.TLSKey,
	})
	if err != nil {
		return err
	}
	log := newLog(settings.Log, s.stderr)
	alone := settings.Database.URL.Reveal() == ""
	if alone {
		release, err := lockData(settings.Server.Data)
		if err != nil {
			return err
		}
		defer release()
	}
	p, err := openParts(ctx, settings, log)
	if err != nil {
		return err
	}
	defer p.close()
	works := settings.Server.Role != config.RoleAPI
	var child render.Command
	if works {
		if child, err = renderCommand(settings.Render); err != nil {
			return err
		}
		if err := checkSandbox(ctx, child, log); err != nil {
			return err
		}
	}
	sender := webhook.New(webhook.Config{
		Allow: settings.Webhook.Allow, Connect: settings.Webhook.Connect.Std(), Total: settings.Webhook.Timeout.Std(),
	})
	defer sender.Close()
	runner, err := jobs.New(ctx, jobs.Config{
		Store: p.store, App: p.app, Vault: p.vault, Work: p.work, OpenBucket: p.buckets.Open, Sender: sender,
		Render: child, Options: composeOptions(settings), Scratch: p.films, Log: log,
		Seal: string(settings.Encryption.Seal), ObjectKey: settings.S3.Key,
		DeliverFor: settings.S3.GiveUp.Std(), CallbackMaxAge: settings.Webhook.GiveUp.Std(),
		Role: string(settings.Server.Role), Alone: alone, Children: settings.Render.Parallel,
		Grace: settings.Server.ShutdownGrace.Std(), Limits: settings.Limits.Film(),
	})
	if err != nil {
		return err
	}
	if err := firstAccount(ctx, s, p.app, log); err != nil {
		return err
	}
	front := &front{log: log, grace: settings.Server.ShutdownGrace.Std(), cert: settings.Server.TLSCert, key: settings.Server.TLSKey}
	front.handler = api.New(api.Config{
		App: p.app, Log: log, Ready: front.ready(p.app),
		PublicURL: settings.Server.PublicURL, TrustForwarded: settings.Server.TrustForwarded,
		Limits:         api.Limits{Reads: float64(orUnlimited(settings.Limits.Reads)), Writes: float64(orUnlimited(settings.Limits.Writes))},
		SignInFailures: orUnlimited(settings.Limits.SignInFailures),
	})
	if settings.Server.Role == config.RoleWorker {
		front.handler = onlyHealth(front.handler)
	}
	if err := front.listen(settings.Server.Listen); err != nil {
		return usageError{fmt.Errorf("server.listen: %w", err)}
	}
	if err := runner.Start(ctx); err != nil {
		front.listener.Close()
		return err
	}
	if works {
		var sweeping sync.WaitGroup
		defer sweeping.Wait()
		sweepContext, stop := context.WithCancel(ctx)
		defer stop()
		sweeping.Go(func() { sweepVault(sweepContext, p.vault, log) })
	}
	return front.serve(ctx, runner)
}

// orUnlimited converts a configured limit, of which 0 is none, to the API's, of which a negative number is none.
func orUnlimited(limit int) int {
	if limit == 0 {
		return -1
	}
	return limit
}

// firstAccount makes an account when there is none, and prints it on standard output: this is the only time its token
// is shown.
func firstAccount(ctx context.Context, s *session, a *app.App, log *slog.Logger) error {
	accounts, err := a.Accounts(ctx, app.Page{Size: 1})
	if err != nil || len(accounts.Items) > 0 {
		return err
	}
	account, token, err := a.CreateAccount(ctx, "default")
	if err != nil {
		return fmt.Errorf("create the first account: %w", err)
	}
	log.Info("first account created; its token is on standard output and is not shown again", "account", account.SID)
	return json.NewEncoder(s.stdout).Encode(madeAccount{account.SID, token})
}

// checkSandbox has a child try to break out, and logs which protections are missing on this machine.
func checkSandbox(ctx context.Context, child render.Command, log *slog.Logger) error {
	report, err := render.Probe(ctx, child)
	if err != nil {
		return fmt.Errorf("render child %s: %w", child.Path, err)
	}
	if child.Mode == sandbox.Off {
		log.Warn("render children are not confined: render.sandbox is off")
		return nil
	}
	for _, protection := range report.Protections {
		if !protection.InForce {
			log.Warn("a protection of the sandbox is missing", "protection", protection.Name, "hint", protection.Hint)
		}
	}
	for _, escape := range report.Escapes {
		log.Warn("render children could get out of their sandbox", "by", escape)
	}
	return nil
}

// front is the side of the service that listens.
type front struct {
	log       *slog.Logger
	handler   http.Handler
	listener  net.Listener
	grace     time.Duration
	cert, key string
	stopping  atomic.Bool
}

var errStopping = errors.New("the service is stopping")

func (f *front) ready(a *app.App) func(context.Context) error {
	return func(ctx context.Context) error {
		if f.stopping.Load() {
			return errStopping
		}
		return a.Ready(ctx)
	}
}

// onlyHealth is what a worker answers.
func onlyHealth(handler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", handler)
	mux.Handle("/readyz", handler)
	return mux
}

func (f *front) listen(address string) (err error) {
	f.listener, err = net.Listen("tcp", address)
	return err
}

const (
	// headerTimeout and idleTimeout bound what a connection may hold without asking for anything. Bodies have no limit in
	// time: a recording may take an hour to arrive.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// serve answers until ctx ends, and then stops in order: readiness first, then requests and jobs side by side within the
// grace. A request or a job that takes longer is cut off; jobs are given back.
func (f *front) serve(ctx context.Context, runner *jobs.Runner) error {
	server := &http.Server{
		Handler: f.handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(f.log.Handler(), slog.LevelDebug), // half-open and scanning connections
	}
	group, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	group.Go(func() error {
		scheme, serve := "http", func() error { return server.Serve(f.listener) }
		if f.cert != "" {
			scheme, serve = "https", func() error { return server.ServeTLS(f.listener, f.cert, f.key) }
		}
		f.log.Info("listening", "url", scheme+"://"+f.listener.Addr().String())
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	select {
	case <-ctx.Done():
	case <-failed.Done(): // the listener broke
	}
	f.stopping.Store(true)
	f.log.Info("stopping", "grace", f.grace)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.grace)
	defer cancel()
	group.Go(func() error {
		return f.step("requests", func() error {
			if err := server.Shutdown(last); err != nil {
				f.log.Warn("requests were cut off", "err", err)
				return server.Close()
			}
			return nil
		})
	})
	group.Go(func() error {
		return f.step("jobs", func() error { return runner.Stop(context.WithoutCancel(ctx)) })
	})
	return group.Wait()
}

// step says how long a part of stopping took.
func (f *front) step(name string, do func() error) error {
	began := time.Now()
	err := do()
	f.log.Info("stopped", "part", name, "duration", time.Since(began))
	return err
}
