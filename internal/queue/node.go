package queue

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"roomreel/internal/store"
)

const (
	heartbeatEvery = 5 * time.Second  // how often a node writes its heartbeat
	deadAfter      = 20 * time.Second // silence after which a node counts as dead

	// maxRescues is how often in a row a job may be rescued from dead nodes without progress. After that the job is taken for
	// the cause of their deaths and given up. An operator who kills a node again and again must not reach it, so it is high; a
	// job that ends its node within seconds reaches it in some minutes.
	maxRescues = 20

	// maxRescuePause bounds rescuePause.
	maxRescuePause = 8 * time.Second
)

// thisNode describes this run of this process. Two runs never share an ID, so that a restarted process rescues its own jobs.
func thisNode(role, version string, encoders []string) store.Node {
	host, _ := os.Hostname()
	id := fmt.Sprintf("%.60s-%d-%s", host, os.Getpid(), rand.Text()[:8])
	return store.Node{ID: id, Host: host, Role: role, Version: version, Encoders: encoders}
}

// NodeID names this run of this process among all nodes.
func (q *Queue) NodeID() string { return q.node.ID }

// OnNodeGone has do called with each node that is no more: this one after Stop, and dead ones when this node finds them. It
// must be called before Start.
func (q *Queue) OnNodeGone(do func(node string)) { q.gone = append(q.gone, do) }

// heartbeat writes this node's heartbeat every few seconds and rescues the jobs of dead nodes.
func (q *Queue) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := q.Store.Heartbeat(ctx, q.node); err != nil && ctx.Err() == nil {
			q.Log.Warn("heartbeat failed", "err", err)
			continue
		}
		if err := q.rescue(ctx); err != nil && ctx.Err() == nil {
			q.Log.Warn("rescue of dead nodes' jobs failed", "err", err)
		}
	}
}

// Workers returns how many live nodes run jobs.
func (q *Queue) Workers(ctx context.Context) (workers int, err error) {
	nodes, err := q.Store.Nodes(ctx)
	for _, node := range nodes {
		if node.Role != "api" && q.alive(node) {
			workers++
		}
	}
	return workers, err
}

// alive reports whether a node lives, as far as is known. A process that is alone treats all other nodes as dead.
func (q *Queue) alive(node store.Node) bool {
	return node.ID == q.node.ID || !q.Alone && node.Silence < deadAfter
}

// rescue makes the running jobs of dead nodes available again, as if they had not begun, and removes those nodes.
func (q *Queue) rescue(ctx context.Context) error {
	nodes, err := q.Store.Nodes(ctx)
	if err != nil {
		return err
	}
	alive := map[string]bool{q.node.ID: true}
	var dead []string
	for _, node := range nodes {
		if q.alive(node) {
			alive[node.ID] = true
		} else {
			dead = append(dead, node.ID)
		}
	}
	running, err := q.running(ctx)
	if err != nil {
		return err
	}
	rescued := 0
	for _, job := range running {
		if alive[job.node] {
			continue
		}
		ok, err := q.rescueJob(ctx, job)
		if err != nil {
			return fmt.Errorf("rescue job %d: %w", job.id, err)
		}
		if ok {
			rescued++
		}
	}
	if rescued > 0 {
		q.Log.Info("jobs of dead nodes are available again", "jobs", rescued)
	}
	for _, node := range dead {
		if err := q.removeNode(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) removeNode(ctx context.Context, id string) error {
	err := q.Store.RemoveNode(ctx, id)
	for _, do := range q.gone {
		do(id)
	}
	return err
}

// runningJob is a job of which the queue's table says that a node runs it.
type runningJob struct {
	id       int64
	attempt  int
	since    string // attempted_at, as the database writes it
	node     string
	metadata []byte
}

// riverDialect is what differs between the databases in our statements on River's table.
type riverDialect struct {
	node     string // the node that runs a job
	metadata string // as text
	merge    string // metadata with the change in $1
	later    string // the time in $6 seconds, by the database's clock
}

func (q *Queue) dialect() riverDialect {
	if q.Store.PostgreSQL() != nil {
		return riverDialect{
			node:     `COALESCE(attempted_by[array_upper(attempted_by, 1)], '')`,
			metadata: `CAST(metadata AS TEXT)`,
			merge:    `metadata || CAST($1 AS jsonb)`,
			later:    `clock_timestamp() + make_interval(secs => $6)`,
		}
	}
	return riverDialect{
		node:     `COALESCE(json_extract(attempted_by, '$[#-1]'), '')`,
		metadata: `json(metadata)`,
		merge:    `jsonb_patch(metadata, $1)`,
		later:    `datetime('now', 'subsec', '+' || $6 || ' seconds')`,
	}
}

// running lists the jobs that run now.
func (q *Queue) running(ctx context.Context) (jobs []runningJob, err error) {
	d := q.dialect()
	err = q.Store.InTx(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, attempt, COALESCE(CAST(attempted_at AS TEXT), ''), `+d.node+`, `+d.metadata+`
			FROM river_job WHERE state = 'running' ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var job runningJob
			if err := rows.Scan(&job.id, &job.attempt, &job.since, &job.node, &job.metadata); err != nil {
				return err
			}
			jobs = append(jobs, job)
		}
		return rows.Err()
	})
	return jobs, err
}

