package main

import (
	"errors"
	"fmt"
	"maps"
	"text/tabwriter"

	"roomreel/internal/config"
)

// configFlags are the flags of every command that reads the configuration. A flag overrides the environment, and the
// environment overrides the file.
type configFlags struct {
	File string            `name:"config" placeholder:"FILE" help:"Configuration file (default ./roomreel.toml, if it exists)."`
	Set  map[string]string `placeholder:"SECTION.KEY=VALUE" mapsep:"none" help:"Any setting; may be repeated."`
}

// dataFlags are the flags of every command on a node's data.
type dataFlags struct {
	configFlags
	Data     string `placeholder:"DIR" help:"Folder of everything this node keeps (server.data)."`
	Database string `placeholder:"URL" help:"postgres://… instead of SQLite (database.url); give a URL with a password in the environment."`
}

// load reads the configuration. more are a command's own flags by key; empty ones were not given.
func (f configFlags) load(s *session, more map[string]string) (config.Config, []config.Setting, error) {
	sources := config.Sources{File: "roomreel.toml", Env: s.env, Flags: maps.Clone(f.Set)}
	if sources.Flags == nil {
		sources.Flags = map[string]string{}
	}
	if f.File != "" {
		sources.File, sources.Required = f.File, true
	}
	for key, value := range more {
		if value != "" {
			sources.Flags[key] = value
		}
	}
	c, settings, err := config.Load(sources)
	if err != nil {
		return c, settings, usageError{err}
	}
	return c, settings, nil
}

func (f dataFlags) load(s *session, more map[string]string) (config.Config, []config.Setting, error) {
	all := map[string]string{"server.data": f.Data, "database.url": f.Database}
	maps.Copy(all, more)
	return f.configFlags.load(s, all)
}

type configCommand struct {
	dataFlags
	Describe bool `help:"Explain each key too."`
}

// Run prints the settings even when some are wrong, since then it matters most where they come from.
func (c configCommand) Run(s *session) error {
	_, settings, err := c.load(s, nil)
	table := tabwriter.NewWriter(s.stdout, 0, 8, 2, ' ', 0)
	for _, setting := range settings {
		if c.Describe {
			fmt.Fprintf(table, "# %s\n", setting.Help)
		}
		fmt.Fprintf(table, "%s\t%q\t%s\n", setting.Key, setting.Value, setting.Origin)
	}
	return errors.Join(err, table.Flush())
}
