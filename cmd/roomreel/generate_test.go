package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"roomreel/internal/config"
)

func generate(t *testing.T, form string) string {
	t.Helper()
	var out, problems bytes.Buffer
	if code := run(context.Background(), []string{"generate", form}, nil, nil, &out, &problems); code != 0 {
		t.Fatalf("generate %s: code %d, %s", form, code, problems.String())
	}
	return out.String()
}

func TestGenerate_ManPagesHaveEveryCommandFlagAndSetting(t *testing.T) {
	page := strings.ReplaceAll(generate(t, "roomreel.1"), `\-`, "-")
	sections := strings.Split(page, "\n.SS ")
	commands := kong.Must(&commands{}, kong.Name("roomreel")).Model.Leaves(true)
	if len(commands) < 18 || len(sections) != len(commands)+1 {
		t.Fatalf("the page has %d commands, the program %d", len(sections)-1, len(commands))
	}
	for i, command := range commands {
		section := sections[i+1]
		if !strings.HasPrefix(section, `"`+command.FullPath()) || !strings.Contains(section, command.Help) {
			t.Errorf("section %.60q is not that of %q", section, command.FullPath())
		}
		for _, flag := range command.Flags {
			if !strings.Contains(section, "--"+flag.Name) {
				t.Errorf("%s: no --%s", command.FullPath(), flag.Name)
			}
		}
	}
	page = strings.ReplaceAll(generate(t, "roomreel.toml.5"), `\-`, "-")
	_, settings, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range settings {
		section, key, _ := strings.Cut(setting.Key, ".")
		_, after, _ := strings.Cut(page, `.SH "[`+section+`]"`)
		if !strings.Contains(after, `.BR "`+key+`"`) {
			t.Errorf("roomreel.toml.5 lacks %s", setting.Key)
		}
	}
}

// TestGenerate_CompletesInBash asks bash itself, with the cursor at the end of a line.
func TestGenerate_CompletesInBash(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "roomreel.bash")
	for name, text := range map[string]string{script: generate(t, "bash"), filepath.Join(dir, "film.json"): "{}"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		line []string // the last word is the one that is completed
		want string   // separated by spaces
	}{
		{[]string{"acc"}, "account"},
		{[]string{"account", ""}, "create list --help"},
		{[]string{"account", "create", "--na"}, "--name"},
		{[]string{"serve", "--role", ""}, "all api worker"},
		{[]string{"serve", "--role", "=", "w"}, "worker"},
		{[]string{"serve", "--role", "all", "--li"}, "--listen"},
		{[]string{"report", "fi"}, "film.json"},
		{[]string{"generate", "roomreel.t"}, "roomreel.toml.5"},
		{[]string{"serve", "--config", "fi"}, "film.json"},
	} {
		bash := exec.Command("bash", append([]string{"--norc", "-c", "source roomreel.bash\nCOMP_WORDS=(\"$@\")\n" +
			"COMP_CWORD=$(($# - 1))\n_roomreel\necho \"${COMPREPLY[@]}\"", "bash", "roomreel"}, row.line...)...)
		bash.Dir = dir
		out, err := bash.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != row.want {
			t.Errorf("%q: offered %q, %v, want %q", row.line, got, err, row.want)
		}
	}
}

// TestGenerate_ScriptsHaveEveryCommandAndFlag has each shell that is installed check its script.
func TestGenerate_ScriptsHaveEveryCommandAndFlag(t *testing.T) {
	list := completionsOf(kong.Must(&commands{}, kong.Name("roomreel")).Model)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := generate(t, shell)
		for _, c := range list {
			for _, word := range c.words {
				name := strings.TrimPrefix(word.name, "--")
				if !strings.Contains(script, name) {
					t.Errorf("%s: %q lacks %s", shell, c.path, word.name)
				}
			}
			if !slices.ContainsFunc([]string{`"` + c.path + `"`, "'" + c.path + "'"}, func(path string) bool {
				return strings.Contains(script, path)
			}) {
				t.Errorf("%s lacks %q", shell, c.path)
			}
		}
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		check := exec.Command(shell, "-n", "/dev/stdin")
		check.Stdin = strings.NewReader(script)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, out)
		}
	}
}