// rescueJob makes a job available again after a pause, and reports whether it did. A job that has ended since it was listed, or that
// another node has rescued and runs again, stays as it is.
func (q *Queue) rescueJob(ctx context.Context, job runningJob) (rescued bool, err error) {
	d := q.dialect()
	err = q.Store.InTx(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE river_job SET state = 'available', attempt = CASE WHEN attempt > 0 THEN attempt - 1 ELSE 0 END,
			metadata = `+d.merge+`, scheduled_at = `+d.later+`
			WHERE id = $2 AND state = 'running' AND attempt = $3 AND COALESCE(CAST(attempted_at AS TEXT), '') = $4 AND `+d.node+` = $5`,
			rescuedOnceMore(job.metadata), job.id, job.attempt, job.since, job.node, int(rescuePause(rescuesOf(job.metadata)+1).Seconds()))
		rescued = n > 0
		return err
	})
	return rescued, err
}

// rescuePause is how long a job waits that was rescued so often in a row. The first time it waits for nothing: most nodes die
// for other reasons than one of their jobs. A pause keeps a job from being counted when a node is killed several times at
// once, and lets the jobs beside it come to their end.
func rescuePause(rescues int) time.Duration {
	if rescues <= 1 || rescues >= maxRescues {
		return 0
	}
	return min(time.Second<<(rescues-1), maxRescuePause)
}

// metadata is what a job's row says of earlier runs.
type metadata struct {
	Snoozes int `json:"snoozes"` // River's own
	Rescues struct {
		Count   int `json:"count"`
		Snoozes int `json:"snoozes"` // of the job when it was rescued last
	} `json:"rescues"`
}

func readMetadata(text []byte) (m metadata) {
	if err := json.Unmarshal(text, &m); err != nil {
		return metadata{} // other than we wrote it: count from the beginning
	}
	return m
}

// rescuesOf returns how often in a row a job was rescued. A job that was snoozed in between has run without ending its node.
func rescuesOf(text []byte) int {
	m := readMetadata(text)
	if m.Rescues.Snoozes != m.Snoozes {
		return 0
	}
	return m.Rescues.Count
}

// rescuedOnceMore returns the change of a job's metadata that counts another rescue.
func rescuedOnceMore(text []byte) string {
	return setRescues(rescuesOf(text)+1, readMetadata(text).Snoozes)
}

// forgetRescues has a job's rescues counted from the beginning.
func (q *Queue) forgetRescues(ctx context.Context, id int64) error {
	return q.Store.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE river_job SET metadata = `+q.dialect().merge+` WHERE id = $2`, setRescues(0, 0), id)
		return err
	})
}

func setRescues(count, snoozes int) string {
	change := map[string]any{"rescues": map[string]int{"count": count, "snoozes": snoozes}}
	data, err := json.Marshal(change)
	if err != nil {
		panic(err) // numbers always marshal
	}
	return string(data)
}
