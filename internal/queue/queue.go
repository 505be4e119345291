// Package queue runs jobs in the background, at least once each, on one node or on many.
//
// It is built on River, and no other package imports River. A job carries only the name of a row. It is inserted in the
// transaction of that row ([Queue.Enqueue]) and may run twice, so each [Task] first looks whether there is still work to do.
// The queue knows nothing about the work: package jobs registers its tasks with [Queue.Register].
//
// River rescues running jobs by their age alone. This package adds what a cluster needs besides: each node writes a
// heartbeat, the jobs of a silent node are rescued within seconds, and a job that ends its node each time is given up
// (node.go). Start with [New], then [Queue.Start].
package queue

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"roomreel/internal/store"
)

// Class says which of a node's workers take a job. Each class has workers of its own, so that callbacks and deliveries
// never wait behind films.
type Class string

const (
	General  Class = river.QueueDefault
	Render   Class = "render"   // jobs that keep a core busy
	Callback Class = "callback" // jobs that wait for other people's servers
)

// How many jobs of a class a node runs at once. Config.Renders says so for Render.
const (
	generalWorkers  = 8
	callbackWorkers = 32
)

// Kind describes the jobs of one kind.
type Kind struct {
	Name     string
	Aliases  []string // names under which earlier versions inserted this kind
	Class    Class
	Attempts int           // how often a job is tried; 0 for no limit
	Every    time.Duration // the queue itself inserts a job without SID this often; 0 for never
	Task     Task

	// GiveUp ends the work of a job that is not run any more because it ended its node maxRescues times in a row. It runs in
	// place of Task, and again after an error. Without it such a job is discarded.
	GiveUp Task
}

// noLimit is the number of attempts of a kind without a limit. The column holds 16 bits.
const noLimit = 1 << 14

func (k Kind) attempts() int {
	if k.Attempts == 0 {
		return noLimit
	}
	return k.Attempts
}

// Config says how a queue works.
type Config struct {
	Store    *store.Store
	Log      *slog.Logger
	Version  string        // of the program, for the list of nodes
	Role     string        // api: this process only inserts jobs; worker or all
	Alone    bool          // no other process shares the database: at start, all running jobs are left from an earlier process
	Encoders []string      // kinds of video encoders that this process renders with
	Renders  int           // how many jobs of class Render run at once; 0 for one a core
	Grace    time.Duration // how long running jobs may go on after Stop

	poll time.Duration // 0 for pollEvery; longer in tests
}

const (
	// jobTimeout ends a job that hangs. Long work is cut into jobs that are shorter, or gives up its worker by a Snooze.
	jobTimeout = 2 * time.Hour
	// fetchCooldown is how long a class waits from one look for jobs to the next. A look costs the database some ten microseconds.
	fetchCooldown = 2 * time.Millisecond
	// riverRescue is the age at which River rescues a job. Heartbeats rescue earlier, so it must only be above jobTimeout.
	riverRescue = jobTimeout + time.Hour
)

// Queue inserts jobs, and runs them unless this process has the role api. Register must not be called after Start.
type Queue struct {
	Config
	node   store.Node
	kinds  map[string]Kind
	insert client // inserts only
	bell   bell
	quiet  *slog.Logger
	gone   []func(node string)

	work client // runs jobs; nil before Start
	stop context.CancelFunc
	done sync.WaitGroup
}

// New returns a queue without kinds. It neither changes the database nor starts anything; see [Migrate] for the queue's
// tables.
func New(config Config) (*Queue, error) {
	if config.Renders <= 0 {
		config.Renders = runtime.NumCPU()
	}
	if config.poll == 0 {
		config.poll = pollEvery(config.Store)
	}
	q := &Queue{Config: config, node: thisNode(config.Role, config.Version, config.Encoders), kinds: map[string]Kind{}, bell: newBell()}
	if q.Works() {
		q.node.Workers = config.Renders
	}
	// River logs each retry as an error; work.go logs what matters.
	q.quiet = slog.New(&minLevel{Handler: config.Log.Handler(), level: slog.LevelWarn})
	var err error
	if q.insert, err = newClient(config.Store, q.bell, &river.Config{Logger: q.quiet}); err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return q, nil
}

