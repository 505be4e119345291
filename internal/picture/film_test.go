package picture

import (
	"io"
	"slices"
	"testing"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/codec/codectest"
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
	broken  error // what Packet answers
}

func (p *parent) Next() (render.Packet, error) {
	if len(p.packets) == 0 {
		return render.Packet{}, io.EOF
	}
	next := p.packets[0]
	p.packets = p.packets[1:]
	return next, nil
}
func (p *parent) Serving(int)                  {}
func (p *parent) Header(h render.Header) error { p.header = h; p.headers++; return nil }
func (p *parent) Packet(k render.Packet) error { p.out = append(p.out, k); return p.broken }
func (p *parent) ChunkDone(int) error          { p.chunks = append(p.chunks, len(p.out)); return nil }
func (p *parent) Progress(done int64) error    { p.done = done; return nil }

// sharp loses almost nothing, and has B-frames.
var sharp = render.Encoder{Codec: "h264", Options: map[string]string{"preset": "veryfast", "crf": "6"}, GOP: 100}

// add adds a recorded track to the plan, beginning at the given output time, and returns its packets as they are sent.
func add(plan *render.VideoPlan, track codectest.Track, start time.Duration) []render.Packet {
	number := len(plan.Tracks)
	plan.Tracks = append(plan.Tracks, render.Track{Codec: track.Codec, Private: track.Private})
	packets := make([]render.Packet, len(track.Packets))
	need := time.Duration(1 << 62)
	for i, p := range slices.Backward(track.Packets) {
		need = min(need, p.Time+start)
		packets[i] = render.Packet{Track: number, Time: p.Time + start, Need: need, Key: p.Key, Data: p.Data}
	}
	return packets
}

// merge puts packets of several tracks into the order in which they are sent.
func merge(tracks ...[]render.Packet) []render.Packet {
	all := slices.Concat(tracks...)
	slices.SortStableFunc(all, func(a, b render.Packet) int { return int(min(max(a.Need-b.Need, -1), 1)) })
	return all
}

// film is what a viewer sees: every picture, whole.
type film struct {
	pictures []*codec.Canvas
	facts    render.Stats
	parent   *parent
}

// luma returns the brightness of a pixel of picture n.
func (f film) luma(n, x, y int) uint8 {
	luma, _, _ := f.pictures[n].At(x, y)
	return luma
}

// compose runs the plan, checks what must hold of every film, joins the chunks and decodes the whole.
func compose(t testing.TB, plan render.VideoPlan, packets []render.Packet) film {
	t.Helper()
	p := &parent{packets: packets}
	facts, err := Run(plan, p)
	if err != nil {
		t.Fatal(err)
	}
	first, last := plan.Chunks[0].From, plan.Chunks[len(plan.Chunks)-1].To
	if facts.Pictures != last-first || len(p.out) != last-first || p.headers != 1 || len(p.chunks) != len(plan.Chunks) {
		t.Fatalf("%d pictures and %d packets for %d, %d headers, %d of %d chunks",
			facts.Pictures, len(p.out), last-first, p.headers, len(p.chunks), len(plan.Chunks))
	}
	f := film{facts: facts, parent: p}
	track := codectest.Track{Codec: plan.Encoder.Codec, Private: p.header.Private}
	for i, chunk := range plan.Chunks {
		packets := p.out[chunk.From-first : chunk.To-first]
		if p.chunks[i] != chunk.To-first {
			t.Fatalf("chunk %d was done after %d packets, want %d", i, p.chunks[i], chunk.To-first)
		}
		seen := map[int64]bool{}
		for k, packet := range packets {
			if k == 0 && (!packet.Key || packet.PTS != 0) {
				t.Errorf("chunk %d begins with picture %d, keyframe %v", i, packet.PTS, packet.Key)
			}
			if packet.DTS != p.out[0].DTS+int64(k) || packet.PTS < packet.DTS || packet.Len != 1 || seen[packet.PTS] {
				t.Errorf("chunk %d, packet %d: pts %d, dts %d, length %d", i, k, packet.PTS, packet.DTS, packet.Len)
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
	p := codec.NewPicture()
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
			if p.PTS != int64(len(f.pictures)) {
				t.Errorf("picture %d comes after %d", p.PTS, len(f.pictures)-1)
			}
			canvas, err := codec.NewCanvas(p.Width, p.Height)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(canvas.Close)
			if err := canvas.Draw(p, 0, 0, p.Width, p.Height); err != nil {
				t.Fatal(err)
			}
			f.pictures = append(f.pictures, canvas)
		}
	}
	if len(f.pictures) != len(track.Packets)-1 {
		t.Fatalf("%d of %d pictures can be seen", len(f.pictures), len(track.Packets)-1)
	}
}

// near says whether two brightnesses are the same but for the loss of two encoders.
func near(a, b uint8) bool { return max(a, b)-min(a, b) <= 6 }
