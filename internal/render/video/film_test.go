package video

import (
	"io"
	"slices"
	"testing"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
)

// parent plays the parent: it hands out packets and keeps what comes back.
type parent struct {
	packets []protocol.Packet
	header  protocol.Header
	headers int
	out     []protocol.Packet
	chunks  []int // packets that had come when each chunk was done
	done    int64
	broken  error // what Packet answers
}

func (p *parent) Next() (protocol.Packet, error) {
	if len(p.packets) == 0 {
		return protocol.Packet{}, io.EOF
	}
	next := p.packets[0]
	p.packets = p.packets[1:]
	return next, nil
}
func (p *parent) WorkingOn(int)                  {}
func (p *parent) Header(h protocol.Header) error { p.header = h; p.headers++; return nil }
func (p *parent) Packet(k protocol.Packet) error { p.out = append(p.out, k); return p.broken }
func (p *parent) ChunkDone(protocol.ChunkDone) error {
	p.chunks = append(p.chunks, len(p.out))
	return nil
}
func (p *parent) Progress(done int64) error { p.done = done; return nil }

// sharp loses almost nothing, and has B-frames.
var sharp = protocol.Encoder{Codec: "h264", Options: map[string]string{"preset": "veryfast", "crf": "6"}, GOP: 100}

// add adds a recorded track to the plan, beginning at the given output time, and returns its packets as they are sent.
func add(plan *protocol.VideoPlan, track codectest.Track, start time.Duration) []protocol.Packet {
	number := len(plan.Tracks)
	plan.Tracks = append(plan.Tracks, protocol.Track{Codec: track.Codec, Private: track.Private})
	packets := make([]protocol.Packet, len(track.Packets))
	need := time.Duration(1 << 62)
	for i, p := range slices.Backward(track.Packets) {
		need = min(need, p.Time+start)
		packets[i] = protocol.Packet{Track: number, Time: p.Time + start, Need: need, Key: p.Key, Data: p.Data}
	}
	return packets
}

// merge puts packets of several tracks into the order in which they are sent.
func merge(tracks ...[]protocol.Packet) []protocol.Packet {
	all := slices.Concat(tracks...)
	slices.SortStableFunc(all, func(a, b protocol.Packet) int { return int(min(max(a.Need-b.Need, -1), 1)) })
	return all
}

// film is what a viewer sees: every frame, whole.
type film struct {
	frames []*codec.Canvas
	stats  protocol.Stats
	parent *parent
}

// luma returns the brightness of a pixel of frame n.
func (f film) luma(n, x, y int) uint8 {
	luma, _, _ := f.frames[n].At(x, y)
	return luma
}

// compose runs the plan, checks what must hold of every film, joins the chunks and decodes the whole.
func compose(t testing.TB, plan protocol.VideoPlan, packets []protocol.Packet) film {
	t.Helper()
	p := &parent{packets: packets}
	stats, err := Run(plan, p)
	if err != nil {
		t.Fatal(err)
	}
	first, last := plan.Chunks[0].From, plan.Chunks[len(plan.Chunks)-1].To
	if stats.Frames != last-first || len(p.out) != last-first || p.headers != 1 || len(p.chunks) != len(plan.Chunks) {
		t.Fatalf("%d frames and %d packets for %d, %d headers, %d of %d chunks",
			stats.Frames, len(p.out), last-first, p.headers, len(p.chunks), len(plan.Chunks))
	}
	f := film{stats: stats, parent: p}
	track := codectest.Track{Codec: plan.Encoder.Codec, Private: p.header.Private}
	for i, chunk := range plan.Chunks {
		packets := p.out[chunk.From-first : chunk.To-first]
		if p.chunks[i] != chunk.To-first {
			t.Fatalf("chunk %d was done after %d packets, want %d", i, p.chunks[i], chunk.To-first)
		}
		seen := map[int64]bool{}
		for k, packet := range packets {
			if k == 0 && (!packet.Key || packet.PTS != 0) {
				t.Errorf("chunk %d begins with frame %d, keyframe %v", i, packet.PTS, packet.Key)
			}
			if packet.Len != 1 || seen[packet.PTS] {
				t.Errorf("chunk %d, packet %d: pts %d, length %d", i, k, packet.PTS, packet.Len)
			}
			seen[packet.PTS] = true
			at := time.Duration(packet.PTS) + time.Duration(chunk.From-first)
			track.Packets = append(track.Packets, codectest.Packet{Time: at, Data: packet.Data})
		}
	}
	f.decode(t, track)
	return f
}

func (f *film) decode(t testing.TB, track codectest.Track) {
	t.Helper()
	d, err := codec.OpenVideoDecoder(track.Codec, track.Private)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p := codec.NewFrame()
	defer p.Close()
	track.Packets = append(track.Packets, codectest.Packet{})
	for _, packet := range track.Packets {
		if err := d.Send(packet.Data, int64(packet.Time)); err != nil {
			t.Fatal(err)
		}
		for {
			ok, err := d.Receive(p)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if p.PTS != int64(len(f.frames)) {
				t.Errorf("frame %d comes after %d", p.PTS, len(f.frames)-1)
			}
			canvas, err := codec.NewCanvas(p.Width, p.Height)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(canvas.Close)
			if err := canvas.Draw(p, 0, 0, p.Width, p.Height); err != nil {
				t.Fatal(err)
			}
			f.frames = append(f.frames, canvas)
		}
	}
	if len(f.frames) != len(track.Packets)-1 {
		t.Fatalf("%d of %d frames can be seen", len(f.frames), len(track.Packets)-1)
	}
}

// near says whether two brightnesses are the same but for the loss of two encoders.
func near(a, b uint8) bool { return max(a, b)-min(a, b) <= 6 }
