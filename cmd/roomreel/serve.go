package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"roomreel"
	"roomreel/internal/api"
	"roomreel/internal/app"
	"roomreel/internal/config"
	"roomreel/internal/jobs"
	"roomreel/internal/plan"
	"roomreel/internal/queue"
	"roomreel/internal/render"
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

// Run starts the parts of the service in the order in which they depend on each other.
func (c serveCommand) Run(ctx context.Context, s *session) error {
	settings, _, err := c.load(s, map[string]string{
		"server.listen": c.Listen, "server.role": c.Role, "server.public_url": c.PublicURL,
		"server.tls_cert": c.TLSCert, "server.tls_key": c.TLSKey,
	})
	if err != nil {
		return err
	}
	log := newLog(settings.Log, s.stderr)
	server, err := newServer(settings, log)
	if err != nil {
		return err
	}
	alone := settings.Database.URL.Reveal() == ""
	if alone {
		release, err := lockData(settings.Server.Data)
		if err != nil {
			return err
		}
		defer release()
	}
	// The address is bound before anything is changed: an account's token is shown once, so no start may fail after it.
	if err := server.listen(settings.Server.Listen); err != nil {
		return err
	}
	defer server.listener.Close()
	b, err := openBackend(ctx, settings, false, log)
	if err != nil {
		return err
	}
	defer b.close()
	if schema := b.store.Schema(); schema.Newer() {
		log.Warn("a newer roomreel made the database's tables; this one can work with them until all nodes are updated",
			"schema", schema.Database, "known", schema.Known)
	}
	works := settings.Server.Role != config.RoleAPI
	child, err := renderCommand(settings.Render)
	var encoders []string
	if err == nil {
		encoders, err = checkSandbox(ctx, child, log)
	}
	if err != nil {
		if works {
			return err
		}
		child = render.Command{}
		log.Warn("this node renders no previews", "err", err)
	}
	if works && settings.Compose.Encoder == config.Quality(roomreel.QualitySmall) && !slices.Contains(encoders, plan.SmallCodec) {
		return usageError{errors.New("compose.encoder: " + noAV1)}
	}
	sender := webhook.New(webhook.Config{
		Allow: settings.Webhook.Allow, Connect: settings.Webhook.Connect.Std(), Total: settings.Webhook.Timeout.Std(),
	})
	defer sender.Close()
	if err := queue.Migrate(ctx, b.store, log); err != nil {
		return err
	}
	jobQueue, err := queue.New(queue.Config{
		Store: b.store, Log: log, Version: version, Encoders: encoders, Role: string(settings.Server.Role), Alone: alone,
		Renders: settings.Render.Parallel, Grace: settings.Server.ShutdownGrace.Std(),
	})
	if err != nil {
		return err
	}
	b.store.SetQueue(jobQueue)
	worker := jobs.New(jobs.Config{
		Store: b.store, Queue: jobQueue, App: b.app, Media: b.media, Working: b.working, OpenBucket: b.buckets.Open, Sender: sender,
		Render: child, Encoders: encoders, Options: planOptions(settings, encoders), Scratch: b.films, Log: log,
		Seal: string(settings.Encryption.Seal), ObjectKey: settings.S3.Key,
		DeliverFor: settings.S3.GiveUp.Std(), CallbackMaxAge: settings.Webhook.GiveUp.Std(),
	})
	b.app.SetFilms(worker)
	if err := worker.Prepare(ctx); err != nil {
		return err
	}
	reads, writes := settings.Rates()
	server.handler = api.New(api.Config{
		App: b.app, Log: log, Ready: server.ready(b.app),
		PublicURL: settings.Server.PublicURL, TrustForwarded: settings.Server.TrustForwarded,
		Limits:         api.Limits{Reads: float64(orUnlimited(reads)), Writes: float64(orUnlimited(writes))},
		SignInFailures: orUnlimited(settings.Limits.SignInFailures),
		BodyTimeout:    settings.Server.BodyTimeout.Std(), UploadRate: int64(settings.Server.UploadRate),
		Version: version,
	})
	if settings.Server.Role == config.RoleWorker {
		server.handler = onlyHealth(server.handler)
	}
	if err := jobQueue.Start(ctx); err != nil {
		return err
	}
	if works {
		var background sync.WaitGroup
		defer background.Wait()
		backgroundContext, stop := context.WithCancel(ctx)
		defer stop()
		background.Go(func() { abortUnfinishedUploads(backgroundContext, b.media, log) })
	}
	return server.serve(ctx, jobQueue, func() error {
		if err := firstAccount(ctx, s, b.app, log); err != nil {
			return err
		}
		// Of two nodes that start on an empty database with key files of their own, one finds the other's account.
		_, err := openKeys(ctx, keyPath(settings), b.store)
		return err
	})
}

