package roomreel_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mayImport is the table of who may import whom inside this module, without tests. "roomreel" is the vocabulary, which
// everything may import and which imports nothing. A package that is not here fails the test, so that it gets a line.
var mayImport = map[string][]string{
	"roomreel": {},

	// The vocabulary's neighbours: leaves, each one idea.
	"internal/blob":             {},
	"internal/client":           {"internal/twilio"},
	"internal/config":           {},
	"internal/keyring":          {},
	"internal/layout":           {},
	"internal/manifest":         {},
	"internal/media":            {},
	"internal/media/matroska":   {"internal/media"},
	"internal/media/mp4":        {"internal/media", "internal/timeline"},
	"internal/progress":         {},
	"internal/seal":             {},
	"internal/timeline":         {},
	"internal/twilio":           {},
	"internal/webhook":          {"internal/twilio"},
	"internal/blob/atrest":      {"internal/blob", "internal/seal"},
	"internal/blob/dir":         {"internal/blob"},
	"internal/blob/s3":          {"internal/blob"},
	"internal/store":            {"internal/store/migrations", "internal/twilio"},
	"internal/store/migrations": {},

	// The middle: rules above storage, work above rules, wire above all.
	"internal/app": {
		"internal/blob", "internal/keyring", "internal/layout", "internal/media", "internal/media/matroska", "internal/seal", "internal/store",
		"internal/timeline", "internal/twilio", "internal/webhook",
	},
	"internal/api":     {"internal/app", "internal/twilio"},
	"internal/jobs":    {"internal/app", "internal/blob", "internal/compose", "internal/keyring", "internal/layout", "internal/media", "internal/media/matroska", "internal/render", "internal/seal", "internal/store", "internal/twilio", "internal/webhook"},
	"internal/compose": {"internal/blob", "internal/blob/dir", "internal/layout", "internal/media", "internal/media/matroska", "internal/media/mp4", "internal/render", "internal/timeline", "internal/twilio"},

	// The child's side: only here are codecs.
	"internal/render":     {},
	"internal/codec":      {"internal/timeline"},
	"internal/picture":    {"internal/codec", "internal/render", "internal/timeline"},
	"internal/sound":      {"internal/codec", "internal/render", "internal/timeline"},
	"cmd/roomreel-render": {"internal/codec", "internal/picture", "internal/render", "internal/sound"},

	// Where the parts meet.
	"cmd/roomreel": {"*"},
	"e2e":          {"*"},
	"bench":        {"*"},
}

// onlyCodec says who may use cgo, and onlyChild who may reach the codecs.
const (
	onlyCodec = "internal/codec"
	onlyChild = "cmd/roomreel-render"
)

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	CgoFiles   []string
}

// list asks the go command once for all tests.
func list(t *testing.T) []listed {
	t.Helper()
	all, err := listOnce()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return all
}

var listOnce = sync.OnceValues(func() ([]listed, error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,CgoFiles", "./...").Output()
	if err != nil {
		return nil, err
	}
	var all []listed
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// local returns a package's path inside the module, and whether it is in the module at all.
func local(importPath string) (string, bool) {
	if importPath == "roomreel" {
		return importPath, true
	}
	return strings.CutPrefix(importPath, "roomreel/")
}

// rule finds the line of the table: the package's own, or that of the nearest folder above it.
func rule(name string) (allowed []string, ok bool) {
	for folder := name; folder != "."; folder = path.Dir(folder) {
		if allowed, ok = mayImport[folder]; ok {
			return allowed, true
		}
	}
	return nil, false
}

// support reports whether a package exists for tests only: storetest, blobtest, fixture… They sit beside what they test
// and may import it; nothing but tests may import them.
func support(name string) bool {
	return strings.HasSuffix(path.Base(name), "test") || strings.HasPrefix(name, "e2e/")
}

func TestImports_FollowTheTable(t *testing.T) {
	for _, p := range list(t) {
		name, _ := local(p.ImportPath)
		if support(name) {
			continue
		}
		allowed, ok := rule(name)
		if !ok {
			t.Errorf("%s has no line in the table of imports_test.go", name)
			continue
		}
		for _, imported := range p.Imports {
			to, ours := local(imported)
			switch {
			case !ours || slices.Contains(allowed, "*"):
			case support(to):
				t.Errorf("%s imports %s, which is for tests only", name, to)
			case to == "roomreel":
			case !slices.Contains(allowed, to):
				t.Errorf("%s must not import %s", name, to)
			}
		}
	}
}

func TestImports_TheVocabularyNeedsOnlyTheStandardLibrary(t *testing.T) {
	for _, p := range list(t) {
		if p.ImportPath != "roomreel" {
			continue
		}
		for _, imported := range p.Imports {
			if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				t.Errorf("the vocabulary imports %s", imported)
			}
		}
	}
}

func TestImports_CodecsStayInTheChild(t *testing.T) {
	for _, p := range list(t) {
		name, _ := local(p.ImportPath)
		if len(p.CgoFiles) > 0 && name != onlyCodec && !support(name) {
			t.Errorf("%s uses cgo; only %s may", name, onlyCodec)
		}
		if (name == "cmd/roomreel" || strings.HasPrefix(name, "internal/jobs")) && slices.Contains(p.Deps, "roomreel/"+onlyCodec) {
			t.Errorf("%s reaches the codecs; only %s may", name, onlyChild)
		}
	}
}

func TestImports_RiverIsSpokenInOnePlace(t *testing.T) {
	for _, p := range list(t) {
		name, _ := local(p.ImportPath)
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "github.com/riverqueue/") && name != "internal/jobs" {
				t.Errorf("%s imports %s; only internal/jobs speaks to the queue", name, imported)
			}
			if imported == "net/http" && name == "internal/store" || imported == "database/sql" && name == "internal/api" {
				t.Errorf("%s imports %s: SQL and HTTP never meet", name, imported)
			}
		}
	}
}
