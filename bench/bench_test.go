package main

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRow_SaysWhetherItsGoalIsReached(t *testing.T) {
	for _, test := range []struct {
		goal   goal
		figure figure
		err    error
		want   string
	}{
		{atMost(0.5, times), figure{value: 0.5}, nil, "reached"},
		{atMost(0.5, times), figure{value: 0.51}, nil, "missed"},
		{atMost(0.5, times), figure{value: 0.4, unmet: []string{"SSIM is lower"}}, nil, "missed"},
		{atLeast(1.9, times), figure{value: 1.9}, nil, "reached"},
		{atLeast(1.9, times), figure{value: 1.89}, nil, "missed"},
		{works(times), figure{value: 7, unmet: []string{"SSIM is lower"}}, nil, "works"},
		{works(times), figure{}, &refusal{"no"}, "refused"},
		{works(times), figure{}, errors.New("broken\nlines"), "FAILED"},
	} {
		_, status, detail := row{goal: test.goal}.judge(test.figure, test.err)
		if status != test.want || strings.Contains(detail, "\n") {
			t.Errorf("%v of %v: %s, %q; want %s", test.figure, test.goal, status, detail, test.want)
		}
	}
}

func TestFilm_IsHeldToQualityAndSize(t *testing.T) {
	same := result{ours: run{size: 110}, hand: run{size: 100}, ourSSIM: 0.99, ssim: 0.99}
	larger, worse := same, same
	larger.ours.size, worse.ourSSIM = 111, 0.9899
	for _, test := range []struct {
		result result
		unmet  int
	}{{same, 0}, {larger, 1}, {worse, 1}} {
		if unmet := test.result.unmet(); len(unmet) != test.unmet {
			t.Errorf("%+v: %q", test.result, unmet)
		}
	}
}

func TestInaccuracy_IsTheLargestErrorAfterTheFirstTenth(t *testing.T) {
	f, err := inaccuracy([]report{
		{at: 500 * time.Millisecond, percent: 90, remaining: 1}, // within the first tenth
		{at: 2 * time.Second, percent: 30, remaining: 8},
		{at: 5 * time.Second, percent: 45, remaining: 7},
	}, 10*time.Second)
	if err != nil || f.value != 10 || !strings.Contains(f.detail, "by 20 %") || len(f.unmet) != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := inaccuracy(nil, time.Second); err == nil {
		t.Error("no report is no error")
	}
}

// TestTree_HasChildrenOfChildren runs a shell that runs another program.
func TestTree_HasChildrenOfChildren(t *testing.T) {
	shell := exec.Command("sh", "-c", "sh -c 'sleep 60; true'; true")
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, pid := range tree(shell.Process.Pid) {
			if process, err := os.FindProcess(pid); err == nil {
				process.Kill()
			}
		}
		shell.Wait()
	}()
	for began := time.Now(); len(tree(shell.Process.Pid)) < 3; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("processes %v, want the shell, its child and that one's child", tree(shell.Process.Pid))
		}
	}
	if all := tree(os.Getpid()); !slices.Contains(all, shell.Process.Pid) || memoryOf(os.Getpid()) < 1<<20 {
		t.Errorf("processes %v, %d bytes", all, memoryOf(os.Getpid()))
	}
}

func TestGrid_FillsTheCanvas(t *testing.T) {
	for _, g := range [][4]int{{1280, 720, 2, 2}, {1280, 720, 10, 5}, {1280, 720, 3, 3}} {
		cells := grid(g[0], g[1], g[2], g[3])
		last := cells[len(cells)-1]
		if len(cells) != g[2]*g[3] || last.x+last.w > g[0] || last.y+last.h > g[1] || last.w%2 != 0 || last.x%2 != 0 {
			t.Errorf("grid %v ends with %+v", g, last)
		}
	}
}