// orUnlimited converts a configured limit, of which 0 is none, to the API's, of which a negative number is none.
func orUnlimited(limit int) int {
	if limit == 0 {
		return -1
	}
	return limit
}

// firstAccount creates an account when there is none, and prints it with its token on standard output. If no client ever used a token,
// it says how to make another account: the first start may have ended before its output was read.
func firstAccount(ctx context.Context, s *session, a *app.App, log *slog.Logger) error {
	accounts, err := a.Accounts(ctx, app.Page{Size: 1})
	if err != nil {
		return err
	}
	if len(accounts.Items) > 0 {
		used, err := a.EverUsed(ctx)
		if err == nil && !used {
			log.Warn("no client has signed in yet; if the token that the first start printed is lost, make another account on the same data: " +
				"roomreel account create --name NAME")
		}
		return err
	}
	account, token, err := a.CreateAccount(ctx, "default")
	if err != nil {
		return fmt.Errorf("create the first account: %w", err)
	}
	log.Info("first account created; its token is on standard output and is not shown again", "account", account.SID)
	return json.NewEncoder(s.stdout).Encode(newAccount{account.SID, token})
}

// httpServer is the part of the service that answers requests.
type httpServer struct {
	log      *slog.Logger
	handler  http.Handler
	listener net.Listener
	grace    time.Duration
	tls      *tls.Config // nil for plain HTTP
	stopping atomic.Bool

	connections *connections
}

// newServer reads the certificate and its key, if there are any.
func newServer(settings config.Config, log *slog.Logger) (*httpServer, error) {
	c := settings.Server
	server := &httpServer{log: log, grace: c.ShutdownGrace.Std(), connections: newConnections(settings.Limits.Connections)}
	if c.TLSCert == "" {
		return server, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, usageError{fmt.Errorf("server.tls_key %s does not fit server.tls_cert %s, or one of them cannot be read: %w",
			c.TLSKey, c.TLSCert, err)}
	}
	server.tls = &tls.Config{Certificates: []tls.Certificate{pair}}
	return server, nil
}

var errStopping = errors.New("the service is stopping")

func (h *httpServer) ready(a *app.App) func(context.Context) error {
	return func(ctx context.Context) error {
		if h.stopping.Load() {
			return errStopping
		}
		return a.Ready(ctx)
	}
}

// onlyHealth answers the health checks alone: a node with the role worker serves nothing else.
func onlyHealth(handler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", handler)
	mux.Handle("/readyz", handler)
	return mux
}

// listen binds the address. Connections wait until serve is called.
func (h *httpServer) listen(address string) (err error) {
	h.listener, err = net.Listen("tcp", address)
	why := err
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		why = errors.New("another program listens there: stop it, or choose another address with --listen")
	case errors.Is(err, syscall.EACCES):
		why = errors.New("this user may not listen on so low a port: choose one from 1024 with --listen, or give the process the capability CAP_NET_BIND_SERVICE")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = errors.New("this machine does not have the address: choose one that it has with --listen, or only a port, as in :8080")
	}
	return usageError{fmt.Errorf("server.listen %s: %w", address, why)}
}

const (
	// headerTimeout and idleTimeout bound how long a connection may stay open without a request. Package api bounds bodies.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// serve calls begin and then answers requests until ctx ends. Then readiness fails, and requests and jobs get the grace period to finish. After
// it, open connections are closed, and unfinished jobs go back to the queue.
func (h *httpServer) serve(ctx context.Context, jobQueue *queue.Queue, begin func() error) error {
	inner := &http.Server{
		Handler: h.handler, TLSConfig: h.tls, ConnState: h.connections.changed, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug), // half-open connections and port scans
	}
	group, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	group.Go(func() error {
		if err := begin(); err != nil {
			return err
		}
		scheme, serve := "http", func() error { return inner.Serve(h.listener) }
		if h.tls != nil {
			scheme, serve = "https", func() error { return inner.ServeTLS(h.listener, "", "") }
		}
		h.log.Info("listening", "url", scheme+"://"+h.listener.Addr().String())
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	select {
	case <-ctx.Done():
	case <-failed.Done(): // the listener failed
	}
	h.stopping.Store(true)
	h.log.Info("stopping", "grace_ms", h.grace.Milliseconds())
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.grace)
	defer cancel()
	group.Go(func() error {
		return h.step("requests", func() error {
			if err := inner.Shutdown(grace); err != nil {
				h.log.Warn("requests were cut off", "err", err)
				return inner.Close()
			}
			return nil
		})
	})
	group.Go(func() error {
		return h.step("jobs", func() error { return jobQueue.Stop(context.WithoutCancel(ctx)) })
	})
	return group.Wait()
}

// step runs one part of stopping and logs how long it took.
func (h *httpServer) step(name string, do func() error) error {
	began := time.Now()
	err := do()
	h.log.Info("stopped", "part", name, "duration_ms", time.Since(began).Milliseconds())
	return err
}
