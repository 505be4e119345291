package progress

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestNew_DrawsNothingOutsideATerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, bar := range []*Bar{New(file, "x"), New(&bytes.Buffer{}, "x")} {
		if bar != nil {
			t.Fatal("a file was taken for a terminal")
		}
		bar.Set(0.5)
		bar.Close()
	}
}

func TestBar_NeverGoesBack(t *testing.T) {
	var out bytes.Buffer
	bar := &Bar{out: &out, label: "composing", began: time.Now()}
	bar.Set(0.6)
	bar.Set(0.4)
	bar.Set(7)
	bar.Close()
	bar.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\r")
	if last := lines[len(lines)-1]; !strings.Contains(last, "100 %") {
		t.Errorf("last line %q, want 100 %%", last)
	}
	if strings.Contains(out.String(), " 40 %") {
		t.Errorf("the bar went back: %q", out.String())
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("closing twice ended more than one line: %q", out.String())
	}
}

func TestLine_GuessesTheRestFromThePaceSoFar(t *testing.T) {
	for _, test := range []struct {
		share float64
		spent time.Duration
		want  string
	}{
		{0, time.Minute, "a [..............................]   0 %"},
		{0.5, time.Second, "a [###############...............]  50 %"},
		{0.5, 10 * time.Second, "a [###############...............]  50 %, 10s left"},
		{1, time.Minute, "a [##############################] 100 %"},
	} {
		if got := line("a", test.share, test.spent); got != test.want {
			t.Errorf("line(%v, %v) = %q, want %q", test.share, test.spent, got, test.want)
		}
	}
}
