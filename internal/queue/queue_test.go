package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs test on each database, with the queue's tables in it.
func each(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		check(t, Migrate(t.Context(), s, slog.New(slog.DiscardHandler)))
		test(t, s)
	})
}

// open returns a queue of a node of a cluster with one kind of job, named work.
func open(t *testing.T, s *store.Store, kind Kind, change ...func(*Config)) *Queue {
	t.Helper()
	config := Config{Store: s, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Role: "all", Renders: 1}
	for _, do := range change {
		do(&config)
	}
	q, err := New(config)
	check(t, err)
	if kind.Name == "" {
		kind.Name = "work"
	}
	if kind.Class == "" {
		kind.Class = General
	}
	q.Register(kind)
	return q
}

// start makes a queue work until the end of the test.
func start(t *testing.T, q *Queue) {
	t.Helper()
	check(t, q.Start(t.Context()))
	t.Cleanup(func() { q.Stop(context.Background()) })
}

func (q *Queue) enqueue(t *testing.T, sid string) {
	t.Helper()
	check(t, q.Store.InTx(t.Context(), func(tx *store.Tx) error {
		return q.Enqueue(t.Context(), tx, store.Job{Kind: "work", SID: sid})
	}))
}

// fetch has River give the next job to a node, which says no more about it: as if the node died.
func fetch(t *testing.T, s *store.Store, node string) int64 {
	t.Helper()
	jobs := fetchAt(t, s, node, time.Now().Add(time.Hour)) // after every pause
	if len(jobs) != 1 {
		t.Fatalf("node %s got %d jobs, want one", node, len(jobs))
	}
	return jobs[0]
}

// fetchAt is fetch at a time of the database's clock. It returns none when the job has to wait.
func fetchAt(t *testing.T, s *store.Store, node string, now time.Time) (ids []int64) {
	t.Helper()
	params := &riverdriver.JobGetAvailableParams{ClientID: node, MaxAttemptedBy: 100, MaxToLock: 1, Now: &now, Queue: string(General)}
	var executor riverdriver.Executor
	if s.PostgreSQL() != nil {
		executor = riverpgxv5.New(s.PostgreSQL()).GetExecutor()
	} else {
		executor = riversqlite.New(s.SQLite()).GetExecutor()
	}
	jobs, err := executor.JobGetAvailable(t.Context(), params)
	check(t, err)
	for _, job := range jobs {
		ids = append(ids, job.ID)
	}
	return ids
}

// row is what the queue's table says of a job.
type row struct {
	state   string
	attempt int
	node    string
}

func rowOf(t *testing.T, q *Queue, id int64) (r row) {
	t.Helper()
	check(t, q.Store.InTx(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT CAST(state AS TEXT), attempt, `+q.dialect().node+` FROM river_job WHERE id = $1`, id).
			Scan(&r.state, &r.attempt, &r.node)
	}))
	return r
}

// silence makes a node's last heartbeat older.
func silence(t *testing.T, s *store.Store, node string, by time.Duration) {
	t.Helper()
	check(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		n, err := tx.Exec(t.Context(), `UPDATE node SET heartbeat = heartbeat - $2 WHERE id = $1`, node, by.Microseconds())
		if err == nil && n != 1 {
			err = fmt.Errorf("there is no node %s", node)
		}
		return err
	}))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func never(context.Context, Job) error { return errors.New("this must not run") }

func TestMigrate_RefusesTablesOfANewerRiver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		migrate := func() error { return Migrate(t.Context(), s, slog.New(slog.DiscardHandler)) }
		check(t, migrate())
		check(t, s.InTx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO river_migration (line, version) VALUES ('main', 999)`)
			return err
		}))
		if err := migrate(); !errors.Is(err, store.ErrNewer) {
			t.Errorf("the queue's tables of a newer version: %v", err)
		}
	})
}

func TestMigrate_SeveralNodesAtTheSameTime(t *testing.T) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			shared := config(t)
			var nodes errgroup.Group
			for range 4 {
				s := storetest.Open(t, shared)
				nodes.Go(func() error { return Migrate(t.Context(), s, slog.New(slog.DiscardHandler)) })
			}
			check(t, nodes.Wait())
		})
	}
}

