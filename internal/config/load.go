package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Sources says where values come from besides the defaults.
type Sources struct {
	File     string            // path of the TOML file; "" reads none
	Required bool              // the caller named File: then it must exist
	Env      []string          // KEY=value, as os.Environ gives it
	Flags    map[string]string // key -> text, for flags that were given
}

// Setting is one key's effective value and where it came from.
type Setting struct {
	Key    string // section.name
	Value  string // secrets are redacted
	Origin string // default, "file roomreel.toml", "environment ROOMREEL_SERVER_LISTEN", "flag"
	Help   string
}

// Load reads all sources and checks the result.
//
// The error joins the mistakes of all sources, and each names its source and key. The settings have the order of the Config
// struct. They are returned even with an error, because `roomreel config` shows them.
func Load(sources Sources) (Config, []Setting, error) {
	config := Default()
	l := loader{fields: fieldsOf(&config), origin: map[string]string{}}
	l.file(sources)
	l.env(sources.Env)
	for _, key := range slices.Sorted(maps.Keys(sources.Flags)) {
		l.set(key, sources.Flags[key], "flag")
	}
	if len(l.mistakes) == 0 {
		l.mistakes = append(l.mistakes, config.check()...)
	}
	return config, l.settings(), errors.Join(l.mistakes...)
}

type loader struct {
	fields   []field
	origin   map[string]string
	mistakes []error
}

func (l *loader) mistake(origin, format string, args ...any) {
	l.mistakes = append(l.mistakes, fmt.Errorf("%s: %s", origin, fmt.Sprintf(format, args...)))
}

func (l *loader) settings() []Setting {
	var list []Setting
	for _, f := range l.fields {
		origin := l.origin[f.key]
		if origin == "" {
			origin = "default"
		}
		list = append(list, Setting{Key: f.key, Value: f.show(), Origin: origin, Help: f.help})
	}
	return list
}

// set gives a key a value that came from origin. value is a text, or a value of the TOML decoder.
func (l *loader) set(key string, value any, origin string) {
	for _, f := range l.fields {
		if f.key == key {
			if err := f.set(value); err != nil {
				l.mistake(origin, "%s %v", key, err)
			}
			l.origin[key] = origin
			return
		}
	}
	l.mistake(origin, "unknown key %s%s", key, l.didYouMean(key, func(f field) string { return f.key }))
}

func (l *loader) file(sources Sources) {
	if sources.File == "" {
		return
	}
	origin := "file " + sources.File
	text, err := os.ReadFile(sources.File)
	if errors.Is(err, fs.ErrNotExist) && !sources.Required {
		return
	}
	if err != nil {
		l.mistakes = append(l.mistakes, fmt.Errorf("%s: %w", origin, err))
		return
	}
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		var broken toml.ParseError
		if errors.As(err, &broken) {
			l.mistake(origin, "line %d: %s", broken.Position.Line, broken.Message)
		} else {
			l.mistake(origin, "%v", err)
		}
		return
	}
	for _, section := range slices.Sorted(maps.Keys(tree)) {
		keys, ok := tree[section].(map[string]any)
		if !ok {
			l.set(section, tree[section], origin)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(keys)) {
			l.set(section+"."+name, keys[name], origin)
		}
	}
}

// otherVariables begin with ROOMREEL_ and are not settings of the server: those of the tests, of `roomreel import` and
// `decrypt`, and those that Kubernetes sets in every container beside a service called roomreel.
var otherVariables = []string{
	"ROOMREEL_TEST_", "ROOMREEL_URL", "ROOMREEL_USER", "ROOMREEL_ACCOUNT", "ROOMREEL_TOKEN", "ROOMREEL_SERVICE_", "ROOMREEL_PORT",
}

func (l *loader) env(env []string) {
	names := map[string]string{}
	for _, f := range l.fields {
		names[f.env()] = f.key
	}
	for _, pair := range slices.Sorted(slices.Values(env)) {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "ROOMREEL_") || slices.ContainsFunc(otherVariables, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		origin := "environment " + name
		if key, ok := names[name]; ok {
			l.set(key, value, origin)
		} else {
			l.mistake(origin, "unknown variable%s", l.didYouMean(name, field.env))
		}
	}
}

// didYouMean names the known word that is nearest to an unknown one, or the command that lists all.
func (l *loader) didYouMean(word string, name func(field) string) string {
	best, least := "", len(word)/2+1
	for _, f := range l.fields {
		if d := distance(word, name(f)); d < least {
			best, least = name(f), d
		}
	}
	if best == "" {
		return "; `roomreel config` lists all keys"
	}
	return "; did you mean " + best + "?"
}

// distance counts the letters to insert, delete or replace so that a becomes b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
