package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		bar.Set(0.5, 0)
		bar.Close()
	}
}

func TestBar_NeverGoesBack(t *testing.T) {
	var out bytes.Buffer
	bar := newBar(&out, "composing")
	bar.Set(0.6, 90*time.Second)
	bar.Set(0.4, 0)
	bar.Set(7, 0)
	bar.Close()
	bar.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\r")
	if last := lines[len(lines)-1]; !strings.Contains(last, "100%") {
		t.Errorf("last line %q, want 100%%", last)
	}
	if !strings.Contains(out.String(), "composing, 1 min 30 s left  60%") {
		t.Errorf("the bar does not say what is left: %q", out.String())
	}
	if strings.Contains(out.String(), " 40%") {
		t.Errorf("the bar went back: %q", out.String())
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("closing twice ended more than one line: %q", out.String())
	}
}

func TestBar_EndsNoLineWhenNothingWasDrawn(t *testing.T) {
	var out bytes.Buffer
	newBar(&out, "composing").Close()
	if out.Len() > 0 {
		t.Errorf("drawn: %q", out.String())
	}
}

// TestBar_FitsANarrowTerminal: a line that wraps would leave one behind at every redrawing.
func TestBar_FitsANarrowTerminal(t *testing.T) {
	const columns = 40
	terminal, screen := openTerminal(t, columns)
	bar := New(terminal, "composing")
	if bar == nil {
		t.Fatal("a terminal was not recognized")
	}
	for percent := range 101 {
		bar.Set(float64(percent)/100, time.Duration(100-percent)*time.Minute)
	}
	bar.Close()
	drawn := screen()
	for line := range strings.SplitSeq(strings.ReplaceAll(drawn, "\x1b[0K", ""), "\r") {
		if len(strings.TrimSpace(line)) > columns {
			t.Errorf("a line of %d characters on a terminal of %d: %q", len(line), columns, line)
		}
	}
	if !strings.Contains(drawn, "100%") || strings.Count(drawn, "\n") != 1 {
		t.Errorf("drawn: %q; want one line that ends with 100%%", drawn)
	}
}

// openTerminal makes a terminal. screen hangs it up and returns all that was written to it.
func openTerminal(t *testing.T, columns uint16) (terminal *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan string)
	go func() {
		text, _ := io.ReadAll(master) // ends with EIO when the terminal is closed
		written <- string(text)
	}()
	return terminal, func() string {
		terminal.Close()
		return <-written
	}
}
