package video

import (
	"fmt"
	"testing"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
)

// BenchmarkRun composes ten seconds of four 480p cameras into a 720p grid.
func BenchmarkRun(b *testing.B) {
	const seconds = 10
	plan := protocol.VideoPlan{
		Width: 1280, Height: 720, FPS: 25,
		Encoder: protocol.Encoder{Codec: "h264", Options: map[string]string{"preset": "superfast", "crf": "24"}, GOP: 250},
		Scenes:  []protocol.Scene{{}},
		Chunks:  []protocol.Chunk{{From: 0, To: 25 * seconds}},
	}
	var tracks [][]protocol.Packet
	for i := range 4 {
		camera := codectest.Make(b, fmt.Sprintf("-f lavfi -i testsrc2=s=640x480:r=30:d=%d,rotate=%d+t/9 "+
			"-c:v libvpx -deadline realtime -cpu-used 8 -b:v 700k -g 1000", seconds, i))
		tracks = append(tracks, add(&plan, camera, 0))
		cell := protocol.Cell{Track: i, X: i % 2 * 640, Y: i / 2 * 360, W: 640, H: 360}
		plan.Scenes[0].Cells = append(plan.Scenes[0].Cells, cell)
	}
	packets := merge(tracks...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(plan, &parent{packets: packets}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(seconds*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}
