package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/compose"
	"roomreel/internal/render"
	"roomreel/internal/store"
	"roomreel/internal/webhook"
)

// Config says what a Runner works with.
type Config struct {
	Store      *store.Store
	App        *app.App
	Vault      blob.Store
	Work       blob.Store                                              // what compositions leave on their way, encrypted at rest
	OpenBucket func(url, accessKey, secret string) (blob.Store, error) // a customer's bucket
	Sender     *webhook.Sender
	Render     render.Command
	Options    compose.Options
	Scratch    string // folder for films while they are joined; each node has its own in it, and what dead ones left is removed
	Log        *slog.Logger

	Seal           string        // how media is sealed for customers: one of package seal
	ObjectKey      string        // template of keys in customers' buckets; "" for {account}/{sid}.{ext}
	DeliverFor     time.Duration // how long deliveries are tried
	CallbackMaxAge time.Duration // how long callbacks are tried; 0 for the default

	Role     string        // api: this process only inserts jobs; worker or all
	Alone    bool          // no other process shares the database: whatever runs at start is a leftover
	Children int           // how many render children at once; 0 for one a core
	Grace    time.Duration // how long running jobs may go on when the service stops

	Limits roomreel.FilmLimits // zero fields are the defaults
}

const (
	beatEvery = 5 * time.Second  // how often a node says that it lives
	deadAfter = 20 * time.Second // silence after which its jobs are given to others

	// A job is repeated when it fails, so its time is bounded only against what hangs. Chunks are saved one by one, and
	// a job that another waits for ends after its turn.
	jobTimeout = 2 * time.Hour
	shareTurn  = 30 * time.Second // after which a stretch makes room for others that wait
	longTurn   = time.Hour        // after which it does so in any case
)

// Runner inserts jobs, and works them unless this process is told not to.
type Runner struct {
	Config
	node     store.Node
	client   client
	composer *compose.Composer
	turns    turns
	turn     time.Duration // shareTurn; shorter in tests
	attempts int           // compositionAttempts; fewer in tests

	stop context.CancelFunc
	done sync.WaitGroup
}

// New makes a runner and brings the queue's tables up to date. The store inserts its jobs through it from now on.
func New(ctx context.Context, config Config) (*Runner, error) {
	r := &Runner{Config: config, node: thisNode(config.Role), turn: shareTurn, attempts: compositionAttempts}
	r.Vault, r.Work = watch(config.Vault), watch(config.Work)
	r.composer = &compose.Composer{Render: config.Render, Work: r.Work, Log: config.Log}
	if r.Children <= 0 {
		r.Children = runtime.NumCPU()
	}
	// River logs each retry as an error; what matters is logged by work below.
	quiet := slog.New(&levelAtLeast{Handler: config.Log.Handler(), least: slog.LevelWarn})
	settings := &river.Config{
		ID:                   r.node.ID,
		Logger:               quiet,
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: jobTimeout + time.Hour,
		FetchCooldown:        20 * time.Millisecond,
		FetchPollInterval:    pollEvery(config.Store),
		RetryPolicy:          retryPolicy{},
		SoftStopTimeout:      max(config.Grace, time.Millisecond), // 0 would be no limit
	}
	if r.works() {
		settings.Workers = r.workers()
		settings.Queues = map[string]river.QueueConfig{
			renderQueue:   {MaxWorkers: r.Children},
			generalQueue:  {MaxWorkers: 8},
			callbackQueue: {MaxWorkers: 32},
		}
		settings.PeriodicJobs = []*river.PeriodicJob{
			river.NewPeriodicJob(river.PeriodicInterval(time.Minute), func() (river.JobArgs, *river.InsertOpts) {
				return args{kind: store.JobExpire}, &river.InsertOpts{Queue: generalQueue, MaxAttempts: 1}
			}, &river.PeriodicJobOpts{RunOnStart: true}),
		}
	}
	var err error
	if r.client, err = newClient(config.Store, settings, quiet); err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	if err := migrateAlone(ctx, config.Store, r.client.migrate); err != nil {
		return nil, fmt.Errorf("bring the queue's tables up to date: %w", err)
	}
	config.Store.SetQueue(r)
	return r, nil
}

// migrateLock is the advisory lock under which one node at a time brings the queue's tables up to date. Any number that
// nobody else uses will do.
const migrateLock = 7_265_657_266

// migrateAlone runs do while no other node that starts at the same time does.
func migrateAlone(ctx context.Context, s *store.Store, do func(context.Context) error) error {
	pool := s.PostgreSQL()
	if pool == nil {
		return do(ctx)
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrateLock); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrateLock)
	return do(ctx)
}

// pollEvery is how often the queue is looked at. PostgreSQL says when there is something; SQLite cannot, and looking costs
// it some ten microseconds.
func pollEvery(s *store.Store) time.Duration {
	if s.PostgreSQL() != nil {
		return time.Second
	}
	return 100 * time.Millisecond
}

func (r *Runner) works() bool { return r.Role != "api" }

// Start begins to work jobs. They end when Stop is called; ctx only carries values.
func (r *Runner) Start(ctx context.Context) error {
	if !r.works() {
		return nil
	}
	if err := r.Store.Beat(ctx, r.node); err != nil {
		return fmt.Errorf("register node: %w", err)
	}
	if err := os.MkdirAll(r.scratch(r.node.ID), 0o700); err != nil {
		return err
	}
	if err := r.revive(ctx); err != nil {
		return err
	}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := r.client.start(ctx); err != nil {
		r.stop()
		return err
	}
	r.done.Go(func() { r.beat(ctx) })
	return nil
}

// Stop claims no further job, lets running ones finish within the grace, cancels the rest and gives them back.
func (r *Runner) Stop(ctx context.Context) error {
	if r.stop == nil {
		return nil
	}
	err := r.client.stop(ctx)
	r.stop()
	r.done.Wait()
	return errors.Join(err, r.Store.RemoveNode(context.WithoutCancel(ctx), r.node.ID), os.RemoveAll(r.scratch(r.node.ID)))
}

// beat says every few seconds that this node lives, and takes over what dead nodes left.
func (r *Runner) beat(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := r.Store.Beat(ctx, r.node); err != nil && ctx.Err() == nil {
			r.Log.Warn("heartbeat failed", "err", err)
			continue
		}
		if err := r.revive(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("looking for jobs of dead nodes failed", "err", err)
		}
	}
}

// revive makes the jobs of dead nodes available again, and forgets those nodes. A process that is alone counts every other
// as dead.
func (r *Runner) revive(ctx context.Context) error {
	nodes, err := r.Store.Nodes(ctx)
	if err != nil {
		return err
	}
	live := map[string]bool{r.node.ID: true}
	var dead []string
	for _, node := range nodes {
		if node.ID == r.node.ID || !r.Alone && r.Store.Now().Sub(node.Beat) < deadAfter {
			live[node.ID] = true
		} else {
			dead = append(dead, node.ID)
		}
	}
	n, err := r.client.revive(ctx, func(node string) bool { return live[node] })
	if err != nil {
		return err
	}
	if n > 0 {
		r.Log.Info("jobs of dead nodes are available again", "jobs", n)
	}
	for _, node := range dead {
		if err := r.Store.RemoveNode(ctx, node); err != nil {
			return err
		}
		if err := os.RemoveAll(r.scratch(node)); err != nil {
			r.Log.Warn("could not remove what a dead node left", "node", node, "err", err)
		}
	}
	return nil
}

// scratch is a node's own folder for films while they are joined.
func (r *Runner) scratch(node string) string { return filepath.Join(r.Scratch, node) }
