package store

import (
	"context"
	"time"
)

// Node is a running process of the service. Its Beat says that it lives; the jobs of one that does not are for others.
type Node struct {
	ID      string
	Host    string
	Role    string // api, worker or all
	Version string
	Started time.Time
	Beat    time.Time
}

// Beat adds a node, or notes that it still lives.
func (s *Store) Beat(ctx context.Context, n Node) error {
	now := micros(s.now())
	_, err := s.read().Exec(ctx, `INSERT INTO node (id, host, role, version, started, beat) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET beat = excluded.beat`, n.ID, n.Host, n.Role, n.Version, now, now)
	return err
}

func scanNode(row scanner) (n Node, err error) {
	err = row.Scan(&n.ID, &n.Host, &n.Role, &n.Version, instant{&n.Started}, instant{&n.Beat})
	return n, err
}

// Nodes lists the nodes that are known, the longest running first.
func (s *Store) Nodes(ctx context.Context) ([]Node, error) {
	return collect(ctx, s.read(), scanNode, `SELECT id, host, role, version, started, beat FROM node ORDER BY started, id`)
}

// DeadNodes lists the nodes that have not been heard of for longer than silence.
func (s *Store) DeadNodes(ctx context.Context, silence time.Duration) ([]Node, error) {
	return collect(ctx, s.read(), scanNode, `SELECT id, host, role, version, started, beat FROM node WHERE beat < $1 ORDER BY started, id`,
		micros(s.now().Add(-silence)))
}

// RemoveNode removes a node that stopped, or whose jobs have been taken from it. What it held is free.
func (s *Store) RemoveNode(ctx context.Context, id string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE event_sequence SET holder = '', held_until = 0 WHERE holder = $1`, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM node WHERE id = $1`, id)
		return err
	})
}