// Register adds kinds of job.
func (q *Queue) Register(kinds ...Kind) {
	for _, kind := range kinds {
		q.kinds[kind.Name] = kind
	}
}

// Enqueue inserts jobs in the transaction of the rows they serve.
func (q *Queue) Enqueue(ctx context.Context, tx *store.Tx, jobs ...store.Job) error {
	params := make([]river.InsertManyParams, len(jobs))
	classes := map[Class]bool{}
	for i, job := range jobs {
		kind, ok := q.kinds[job.Kind]
		if !ok {
			return fmt.Errorf("enqueue: no kind %q is registered", job.Kind)
		}
		classes[kind.Class] = true
		params[i] = river.InsertManyParams{
			Args:       args{kind: job.Kind, SID: job.SID, Number: job.Number},
			InsertOpts: &river.InsertOpts{Queue: string(kind.Class), MaxAttempts: kind.attempts()},
		}
	}
	if err := q.insert.insert(ctx, tx, params); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	for class := range classes {
		if err := q.insert.wake(ctx, tx, string(class)); err != nil {
			return fmt.Errorf("wake workers: %w", err)
		}
	}
	return nil
}

// Works reports whether this process runs jobs.
func (q *Queue) Works() bool { return q.Role != "api" }

// Waiting reports whether a job of a class could start if a worker were free.
func (q *Queue) Waiting(ctx context.Context, class Class) (bool, error) {
	return q.insert.waiting(ctx, string(class))
}

// Start begins to run jobs. They end when Stop is called; ctx only carries values. In the role api it does nothing.
func (q *Queue) Start(ctx context.Context) error {
	if !q.Works() {
		return nil
	}
	settings := &river.Config{
		ID:                   q.node.ID,
		Logger:               q.quiet,
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: riverRescue,
		FetchCooldown:        fetchCooldown,
		FetchPollInterval:    q.poll,
		RetryPolicy:          retryPolicy{},
		SoftStopTimeout:      max(q.Grace, time.Millisecond), // 0 would be no limit
		Workers:              q.workers(),
		Queues: map[string]river.QueueConfig{
			string(Render):   {MaxWorkers: q.Renders},
			string(General):  {MaxWorkers: generalWorkers},
			string(Callback): {MaxWorkers: callbackWorkers},
		},
		PeriodicJobs: q.periodic(),
	}
	var err error
	if q.work, err = newClient(q.Store, q.bell, settings); err != nil {
		return fmt.Errorf("open queue: %w", err)
	}
	if err := q.Store.Heartbeat(ctx, q.node); err != nil {
		return fmt.Errorf("register node: %w", err)
	}
	if err := q.rescue(ctx); err != nil {
		return err
	}
	ctx, q.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := q.work.start(ctx); err != nil {
		q.stop()
		return err
	}
	q.done.Go(func() { q.heartbeat(ctx) })
	return nil
}

// Stop takes no further job, lets running ones finish within the grace, then cancels them. River makes cancelled jobs
// available again without counting the attempt.
func (q *Queue) Stop(ctx context.Context) error {
	if q.stop == nil {
		return nil
	}
	err := q.work.stop(ctx)
	q.stop()
	q.done.Wait()
	if removeErr := q.removeNode(context.WithoutCancel(ctx), q.node.ID); err == nil {
		err = removeErr
	}
	return err
}

// pollEvery is how often River looks for jobs of which it was not told: those whose pause is over, and those of a process that
// died before it could wake the others. A look costs SQLite some ten microseconds.
func pollEvery(s *store.Store) time.Duration {
	if s.PostgreSQL() != nil {
		return time.Second
	}
	return 100 * time.Millisecond
}

// periodic lists what the queue inserts by itself.
func (q *Queue) periodic() (jobs []*river.PeriodicJob) {
	for _, name := range slices.Sorted(maps.Keys(q.kinds)) {
		kind := q.kinds[name]
		if kind.Every == 0 {
			continue
		}
		insert := func() (river.JobArgs, *river.InsertOpts) {
			return args{kind: kind.Name}, &river.InsertOpts{Queue: string(kind.Class), MaxAttempts: kind.attempts()}
		}
		jobs = append(jobs, river.NewPeriodicJob(river.PeriodicInterval(kind.Every), insert, &river.PeriodicJobOpts{RunOnStart: true}))
	}
	return jobs
}
