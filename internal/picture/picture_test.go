package picture

import (
	"io"
	"testing"
	"time"

	"roomreel/internal/render"
)

// parent plays the parent: it hands out packets and keeps what comes back.
type parent struct {
	packets []render.Packet
	header  render.Header
	headers int
	out     []render.Packet
	chunks  []int // packets that had come when each chunk was done
	done    int64
	serving int
}

func (p *parent) Next() (render.Packet, error) {
	if len(p.packets) == 0 {
		return render.Packet{}, io.EOF
	}
	next := p.packets[0]
	p.packets = p.packets[1:]
	return next, nil
}
func (p *parent) Serving(track int)            { p.serving = track }
func (p *parent) Header(h render.Header) error { p.header = h; p.headers++; return nil }
func (p *parent) Packet(k render.Packet) error { p.out = append(p.out, k); return nil }
func (p *parent) ChunkDone(int) error          { p.chunks = append(p.chunks, len(p.out)); return nil }
func (p *parent) Progress(done int64) error    { p.done = done; return nil }

func TestInstant_IsExactForADay(t *testing.T) {
	if got := instant(25*86400, 25, 1); got != 24*time.Hour {
		t.Errorf("got %v", got)
	}
	if got := instant(30000, 30000, 1001); got != 1001*time.Second {
		t.Errorf("got %v", got)
	}
}
