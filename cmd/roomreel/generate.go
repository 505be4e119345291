package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"roomreel/internal/config"
)

type generateCommand struct {
	Form string `arg:"" enum:"roomreel.1,roomreel.toml.5,bash,zsh,fish" help:"roomreel.1 or roomreel.toml.5 is a man page; bash, zsh or fish is a completion script."`
}

// Run prints a page or a script that is made of the command line and of the settings, so that it always agrees with them.
func (c generateCommand) Run(parsed *kong.Context, s *session) error {
	var text string
	switch c.Form {
	case "roomreel.1":
		text = manualOfCommands(parsed.Model)
	case "roomreel.toml.5":
		_, settings, err := config.Load(config.Sources{})
		if err != nil {
			return err
		}
		text = manualOfSettings(settings)
	default:
		text = completionScripts[c.Form](completionsOf(parsed.Model))
	}
	_, err := fmt.Fprint(s.stdout, text)
	return err
}

// A manual is a page in the man macros of roff.
type manual struct{ strings.Builder }

// line writes one macro, or a line of text when macro is empty.
func (m *manual) line(macro string, texts ...string) {
	escape := strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`)
	for i, text := range texts {
		texts[i] = escape.Replace(text)
		if macro != "" {
			texts[i] = `"` + texts[i] + `"`
		}
	}
	if macro == "" {
		macro = `\&` // no text is taken for a macro
	} else {
		macro += " "
	}
	m.WriteString(macro + strings.Join(texts, " ") + "\n")
}

// text writes paragraphs, which are separated by an empty line.
func (m *manual) text(paragraphs string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(paragraphs), "\n\n") {
		if i > 0 {
			m.WriteString(".PP\n")
		}
		m.line("", strings.Join(strings.Fields(paragraph), " "))
	}
}

func (m *manual) head(title, section, name, what string) {
	m.line(".TH", title, section, "", "roomreel "+version, "roomreel")
	m.line(".SH", "NAME")
	m.line("", name+" - "+what)
}

// flags writes those flags that hide does not hold, a paragraph for each.
func (m *manual) flags(flags []*kong.Flag, hide []*kong.Flag) {
	for _, flag := range flags {
		if flag.Hidden || slices.Contains(hide, flag) {
			continue
		}
		m.WriteString(".TP\n")
		m.line(".B", strings.TrimSpace(flag.String()))
		m.line("", flag.Help)
	}
}

func manualOfCommands(model *kong.Application) string {
	var m manual
	what, more, _ := strings.Cut(model.Help, "\n\n")
	m.head("ROOMREEL", "1", "roomreel", strings.ToLower(what[:1])+strings.TrimSuffix(what[1:], "."))
	m.line(".SH", "SYNOPSIS")
	m.line(".B", "roomreel COMMAND [FLAGS]")
	m.line(".SH", "DESCRIPTION")
	m.text("Results are on standard output; messages, logs and progress bars are on standard error.\n\n" + more)
	m.line(".SH", "FLAGS OF ALL COMMANDS")
	m.flags(model.Flags, nil)
	m.line(".SH", "COMMANDS")
	for _, command := range model.Leaves(true) {
		m.line(".SS", command.FullPath()+positionals(command))
		m.text(command.Help + "\n\n" + command.Detail)
		for _, group := range command.AllFlags(true) {
			m.flags(group, model.Flags)
		}
	}
	m.line(".SH", "FILES")
	m.line("", "roomreel.toml in the working folder, or what --config names. The service of the Debian package reads "+
		"/etc/roomreel/roomreel.toml and keeps its data in /var/lib/roomreel.")
	m.line(".SH", "SEE ALSO")
	m.line(".BR", "roomreel.toml", "(5)")
	return m.String()
}

func positionals(command *kong.Node) string {
	var all string
	for _, argument := range command.Positional {
		all += " " + argument.Summary()
	}
	return all
}

func manualOfSettings(settings []config.Setting) string {
	var m manual
	m.head("ROOMREEL.TOML", "5", "roomreel.toml", "settings of roomreel")
	m.line(".SH", "DESCRIPTION")
	m.text("A TOML file of sections and keys. The variable ROOMREEL_SECTION_KEY of the environment replaces a value of the file, " +
		"and a flag replaces both. An unknown key is an error.\n\n" +
		"`roomreel config` prints the value of each setting that is in effect, and where it comes from.")
	section := ""
	for _, setting := range settings {
		name, key, _ := strings.Cut(setting.Key, ".")
		if name != section {
			section = name
			m.line(".SH", "["+name+"]")
		}
		m.WriteString(".TP\n")
		m.line(".BR", key, fmt.Sprintf(" (default: %q)", setting.Value))
		m.line("", setting.Help)
	}
	m.line(".SH", "SEE ALSO")
	m.line(".BR", "roomreel", "(1)")
	return m.String()
}
