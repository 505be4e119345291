package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
)

// Exit codes of a child. A Go panic and a fault in C are code 2.
const (
	exitOK      = 0
	exitFailed  = 1 // do or the pipes failed; stderr says how
	exitUsage   = 64
	exitSandbox = 77 // a protection is missing that the parent requires
)

// Main is the whole of a child's main function: it confines the process, then serves its parent on the standard pipes,
// and exits.
//
// encoders opens the device if there is one, before the sandbox is on, because its driver is loaded then. It returns the kinds of
// video encoders that the program has with it, and why the device cannot be used.
func Main(do func(protocol.Plan, *protocol.Conn) (protocol.Stats, error), encoders func(*protocol.Device) ([]string, error)) {
	page, err := protocol.InheritPage()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		exit(exitUsage)
	}
	exit(childMain(page, do, encoders))
}

// exit ends a child. os.Exit runs exit hooks, and those of a program built with -cover write to stderr, where the parent
// expects the error message to be the last line. So a child that failed ends without them.
func exit(code int) {
	if code != exitOK {
		unix.Exit(code)
	}
	os.Exit(code)
}

func childMain(page *protocol.Page, do func(protocol.Plan, *protocol.Conn) (protocol.Stats, error), encoders func(*protocol.Device) ([]string, error)) int {
	var kinds []string
	var lacking error
	if page.Orders.Probe || page.Orders.Device.Kind() != "" {
		kinds, lacking = encoders(&page.Orders.Device)
	}
	if err := sandbox.Confine(page); err != nil {
		if page.Orders.Require || page.Orders.Probe {
			fmt.Fprintln(os.Stderr, err)
		}
		if page.Orders.Require {
			return exitSandbox
		}
	}
	if page.Orders.Probe {
		for _, kind := range kinds {
			fmt.Println(encoderLine + kind)
		}
		if lacking != nil {
			fmt.Println(deviceLine + strings.ReplaceAll(lacking.Error(), "\n", " "))
		}
		for _, path := range page.Orders.Device.Files() {
			if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
				f.Close()
				fmt.Println(openedLine + path)
			}
		}
		for _, name := range sandbox.Escapes() {
			fmt.Println(name)
		}
		return exitOK
	}
	if err := protocol.Serve(os.Stdin, os.Stdout, page, do); err != nil {
		// When the parent hung up, it knows why.
		if !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, unix.EPIPE) {
			fmt.Fprintln(os.Stderr, strings.TrimSpace(err.Error()))
		}
		return exitFailed
	}
	return exitOK
}

// What the lines of a probe begin with. The others name escapes.
const (
	encoderLine = "encoder "
	deviceLine  = "device: " // why it cannot be used
	openedLine  = "opened "  // a file of the device, inside the sandbox
)

// Findings say what a child of this program is, on this machine.
type Findings struct {
	sandbox.Report
	Encoders []string // kinds of video encoders, as protocol.Encoder.Kind
	Lacking  string   // why the device cannot be used; "" when it can or there is none
	Opened   []string // files of the device that a child can open in its sandbox
}

// probeTimeout bounds a probe: starting a process and a few system calls.
const probeTimeout = 20 * time.Second

// Probe starts a child that tries to break out, and reports which protections are in force, and which encoders it has. It is for the start of the
// service and for its doctor. The error is not nil when no child could be started at all, or, in mode Require, when a
// protection is missing.
func Probe(ctx context.Context, c Command) (Findings, error) {
	c = c.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c.probe = true
	p, err := start(ctx, c)
	if err != nil {
		return Findings{}, fmt.Errorf("start render child: %w", err)
	}
	defer p.release()
	defer p.in.Close()
	defer p.out.Close()
	output, err := io.ReadAll(io.LimitReader(p.out, 64<<10))
	if err != nil {
		cancel()
	}
	state := p.wait()
	var report Findings
	var escapes []string
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSpace(line)
		if kind, is := strings.CutPrefix(line, encoderLine); is {
			report.Encoders = append(report.Encoders, kind)
		} else if why, is := strings.CutPrefix(line, deviceLine); is {
			report.Lacking = why
		} else if path, is := strings.CutPrefix(line, openedLine); is {
			report.Opened = append(report.Opened, path)
		} else {
			escapes = append(escapes, line)
		}
	}
	report.Report = sandbox.NewReport(p.isolation, p.page.Page, escapes)
	if state == nil || state.ExitCode() != exitOK {
		return report, fmt.Errorf("probe of the sandbox: render child ended with %v: %s", state, p.stderr.String())
	}
	if c.Mode == sandbox.Require && (len(report.Missing()) > 0 || len(report.Escapes) > 0) {
		return report, fmt.Errorf("the sandbox is required and incomplete: missing %v, possible %v", report.Missing(), report.Escapes)
	}
	return report, nil
}
