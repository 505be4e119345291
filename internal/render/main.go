package render

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Exit codes of a child. A Go panic and a fault in C are code 2.
const (
	exitOK       = 0
	exitFailed   = 1 // do or the pipes failed; stderr says how
	exitUsage    = 64
	exitSandbox  = 77 // a guard is missing that the parent requires
	errNotByHand = "roomreel-render is started by roomreel and not for use by hand"
)

// Main is the whole of a child's main function: it confines the process, then serves its parent on the standard pipes,
// and exits.
func Main(do func(Plan, *Conn) (Stats, error)) {
	exit(child(do))
}

// exit ends a child. os.Exit runs exit hooks, and those of a program built with -cover write to stderr, where the parent
// expects the error message to be the last line. So a child that failed ends without them.
func exit(code int) {
	if code != exitOK {
		unix.Exit(code)
	}
	os.Exit(code)
}

func child(do func(Plan, *Conn) (Stats, error)) int {
	page, err := inherit()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	return childWith(page, do)
}

func childWith(page *shared, do func(Plan, *Conn) (Stats, error)) int {
	if err := confine(page); err != nil {
		if page.modeOrdered() == Require || page.probe != 0 {
			fmt.Fprintln(os.Stderr, err)
		}
		if page.modeOrdered() == Require {
			return exitSandbox
		}
	}
	if page.probe != 0 {
		for _, name := range escapes() {
			fmt.Println(name)
		}
		return exitOK
	}
	if err := serve(os.Stdin, os.Stdout, page, do); err != nil {
		// The parent hung up; it knows why.
		if !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, unix.EPIPE) {
			fmt.Fprintln(os.Stderr, strings.TrimSpace(err.Error()))
		}
		return exitFailed
	}
	return exitOK
}

// inherit maps the page that the parent handed down, and gives its descriptor back.
func inherit() (*shared, error) {
	var info unix.Stat_t
	if err := unix.Fstat(pageFD, &info); err != nil || info.Size != pageSize {
		return nil, errors.New(errNotByHand)
	}
	_, page, err := mapPage(pageFD)
	if err != nil {
		return nil, err
	}
	if page.magic != pageMagic {
		return nil, errors.New(errNotByHand)
	}
	return page, unix.Close(pageFD)
}
