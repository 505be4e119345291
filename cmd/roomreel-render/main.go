// Command roomreel-render is the confined child that roomreel starts for everything that touches codecs and pixels. It
// reads a plan and packets on standard input and writes encoded packets on standard output; it is not for use by hand.
package main

import (
	"roomreel/internal/picture"
	"roomreel/internal/render"
	"roomreel/internal/sound"
)

func main() { render.Main(do) }

func do(plan render.Plan, conn *render.Conn) (render.Stats, error) {
	if plan.Picture != nil {
		return picture.Run(*plan.Picture, conn)
	}
	return sound.Run(*plan.Sound, conn)
}
