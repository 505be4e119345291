package clients

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is what shows how to point clients at a server.
const page = "../../docs/clients.md"

// quote is a block of code under the link to the file that it shows.
var quote = regexp.MustCompile("\\]\\(\\.\\./e2e/clients/([^)]+)\\):?\n\n```[a-z]*\n((?s).*?)```\n")

// TestDocs_ShowTheFilesThatRun holds the page to the files: what it quotes is a whole file, and no file is left out.
func TestDocs_ShowTheFilesThatRun(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	quoted := map[string]bool{}
	for _, found := range quote.FindAllStringSubmatch(string(text), -1) {
		file, err := os.ReadFile(found[1])
		if err != nil {
			t.Error(err)
			continue
		}
		quoted[found[1]] = true
		if string(file) != found[2] {
			t.Errorf("%s shows something else than %s", page, found[1])
		}
	}
	for _, name := range []string{"go/connect.go", "node/connect.js", "python/connect.py", "cli/redirect.cjs"} {
		if !quoted[name] {
			t.Errorf("%s does not show %s under a link to it", page, name)
		}
	}
	filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			t.Error(err)
		case entry.Name() == "node_modules" || entry.Name() == "__pycache__":
			return filepath.SkipDir
		case filepath.Dir(path) != "." && !entry.IsDir() && !strings.Contains(string(text), "../e2e/clients/"+path+")"):
			t.Errorf("%s does not mention %s", page, path)
		}
		return nil
	})
}

// TestDocs_LinkToFilesThatExist follows the links that stay in this repository.
func TestDocs_LinkToFilesThatExist(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(page), found[1])); err != nil {
			t.Error(err)
		}
	}
}

// TestDocs_NameTheVersionsThatRun compares the page's table with what is pinned and installed.
func TestDocs_NameTheVersionsThatRun(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var npm struct{ Dependencies map[string]string }
	if pinned, err := os.ReadFile("node/package.json"); err != nil {
		t.Error(err)
	} else if err := json.Unmarshal(pinned, &npm); err != nil {
		t.Error(err)
	}
	goVersion, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/twilio/twilio-go").Output()
	if err != nil {
		t.Error(err)
	}
	for _, words := range []string{
		"| twilio-go " + strings.TrimSpace(string(goVersion)) + " |",
		"| npm twilio " + npm.Dependencies["twilio"] + " |",
		"| npm twilio-cli " + npm.Dependencies["twilio-cli"] + " |",
		"| Debian's python3-twilio " + strings.TrimSpace(run(t, os.Environ(), python(t), "-c", "import twilio; print(twilio.__version__)")) + " |",
	} {
		if !strings.Contains(string(text), words) {
			t.Errorf("%s does not say %q", page, words)
		}
	}
}
