package roomreel_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// A banned word is one that this project once used for something that has a common name. Forms are whole words in lower
// case. A word of an identifier counts, so that "sound" is found in SoundPlan, and not in soundness.
type banned struct {
	forms       string // separated by spaces
	say         string
	identifiers bool // only in identifiers: in a sentence the word has its usual meaning
}

var bannedWords = []banned{
	{"stretch stretches", "render task (what a worker renders), range or run (of packets), change of speed (of audio)", false},
	{"picture pictures", "frame, video frame, video; a picture is a still image, or H.264's picture parameter set", false},
	{"sound sounds voice voices", "audio, audio track, samples", false},
	{"heard", "audible, AudioPacket", true},
	{"facts fact outcome outcomes", "stats, result", false},
	{"vault vaults", "media store; [vault] is the name of a setting", false},
	{"depot depots parcel parcels", "store, service; delivery", false},
	{"erase erases erased erasing erasure erasures redeem redeems redeemed", "delete, pending deletion, release", false},
	{"upkeep", "cleanup, garbage collection", false},
	{"ghost ghosts overtaken overtake", "stale worker, older attempt, lease lost", false},
	{"claim claims claimed claiming", "acquire, lease", true},
	{"revive revives revived beat beats", "rescue, heartbeat", false},
	{"outage outages", "store unavailable", false},
	{"patience calmly verdict stubborn moody told onward", "name what it is or does", true},
	{"seating seatings seat seats", "cell assignment", false},
	{"waver wavers wavering wavered torn tear", "jitter; truncated, damaged", false},
	{"surroundings guard guards", "isolation, protection", false},
	{"whoever nobody somebody", "name the participant, caller, process or worker", false},
}

// bannedForms finds a banned word by its form.
var bannedForms = func() map[string]banned {
	forms := map[string]banned{}
	for _, b := range bannedWords {
		for _, form := range strings.Fields(b.forms) {
			forms[form] = b
		}
	}
	return forms
}()

// An exception allows a banned word where its usual meaning is meant.
type exception struct {
	file   string // a prefix of the path; "" for every file
	text   string // a regular expression for the word and the words beside it; "" for the whole file
	reason string
}

var wordExceptions = []exception{
	{"words_test.go", "", "it holds the list"},
	{"", `(?i)picture[ -]in[ -]picture|picturein|still picture|(picture|sequence) parameter set|picture order`, "a layout's usual name; H.264's terms"},
	{"", `(?i)\[vault\]|vault\.(url|path|endpoint|region|access_key|secret_key|path_style|ca)|ROOMREEL_VAULT_|data/vault|"vault"`, "the setting and its folder"},
	{"", `\b(u|g)id nobody|user nobody|nobody \(6553`, "the Unix user"},
	{"internal/render/sandbox/isolation.go", `(?i)nobody`, "the Unix user"},
	{"internal/codec/encode.c", `AV_PICTURE_TYPE_NONE|pict_type`, "libavcodec's name"},
	{"internal/store/migrations/", "", "tables as earlier versions named them"},
	{"internal/store/migrate_test.go", `sound-1`, "a key that an earlier version wrote"},
	{"internal/jobs/", `["'](stretch|sound|erase)["']`, "kinds of job as earlier versions named them"},
	{"internal/jobs/", `"nobody"`, "a selector that matches no participant"},
	{"internal/media/mp4/write_moov.go", `"(Sound|Pictures)\\x00"`, "names of handlers in the file, which stay as they are"},
	{"CHANGELOG.md", "`(pictures|shown_pictures|torn)`", "names that fields had"},
	{"go.sum", "", "names of modules"},
}

// wordPlace is a banned word and where it was found.
type wordPlace struct {
	file string
	line int
	word string
	say  string
	text string // the line
}

// wordsOf splits a text into its words. An identifier is split at its capital letters and underscores.
func wordsOf(text string) []string {
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return words
}

// bannedIn returns the banned words of a text.
func bannedIn(text string, identifier bool) (found []banned, words []string) {
	for _, word := range wordsOf(text) {
		if b, is := bannedForms[word]; is && (identifier || !b.identifiers) {
			found, words = append(found, b), append(words, word)
		}
	}
	return found, words
}

var compiledExceptions = map[string]*regexp.Regexp{}

func compiled(text string) *regexp.Regexp {
	if compiledExceptions[text] == nil {
		compiledExceptions[text] = regexp.MustCompile(text)
	}
	return compiledExceptions[text]
}

// withoutExceptions blanks the exceptions in a text.
func withoutExceptions(file, text string) string {
	for _, e := range wordExceptions {
		switch {
		case !strings.HasPrefix(file, e.file):
		case e.text == "":
			return ""
		default:
			text = compiled(e.text).ReplaceAllString(text, " ")
		}
	}
	return text
}

