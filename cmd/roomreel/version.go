package main

import (
	"fmt"
	"runtime/debug"
)

// version is that of the newest entry of CHANGELOG.md.
const version = "0.1.0"

type versionCommand struct{}

func (versionCommand) Run(s *session) error {
	commit := "unknown"
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
		_, err := fmt.Fprintf(s.stdout, "roomreel %s, commit %s, %s\n", version, commit, info.GoVersion)
		return err
	}
	_, err := fmt.Fprintf(s.stdout, "roomreel %s\n", version)
	return err
}
