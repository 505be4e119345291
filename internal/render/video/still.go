package video

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"roomreel/internal/codec"
	"roomreel/internal/render/protocol"
)

// runStill makes one frame of a film and sends it as it is. The frame shows what the film shows at its time: the same sources,
// decoded from the same keyframes, are drawn on the same canvas. Nothing of the frames before it is drawn.
//
// Encoder.Threads tracks are decoded at once. A track is decoded by one goroutine only.
func runStill(plan protocol.VideoPlan, conn Conn) (protocol.Stats, error) {
	if n := plan.Chunks[0]; len(plan.Chunks) != 1 || n.To != n.From+1 {
		return protocol.Stats{}, errors.New("video plan: a still picture is one frame")
	}
	c := &composer{plan: plan, conn: conn, tracks: make([]*source, len(plan.Tracks))}
	c.begin(plan.Chunks[0].From)
	for i, t := range plan.Tracks {
		c.tracks[i] = newSource(t)
	}
	defer func() {
		for _, s := range c.tracks {
			s.close()
		}
	}()
	if err := c.decodeAll(plan.Encoder.Threads); err != nil {
		return protocol.Stats{}, err
	}
	cells := c.cells()
	for i, s := range c.tracks {
		s.advance(c.at)
		s.countSize()
		if s.shown.serial != 0 && shows(cells, i) {
			s.stats.Shown++
		}
	}
	pixels, err := codec.NewCanvas(plan.Width, plan.Height)
	if err != nil {
		return protocol.Stats{}, err
	}
	defer pixels.Close()
	pixels.SetColour(codec.Colour(plan.Colour))
	still := &canvas{pixels: pixels, scene: -1}
	if err := still.draw(c.scene, cells, c.tracks, conn.WorkingOn); err != nil {
		return protocol.Stats{}, err
	}
	if err := conn.Header(protocol.Header{}); err != nil {
		return protocol.Stats{}, err
	}
	if err := conn.Packet(protocol.Packet{Len: 1, Key: true, Data: pixels.I420()}); err != nil {
		return protocol.Stats{}, err
	}
	stats := protocol.Stats{Frames: 1, Tracks: c.stats()}
	return stats, conn.ChunkDone(protocol.ChunkDone{Tracks: stats.Tracks})
}

// waitingPackets bounds the packets of a goroutine that wait to be decoded.
const waitingPackets = 8

// decodeAll decodes all packets that come, in as many goroutines as threads says.
func (c *composer) decodeAll(threads int) error {
	threads = max(1, min(threads, len(c.tracks)))
	queues := make([]chan protocol.Packet, threads)
	var decoders sync.WaitGroup
	for i := range queues {
		queue := make(chan protocol.Packet, waitingPackets)
		queues[i] = queue
		decoders.Go(func() {
			for p := range queue {
				c.decode(p)
			}
			for t := i; t < len(c.tracks); t += threads {
				c.conn.WorkingOn(t)
				c.tracks[t].drain()
			}
			c.conn.WorkingOn(-1)
		})
	}
	err := func() error {
		for {
			p, err := c.conn.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("next packet: %w", err)
			}
			if p.Track < 0 || p.Track >= len(c.tracks) {
				return fmt.Errorf("packet of track %d of %d", p.Track, len(c.tracks))
			}
			queues[p.Track%threads] <- p
		}
	}()
	for _, queue := range queues {
		close(queue)
	}
	decoders.Wait()
	return err
}