// checkGo looks at identifiers, comments and strings.
func checkGo(t *testing.T, file, source string) (found []wordPlace) {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(source, "\n")
	look := func(at token.Pos, text string, identifier bool) {
		start := fset.Position(at).Line
		for i, part := range strings.Split(text, "\n") {
			bad, words := bannedIn(part, identifier)
			if len(bad) > 0 {
				bad, words = bannedIn(withoutExceptions(file, part), identifier)
			}
			for j, b := range bad {
				found = append(found, wordPlace{file, start + i, words[j], b.say, strings.TrimSpace(lines[start-1+i])})
			}
		}
	}
	for _, group := range parsed.Comments {
		for _, comment := range group.List {
			look(comment.Pos(), comment.Text, false)
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Ident:
			look(n.Pos(), n.Name, true)
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				look(n.Pos(), n.Value, false)
			}
		}
		return true
	})
	return found
}

func checkText(file, text string) (found []wordPlace) {
	for i, line := range strings.Split(text, "\n") {
		bad, words := bannedIn(line, false)
		if len(bad) > 0 {
			bad, words = bannedIn(withoutExceptions(file, line), false)
		}
		for j, b := range bad {
			found = append(found, wordPlace{file, i + 1, words[j], b.say, strings.TrimSpace(line)})
		}
	}
	return found
}

// textFile reports whether a file that is not Go is read by people: documents, scripts, settings, SQL, the C sources.
func textFile(name string) bool {
	return slices.ContainsFunc([]string{".md", ".sh", ".sql", ".toml", ".c", ".h", "Makefile", ".ci/run"}, func(end string) bool {
		return strings.HasSuffix(name, end)
	})
}

func TestWords_AreTheFieldsOwn(t *testing.T) {
	for _, file := range walkTree(t).files {
		var found []wordPlace
		switch {
		case strings.Contains(file, "testdata/"):
		case strings.HasSuffix(file, ".go"):
			found = checkGo(t, file, read(t, file))
		case textFile(file):
			found = checkText(file, read(t, file))
		}
		for _, f := range found {
			t.Errorf("%s:%d: %q; say: %s\n\t%s", f.file, f.line, f.word, f.say, f.text)
		}
	}
}

func TestWords_AreFound(t *testing.T) {
	const source = `package p

// A ghost comes back.
type soundPlan struct{ Pictures int }

var text = "the outage is over" // soundness is fine, and so is a picture parameter set
var told int
// It is told so.
`
	var got []string
	for _, f := range checkGo(t, "p.go", source) {
		got = append(got, fmt.Sprint(f.line, " ", f.word))
	}
	slices.Sort(got)
	if want := []string{"3 ghost", "4 pictures", "4 sound", "6 outage", "7 told"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if found := checkText("p.md", "The vault holds it.\nThe section [vault].\n"); len(found) != 1 || found[0].line != 1 {
		t.Errorf("found %+v, want the first line", found)
	}
}

// timeKey is the key of a log attribute that holds a length of time but not its unit.
var timeKey = regexp.MustCompile(`^(.*_)?(duration|took|wait|waited|elapsed|delay|lasted|age|timeout|interval|period)$`)

// logCalls are the methods and functions that take a message and then keys and values, or one key.
var logCalls = []string{"Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "With", "Any", "Int", "Int64", "Float64", "Duration"}

// unitlessLogKeys returns the log attributes of a file that lack a unit. A slog.Duration is written to JSON as a number of
// nanoseconds without a unit, so it is never allowed.
func unitlessLogKeys(t *testing.T, file, source string) (found []string) {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains(logCalls, method.Sel.Name) {
			return true
		}
		at := fset.Position(call.Pos())
		if on, ok := method.X.(*ast.Ident); ok && on.Name == "slog" && method.Sel.Name == "Duration" {
			found = append(found, fmt.Sprintf("%s:%d: slog.Duration", file, at.Line))
		}
		for _, argument := range call.Args {
			if literal, ok := argument.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if key, err := strconv.Unquote(literal.Value); err == nil && timeKey.MatchString(key) {
					found = append(found, fmt.Sprintf("%s:%d: %q", file, fset.Position(argument.Pos()).Line, key))
				}
			}
		}
		return true
	})
	return found
}

func TestLogs_SayTheUnitOfATime(t *testing.T) {
	for _, file := range walkTree(t).files {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.Contains(file, "testdata/") {
			continue
		}
		for _, found := range unitlessLogKeys(t, file, read(t, file)) {
			t.Errorf("%s: give the unit in the key, as in duration_ms", found)
		}
	}
	const source = `package p
func f() {
	log.Info("job done", "duration", d)
	slog.Info("job done", slog.Duration("duration_ms", d))
	log.Warn("job failed", "duration_ms", d.Milliseconds())
}
`
	if found := unitlessLogKeys(t, "p.go", source); len(found) != 2 {
		t.Errorf("found %q, want lines 3 and 4", found)
	}
}
