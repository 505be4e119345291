// Package jobs does the service's background work: it composes films, delivers media, calls back and cleans up.
//
// [New] registers a task for each kind of job at the queue (package queue), which decides when and on which node it runs. All
// state is in the database and the blob stores, so any node can run the next job. A job may run twice. Each task therefore
// first looks whether there is still something to do.
//
// Start with composition.go and render.go: the life of a composition. failure.go says what an error means for it.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/compose"
	"roomreel/internal/plan"
	"roomreel/internal/queue"
	"roomreel/internal/render"
	"roomreel/internal/store"
	"roomreel/internal/webhook"
)

// Config says what a Worker works with.
type Config struct {
	Store      *store.Store
	Queue      *queue.Queue
	App        *app.App
	Media      blob.Store                                              // the media store
	Working    blob.Store                                              // the working store: what compositions leave on their way, encrypted at rest
	OpenBucket func(url, accessKey, secret string) (blob.Store, error) // a customer's bucket
	Sender     *webhook.Sender
	Render     render.Command
	Encoders   []string // kinds of video encoders that Render has
	Options    plan.Options
	Scratch    string // folder for films while they are joined; each node has its own folder in it
	Log        *slog.Logger

	Seal           string        // how media is sealed for customers: one of package seal
	ObjectKey      string        // template of keys in customers' buckets; "" for {account}/{sid}.{ext}
	DeliverFor     time.Duration // how long deliveries are tried
	CallbackMaxAge time.Duration // how long callbacks are tried; 0 for the default

	attempts  int           // 0 for compositionAttempts; fewer in tests
	timeSlice time.Duration // 0 for timeSlice; shorter in tests
}

// Worker does the work of jobs.
type Worker struct {
	Config
	composer  *compose.Composer
	callbacks keyedMutex // by resource
}

// compositionAttempts is how often a part of a composition is tried before the composition has failed. With the queue's
// pauses that takes about six minutes, so that a database or bucket may be away for as long.
const compositionAttempts = 10

// New makes a worker and registers its tasks at the queue.
func New(config Config) *Worker {
	if config.attempts == 0 {
		config.attempts = compositionAttempts
	}
	if config.timeSlice == 0 {
		config.timeSlice = timeSlice
	}
	w := &Worker{Config: config}
	w.Media, w.Working = watchStore(config.Media), watchStore(config.Working)
	w.composer = &compose.Composer{Render: config.Render, Store: w.Working, Log: config.Log}
	config.Queue.OnNodeGone(w.removeScratch)

	// The aliases are names of earlier versions.
	composition := func(name string, class queue.Class, task queue.Task, aliases ...string) queue.Kind {
		return queue.Kind{
			Name: name, Aliases: aliases, Class: class, Attempts: config.attempts,
			Task: w.ofComposition(task), GiveUp: w.giveUpComposition,
		}
	}
	deliver := composition(store.JobDeliver, queue.General, w.deliver)
	deliver.Attempts = 0 // it says itself when to stop
	config.Queue.Register(
		composition(store.JobCompose, queue.General, w.plan),
		composition(store.JobRender, queue.Render, w.renderTask),
		composition(store.JobAssemble, queue.Render, w.assemble),
		// Jobs of versions that stored no plan: Prepare has their compositions planned again.
		queue.Kind{Name: "superseded", Aliases: []string{"stretch", "sound"}, Class: queue.General, Task: func(context.Context, queue.Job) error { return nil }},
		deliver,
		queue.Kind{Name: store.JobDeliverRecording, Class: queue.General, Task: w.deliverRecording},
		queue.Kind{Name: store.JobHook, Class: queue.General, Task: w.runHooks},
		queue.Kind{Name: store.JobCallback, Class: queue.Callback, Task: w.callback},
		queue.Kind{Name: store.JobDelete, Aliases: []string{"erase"}, Class: queue.General, Task: w.deleteObjects},
		queue.Kind{Name: store.JobEndRooms, Class: queue.General, Attempts: 1, Every: 15 * time.Second, Task: w.endRooms},
		queue.Kind{Name: store.JobExpire, Class: queue.General, Attempts: 1, Every: time.Minute, Task: w.expire},
	)
	return w
}

// Prepare has compositions planned again that an earlier version of the program left in progress. Call it before the queue
// starts.
func (w *Worker) Prepare(ctx context.Context) error {
	n, err := w.Store.RestartOldPlans(ctx)
	if err != nil {
		return fmt.Errorf("restart compositions of an earlier version: %w", err)
	}
	if n > 0 {
		w.Log.Info("compositions that an earlier version had planned are planned again", "compositions", n)
	}
	return nil
}

// scratch returns a node's own folder for films while they are joined.
func (w *Worker) scratch(node string) string { return filepath.Join(w.Scratch, node) }

func (w *Worker) removeScratch(node string) {
	if err := os.RemoveAll(w.scratch(node)); err != nil {
		w.Log.Warn("could not remove the scratch folder of a node that is gone", "node", node, "err", err)
	}
}

// discard has an object deleted that was stored in vain because of err, and returns err. It may be called although it is not
// certain that err prevented the publication: a deletion spares what a row refers to.
func (w *Worker) discard(ctx context.Context, sid string, err error, object store.PendingDeletion) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalizeTimeout)
	defer cancel()
	if discardErr := w.Store.Discard(ctx, sid, object); discardErr != nil {
		w.Log.Warn("an object that is not used could not be discarded; it is deleted later", "key", object.Key, "err", discardErr)
	}
	return err
}
