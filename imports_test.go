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

// mayImport lists which packages of this module a package may import, tests excluded. Package roomreel is the vocabulary:
// every package may import it, and it imports none. A package without a line fails the test.
var mayImport = map[string][]string{
	"roomreel": {},

	// Leaves: each does one thing and imports few others or none.
	"internal/blob":             {},
	"internal/client":           {"internal/twilio"},
	"internal/config":           {"internal/layout"},
	"internal/keyring":          {},
	"internal/jsonparam":        {},
	"internal/layout":           {"internal/jsonparam"},
	"internal/manifest":         {"internal/jsonparam"},
	"internal/media":            {"internal/media/bitstream", "internal/media/h264", "internal/media/h265"},
	"internal/media/bitstream":  {},
	"internal/media/demux":      {"internal/media", "internal/media/matroska", "internal/media/mp4", "internal/media/ogg"},
	"internal/media/h264":       {"internal/media/bitstream"},
	"internal/media/h265":       {"internal/media/bitstream"},
	"internal/media/matroska":   {"internal/media", "internal/media/bitstream"},
	"internal/media/mp4":        {"internal/media", "internal/media/bitstream", "internal/media/h264"},
	"internal/media/ogg":        {"internal/media", "internal/media/bitstream"},
	"internal/objectkey":        {},
	"internal/progress":         {},
	"internal/seal":             {},
	"internal/still":            {},
	"internal/timeline":         {},
	"internal/twilio":           {},
	"internal/webhook":          {"internal/twilio"},
	"internal/blob/atrest":      {"internal/blob", "internal/seal"},
	"internal/blob/dir":         {"internal/blob"},
	"internal/blob/s3":          {"internal/blob"},
	"internal/store":            {"internal/store/migrations", "internal/twilio"},
	"internal/store/migrations": {},

	// The service: the API imports the rules, and the rules import storage.
	"internal/app": {
		"internal/blob", "internal/jsonparam", "internal/keyring", "internal/layout", "internal/media", "internal/media/demux", "internal/objectkey", "internal/seal", "internal/store",
		"internal/plan", "internal/still", "internal/twilio", "internal/webhook",
	},
	"internal/plan":    {"internal/layout", "internal/media", "internal/media/bitstream", "internal/media/h264", "internal/render/protocol", "internal/timeline", "internal/twilio"},
	"internal/api":     {"internal/app", "internal/jsonparam", "internal/still", "internal/twilio"},
	"internal/jobs":    {"internal/app", "internal/blob", "internal/compose", "internal/media", "internal/objectkey", "internal/plan", "internal/queue", "internal/render", "internal/seal", "internal/still", "internal/store", "internal/timeline", "internal/twilio", "internal/webhook"},
	"internal/queue":   {"internal/store"},
	"internal/compose": {"internal/blob", "internal/blob/dir", "internal/media", "internal/media/bitstream", "internal/media/h264", "internal/media/matroska", "internal/media/mp4", "internal/plan", "internal/render", "internal/render/protocol", "internal/seal", "internal/still", "internal/timeline"},

	// The render child, as its parent sees it and from inside. Only the inside reaches codecs.
	"internal/codec":           {"internal/timeline"},
	"internal/render":          {"internal/render/protocol", "internal/render/sandbox"},
	"internal/render/protocol": {"internal/timeline"},
	"internal/render/sandbox":  {"internal/render/protocol"},
	"internal/render/video":    {"internal/codec", "internal/media/bitstream", "internal/media/h264", "internal/render/protocol", "internal/timeline"},
	"internal/render/audio":    {"internal/codec", "internal/media/bitstream", "internal/render/protocol", "internal/timeline"},
	"cmd/roomreel-render":      {"internal/render", "internal/render/audio", "internal/render/protocol", "internal/render/video"},

	// Programs: they connect the packages.
	"cmd/roomreel": {"*"},
	"e2e":          {"*"},
	"bench":        {"*"},
}

// onlyCodec is the only package with cgo. onlyChild is the only program that contains it, apart from onlyBench, which measures it and
// is not installed.
const (
	onlyCodec = "internal/codec"
	onlyChild = "cmd/roomreel-render"
	onlyBench = "bench/floor"
)

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	CgoFiles   []string
}

// list returns all packages. It runs the go command once for all tests.
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

// rule returns the line of the table for a package: its own, or that of the nearest folder above it.
func rule(name string) (allowed []string, ok bool) {
	for folder := name; folder != "."; folder = path.Dir(folder) {
		if allowed, ok = mayImport[folder]; ok {
			return allowed, true
		}
	}
	return nil, false
}

// support reports whether a package exists for tests only, as storetest, blobtest and fixture do. Such a package may import
// what it tests. Only tests may import it.
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
		program := strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "bench")
		if (program || strings.HasPrefix(name, "internal/jobs")) && name != onlyChild && name != onlyBench && slices.Contains(p.Deps, "roomreel/"+onlyCodec) {
			t.Errorf("%s reaches the codecs; only %s may", name, onlyChild)
		}
	}
}

func TestImports_OnlyOnePackageUsesRiver(t *testing.T) {
	for _, p := range list(t) {
		name, _ := local(p.ImportPath)
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "github.com/riverqueue/") && name != "internal/queue" {
				t.Errorf("%s imports %s; only internal/queue may", name, imported)
			}
			knowsNoHTTP := name == "internal/store" || name == "internal/app" || name == "internal/twilio"
			if imported == "net/http" && knowsNoHTTP || imported == "database/sql" && name == "internal/api" {
				t.Errorf("%s imports %s: no package uses both SQL and HTTP, and only the API serves HTTP", name, imported)
			}
		}
	}
}