func TestNew_ChangesNothingInTheDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		open(t, s, Kind{Task: never})
		err := s.InTx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `SELECT COUNT(*) FROM river_job`)
			return err
		})
		if err == nil {
			t.Error("New made the queue's tables")
		}
	})
}

func TestEnqueue_FollowsItsTransaction(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ran := make(chan Job)
		q := open(t, s, Kind{Task: func(ctx context.Context, job Job) error {
			ran <- job
			return nil
		}})
		undone := errors.New("undone")
		err := s.InTx(t.Context(), func(tx *store.Tx) error {
			check(t, q.Enqueue(t.Context(), tx, store.Job{Kind: "work", SID: "undone"}))
			if err := q.Enqueue(t.Context(), tx, store.Job{Kind: "unknown"}); err == nil {
				t.Error("a kind that is not registered is inserted")
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		check(t, s.InTx(t.Context(), func(tx *store.Tx) error {
			return q.Enqueue(t.Context(), tx, store.Job{Kind: "work", SID: "done", Number: 7})
		}))
		start(t, q)
		if job := <-ran; job.SID != "done" || job.Number != 7 || job.Last {
			t.Errorf("ran %+v, want the job whose transaction was committed", job)
		}
	})
}

// TestEnqueue_WakesWorkersAtEachCommit: a job that waits for the next poll delays its film. River alone would tell workers of
// the transaction that is undone, and then of none for a while.
func TestEnqueue_WakesWorkersAtEachCommit(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ran := make(chan string)
		q := open(t, s, Kind{Task: func(_ context.Context, job Job) error {
			ran <- job.SID
			return nil
		}}, func(c *Config) { c.poll = time.Hour })
		start(t, q)
		for i := range 20 {
			undone := errors.New("undone")
			err := s.InTx(t.Context(), func(tx *store.Tx) error {
				check(t, q.Enqueue(t.Context(), tx, store.Job{Kind: "work", SID: "undone"}))
				return undone
			})
			if !errors.Is(err, undone) {
				t.Fatal(err)
			}
			want := fmt.Sprint(i)
			q.enqueue(t, want)
			select {
			case sid := <-ran:
				if sid != want {
					t.Fatalf("job %s ran, want %s", sid, want)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("job %d did not run: no worker was told of it", i)
			}
		}
	})
}

func TestAliases_RunJobsOfEarlierVersions(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ran := make(chan Job)
		q := open(t, s, Kind{Aliases: []string{"old"}, Task: func(ctx context.Context, job Job) error {
			ran <- job
			return nil
		}})
		check(t, s.InTx(t.Context(), func(tx *store.Tx) error {
			return q.insert.insert(t.Context(), tx, []river.InsertManyParams{{Args: args{kind: "old", SID: "CJ1"}}})
		}))
		start(t, q)
		if job := <-ran; job.Kind != "work" || job.SID != "CJ1" {
			t.Errorf("ran %+v, want it under its new name", job)
		}
	})
}

func TestWork_SaysWhichAttemptIsTheLast(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ran := make(chan Job)
		snoozes := 0
		q := open(t, s, Kind{Attempts: 2, Task: func(ctx context.Context, job Job) error {
			ran <- job
			if snoozes++; snoozes == 1 {
				return Snooze(0)
			}
			panic("no result")
		}})
		q.enqueue(t, "CJ1")
		start(t, q)
		for i, last := range []bool{false, false, true} { // the snooze does not count
			if job := <-ran; job.Last != last {
				t.Errorf("run %d: last %v, want %v", i, job.Last, last)
			}
		}
	})
}

func TestWorkers_AreTheLiveNodesThatRunJobs(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		q := open(t, s, Kind{Task: never})
		start(t, q)
		for _, node := range []store.Node{{ID: "api", Role: "api"}, {ID: "worker", Role: "worker"}, {ID: "silent", Role: "all"}} {
			check(t, s.Heartbeat(t.Context(), node))
		}
		silence(t, s, "silent", time.Minute)
		if n, err := q.Workers(t.Context()); err != nil || n != 2 {
			t.Errorf("%d nodes run jobs, %v; want this one and the worker", n, err)
		}
	})
}

