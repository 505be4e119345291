package main

import (
	"maps"

	"roomreel/internal/config"
)

// configFlags are the flags of every command that reads the configuration. A flag wins over the environment, and that
// over the file.
type configFlags struct {
	File string            `name:"config" placeholder:"FILE" help:"Configuration file; ./roomreel.toml is read when it is there."`
	Set  map[string]string `placeholder:"SECTION.KEY=VALUE" mapsep:"none" help:"Any setting; may be repeated."`
}

// dataFlags are those of every command that works on a node's data.
type dataFlags struct {
	configFlags
	Data     string `placeholder:"DIR" help:"Folder of everything this node keeps (server.data)."`
	Database string `placeholder:"URL" help:"postgres://… instead of the embedded database (database.url); with a password it belongs into the environment."`
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
