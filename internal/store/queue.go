package store

import (
	"context"
	"time"
)

// Queue takes jobs in the transaction of the row they serve: either both are there or neither.
type Queue interface {
	Enqueue(ctx context.Context, tx *Tx, jobs ...Job) error
}

// Job is work to be done, at least once, soon after its transaction is committed. It carries only identifiers: what to
// do is read from the rows when it runs, and whoever runs it must find nothing to do when it is done already.
type Job struct {
	Kind     string
	SID      string
	Number   int       // of the stretch; 0 where a kind has no use for it
	At       time.Time // not before; zero for at once
	Priority int       // 0 for what somebody waits for
}

// The kinds of job, and what SID is.
const (
	JobCompose          = "compose"           // composition: plan it
	JobRender           = "stretch"           // composition, Number: render a row of chunks
	JobAudio            = "sound"             // composition: mix and encode the sound
	JobAssemble         = "assemble"          // composition: join what was rendered
	JobDeliver          = "deliver"           // composition: take the film to where it is kept
	JobDeliverRecording = "deliver_recording" // recording: take it to where it is kept
	JobHook             = "hook"              // room: run the account's hooks
	JobCallback         = "callback"          // resource: deliver its first pending event
	JobDelete           = "erase"             // resource: delete what it left in the vault and the work store
	JobExpire           = "expire"            // periodic: remove what has had its time; no SID
)

// SetQueue says where jobs go. It is called once, before the store is used; until then jobs are dropped, as suits a
// command that only creates accounts.
func (s *Store) SetQueue(q Queue) { s.queue = q }

type noQueue struct{}

func (noQueue) Enqueue(context.Context, *Tx, ...Job) error { return nil }