func TestRescue_TakesOnlyFromTheSilent(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		q := open(t, s, Kind{Task: never})
		check(t, s.Heartbeat(t.Context(), q.node))
		check(t, s.Heartbeat(t.Context(), store.Node{ID: "other"}))
		q.enqueue(t, "CJ1")
		job := fetch(t, s, "other")
		silence(t, s, "other", deadAfter-5*time.Second)
		check(t, q.rescue(t.Context()))
		if got := rowOf(t, q, job); got.state != "running" {
			t.Errorf("a job of a node that lives is %+v", got)
		}
		var gone []string
		q.OnNodeGone(func(node string) { gone = append(gone, node) })
		silence(t, s, "other", 6*time.Second)
		check(t, q.rescue(t.Context()))
		if got := rowOf(t, q, job); got.state != "available" || got.attempt != 0 {
			t.Errorf("a job of a dead node is %+v, want it available, with no attempt counted", got)
		}
		nodes, err := s.Nodes(t.Context())
		check(t, err)
		if len(nodes) != 1 || nodes[0].ID != q.NodeID() || len(gone) != 1 || gone[0] != "other" {
			t.Errorf("nodes %+v, gone %v; want the dead one gone", nodes, gone)
		}
	})
}

// TestRescue_IgnoresTheClocksOfNodes has three nodes whose clocks differ by 20 minutes in all.
func TestRescue_IgnoresTheClocksOfNodes(t *testing.T) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			shared := config(t)
			node := func(skew time.Duration) *Queue {
				own := shared
				own.Now = func() time.Time { return time.Now().Add(skew) }
				s := storetest.Open(t, own)
				check(t, Migrate(t.Context(), s, slog.New(slog.DiscardHandler)))
				q := open(t, s, Kind{Task: never})
				check(t, s.Heartbeat(t.Context(), q.node))
				return q
			}
			nodes := []*Queue{node(0), node(10 * time.Minute), node(-10 * time.Minute)}
			jobs := map[int64]string{}
			for _, q := range nodes {
				q.enqueue(t, "CJ1")
				jobs[fetch(t, q.Store, q.NodeID())] = q.NodeID()
			}
			for _, q := range nodes {
				check(t, q.rescue(t.Context()))
			}
			for id, owner := range jobs {
				if got := rowOf(t, nodes[0], id); got.state != "running" || got.node != owner {
					t.Errorf("the job of %s is %+v, want it to run on", owner, got)
				}
			}
		})
	}
}

// TestRescue_LeavesAJobThatRunsAgain has another node rescue and run a job between the look and the update.
func TestRescue_LeavesAJobThatRunsAgain(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		q := open(t, s, Kind{Task: never})
		q.enqueue(t, "CJ1")
		id := fetch(t, s, "dead")
		seen, err := q.running(t.Context())
		check(t, err)
		other := open(t, s, Kind{Task: never})
		check(t, s.Heartbeat(t.Context(), other.node))
		check(t, other.rescue(t.Context()))
		if again := fetch(t, s, "other"); again != id {
			t.Fatalf("job %d runs again, want %d", again, id)
		}
		rescued, err := q.rescueJob(t.Context(), seen[0])
		check(t, err)
		if got := rowOf(t, q, id); rescued || got.state != "running" || got.node != "other" {
			t.Errorf("rescued %v; the job is %+v, want it to run on", rescued, got)
		}
	})
}

// TestRescue_LeavesAJobThatEnded has a job end between the look and the update.
func TestRescue_LeavesAJobThatEnded(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ended := make(chan struct{})
		running := make(chan struct{})
		q := open(t, s, Kind{Task: func(context.Context, Job) error {
			close(running)
			<-ended
			return nil
		}})
		q.enqueue(t, "CJ1")
		start(t, q)
		<-running
		seen, err := q.running(t.Context())
		check(t, err)
		close(ended)
		check(t, q.Stop(t.Context()))
		rescued, err := q.rescueJob(t.Context(), seen[0])
		check(t, err)
		if got := rowOf(t, q, seen[0].id); rescued || got.state != "completed" {
			t.Errorf("rescued %v; the job is %+v, want it completed", rescued, got)
		}
	})
}

// die has nodes take the next job and die, one after another.
func die(t *testing.T, q *Queue, times int) (id int64) {
	t.Helper()
	for i := range times {
		id = fetch(t, q.Store, fmt.Sprintf("dead-%d", i))
		check(t, q.rescue(t.Context()))
	}
	return id
}

