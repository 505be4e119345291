// Command roomreel-render is the sandboxed child that roomreel starts for everything that touches codecs and pixels. It
// reads a plan and packets on standard input and writes encoded packets on standard output; it is not for use by hand.
package main

import (
	"roomreel/internal/render"
	"roomreel/internal/render/audio"
	"roomreel/internal/render/protocol"
	"roomreel/internal/render/video"
)

func main() { render.Main(do, video.Encoders) }

func do(plan protocol.Plan, conn *protocol.Conn) (protocol.Stats, error) {
	if plan.Video != nil {
		return video.Run(*plan.Video, conn)
	}
	return audio.Run(*plan.Audio, conn)
}
