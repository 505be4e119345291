package jobs

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"roomreel/internal/render"
	"roomreel/internal/render/audio"
	"roomreel/internal/render/protocol"
	"roomreel/internal/render/video"
)

// TestMain makes this test binary its own render child: a child has neither arguments nor an environment. It does the real
// work, and on the way what the files beside it ask for.
func TestMain(m *testing.M) {
	if len(os.Args) == 1 && len(os.Environ()) == 0 {
		render.Main(child, video.Encoders)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(recordings.dir)
		os.Exit(code)
	}))
}

// Files beside a child.
const (
	diaryFile  = "diary"  // one line for each child, written by it
	gateFile   = "gate"   // a FIFO: a video child that is done with a chunk waits until the test opens it for writing
	crashFile  = "crash"  // VP9 crashes its decoder
	brokenFile = "broken" // no child gets anywhere
)

// diary is what a child says of itself.
type diary struct {
	Pid    int
	Chunks []protocol.Chunk // none for audio
}

func child(plan protocol.Plan, conn *protocol.Conn) (protocol.Stats, error) {
	dir := filepath.Dir(os.Args[0])
	line := diary{Pid: os.Getpid()}
	if plan.Video != nil {
		line.Chunks = plan.Video.Chunks
	}
	text, err := json.Marshal(line)
	if err != nil {
		return protocol.Stats{}, err
	}
	file, err := os.OpenFile(filepath.Join(dir, diaryFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return protocol.Stats{}, err
	}
	file.Write(append(text, '\n'))
	file.Close()
	if _, err := os.Stat(filepath.Join(dir, brokenFile)); err == nil {
		return protocol.Stats{}, errors.New("this child does not work")
	}
	if plan.Audio != nil {
		return audio.Run(*plan.Audio, conn)
	}
	return video.Run(*plan.Video, &gated{Conn: conn, dir: dir, tracks: plan.Video.Tracks})
}

// gated is a connection that waits at the gate after each chunk, and on which some tracks crash.
type gated struct {
	*protocol.Conn
	dir    string
	tracks []protocol.Track
}

func (g *gated) ChunkDone(done protocol.ChunkDone) error {
	if err := g.Conn.ChunkDone(done); err != nil {
		return err
	}
	gate, err := os.Open(filepath.Join(g.dir, gateFile))
	if err != nil {
		return nil
	}
	defer gate.Close()
	_, err = io.ReadAll(gate)
	return err
}

func (g *gated) WorkingOn(track int) {
	g.Conn.WorkingOn(track)
	if track < 0 {
		return
	}
	if _, err := os.Stat(filepath.Join(g.dir, crashFile)); err == nil && g.tracks[track].Codec == "vp9" {
		panic("this decoder crashes")
	}
}
