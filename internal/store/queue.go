package store

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Queue takes jobs in the transaction of the row they serve: either both are there or neither.
type Queue interface {
	Enqueue(ctx context.Context, tx *Tx, jobs ...Job) error
}

// Job is work to be done, at least once, soon after its transaction is committed. It carries only identifiers: what to
// do is read from the rows when it runs, and a worker finds nothing to do when it is done already.
type Job struct {
	Kind   string
	SID    string
	Number int // of the render task; 0 where a kind has no use for it
}

// The kinds of job, and what SID is.
const (
	JobCompose          = "compose"           // composition: plan it
	JobRender           = "render_task"       // composition, Number: carry out a task of its plan
	JobAssemble         = "assemble"          // composition: join what was rendered
	JobDeliver          = "deliver"           // composition: take the film to where it is kept
	JobDeliverRecording = "deliver_recording" // recording: take it to where it is kept
	JobHook             = "hook"              // room: run the account's hooks
	JobCallback         = "callback"          // resource: deliver its first pending event
	JobDelete           = "delete"            // resource: delete the objects that it left in the media and the working store
	JobExpire           = "expire"            // periodic: remove what has had its time; no SID
	JobEndRooms         = "end_rooms"         // periodic: end the rooms for which nothing has arrived for their timeout; no SID
)

// SetQueue says where jobs go. It is called once, before the store is used; until then jobs are dropped, as suits a
// command that only creates accounts.
func (s *Store) SetQueue(q Queue) { s.queue = q }

type noQueue struct{}

func (noQueue) Enqueue(context.Context, *Tx, ...Job) error { return nil }

// Node is a running process of the service. The jobs of a node that is silent for too long are given to others.
type Node struct {
	ID      string
	Host    string
	Role    string // api, worker or all
	Version string // of the program
	Workers int    // render jobs that it runs at once; 0 of the role api

	// Encoders are the kinds of video encoders that the node renders with; none when it renders nothing.
	Encoders []string

	Started time.Time
	Silence time.Duration // since its last heartbeat, by the database's clock
}

// Heartbeat adds a node, or notes that it still lives. The time is the database's, so that the clocks of nodes do not matter.
func (s *Store) Heartbeat(ctx context.Context, n Node) error {
	_, err := s.read().Exec(ctx, `INSERT INTO node (id, host, role, version, workers, encoders, started, heartbeat)
		VALUES ($1, $2, $3, $4, $5, $6, `+s.clockNow+`, `+s.clockNow+`)
		ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat`, n.ID, n.Host, n.Role, n.Version, n.Workers, strings.Join(n.Encoders, " "))
	return err
}

// Nodes lists the nodes that are known, the longest running first.
func (s *Store) Nodes(ctx context.Context) ([]Node, error) {
	return collect(ctx, s.read(), func(row scanner) (n Node, err error) {
		var silence int64
		var encoders string
		err = row.Scan(&n.ID, &n.Host, &n.Role, &n.Version, &n.Workers, &encoders, instant{&n.Started}, &silence)
		n.Encoders = strings.Fields(encoders)
		n.Silence = time.Duration(silence) * time.Microsecond
		return n, err
	}, `SELECT id, host, role, version, workers, encoders, started, `+s.clockNow+` - heartbeat FROM node ORDER BY started, id`)
}

// CanEncode reports whether a node renders with video encoders of the kind. It reports true when no node renders anything just now:
// one that comes may have it.
func (s *Store) CanEncode(ctx context.Context, kind string) (bool, error) {
	nodes, err := s.Nodes(ctx)
	some := false
	for _, n := range nodes {
		if slices.Contains(n.Encoders, kind) {
			return true, err
		}
		some = some || len(n.Encoders) > 0
	}
	return !some, err
}

// RemoveNode removes a node that stopped or died. Its leases are free.
func (s *Store) RemoveNode(ctx context.Context, id string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE event_sequence SET lease_node = '', lease_expires = 0 WHERE lease_node = $1`, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM node WHERE id = $1`, id)
		return err
	})
}
