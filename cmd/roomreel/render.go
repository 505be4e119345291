package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"roomreel/internal/config"
	"roomreel/internal/render"
	"roomreel/internal/render/sandbox"
)

const renderName = "roomreel-render"

// renderCommand finds the render child and says what it may use.
func renderCommand(c config.Render) (render.Command, error) {
	path, err := findRender(c.Binary)
	if err != nil {
		return render.Command{}, err
	}
	return render.Command{Path: path, Mode: sandbox.Mode(c.Sandbox), MemoryLimit: int64(c.Memory)}, nil
}

// findRender looks where the configuration says, or else beside this program and then in PATH.
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
