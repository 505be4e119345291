package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
)

type configCommand struct {
	dataFlags
	Describe bool `help:"Say what each key means, too."`
}

// Run shows the settings also when some are wrong: then above all one wants to know where they come from.
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
