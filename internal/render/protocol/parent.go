package protocol

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Sender is the parent's end of the pipe to a child. The order of calls is Plan, then Packet for each packet, then End.
type Sender struct{ w *bufio.Writer }

// NewSender makes a Sender that writes to w.
func NewSender(w io.Writer) *Sender { return &Sender{bufio.NewWriterSize(w, BufferSize)} }

// Plan sends the plan. The error is w's, or says that the plan cannot be sent.
func (s *Sender) Plan(p Plan) error {
	if err := writeJSON(s.w, kindPlan, p); err != nil {
		return fmt.Errorf("send plan: %w", err)
	}
	return nil
}

// Packet sends one packet. The data may be reused afterwards.
func (s *Sender) Packet(p Packet) error { return writePacket(s.w, p) }

// End says that there are no more packets, and flushes.
func (s *Sender) End() error {
	if err := writeMessage(s.w, kindEnd, nil, nil); err != nil {
		return err
	}
	return s.w.Flush()
}

// Buffered returns how many bytes wait for Flush.
func (s *Sender) Buffered() int { return s.w.Buffered() }

// Flush writes what waits.
func (s *Sender) Flush() error { return s.w.Flush() }

// Message is what a child says: [Header], [Packet], [ChunkDone], [Progress] or [Stats].
type Message interface{ message() }

// ChunkDone says that all packets of a chunk have come.
type ChunkDone struct {
	Chunk  int          // its number in the plan
	Tracks []TrackStats // of all that the child did until then
}

// Progress is how many frames or samples are done.
type Progress int64

func (Header) message()    {}
func (Packet) message()    {}
func (ChunkDone) message() {}
func (Progress) message()  {}
func (Stats) message()     {}

// Receiver is the parent's end of the pipe from a child.
type Receiver struct{ r *bufio.Reader }

// NewReceiver makes a Receiver that reads from r.
func NewReceiver(r io.Reader) *Receiver { return &Receiver{bufio.NewReaderSize(r, BufferSize)} }

// Next returns the child's next message. Each is well formed and within its limit; whether it fits the plan is for the
// caller to check. The error is io.EOF when r ends between messages and io.ErrUnexpectedEOF when it ends inside one.
func (r *Receiver) Next() (Message, error) {
	kind, body, err := readMessage(r.r)
	if err != nil {
		return nil, err
	}
	switch kind {
	case kindHeader:
		return sent(parseHeader(body))
	case kindPacket:
		return sent(parsePacket(body))
	case kindChunk:
		var done ChunkDone
		if err := json.Unmarshal(body, &done); err != nil {
			return nil, fmt.Errorf("protocol: chunk: %w", err)
		}
		return done, nil
	case kindProgress:
		n, err := parseNumber(body)
		return sent(Progress(n), err)
	case kindStats:
		var stats Stats
		if err := json.Unmarshal(body, &stats); err != nil {
			return nil, fmt.Errorf("protocol: stats: %w", err)
		}
		return stats, nil
	}
	return nil, fmt.Errorf("protocol: message %q does not come from a child", kind)
}

func sent[M Message](m M, err error) (Message, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}