func TestRescue_GivesUpAJobThatEndsItsNodeEachTime(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		given := make(chan Job)
		fails := 1
		q := open(t, s, Kind{Task: never, GiveUp: func(ctx context.Context, job Job) error {
			if fails--; fails == 0 {
				return errors.New("the database is away")
			}
			given <- job
			return nil
		}})
		q.enqueue(t, "CJ1")
		id := die(t, q, maxRescues)
		start(t, q)
		if job := <-given; job.SID != "CJ1" || job.Rescues != maxRescues {
			t.Errorf("given up %+v", job)
		}
		check(t, q.Stop(t.Context()))
		if got := rowOf(t, q, id); got.state != "cancelled" {
			t.Errorf("the job is %+v, want it to be over", got)
		}
	})
}

func TestRescue_PausesBeforeTheThirdRun(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		q := open(t, s, Kind{Task: never})
		q.enqueue(t, "CJ1")
		for rescues, pause := range map[int]time.Duration{0: 0, 1: 0, 2: 2 * time.Second, 3: 4 * time.Second, 4: maxRescuePause, maxRescues - 1: maxRescuePause, maxRescues: 0} {
			if got := rescuePause(rescues); got != pause {
				t.Errorf("after %d rescues: %v, want %v", rescues, got, pause)
			}
		}
		die(t, q, 1)
		if jobs := fetchAt(t, s, "dead", time.Now()); len(jobs) != 1 {
			t.Error("the first rescue has to wait")
		}
		check(t, q.rescue(t.Context()))
		if jobs := fetchAt(t, s, "dead", time.Now()); len(jobs) != 0 {
			t.Error("the second rescue need not wait")
		}
		if jobs := fetchAt(t, s, "dead", time.Now().Add(3*time.Second)); len(jobs) != 1 {
			t.Error("the job never runs again")
		}
	})
}

func TestRescue_DiscardsAJobWithoutGiveUp(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		log := &logText{line: make(chan string, 100)}
		q := open(t, s, Kind{Task: never}, func(c *Config) {
			c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError}))
		})
		q.enqueue(t, "CJ1")
		id := die(t, q, maxRescues)
		start(t, q)
		if line := <-log.line; !strings.Contains(line, "job given up") || !strings.Contains(line, "sid=CJ1") {
			t.Errorf("logged %s", line)
		}
		check(t, q.Stop(t.Context()))
		if got := rowOf(t, q, id); got.state != "cancelled" {
			t.Errorf("the job is %+v, want it to be over", got)
		}
	})
}

// logText sends each log line.
type logText struct {
	mu   sync.Mutex
	line chan string
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line <- string(bytes.TrimSpace(p))
	return len(p), nil
}

func TestRescue_CountsFromTheBeginningAfterProgress(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ran := make(chan Job)
		q := open(t, s, Kind{Task: func(ctx context.Context, job Job) error {
			err := job.Progressed(ctx)
			ran <- job
			<-ctx.Done() // the queue stops
			return errors.Join(err, ctx.Err())
		}})
		q.enqueue(t, "CJ1")
		die(t, q, 1)
		check(t, q.Start(t.Context()))
		if job := <-ran; job.Rescues != 1 {
			t.Errorf("rescued %d times, want once", job.Rescues)
		}
		check(t, q.Stop(t.Context()))
		die(t, q, 1)
		check(t, q.Start(t.Context()))
		if job := <-ran; job.Rescues != 1 {
			t.Errorf("rescued %d times since the progress, want once", job.Rescues)
		}
		check(t, q.Stop(t.Context()))
	})
}

func TestRescue_CountsOnlyDeathsInARow(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ran := make(chan Job)
		q := open(t, s, Kind{Task: func(ctx context.Context, job Job) error {
			select {
			case ran <- job:
			case <-ctx.Done(): // the queue stops
			}
			return Snooze(0)
		}})
		q.enqueue(t, "CJ1")
		die(t, q, 1)
		check(t, q.Start(t.Context()))
		if job := <-ran; job.Rescues != 1 {
			t.Errorf("rescued %d times, want once", job.Rescues)
		}
		job := <-ran // it was snoozed
		check(t, q.Stop(t.Context()))
		if job.Rescues != 0 {
			t.Errorf("rescued %d times in a row after a run that ended well", job.Rescues)
		}
	})
}
