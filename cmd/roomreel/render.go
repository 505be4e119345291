package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"roomreel"
	"roomreel/internal/config"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/protocol"
	"roomreel/internal/render/sandbox"
)

const renderName = "roomreel-render"

// renderCommand finds the render child and sets its sandbox and memory limit.
func renderCommand(c config.Render) (render.Command, error) {
	path, err := findRender(c.Binary)
	if err != nil {
		return render.Command{}, err
	}
	command := render.Command{Path: path, Mode: sandbox.Mode(c.Sandbox), MemoryLimit: int64(c.Memory)}
	if files := c.DeviceFiles(); len(files) > 0 {
		if command.Device, err = protocol.NewDevice(string(c.VideoEncoder), files...); err != nil {
			return render.Command{}, usageError{fmt.Errorf("render.devices: %w", err)}
		}
	}
	return command, nil
}

// findRender looks at the configured path, else beside this program, else in PATH.
func findRender(configured string) (string, error) {
	if configured != "" {
		path, err := exec.LookPath(configured)
		if err != nil {
			return "", usageError{fmt.Errorf("render.binary: %w", err)}
		}
		return filepath.Abs(path)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), renderName)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(renderName)
	if err != nil {
		return "", fmt.Errorf("%s is neither beside roomreel nor in PATH; `make build` makes it, render.binary names it: %w", renderName, err)
	}
	return filepath.Abs(path)
}

// checkSandbox has a child try to break out, and logs which protections are missing on this machine.
// It returns which kinds of video encoders a child has.
func checkSandbox(ctx context.Context, child render.Command, log *slog.Logger) (encoders []string, err error) {
	report, err := render.Probe(ctx, child)
	if err != nil {
		return nil, fmt.Errorf("render child %s: %w", child.Path, err)
	}
	if report.Lacking != "" {
		log.Warn("the device cannot be used; this node encodes in software", "device", child.Device.Kind(), "err", report.Lacking)
	}
	if child.Mode == sandbox.Off {
		log.Warn("render children run without a sandbox: render.sandbox is off")
		return report.Encoders, nil
	}
	for _, protection := range report.Protections {
		if !protection.InForce {
			log.Warn("a protection of the sandbox is missing", "protection", protection.Name, "hint", protection.Hint)
		}
	}
	for _, escape := range report.Escapes {
		log.Warn("a render child could escape from its sandbox", "by", escape)
	}
	return report.Encoders, nil
}

// encodersFor returns the kinds of video encoders that a film needs to know of, for a film that is not H.264 or VP8 in software. It asks a child,
// which takes as long as starting one.
func encodersFor(ctx context.Context, child render.Command, c config.Config) ([]string, error) {
	small := roomreel.Quality(c.Compose.Encoder) == roomreel.QualitySmall
	if !small && child.Device.Kind() == "" {
		return nil, nil
	}
	found, err := render.Probe(ctx, child)
	if err != nil {
		return nil, fmt.Errorf("render child %s: %w", child.Path, err)
	}
	if small && !slices.Contains(found.Encoders, plan.SmallCodec) {
		return nil, roomreel.InvalidParam("--quality", "%s", noAV1)
	}
	return found.Encoders, nil
}
