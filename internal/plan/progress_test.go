package plan

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestEstimateProgress_GoesForward does parts of two kinds of work in any order.
func TestEstimateProgress_GoesForward(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		all := Work{Video: time.Duration(random.Int64N(int64(time.Hour))), Audio: time.Duration(random.Int64N(int64(time.Hour)))}
		cores, parallel := 1+random.IntN(8), 1+random.IntN(4)
		left, worked, before := all, time.Duration(0), 0.0
		for left != (Work{}) {
			if random.IntN(2) == 0 {
				left.Video = max(0, left.Video-time.Duration(random.Int64N(int64(10*time.Minute))))
			} else {
				left.Audio = max(0, left.Audio-time.Duration(random.Int64N(int64(10*time.Minute))))
			}
			worked += time.Duration(random.Int64N(int64(time.Minute)))
			p := EstimateProgress(all, left, worked, cores, parallel)
			if p.Share < before-1e-9 || p.Share > 1 || p.Left < 0 {
				t.Fatalf("%+v of %+v left: share %v after %v, %v left", left, all, p.Share, before, p.Left)
			}
			before = p.Share
		}
		if before < 1-1e-9 {
			t.Errorf("all of %+v is done, and the share is %v", all, before)
		}
	}
}

// TestEstimateProgress_KnowsWhatEndsFirst has audio that takes a third of the time of its video, on a core of its own.
func TestEstimateProgress_KnowsWhatEndsFirst(t *testing.T) {
	all := Work{Video: 15 * time.Minute, Audio: 3 * time.Minute}
	for _, test := range []struct {
		left   Work
		worked time.Duration
	}{
		{Work{13*time.Minute + 30*time.Second, 2 * time.Minute}, time.Minute},
		{Work{10*time.Minute + 30*time.Second, 0}, 3 * time.Minute},
		{Work{3 * time.Minute, 0}, 8 * time.Minute},
	} {
		p := EstimateProgress(all, test.left, test.worked, 4, 1)
		if off := p.Left + test.worked - 10*time.Minute; off.Abs() > time.Second || p.Share-test.worked.Minutes()/10 > 0.01 {
			t.Errorf("after %v: share %.3f, %v left; want 10 minutes in all", test.worked, p.Share, p.Left)
		}
	}
}

func TestCosts_AreOfWhatIsDecodedAndDrawn(t *testing.T) {
	p := testPlan(t)
	for i := range p.Video {
		task := &p.Video[i]
		var sum time.Duration
		for _, cost := range task.Costs() {
			if cost <= 0 {
				t.Errorf("task %d: a chunk costs %v", i, cost)
			}
			sum += cost
		}
		frames := 0
		for n, chunk := range task.Chunks {
			before := task.Spent(task.First, frames)
			frames += chunk.To - chunk.From
			if got := task.Spent(task.First, frames); (got - before - task.Costs()[n]).Abs() > time.Microsecond {
				t.Errorf("task %d, chunk %d costs %v, want %v", i, n, got-before, task.Costs()[n])
			}
		}
		if got := task.Spent(task.First, frames+100); got != sum {
			t.Errorf("task %d costs %v, want %v", i, got, sum)
		}
	}
}

// TestTasks_EndAtTheSameTime has two workers. One of them also makes the audio.
func TestTasks_EndAtTheSameTime(t *testing.T) {
	req, opts := parseRequest(t, "size 1280x720\naudio *\nparallel 2\nchunk 4s\n", `{"a":{"video_sources":["*"]}}`)
	for name, keys := range map[string]string{"many keyframes": " every=40ms key=0s,20s,21s,22s,30s,31s,32s,33s,34s,35s,36s,37s", "one keyframe": " every=40ms"} {
		tracks, indexes := parseTracks(t, "video a cam-a length=60s"+keys+"\nvideo b cam-b offset=20s length=40s\naudio a mic-a length=60s\naudio b mic-b length=60s\n")
		p, err := New(req, tracks, indexes, opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Video) != 2 {
			t.Fatalf("%s: %d tasks", name, len(p.Video))
		}
		var costs [2]time.Duration
		for i := range p.Video {
			for _, cost := range p.Video[i].Costs() {
				costs[i] += cost
			}
		}
		costs[1] += p.Audio[0].Cost()
		if off := (costs[0] - costs[1]).Seconds() / costs[0].Seconds(); off > 0.05 || off < -0.05 {
			t.Errorf("%s: one worker has %v to do, the other %v", name, costs[0], costs[1])
		}
	}
}
